"""A version changes with what a task does, and not with how it is written down."""

from __future__ import annotations

import argparse
import ast
import asyncio.base_events
import enum
import functools
import importlib.util
import inspect
import linecache
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from cloacina import Context, InvalidOption, Workflow, task
from cloacina.source_snapshot import take_snapshot
from cloacina.source_tree import function_tree
from cloacina.source_version import workflow_version
from cloacina.task import task_definition
from cloacina.workflow import task_version

BASE = '''
from cloacina import RetryPolicy, task

@task
def run(context):
    """Say what it does."""
    def inner():
        "Say more."
        return {"a": [1, 2.0, None, b"x", ...]}
    context["text"] = """two
lines"""
    context["rows"] = [x for x in range(10) if str(x) not in {"p", "q", "r", "s", "t"}]
    if context.get("a"):
        return
    context["b"] = f"{inner()!r:>{10}}"
'''

SAME = {
    "comments": BASE.replace("    if context", "    # Why.\n    if context"),
    "blank lines": BASE.replace("    if context", "\n\n    if context"),
    "docstring": BASE.replace("Say what it does.", "Say it otherwise."),
    "no docstring": BASE.replace('    """Say what it does."""\n', ""),
    "inner docstring": BASE.replace('        "Say more."\n', ""),
    "quotes": BASE.replace('context["rows"]', "context['rows']"),
    "brackets": BASE.replace('context["rows"] = [x for', 'context["rows"] = [\n        x for'),
    "other number format": BASE.replace("range(10)", "range(0xA)"),
    "task's own options": BASE.replace("@task", "@task(timeout=10, retry=RetryPolicy(attempts=3))"),
    "dotted task": BASE.replace("@task", "import cloacina\n@cloacina.task"),
    "task by another name": BASE.replace("@task", "from cloacina import task as step\n@step(timeout=3)"),
    "elsewhere in the file": "import os\n\n\n" + BASE + "\n\ndef other(): ...\n",
}

OTHER = {
    "constant": BASE.replace("range(10)", "range(11)"),
    "type of a constant": BASE.replace("2.0", "2"),
    "boolean": BASE.replace("[1,", "[True,"),
    "name": BASE.replace("text", "words"),
    "text": BASE.replace("two\nlines", "two\n lines"),
    "order": BASE.replace("if context", "if not context"),
    "async": BASE.replace("def run", "async def run"),
    "another decorator": BASE.replace("@task", "import functools\n@task\n@functools.cache"),
    "format": BASE.replace("!r", "!s"),
    "default": BASE.replace("run(context)", "run(context, flag=True)"),
}


def load(path: Path, source: str) -> Callable[..., Any]:
    path.write_text(source)
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(source, path, "exec", dont_inherit=True), names)
    return names["run"]  # type: ignore[no-any-return]


def version_of(path: Path, source: str) -> str:
    return task_version(task_definition(load(path, source)))


@pytest.fixture
def base(tmp_path: Path) -> str:
    return version_of(tmp_path / "base.py", BASE)


def test_a_version_is_a_short_hash(base: str) -> None:
    assert re.fullmatch("[0-9a-f]{16}", base)


@pytest.mark.parametrize("change", SAME)
def test_layout_comments_and_docstrings_do_not_count(change: str, base: str, tmp_path: Path) -> None:
    assert SAME[change] != BASE
    assert version_of(tmp_path / "changed.py", SAME[change]) == base


def test_indentation_does_not_count(base: str, tmp_path: Path) -> None:
    # With the lines of a multi-line string where they are, since those are part of the string.
    lines = [line if line == 'lines"""' else f"    {line}" for line in BASE.splitlines()]
    assert version_of(tmp_path / "indented.py", "if True:\n" + "\n".join(lines)) == base


@pytest.mark.parametrize("change", OTHER)
def test_what_the_task_does_counts(change: str, base: str, tmp_path: Path) -> None:
    assert OTHER[change] != BASE
    assert version_of(tmp_path / "changed.py", OTHER[change]) != base


def without_source(source: str, path: str = "<no file>") -> str:
    names: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile(source, path, "exec", dont_inherit=True), names)
    return task_version(task_definition(names["run"]))


def test_without_source_the_bytecode_counts() -> None:
    base = without_source(BASE)
    assert re.fullmatch("[0-9a-f]{16}", base)
    assert without_source(BASE, "<elsewhere>") == base
    assert without_source("\n\n" + BASE) == base
    assert without_source(SAME["docstring"]) == base
    for change in ("constant", "type of a constant", "boolean", "name", "text", "order", "async", "format", "default"):
        assert without_source(OTHER[change]) != base, change


def test_a_changed_file_falls_back_to_what_was_loaded(tmp_path: Path) -> None:
    path = tmp_path / "changing.py"
    function = load(path, BASE)
    path.write_text("def another(context): ...\n" * 30)
    assert task_version(task_definition(function)) == without_source(BASE)


