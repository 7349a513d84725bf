"""A block that is wrong, or that would escape being run, fails by its page and line: each defect is planted here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from docsite.samples.blocks import SampleError, find_blocks
from docsite.samples.docstrings import run_docstrings
from docsite.samples.fences import guard_docstrings, guard_page, guard_tutorial
from docsite.samples.page import PageRun
from docsite.samples.tutorials import run_tutorial

GOOD = """\
---
title: A page
---

# A page

```python title="report.py"
rows = [1, 2]
for row in rows:
    print(row)
    #> 1
    #> 2
```

!!! note

    ```python
    print(sum(rows))
    #> 3
    ```

```console
$ python report.py
1
2
$ python -c "import uuid; print('id', uuid.uuid4())"
id …
```

<!-- varies: ids -->
```console
$ python -c "import uuid; print('id', uuid.uuid4())"
id 11111111-1111-1111-1111-111111111111
```

=== "JSON"

    ```json
    {"rows": 2}
    ```

=== "TOML"

    ```toml
    rows = 2
    ```

```sql
SELECT status, count(*) FROM tasks GROUP BY status;
--> Completed | 2
```

```python
--8<-- "program.py"
```

```text
not code
```
"""


def database(folder: Path) -> Path:
    path = folder / "recorded.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE tasks (status TEXT)")
        connection.executemany("INSERT INTO tasks VALUES (?)", [("Completed",), ("Completed",)])
        connection.commit()
    return path


def write(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text)
    return page


def run(page: Path, folder: Path, *, update: bool = False) -> int:
    return PageRun(page, folder / "run", lambda: database(folder)).run(update=update)


def test_a_page_without_a_defect_runs_all_its_blocks(tmp_path: Path, project: Path) -> None:
    page = write(tmp_path, GOOD)
    assert run(page, tmp_path) == 7
    assert guard_page(page, find_blocks(page), project) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("rows = [1, 2]", "rows = [1, 1 / 0]", "page.md:8: the block raised ZeroDivisionError"),
        ("#> 3\n", "#> 4\n", "page.md:17: the printed output differs"),
        ("    #> 2\n", "", "page.md:7: the printed output differs"),
        (
            "print(sum(rows))\n    #> 3",
            "x = lambda: print(sum(rows))\n    #> 3",
            "page.md:17: the printed output differs",
        ),
        ("$ python report.py\n1\n", "$ python report.py\n7\n", "page.md:22: the printed output differs"),
        ("$ python report.py", "$ python other.py", "`$ python other.py` ended with exit code 2"),
        ("id 1111", "number 1111", "page.md:31: the printed output differs"),
        ("varies: ids", "varies: moods", "moods cannot vary"),
        ("varies: ids", "differs: ids", "unknown mark `differs`"),
        ('{"rows": 2}', '{"rows": 2', "page.md:38: not valid json"),
        ("rows = 2\n    ```\n\n```sql", "rows = \n    ```\n\n```sql", "page.md:44: not valid toml"),
        ("FROM tasks", "FROM jobs", "page.md:48: no such table: jobs"),
        ("--> Completed | 2", "--> Completed | 3", "page.md:48: the printed output differs"),
    ],
)
def test_a_block_that_is_wrong_fails_by_its_line(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    assert right in GOOD
    page = write(tmp_path, GOOD.replace(right, wrong, 1))
    with pytest.raises(SampleError) as caught:
        run(page, tmp_path)
    assert said in str(caught.value)


def test_a_wrong_exit_code_is_what_the_page_says_it_is(tmp_path: Path) -> None:
    page = write(tmp_path, '<!-- exit code: 3 -->\n```console\n$ python -c "raise SystemExit(3)"\n```\n')
    assert run(page, tmp_path) == 1


FILE_OF_A_PROJECT = """\
```python title="package/tool.py"
import not_installed
```

