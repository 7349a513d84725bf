"""What discovery reads from the source is what an import of the same source declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from discovery_views import dynamic_view, static_view, write


def body(text: str) -> dict[str, str]:
    return {"flow.py": "from cloacina import Context, RetryPolicy, Workflow, task\n" + dedent(text)}


def one(text: str) -> dict[str, str]:
    """Return a project of the task `a`, and of `b` with the arguments given."""
    return body(f"@task\ndef a(context): ...\n@task({text})\ndef b(context): ...\n")


# The entry module is etl.flow where there is one, and flow otherwise.
PROJECTS: dict[str, Mapping[str, str]] = {
    "bare decorator": body("@task\ndef a(context): ..."),
    "called decorator": body("@task()\ndef a(context): ..."),
    "async def": body("@task\nasync def a(context): ..."),
    "decorator of the module": {"flow.py": "import cloacina\n@cloacina.task\ndef a(context): ..."},
    "alias of the module": {"flow.py": "import cloacina as c\n@c.task(id='x')\ndef a(context): ..."},
    "alias of the decorator": {"flow.py": "from cloacina import task as t\n@t(id='x')\ndef a(context): ..."},
    "assigned alias": {"flow.py": "import cloacina\nstep = cloacina.task\n@step\ndef a(context): ..."},
    "from cloacina.task": {"flow.py": "from cloacina.task import task\n@task\ndef a(context): ..."},
    "import cloacina.task": {"flow.py": "import cloacina.task\n@cloacina.task\ndef a(context): ..."},
    "import cloacina.task as": {"flow.py": "import cloacina.task as step\n@step\ndef a(context): ..."},
    "all of cloacina": {"flow.py": "from cloacina import *\n@task(retry=RetryPolicy())\ndef a(context): ..."},
    "decorator that is re-exported": {
        "etl/__init__.py": "",
        "etl/sdk.py": "from cloacina import task\nfrom cloacina import RetryPolicy as Retry",
        "etl/flow.py": "from .sdk import Retry, task\n@task(retry=Retry(attempts=2))\ndef a(context): ...",
    },
    "decorator through two modules and stars": {
        "etl/__init__.py": "from cloacina import task",
        "etl/sdk.py": "from etl import *",
        "etl/flow.py": "from etl.sdk import task as step\n@step\ndef a(context): ...",
    },
    "celery beside it": body(
        """
        class App:
            def task(self, function):
                return function
        app = App()
        @app.task
        def not_ours(context): ...
        @task
        def a(context): ...
        """
    ),
    "another library's decorator of the same name": {
        "flow.py": "import work\nfrom cloacina import task as step\n@step\ndef a(context): ...",
        "work.py": "def task(function):\n    return function\n@task\ndef not_ours(context): ...",
    },
    "a decorator beneath": body(
        """
        import functools
        def traced(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper
        def repeated(times):
            def decorate(function):
                @functools.wraps(function)
                def wrapper(context):
                    return function(context)
                return wrapper
            return decorate
        @task
        @traced
        @repeated(3)
        def a(context):
            "Do it."
        """
    ),
    "a decorator beneath that renames, with everything given": body(
        """
        def plain(function):
            def wrapper(context):
                return function(context)
            return wrapper
        @task(id="a", description="Do it.")
        @plain
        def a(context):
            "Not this."
        """
    ),
    "ids from a constant": body("NAME = 'x'\n@task(id=NAME)\ndef a(context): ..."),
    "ids from annotated constants": body(
        "from typing import Final\nNAME: Final = 'x'\nOTHER: str = NAME\n@task(id=OTHER)\ndef a(context): ..."
    ),
    "ids from f-strings": body("N = 3\nP = f's{N:02d}-x'\n@task(id=f'{P}.{N}_{True}{N!r}')\ndef a(context): ..."),
    "ids from joined texts": body("P = 'p'\n@task(id='a' 'b' + P + '-' f'{P}')\ndef a(context): ..."),
    "ids from a constant bound twice": body(
        "N = 'x'\n@task(id=N)\ndef a(context): ...\nN = 'y'\n@task(id=N)\ndef b(context): ..."
    ),
    "ids from several targets": body(
        "A, (B, C) = 'x', ('y', 'z')\nD = E = B\n@task(id=A + D + C)\ndef a(context): ..."
    ),
    "ids from a choice that is known": body(
        "import typing\n@task(id='x' if typing.TYPE_CHECKING else 'y')\ndef a(context): ..."
    ),
    "ids of the module's name": body("@task(id=f'{__name__}.x')\ndef a(context): ..."),
    "ids with None": body("@task(id=None, retry=None, timeout=None, description=None)\ndef a(context): ..."),
    "ids of the longest and of other letters": body(
        f"@task(id='{'x' * 128}')\ndef a(context): ...\n@task\ndef größe(context): ..."
    ),
    "imported constants": {
        "flow.py": "import names as n\nfrom names import B as C, DEPS\nfrom cloacina import task\n"
        "@task(id=n.A)\ndef a(context): ...\n@task(id=C, dependencies=DEPS)\ndef b(context): ...",
        "names.py": "A = 'x'\nB = A + '1'\nDEPS = (A,)",
    },
    "dependencies by id": one("dependencies=['a']"),
    "dependencies by function": one("dependencies=[a]"),
    "dependencies as a tuple": one("dependencies=(a,)"),
    "dependencies as a set": one("dependencies={a}"),
    "dependencies twice": one("dependencies=['a', a, 'a']"),
    "no dependencies": one("dependencies=()"),
    "dependencies from lists": body(
        """
        BASE = ["x"]
        MORE = [*BASE, "y"] + ["z"]
        MORE += ("w",)
        for each in BASE:
            print(end=each[:0])
        def names():
            return [each for each in BASE if each in MORE]
        @task
        def x(context): ...
        @task
        def y(context): ...
        @task
        def z(context): ...
        @task
        def w(context): ...
        @task(dependencies=[*MORE, x])
        def last(context): ...
        """
    ),
    "dependencies by an alias": body(
        """
        @task(id="x")
        def a(context): ...
        first = a
        FIRST = (first,)
        @task(dependencies=FIRST)
        def b(context): ...
        """
    ),
    "dependencies by attributes": {
        "etl/__init__.py": "",
        "etl/load.py": "from cloacina import task\n@task(id='load-it')\ndef load(context): ...",
        "etl/flow.py": "import etl.load\nfrom etl import load as loading\nfrom cloacina import task\n"
        "@task(dependencies=[etl.load.load])\ndef a(context): ...\n"
        "@task(dependencies=[loading.load])\ndef b(context): ...",
    },
    "tasks that a package re-exports": {
        "etl/__init__.py": "from etl.load import load",
        "etl/load.py": "from cloacina import task\n@task\ndef load(context): ...",
        "etl/flow.py": "from etl import load\nfrom cloacina import task\n"
        "@task(dependencies=[load])\ndef a(context): ...",
    },
    "a module that hides the function of its name": {
        "etl/__init__.py": "from . import load",
        "etl/load.py": "from cloacina import task\n@task\ndef load(context): ...",
        "etl/flow.py": "import etl\nimport etl.load as loading\nfrom cloacina import task\n"
        "@task(dependencies=[etl.load.load, loading.load])\ndef a(context): ...",
    },
    "retries": body(
        """
        POLICY = RetryPolicy(attempts=2 + 3)
        @task(retry=RetryPolicy())
        def a(context): ...
        @task(retry=RetryPolicy(7, 0.5, backoff="exponential", retry_on=OSError))
        def b(context): ...
        @task(retry=POLICY)
        def c(context): ...
        @task(retry=RetryPolicy(attempts=1))
        def d(context): ...
        """
    ),
    "timeouts": body(
        """
        from datetime import timedelta
        import datetime as dt
        MINUTE = 60
        @task(timeout=30)
        def a(context): ...
        @task(timeout=2.5 * MINUTE - 1 + 2 ** 3)
        def b(context): ...
        @task(timeout=timedelta(hours=1, minutes=MINUTE))
        def c(context): ...
        @task(timeout=dt.timedelta(0, 5) * 2 + timedelta(1))
        def d(context): ...
        @task(timeout=+7 // 2)
        def e(context): ...
        """
    ),
    "descriptions": body(
        '''
        TEXT = "from a constant"
        @task
        def a(context):
            """
            The first line.

            Another.
            """
        @task
        def b(context):
            "  Spaces around.  "
        @task
        def c(context):
            ""
        @task
        def d(context):
            f"no docstring {1}"
        @task(description=f"It is {TEXT}")
        def e(context):
            "Not this."
        @task(description="")
        def f(context):
            "Not this."
        @task
        def g(context):
            r"""\\ Über"""
        @task
        def h(context):
            "in " "two parts"
        '''
    ),
    "imports in a chain": {
        "etl/__init__.py": "",
        "etl/a.py": "from cloacina import task\nimport etl.b\n@task\ndef a(context): ...",
        "etl/b.py": "from cloacina import task\nfrom . import c\n@task\ndef b(context): ...",
        "etl/c.py": "from cloacina import task\n@task\ndef c(context): ...",
        "etl/flow.py": "from etl import a",
        "etl/unused.py": "from cloacina import task\n@task\ndef unused(context): ...",
    },
    "imports in a circle": {
        "etl/__init__.py": "",
        "etl/a.py": "from cloacina import task\nfrom etl import b\n@task\ndef a(context): ...",
        "etl/b.py": "from cloacina import task\nimport etl.a\n@task\ndef b(context): ...",
        "etl/flow.py": "from etl.a import a",
    },
    "relative imports from above": {
        "etl/__init__.py": "",
        "etl/names.py": "NAME = 'x'",
        "etl/deep/__init__.py": "from ..names import NAME",
        "etl/deep/er.py": "from cloacina import task\nfrom .. import names\nfrom . import NAME\n"
        "@task(id=NAME + names.NAME)\ndef a(context): ...",
        "etl/flow.py": "from .deep import er",
    },
    "namespace packages": {
        "etl/parts/one.py": "from cloacina import task\n@task\ndef a(context): ...",
        "etl/flow.py": "from etl.parts import one\nfrom etl.parts.one import a",
    },
    "everything of a module": {
        "flow.py": "from names import *\nfrom cloacina import task\n@task(id=PUBLIC)\ndef a(context): ...",
        "names.py": "PUBLIC = 'x'\n_PRIVATE = 'y'",
    },
    "everything that a module lists": {
        "etl/__init__.py": "",
        "etl/flow.py": "NAME = 'kept'\nfrom .names import *\nfrom cloacina import task\n"
        "@task(id=NAME + _PRIVATE, dependencies=[more.a])\ndef b(context): ...",
        "etl/names/__init__.py": "__all__ = ['_PRIVATE']\n__all__ += ['more']\nNAME = 'y'\n_PRIVATE = 'z'",
        "etl/names/more.py": "from cloacina import task\n@task\ndef a(context): ...",
    },
    "imports for type checkers": {
        "flow.py": "import typing as t\nfrom typing import TYPE_CHECKING\nfrom cloacina import task\n"
        "if TYPE_CHECKING:\n    import other\nif t.TYPE_CHECKING and True:\n    import other\n"
        "if not TYPE_CHECKING:\n    @task\n    def a(context): ...\n",
        "other.py": "from cloacina import task\n@task\ndef b(context): ...",
    },
    "imports that may fail": {
        "flow.py": "from cloacina import task\ntry:\n    import other\nexcept ImportError:\n    other = None\n"
        "try:\n    import not_there_at_all\nexcept ModuleNotFoundError:\n    not_there_at_all = None\n"
        "@task\ndef a(context): ...\n",
        "other.py": "from cloacina import task\n@task\ndef b(context): ...",
    },
    "cloacina in a try": {
        "flow.py": "try:\n    from cloacina import task\nexcept ImportError:\n    task = None\n"
        "@task\ndef a(context): ...\n"
    },
    "imports in functions": {
        "flow.py": "from cloacina import task\ndef run():\n    import other\n"
        "@task\ndef a(context):\n    import other\n",
        "other.py": "from cloacina import task\n@task\ndef b(context): ...",
    },
    "the part that is for scripts": body(
        "@task\ndef a(context): ...\nif __name__ == '__main__':\n    @task(id=input())\n    def b(context): ...\n"
    ),
    "a condition without tasks": body(
        "import sys\nif sys.platform == 'win32':\n    SEP = ';'\nelif sys.platform == 'x':\n    SEP = ','\nelse:\n"
        "    SEP = ':'\nif sys.version_info < (3, 11):\n    raise RuntimeError\n@task\ndef a(context): ...\n"
    ),
    "a module's own name for task in a function": body(
        """
        @task
        def a(context):
            for task in context.get("tasks", []):
                print(task)
        def run(task):
            return [task for task in [task]], lambda task: task
        class Other:
            task = 3
            def method(self):
                (task := 3)
                return task
        """
    ),
    "words that look like it": body(
        '@task\ndef a(context):\n    """Use @task(id=...) and task(x)."""\n    # task(1)\n    return context.task\n'
    ),
    "with a workflow": body(
        """
        with Workflow("daily") as daily:
            @task
            def a(context): ...
            @task(dependencies=[a])
            def b(context): ...
        """
    ),
    "with a workflow and others": {
        "flow.py": "import cloacina as c\nimport contextlib\n"
        "with contextlib.nullcontext() as nothing, c.Workflow('daily', description='x') as w:\n"
        "    from steps import a\n    @c.task(dependencies=[a])\n    def b(context): ...\n",
        "steps.py": "from cloacina import task\n@task\ndef a(context): ...",
    },
    "with a workflow made before": body("w = Workflow('daily')\nwith w:\n    @task\n    def a(context): ...\n"),
    "a workflow of listed tasks": body(
        "@task\ndef a(context): ...\n@task(dependencies=[a])\ndef b(context): ...\n"
        "DAILY: Workflow = Workflow('daily', tasks=[b, a], merge='last')\n"
    ),
    "a workflow of imported tasks": {
        "flow.py": "import steps\nfrom cloacina import Workflow\nTASKS = (steps.a, steps.b)\n"
        "w = Workflow('x', tasks=TASKS)",
        "steps.py": "from cloacina import task\n@task\ndef a(context): ...\n@task\ndef b(context): ...",
    },
    "a byte order mark and the line ends of Windows": {
        "flow.py": "\ufefffrom cloacina import task\r\n\r\n@task(\r\n    id='x'\r\n)\r\ndef a(context):\r\n"
        "    '''One.\r\n\r\n    Two.\r\n    '''\r\n"
    },
    "a declared encoding": {
        "flow.py": "#!/usr/bin/python\n# -*- coding: utf-8 -*-\nfrom cloacina import task\n"
        "@task\ndef a(context):\n    'ü'\n"
    },
    "bound again to the same": body("@task\ndef a(context): ...\nagain = a\na = again\n"),
    "deleted names": body("N = 'x'\ndel N\nN = 'y'\n@task(id=N)\ndef a(context): ...\nimport os\ndel os\n"),
    "a name bound in an expression": body(
        "print(end=(N := 'x')[:0])\nM = (K := 'y')\n@task(id=M + K)\ndef a(context): ..."
    ),
    "an exception that is kept": body(
        "import contextlib\nwith contextlib.suppress(ValueError):\n    raise ValueError\n@task\ndef a(context): ..."
    ),
    "match": body(
        """
        import sys
        match sys.argv:
            case [first, *_]:
                X = first
            case _:
                X = ""
        @task
        def a(context): ...
        """
    ),
}


def entry_of(files: Mapping[str, str]) -> str:
    return "etl.flow" if "etl/flow.py" in files else "flow"


@pytest.mark.parametrize("name", PROJECTS)
def test_discovery_and_import_see_the_same(name: str, tmp_path: Path) -> None:
    files = PROJECTS[name]
    write(tmp_path, files)

    static = static_view(tmp_path, entry_of(files))

    assert static == dynamic_view(tmp_path, entry_of(files))
    assert static.tasks


def test_the_first_line_of_a_docstring_is_the_one_that_the_engine_takes(tmp_path: Path) -> None:
    texts = ["a\n\n  b", "\n\n   a\n b", "\ta", " ", "\n", "\\x41\\n b", "a\\\n b", "\x0c a\n b"]
    for number, text in enumerate(texts):
        root = tmp_path / str(number)
        write(root, {"flow.py": f'from cloacina import task\n@task\ndef a(context):\n    """{text}"""\n'})
        assert static_view(root, "flow") == dynamic_view(root, "flow")