@pytest.mark.parametrize("source", ["file", "bytecode"])
def test_a_version_is_the_same_in_every_process(source: str, tmp_path: Path) -> None:
    path = tmp_path / "shared.py"
    path.write_text(BASE)
    program = (
        "import runpy, sys; from cloacina.task import task_definition; from cloacina.workflow import task_version;"
        "names = runpy.run_path(sys.argv[1]) if sys.argv[2] == 'file' else {};"
        "exec(compile(open(sys.argv[1]).read(), '<no file>', 'exec'), names) if sys.argv[2] != 'file' else None;"
        "print(task_version(task_definition(names['run'])))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program, str(path), source],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


def test_a_lambda_a_partial_an_object_and_a_builtin_have_versions() -> None:
    class Step:
        def __call__(self, context: Context) -> None:
            context["a"] = 1

    class OtherStep:
        def __call__(self, context: Context) -> None:
            context["a"] = 2

    def body(context: Context) -> None:
        context["a"] = 1

    plain = task_version(task_definition(task(id="plain")(functools.partial(body))))
    assert plain == task_version(task_definition(task(body)))
    first = task_version(task_definition(task(id="first")(Step())))
    assert first == task_version(task_definition(task(id="again")(Step())))
    assert first != task_version(task_definition(task(id="other")(OtherStep())))
    one = task_version(task_definition(task(id="one")(lambda context: context.update(a=1))))
    two = task_version(task_definition(task(id="two")(lambda context: context.update(a=2))))
    assert one != two
    length = task_version(task_definition(task(id="length")(functools.partial(len))))
    assert length != task_version(task_definition(task(id="hash")(functools.partial(hash))))


CLOSURE = '''
import json
from pathlib import Path as Place
from cloacina import task

def make(factor, label):
    def helper(value):
        return value * factor

    @task(
        id="run",
    )
    def run(context):
        """Multiply."""
        context["sql"] = f"""
SELECT {label}
# no comment
"""
        # A comment.
# Another one, at the margin.
        context["here"] = json.dumps(str(Place.cwd().parent)).strip()
        context["result"] = [helper(row) for row in context["rows"]] + later()

    def later():
        return []

    return run

run = make(2, "name")
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [("# A comment.", "# Another comment."), ('"""Multiply."""', '"""Double."""'), ('    id="run",\n', "")],
)
def test_a_function_inside_of_another_is_found_in_its_source(old: str, new: str, tmp_path: Path) -> None:
    base = version_of(tmp_path / "base.py", CLOSURE)
    changed = CLOSURE.replace(old, new)
    assert changed != CLOSURE
    assert version_of(tmp_path / "changed.py", changed) == base
    assert without_source(CLOSURE) not in (base, without_source(CLOSURE.replace("SELECT", "select")))


CALLABLE = """
from cloacina import task

class Step:
    class Inner:
        def __call__(self, context):
            # A comment.
            context["a"] = self.__secret, super().__str__()
    def made(self, variable):
        class Local:
            def __call__(self, context):
                # A comment.
                context["a"] = self.__secret, super().__str__(), variable
        return Local()

run = task(id="run")(STEP)
"""


@pytest.mark.parametrize("step", ["Step.Inner()", "Step().made(1)"])
def test_a_method_is_found_in_its_source(step: str, tmp_path: Path) -> None:
    source = CALLABLE.replace("STEP", step)
    base = version_of(tmp_path / "base.py", source)
    assert version_of(tmp_path / "changed.py", source.replace("# A comment", "# Another")) == base
    assert version_of(tmp_path / "other.py", source.replace("self.__secret", "self.__other")) != base
    assert without_source(source) != base


def codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)
            if not constant.co_name.startswith("<") and constant.co_flags & inspect.CO_OPTIMIZED:
                yield constant


# Python 3.12 compiles these otherwise than by themselves, so they are hashed by their bytecode.
BY_BYTECODE = (
    {
        "BooleanOptionalAction.__init__",
        "_ActionsContainer.__init__",
        "_ArgumentGroup.add_argument_group",
        "_MutuallyExclusiveGroup.add_mutually_exclusive_group",
    }
    if sys.version_info[:2] == (3, 12)
    else set[str]()
)


@pytest.mark.parametrize("module", [argparse, asyncio.base_events, functools], ids=lambda module: module.__name__)
def test_functions_as_people_write_them_are_found_in_their_source(module: ModuleType) -> None:
    source = Path(str(module.__file__)).read_text()
    codes = list(codes_in(compile(source, str(module.__file__), "exec", dont_inherit=True)))
    trees = [function_tree(code, source.splitlines(keepends=True)) for code in codes]
    assert all(tree is None or tree.name == code.co_name for tree, code in zip(trees, codes, strict=True))
    missed = {code.co_qualname for tree, code in zip(trees, codes, strict=True) if tree is None} - BY_BYTECODE
    assert len(missed) <= len(codes) // 50, missed


@pytest.mark.parametrize(
    ("old", "new"),
    [("make(2", "make(3"), ('"name")', '"id")'), ("value * factor", "value + factor"), ("return []", "return [1]")],
)
def test_what_a_closure_holds_counts_and_functions_by_their_code(old: str, new: str, tmp_path: Path) -> None:
    changed = CLOSURE.replace(old, new)
    assert changed != CLOSURE
    assert version_of(tmp_path / "changed.py", changed) != version_of(tmp_path / "base.py", CLOSURE)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Odd:
    """An object that must not be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getattribute__  # type: ignore[assignment]


class Bound:
    def bound(self) -> None: ...


def cyclic() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


DIFFERENT: list[tuple[Any, Any]] = [
    (1, 2),
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    ("a", b"a"),
    ("a", "b"),
    ("x" * 100_000 + "a", "x" * 100_000 + "b"),
    (1 << 60_000, 1 << 60_001),
    (None, ()),
    ([1, [2]], [1, [3]]),
    ([1], (1,)),
    ([[1], 2], [[1, 2]]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1, 2}, {1, 3}),
    (Colour.RED, Colour.BLUE),
    (int, str),
    (Bound(), Odd()),
    (len, hash),
    (re, os),
    (lambda: 1, lambda: 2),
    (functools.partial(int, base=2), functools.partial(int, base=3)),
    (list(range(20_000)), list(range(20_001))),
]
SAME_IN_TEXT: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
    (object, object),
    (Odd, Odd),
    (cyclic, cyclic),
    (lambda: Bound().bound, lambda: Bound().bound),
    (lambda: {f"{number}" for number in range(100)}, lambda: {f"{number}" for number in reversed(range(100))}),
]


def in_closure(value: Any) -> Callable[..., Any]:
    def body(context: Context) -> None:
        context["value"] = value

    return body


def as_default(value: Any) -> Callable[..., Any]:
    def body(context: Context, value: Any = value) -> None:
        context["value"] = value

    return body


def as_keyword_default(value: Any) -> Callable[..., Any]:
    def body(context: Context, *, value: Any = value) -> None:
        context["value"] = value

    return body


def body_with_value(context: Context, value: Any = None) -> None:
    context["value"] = value


def in_partial(value: Any) -> Callable[..., Any]:
    return functools.partial(body_with_value, value=value)


def in_a_wrapper(value: Any) -> Callable[..., Any]:
    @functools.wraps(body_with_value)
    def wrapper(context: Context) -> None:
        body_with_value(context, value)

    return wrapper


BINDINGS = [in_closure, as_default, as_keyword_default, in_partial, in_a_wrapper]


def version_with(bind: Callable[[Any], Callable[..., Any]], value: Any) -> str:
    version = Workflow("bound", tasks=[task(id="bound")(bind(value))]).version
    assert re.fullmatch("[0-9a-f]{16}", version)
    return version


@pytest.mark.parametrize("bind", BINDINGS)
def test_the_values_that_a_function_is_bound_to_count(bind: Callable[[Any], Callable[..., Any]]) -> None:
    for one, other in DIFFERENT:
        assert version_with(bind, one) != version_with(bind, other), (type(one), type(other))
    for make_one, make_other in SAME_IN_TEXT:
        assert version_with(bind, make_one()) == version_with(bind, make_other()), make_one


@pytest.mark.parametrize("bind", BINDINGS)
def test_a_value_counts_as_it_was_when_the_function_was_decorated(bind: Callable[[Any], Callable[..., Any]]) -> None:
    value = {"seen": [1]}
    workflow = Workflow("bound", tasks=[task(id="bound")(bind(value))])
    value["seen"].append(2)
    assert workflow.version == version_with(bind, {"seen": [1]})


def imported(path: Path, source: str) -> ModuleType:
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AFTERWARDS = {
    "deployed anew": BASE.replace("range(10)", "range(11)"),
    "half written": BASE.replace('["b"] =', '["b"] = ('),
    "in a string": BASE.replace("@task", "values = (\n    '''"),
    "deep": BASE.replace("range(10)", f"range({' + '.join(['1'] * 1500)})"),
    "nested": BASE.replace("range(10)", "(" * 500 + "10" + ")" * 500),
    "no text": "\0",
    "empty": "",
    "comments": "# one\n" * 100,
}