```console
$ cat package/tool.py
import not_installed
```
"""


def test_a_file_of_a_project_is_run_by_a_command_below_it(tmp_path: Path) -> None:
    page = write(tmp_path, "<!-- run by: cat package/tool.py -->\n" + FILE_OF_A_PROJECT)
    assert run(page, tmp_path) == 2


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("$ cat package", "$ cat ./package", "page.md:2: no block below it has the command `$ cat package/tool.py`"),
        (' title="package/tool.py"', "", "page.md:2: a block that is `run by` a command is a file"),
    ],
)
def test_a_file_of_a_project_that_no_command_runs_is_refused(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    assert right in FILE_OF_A_PROJECT
    page = write(tmp_path, "<!-- run by: cat package/tool.py -->\n" + FILE_OF_A_PROJECT.replace(right, wrong, 1))
    with pytest.raises(SampleError) as caught:
        run(page, tmp_path)
    assert said in str(caught.value)


def test_a_command_finds_what_was_downloaded_before_and_no_environment_of_the_developer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "precious")
    cache = Path.home() / ".cache"
    command = "$ echo $HOME $XDG_CACHE_HOME $UV_PROJECT_ENVIRONMENT"
    page = write(tmp_path, f"```console\n{command}\n{tmp_path / 'run' / 'work'} {cache}\n```\n")
    assert run(page, tmp_path) == 1


def test_an_update_writes_what_was_printed_and_leaves_the_rest(tmp_path: Path) -> None:
    stale = GOOD.replace("#> 3\n", "#> 4\n").replace("report.py\n1\n2", "report.py\n8").replace("| 2", "| 9")
    page = write(tmp_path, stale)
    run(page, tmp_path, update=True)
    assert page.read_text() == GOOD


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        ("````python\nprint(1)\n````\n", "a fence of 4 backticks hides the blocks behind it"),
        ("~~~python\nprint(1)\n~~~\n", "a block behind `~~~` is never run"),
        ("Look:\n\n    print(1)\n", "code that is only indented is not run"),
        ("- item\n\n\t```python\n\tprint(1)\n\t```\n", "indented by a tab"),
        ("> ```python\n> print(1)\n> ```\n", "a block in a quotation is not run"),
        ("```\nprint(1)\n```\n", "a fence says which language it holds"),
        ("```pycon\n>>> 1\n```\n", "`pycon` is neither run nor listed as only shown"),
        ("```pyproject\nx = 1\n```\n", "`pyproject` is neither run nor listed as only shown"),
        ("```bash\nls\n```\n", "`bash` is neither run nor listed as only shown"),
        ("```{.python}\nprint(1)\n```\n", "is neither run nor listed as only shown"),
        ("<pre><code>print(1)</code></pre>\n", "the page shows 10 blocks of code, but has 9 fences"),
        ("```python\nprint(1)\n", "this fence is never closed"),
    ],
)
def test_a_block_that_would_escape_is_refused(defect: str, said: str, tmp_path: Path, project: Path) -> None:
    for position, text in enumerate((defect + "\n" + GOOD.split("---\n", 2)[2], GOOD + "\n" + defect)):
        page = write(tmp_path, text)
        defects = guard_page(page, find_blocks(page), project)
        assert any(said in line for line in defects) or (position == 0 and "never closed" in said), defects
        assert all(line.startswith(str(page)) for line in defects)


def test_a_block_that_no_tool_found_is_named(tmp_path: Path, project: Path) -> None:
    page = write(tmp_path, GOOD)
    found = [block for block in find_blocks(page) if block.language != "toml"]
    assert guard_page(page, found, project) == [f"{page}:44: no tool that runs blocks found this one"]


DOCSTRINGS = '''\
"""A module.

```python
x = 2
print(x)
#> 2
```
"""


def double(number: int) -> int:
    """Double a number.

    ```python
    print(double(4))
    #> 8
    ```
    """
    return 2 * number
'''


def test_docstrings_are_run_each_with_its_own_names(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(DOCSTRINGS.replace("print(double(4))", "from module import double\n    print(double(4))"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        assert run_docstrings(module, tmp_path / "run") == 2
    module.write_text(DOCSTRINGS.replace("double(4)", "x"))
    with pytest.raises(SampleError, match=r"module.py:15: the block raised NameError"):
        run_docstrings(module, tmp_path / "again")


def test_a_wrong_output_in_a_docstring_fails_and_an_update_mends_it(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(DOCSTRINGS.replace("print(double(4))", "print(8)").replace("#> 8", "#> 9"))
    with pytest.raises(SampleError, match=r"module.py:14: the printed output differs"):
        run_docstrings(module, tmp_path / "run")
    run_docstrings(module, tmp_path / "again", update=True)
    assert module.read_text() == DOCSTRINGS.replace("print(double(4))", "print(8)")


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (">>> 1\n1", "module.py:3: a `>>>` example is not run"),
        ("```console\n$ ls\n```", "module.py:3: `console` in a docstring is not run"),
        ("~~~python\n1\n~~~", "module.py:3: a block behind `~~~` is never run"),
    ],
)
def test_a_block_in_a_docstring_that_would_escape_is_refused(block: str, said: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f'"""A module.\n\n{block}\n"""\n')
    assert [said in line for line in guard_docstrings(module)] == [True]


def test_a_failing_cell_fails_the_tutorial(tmp_path: Path) -> None:
    tutorial = tmp_path / "first.py"
    tutorial.write_text("# %% [markdown]\n# # First\n\n# %%\nprint(1)\n\n# %%\n1 / 0\n")
    with pytest.raises(SampleError, match=r"(?s)first.py: a cell failed.*ZeroDivisionError"):
        run_tutorial(tutorial, tmp_path)


def test_code_in_the_text_of_a_tutorial_is_refused(tmp_path: Path) -> None:
    tutorial = tmp_path / "first.py"
    tutorial.write_text("# %% [markdown]\n# # First\n#\n# ```python\n# print(1)\n# ```\n\n# %%\nprint(1)\n")
    assert guard_tutorial(tutorial) == [
        f"{tutorial}:4: `python` in the text of a tutorial is not run; make it a cell, or text"
    ]
