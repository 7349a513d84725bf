"""Whatever a project looks like: what discovery accepts is what an import of it declares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st

from cloacina.errors import CloacinaError, DependencyCycle, DuplicateTask, UnknownDependency
from cloacina.packaging.discovery import discover
from discovery_views import dynamic_view, static_view, write

NAMES = st.sampled_from(["a", "b", "c", "load", "x.y", "x-1", "_z", "ü"])
LITERALS = st.sampled_from(["'{}'", '"{}"', "f'{}'", "'' + '{}'", "('{}')", "''\"{}\"", "f\"{{'{}'}}\""])


@dataclass
class Sketch:
    """A module that is being made up, and the tasks of all modules so far: module, function, id."""

    draw: st.DrawFn
    number: int
    known: list[tuple[str, str, str]]
    lines: list[str]

    def choose(self, *options: str) -> str:
        return self.draw(st.sampled_from(options))

    def often(self) -> bool:
        return self.draw(st.booleans())

    def named(self, name: str, text: str) -> str:
        """Return an expression, or the name of a constant with its value."""
        if self.often():
            return text
        self.lines.append(f"{name} = {text}")
        return name

    def add_task(self, position: int) -> None:
        function = id_ = f"f{self.number}_{position}"
        arguments: list[str] = []
        if self.often():
            id_ = f"{self.draw(NAMES)}{self.number}{position}"
            arguments.append(f"id={self.named(f'NAME{position}', self.draw(LITERALS).format(id_))}")
        chosen = self.draw(st.lists(st.sampled_from(self.known), max_size=3)) if self.known else []
        if chosen:
            references = ", ".join(self.choose(repr(name), self.path(module, each)) for module, each, name in chosen)
            listed = self.choose("[{}]", "({},)", "[*[{}]]", "({},) + ()").format(references)
            arguments.append(f"dependencies={self.named(f'DEPS{position}', listed)}")
        if self.often():
            arguments.append(f"timeout={self.choose('3', '2.5', '60 * 5', '1 + 1')}")
        if self.often():
            arguments.append(f"description={self.choose('None', repr('one'), 'f' + repr('{1}'))}")
        self.lines.append(f"@task({', '.join(arguments)})" if arguments or self.often() else "@task")
        self.lines.append(f"{self.choose('def', 'async def')} {function}(context):")
        self.lines.append(f"    {self.choose('...', repr('A line.'), repr(' '))}")
        self.known.append((f"m{self.number}", function, id_))

    def path(self, module: str, function: str) -> str:
        return function if module == f"m{self.number}" else f"pkg.{module}.{function}"


@st.composite
def projects(draw: st.DrawFn) -> dict[str, str]:
    """Return modules that import each other, with tasks that depend on each other by ids, functions and lists."""
    files = {"pkg/__init__.py": ""}
    known: list[tuple[str, str, str]] = []
    count = draw(st.integers(1, 4))
    for number in range(count):
        sketch = Sketch(draw, number, known, ["import pkg", "from cloacina import task"])
        for other in range(number):
            form = sketch.choose("import pkg.m{}", "from . import m{}", "from pkg.m{} import *")
            sketch.lines += [form.format(other), f"import pkg.m{other}"]
        for position in range(draw(st.integers(0, 3))):
            sketch.add_task(position)
        files[f"pkg/m{number}.py"] = "\n".join(sketch.lines) + "\n"
    lines = [f"import pkg.m{number}" for number in range(count)] + ["@task", "def last(context): ..."]
    if draw(st.booleans()):
        lines = ["with Workflow('w') as w:", *(f"    {line}" for line in lines)]
    files["flow.py"] = "\n".join(["from cloacina import Workflow, task", *lines])
    return files


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(projects())
def test_generated_projects_are_seen_the_same(files: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        root = write(Path(folder), files)
        assert static_view(root, "flow") == dynamic_view(root, "flow")


EDGES = st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=7)


@settings(max_examples=60, deadline=None)
@given(EDGES, st.lists(st.integers(0, 6), min_size=7, max_size=7), st.booleans())
def test_graphs_are_refused_when_the_engine_refuses_them(edges: list[list[int]], ids: list[int], unique: bool) -> None:
    names = [f"t{position if unique else ids[position]}" for position in range(len(edges))]
    source = "from cloacina import task\n" + "".join(
        f"@task(id='{name}', dependencies={[f't{need}' for need in needs]})\ndef f{position}(context): ...\n"
        for position, (name, needs) in enumerate(zip(names, edges, strict=True))
    )
    with TemporaryDirectory() as folder:
        root = write(Path(folder), {"flow.py": source})
        try:
            expected = dynamic_view(root, "flow")
        except (DependencyCycle, DuplicateTask, UnknownDependency) as error:
            with pytest.raises(type(error), match=r"flow\.py:\d+:\d+: "):
                discover(root, "flow")
        else:
            assert static_view(root, "flow") == expected


CONDITIONS = st.sampled_from(
    [
        "True",
        "False",
        "not L",
        "X",
        "X == 'x'",
        "X is None",
        "len('ab') == 2",
        "int('0')",
        "__name__ == 'flow'",
        "X in L",
    ]
)
VALUES = st.sampled_from(
    [
        *("'x'", "'y'", "X", "Y", "f'{X}1'", "X + Y", "'x' if X == 'x' else 'z'", "X or Y", "X and Y", "str('q')"),
        *("mod.X", "mod.Y"),
    ]
)
LISTS = st.sampled_from(["[X]", "[Y, 'x']", "L", "M", "[*L, Y]", "L + M", "mod.L", "()", "(X,)"])
SIMPLE = st.one_of(
    st.builds("X = {}".format, VALUES),
    st.builds("Y = {}".format, VALUES),
    st.builds("mod.X = {}".format, VALUES),
    st.builds("L = {}".format, LISTS),
    st.builds("M = {}".format, LISTS),
    st.builds("L += {}".format, LISTS),
    st.builds("assert [(Y := {}) for _ in 'a']".format, VALUES),
    st.builds("@task(id={}, dependencies={})\ndef NUMBERED(context): ...".format, VALUES, LISTS),
    st.builds("@task(id={})\ndef NUMBERED(context): ...".format, VALUES),
    st.builds("@task(id={})\ndef f(context): ...".format, VALUES),
    st.builds("def g():\n    global X\n    X = {}".format, VALUES),
    st.builds("def g():\n    L.append({})".format, VALUES),
    st.builds("def g():\n    import mod\n    mod.L.append({})".format, VALUES),
    st.sampled_from(
        [
            "X, Y = Y, X",
            "Y: str = X",
            "del X",
            "L.append('y')",
            "L.clear()",
            "L[0:] = ['y']",
            "g()",
            "f = None",
            "f = g",
            "from mod import *",
            "from mod import Y as X",
            "from mod import L, f",
            "import mod",
            "task = step",
            "task = lambda **options: (lambda function: function)",
            "step = task",
            "class X: pass",
            "raise ValueError",
            "[L.append(each) for each in 'z']",
            "t = (task,)",
            "M = list(L)",
            "import other as mod",
        ]
    ),
)


def indented(blocks: list[str]) -> str:
    return "\n".join(f"    {line}" for block in blocks for line in block.splitlines())


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    blocks = st.lists(inner, min_size=1, max_size=3).map(indented)
    return st.one_of(
        st.builds("if {}:\n{}".format, CONDITIONS, blocks),
        st.builds("if {}:\n{}\nelif {}:\n{}\nelse:\n{}".format, CONDITIONS, blocks, CONDITIONS, blocks, blocks),
        st.builds("for X in tuple({}):\n{}".format, LISTS, blocks),
        st.builds("for _ in tuple({}):\n{}\n    break\nelse:\n{}".format, LISTS, blocks, blocks),
        st.builds("try:\n{}\nexcept Exception:\n{}".format, blocks, blocks),
        st.builds("try:\n{}\nexcept ValueError as X:\n{}\nelse:\n{}".format, blocks, blocks, blocks),
        st.builds("try:\n{}\nfinally:\n{}".format, blocks, blocks),
        st.builds("with contextlib.suppress(Exception):\n{}".format, blocks),
        st.builds("while {}:\n{}\n    break".format, CONDITIONS, blocks),
        st.builds("match {}:\n  case 'x':\n{}\n  case X:\n{}".format, VALUES, blocks, blocks),
        st.builds("def g():\n{}".format, blocks),
        st.builds("class f:\n{}".format, blocks),
    )


STATEMENTS = st.recursive(SIMPLE, nested, max_leaves=6)
HEAD = "import contextlib\nfrom cloacina import task\nstep = task\nX, Y, L, M = 'x', 'y', ['x'], []\n"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STATEMENTS, max_size=4), st.lists(STATEMENTS, min_size=1, max_size=8))
def test_whatever_discovery_accepts_an_import_declares(module: list[str], entry: list[str]) -> None:
    """Discovery may refuse more than it has to, but what it says is true."""
    files = {
        "mod.py": HEAD + "import mod\n" + "\n".join(module),
        "other.py": HEAD + "import mod\nX = 'other'\n@task\ndef other(context): ...\n",
        "flow.py": HEAD + "import mod\n@task\ndef x(context): ...\n" + "\n".join(entry),
    }
    files = {name: numbered(text) for name, text in files.items()}
    with TemporaryDirectory() as folder:
        root = write(Path(folder), files)
        try:
            static = static_view(root, "flow")
        except CloacinaError:
            event("refused")
            return
        try:
            dynamic = dynamic_view(root, "flow")
        except Exception as error:  # noqa: BLE001 - the code is random; a package that does not import is found later.
            event(f"not importable: {type(error).__name__}")
            return
        event("accepted")
        assert (static.tasks, static.workflow) == (dynamic.tasks, dynamic.workflow)


def numbered(text: str) -> str:
    """Give each function of a module a name of its own."""
    first, *others = text.split("NUMBERED")
    return first + "".join(f"f{number}{other}" for number, other in enumerate(others))