@pytest.mark.parametrize("afterwards", AFTERWARDS)
@pytest.mark.parametrize("source", [BASE, CLOSURE], ids=["base", "closure"])
def test_a_version_is_that_of_the_code_that_runs_whatever_has_become_of_its_file(
    afterwards: str, source: str, tmp_path: Path
) -> None:
    right = version_of(tmp_path / "base.py", source)
    path = tmp_path / "flow.py"
    module = imported(path, source)
    path.write_text(AFTERWARDS[afterwards])
    assert task_version(task_definition(module.run)) == right
    # Decorated too late to have its source, it has a version of its bytecode, not one of what stands in the file.
    late = task_version(task_definition(task(id="late")(functools.partial(module.run))))
    assert late == without_source(source)


def test_a_task_has_a_version_when_its_code_is_too_deep_for_a_syntax_tree(tmp_path: Path) -> None:
    deep = BASE.replace("range(10)", f"range({' + '.join(['len(context)'] * 900)})")
    versions = {version_of(tmp_path / f"{at}.py", deep.replace("900", at)) for at in ("1", "2")}
    assert len(versions) == 1
    assert version_of(tmp_path / "other.py", deep.replace("str(x)", "repr(x)")) not in versions


def test_decorating_reads_a_file_once_and_parses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.py"
    body = "@task(id='t{0}')\ndef t{0}(context):\n    context['a'] = {0}\n\n\n"
    source = "from cloacina import task\n" + "".join(body.format(number) for number in range(100))
    read: list[str] = []
    read_file = linecache.updatecache

    def count(name: str, namespace: dict[str, Any]) -> list[str]:
        read.append(name)
        return read_file(name, namespace)

    monkeypatch.setattr(linecache, "updatecache", count)
    with monkeypatch.context() as patched:
        patched.setattr(ast, "parse", None)
        module = imported(path, source)
    workflow = Workflow("many", tasks=[getattr(module, f"t{number}") for number in range(100)])
    assert re.fullmatch("[0-9a-f]{16}", workflow.version)
    assert read == [str(path)]


