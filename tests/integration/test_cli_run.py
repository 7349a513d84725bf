"""`cloacina run` with pipes: what it prints where, and the code it exits with.

What depends on the process (its streams, its imports) is tested on a process; the rest calls `main`, which is faster.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from cloacina import Runner
from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLOWS = """
    import subprocess, sys
    from cloacina import Context, RetryPolicy, Workflow, task
    print("printed while imported")

    with Workflow("greeting") as greeting:
        @task
        def ask(context: Context) -> None:
            sys.stdout.write("printed by a task\\n")  # As a whole: progress may come between two writes.
            subprocess.run([sys.executable, "-c", "print('printed by a subprocess')"], check=True)
            context["größe"] = context.get("größe", "ünbekannt")

        @task(dependencies=[ask])
        async def greet(context: Context) -> None:
            context["text"] = f"Hello, {context['größe']} ✓"

    with Workflow("failing") as breaking:
        @task
        def divide(context: Context) -> None:
            context["x"] = inner(0)

        @task(dependencies=[divide])
        def after(context: Context) -> None: ...

    def inner(number):
        return 1 / number
"""

TYPED = """
    from pydantic import BaseModel
    from cloacina import Workflow, task

    class Input(BaseModel):
        count: int

    @task
    def a(context): ...

    workflow = Workflow("typed", tasks=[a], input=Input)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flows.py").write_text(dedent(FLOWS), encoding="utf-8")
    (tmp_path / "typed.py").write_text(dedent(TYPED), encoding="utf-8")
    return tmp_path