class Proxy:
    """Answers everything with itself, as a proxy without a target does."""

    def __getattr__(self, name: str) -> Any:
        return self


class Evasive(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


def odd_callable() -> Any:
    class OddCallable(metaclass=Evasive):
        __getattribute__ = Odd.__getattribute__

        def __call__(self, context: Context) -> None: ...

    return OddCallable()


def wrapping_itself(context: Context) -> None: ...


wrapping_itself.__wrapped__ = wrapping_itself  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]


@pytest.mark.parametrize(
    "make_function",
    [
        Proxy,
        odd_callable,
        MagicMock,
        lambda: wrapping_itself,
        lambda: functools.partial(in_partial, odd_callable()),
        lambda: len,
        lambda: None,
    ],
    ids=["proxy", "odd", "mock", "cycle", "partial", "builtin", "none"],
)
def test_whatever_acts_as_a_function_has_a_version(make_function: Callable[[], Any]) -> None:
    definition = task_definition(make("a"))
    found = [workflow_version([replace(definition, snapshot=take_snapshot(make_function()))]) for _ in range(2)]
    assert found[0] == found[1]


def make(name: str, *dependencies: str) -> Callable[[Context], None]:
    @task(id=name, dependencies=dependencies)
    def body(context: Context) -> None: ...

    return body


def test_the_version_of_a_workflow_is_that_of_its_structure_and_tasks() -> None:
    version = Workflow("report", tasks=[make("a"), make("b", "a")]).version
    assert re.fullmatch("[0-9a-f]{16}", version)
    assert Workflow("renamed", tasks=[make("a"), make("b", "a")]).version == version
    assert Workflow("report", tasks=[make("b", "a"), make("a")]).version == version
    assert Workflow("report", tasks=[make("a"), make("b")]).version != version
    assert Workflow("report", tasks=[make("a"), make("c", "a")]).version != version
    assert Workflow("report", tasks=[make("a")]).version != version

    @task(id="a")
    def other(context: Context) -> None:
        context["a"] = 1

    assert Workflow("report", tasks=[other, make("b", "a")]).version != version


def test_a_version_is_computed_once_and_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def compute(tasks: tuple[object, ...], known: dict[int, str]) -> str:
        computed.append(len(tasks) + len(known))
        return "computed"

    monkeypatch.setattr("cloacina.workflow.workflow_version", compute)
    report = Workflow("report", tasks=[make("a")])
    assert computed == []
    assert (report.version, report.version) == ("computed", "computed")
    assert computed == [1]


def test_a_given_version_stands() -> None:
    assert Workflow("report", tasks=[make("a")], version="2026.1").version == "2026.1"


@pytest.mark.parametrize("version", ["", "x" * 129, 3], ids=repr)
def test_an_unusable_version_is_refused(version: Any) -> None:
    with pytest.raises(InvalidOption, match="Expected 1 to 128 characters"):
        Workflow("report", version=version)