def cloacina(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CLOACINA_")}
    return subprocess.run(
        [sys.executable, "-m", "cloacina", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONUTF8": "1", **(environment or {})},
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


class Invocation:
    """Calls `main` in the folder, with only the variables given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", list(sys.path))
        for name in ("CLOACINA_DATABASE", "CLOACINA_MAX_CONCURRENT_TASKS"):
            monkeypatch.delenv(name, raising=False)

    def __call__(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Return the exit code, and what was written to stdout and stderr."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)
        code = main(arguments)
        streams = self._capfd.readouterr()
        return code, streams.out, streams.err


@pytest.fixture
def invoke(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Invocation]:
    before = set(sys.modules)
    yield Invocation(folder, monkeypatch, capfd)
    for name in set(sys.modules) - before:
        if name.startswith(("flows", "typed")):
            del sys.modules[name]


def last_json(output: str) -> Any:
    """Return the object at the end of the output; its opening brace stands alone on a line."""
    return json.loads(output[output.rindex("\n{\n") :])


def states(output: str) -> list[tuple[str, str]]:
    lines = [line.split(maxsplit=3) for line in output.splitlines() if line.startswith("  ") and " s  " in line]
    return [(line[2], line[3]) for line in lines]


def test_run_prints_a_line_for_each_change_and_then_the_context(folder: Path) -> None:
    done = cloacina(folder, "run", "flows.py:greeting", "--context", '{"größe": "Köln"}', "--slots", "2")
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stderr == ""
    assert states(done.stdout) == [
        ("ask", "Active"),
        ("ask", "Completed"),
        ("greet", "Active"),
        ("greet", "Completed"),
    ]
    assert "greeting: 2 tasks, slots: 2, execution " in done.stdout
    assert "\nCompleted in " in done.stdout
    assert last_json(done.stdout) == {"größe": "Köln", "text": "Hello, Köln ✓"}
    assert '"text": "Hello, Köln ✓"' in done.stdout


def test_json_is_alone_on_stdout_whatever_tasks_print(folder: Path) -> None:
    done = cloacina(folder, "run", "flows.py:greeting", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "Completed"
    assert document["workflow"] == "greeting"
    assert document["context"] == {"größe": "ünbekannt", "text": "Hello, ünbekannt ✓"}
    assert document["error"] is None
    assert [(name, task["status"]) for name, task in document["tasks"].items()] == [
        ("ask", "Completed"),
        ("greet", "Completed"),
    ]
    for text in ("printed while imported", "printed by a task", "printed by a subprocess", "greet  Completed"):
        assert text in done.stderr


def test_failure_is_shown_with_task_attempt_and_the_users_frames(folder: Path) -> None:
    done = cloacina(folder, "run", "flows.py:failing")
    assert done.returncode == ExitCode.FAILED
    assert states(done.stdout)[-1] == ("after", "Skipped ('divide' did not complete)")
    lines = done.stderr.splitlines()
    assert lines[0].startswith(
        "error: task 'divide' failed in attempt 1: ZeroDivisionError: division by zero [CLO-1301]"
    )
    frames = [line.split(", in ")[-1] for line in lines if line.startswith("  File ")]
    assert frames == ["divide", "inner"]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_failure_as_json_names_the_task(invoke: Invocation) -> None:
    code, out, _ = invoke("run", "flows.py:breaking", "--json")
    assert code == ExitCode.FAILED
    document = json.loads(out)
    assert document["status"] == "Failed"
    assert (document["error"]["task_id"], document["error"]["type"]) == ("divide", "ZeroDivisionError")
    assert document["tasks"]["after"]["status"] == "Skipped"


def test_context_comes_from_a_file(folder: Path, invoke: Invocation) -> None:
    (folder / "context.json").write_text('{"größe": "aus der Datei"}', encoding="utf-8")
    _, out, _ = invoke("run", "flows.py:greeting", "--json", "--context", "@context.json")
    assert json.loads(out)["context"]["größe"] == "aus der Datei"


def test_context_comes_from_standard_input(folder: Path) -> None:
    done = cloacina(folder, "run", "flows.py:greeting", "--json", "--context", "@-", stdin='{"größe": "stdin"}')
    assert json.loads(done.stdout)["context"]["größe"] == "stdin"


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ([], {}, "cloacina.db"),
        ([], {"CLOACINA_DATABASE": "from_variable.db"}, "from_variable.db"),
        ([], {"CLOACINA_DATABASE": "sqlite:///from_variable_url.db"}, "from_variable_url.db"),
        (["--database", "ünicode path.db"], {"CLOACINA_DATABASE": "not_this.db"}, "ünicode path.db"),
        (["--database", "sqlite:///url.db"], {}, "url.db"),
    ],
)
def test_database_is_the_option_or_the_variable_or_the_default(
    folder: Path, invoke: Invocation, arguments: list[str], variables: dict[str, str], expected: str
) -> None:
    code, out, err = invoke("run", "flows.py:greeting", "--json", *arguments, **variables)
    assert code == ExitCode.OK, err
    assert {file.name for file in folder.glob("*.db")} == {expected}
    with Runner(folder / expected) as runner:
        assert [execution.id for execution in runner.executions()] == [json.loads(out)["id"]]


def test_slots_come_from_the_variable(invoke: Invocation) -> None:
    _, out, _ = invoke("run", "flows.py:greeting", CLOACINA_MAX_CONCURRENT_TASKS="7")
    assert "slots: 7" in out


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["run"], "CLO-1500", ExitCode.USAGE),
        (["rum"], "CLO-1500", ExitCode.USAGE),
        (["run", "flows.py:greeting", "--slots", "0"], "CLO-1500", ExitCode.USAGE),
        (["run", "flows.py:greeting", "--slots", "many"], "CLO-1500", ExitCode.USAGE),
        (["run", "flows.py:greeting", "--unknown"], "CLO-1500", ExitCode.USAGE),
        (["run", "missing.py"], "CLO-1501", ExitCode.USAGE),
        (["run", "flows.py"], "CLO-1502", ExitCode.USAGE),
        (["run", "flows.py:nothing"], "CLO-1502", ExitCode.USAGE),
        (["run", "flows.py:greeting", "--context", "[]"], "CLO-1503", ExitCode.USAGE),
        (["run", "flows.py:greeting", "--context", "@missing.json"], "CLO-1503", ExitCode.USAGE),
        (["run", "flows.py:greeting", "--database", "no/such/folder/x.db"], "CLO-1401", ExitCode.STORE),
        (["run", "flows.py:greeting", "--database", "flows.py"], "CLO-1401", ExitCode.STORE),
        (["run", "flows.py:greeting", "--database", "oracle://host/x"], "CLO-1403", ExitCode.STORE),
        (["run", "typed.py", "--context", '{"count": "many"}'], "CLO-1005", ExitCode.USAGE),
        (["explain", "CLO-9999"], "CLO-1504", ExitCode.USAGE),
    ],
)
def test_wrong_input_is_one_clear_line(
    invoke: Invocation, arguments: list[str], code: str, exit_code: ExitCode
) -> None:
    actual, out, err = invoke(*arguments)
    assert actual == exit_code, err
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert f"[{code}] https://" in line
    assert "Active" not in out


def test_wrong_input_as_a_process_exits_with_the_code_and_leaves_stdout_to_json(folder: Path) -> None:
    done = cloacina(folder, "run", "flows.py:nothing", "--json")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


PROCESSES = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from cloacina import Workflow, task
    def double(number): return 2 * number

    with Workflow("doubling") as workflow:
        @task
        def run(context):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                context["doubled"] = pool.submit(double, context["number"]).result()
"""


@pytest.mark.parametrize("file", ["flow.v2.py", "copy.py"])
def test_spawned_processes_can_import_a_file_whose_name_is_no_modules_or_anothers(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(dedent(PROCESSES))
    # With `-m`, the folder itself would come first among the modules.
    program = "import sys; sys.path[:] = sys.path[1:]; from cloacina.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", file, "--context", '{"number": 21}', "--json"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == ExitCode.OK, done.stderr
    assert json.loads(done.stdout)["context"]["doubled"] == 42


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--context", "@-"), ExitCode.USAGE), ((), ExitCode.OK)],
    ids=["asked for", "not asked for"],
)
def test_closed_standard_input_is_told_to_who_asks_for_it(
    folder: Path, arguments: tuple[str, ...], code: ExitCode
) -> None:
    (folder / "descriptor.py").write_text(
        "import os, sys\n"
        "from cloacina import Workflow, task\n"
        "with Workflow('w') as w:\n"
        "    @task\n"
        "    def look(context): context['zero'] = os.path.samestat(os.fstat(0), os.stat(os.devnull))\n"
    )
    command = [sys.executable, "-m", "cloacina", "run", "descriptor.py", *arguments, "--json"]
    closing = "import os, sys; os.close(0); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", closing, *command], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    if code is ExitCode.OK:
        # The next file that is opened, the database, must not become what subprocesses read from.
        assert json.loads(done.stdout)["context"] == {"zero": True}
    else:
        assert "standard input is closed" in done.stderr
        assert "Traceback" not in done.stderr


def test_closed_pipe_is_quiet(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cloacina", "run", "flows.py:failing"],
            cwd=folder,
            stdout=writing,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == ExitCode.OUTPUT_CLOSED
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_output_that_knows_only_ascii_still_gets_valid_json(folder: Path, arguments: list[str]) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = cloacina(folder, "run", "flows.py:greeting", *arguments, environment=ascii_only)
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stdout.isascii()
    found = json.loads(done.stdout)["context"] if arguments else last_json(done.stdout)
    assert found == {"größe": "ünbekannt", "text": "Hello, ünbekannt ✓"}


def test_help_shows_every_exit_code(invoke: Invocation) -> None:
    _, out, _ = invoke("--help")
    for code in ExitCode:
        assert f"{code.value}  {code.meaning}" in out


def test_version_is_shown(invoke: Invocation) -> None:
    import cloacina as package

    assert invoke("--version") == (ExitCode.OK, f"cloacina {package.__version__}\n", "")


def test_command_without_arguments_shows_its_help_and_is_wrong_usage(invoke: Invocation) -> None:
    code, out, _ = invoke()
    assert code == ExitCode.USAGE
    assert "Usage: cloacina" in out


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["explain"], ["explain", "CLO-1203"], ["run", "x.py"]]
)
def test_what_runs_nothing_imports_no_database(folder: Path, arguments: list[str]) -> None:
    program = (
        "import sys; from cloacina.cli import main; main(sys.argv[1:]);"
        "sys.exit(str([name for name in ('sqlalchemy', 'alembic') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_running_a_workflow_leaves_the_logging_of_its_caller_as_it_was(invoke: Invocation) -> None:
    logger = logging.getLogger("cloacina.scheduling")
    level = logger.level
    code, _, _ = invoke("run", "flows.py:breaking")
    assert code == ExitCode.FAILED
    assert logger.level == level
