"""What only running the code would tell is refused, at the place where it stands, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloacina.errors import UndiscoverableTask
from discovery_views import HEAD, refusal

UNDISCOVERABLE: dict[str, tuple[str, str, str]] = {
    # name: (source from line 3 on, place, part of the message)
    "an id from a call": (
        "@task(id=str(1))\ndef a(context): ...",
        "3:10",
        "the id of this task, `str(1)`, is known only",
    ),
    "an id from a name that is not there": (
        "@task(id=NAME)\ndef a(context): ...",
        "3:10",
        "`NAME` is not known at this line",
    ),
    "an id from the environment": (
        "import os\nNAME = os.environ['X']\n@task(id=NAME)\ndef a(context): ...",
        "5:10",
        "Write it out: id='a'",
    ),
    "an id from a format": ("@task(id='{}'.format(1))\ndef a(context): ...", "3:10", "the id of this task"),
    "an id that a percent sign makes": ("@task(id='%s' % 1)\ndef a(context): ...", "3:10", "the id of this task"),
    "an id of repeated text": ("@task(id='a' * 10**9)\ndef a(context): ...", "3:10", "the id of this task"),
    "an id of an attribute of a function": (
        "def f(): ...\n@task(id=f.__name__)\ndef a(context): ...",
        "4:10",
        "the id",
    ),
    "an id of a wide format": (
        "@task(id=f'{1:99999}')\ndef a(context): ...",
        "3:10",
        "what a part of it in braces prints is not known",
    ),
    "an id that depends on the machine": (
        "import sys\nif sys.platform == 'x':\n    N = 'a'\nelse:\n    N = 'b'\n@task(id=N)\ndef a(context): ...",
        "8:10",
        "`N` depends on a branch at line 5",
    ),
    "an id that a function may set": (
        "N = 'a'\ndef change():\n    global N\n    N = 'b'\n@task(id=N)\ndef a(context): ...",
        "7:10",
        "a function binds `N` again at flow.py:5:5",
    ),
    "a loop": (
        "for name in ['a', 'b']:\n    @task(id=name)\n    def step(context): ...",
        "4:6",
        "the task step() stands under the `for` loop of line 3",
    ),
    "a while loop": (
        "while True:\n    @task\n    def a(context): ...\n    break",
        "4:6",
        "under the `while` loop of line 3",
    ),
    "a condition": (
        "import sys\nif sys.platform == 'linux':\n    @task\n    def a(context): ...",
        "5:6",
        "A package has the same tasks on every machine",
    ),
    "the else of a condition": (
        "import sys\nif sys.argv:\n    pass\nelif sys.path:\n    pass\nelse:\n    @task\n    def a(context): ...",
        "9:6",
        "under the `if` of line 4",
    ),
    "an except": (
        "try:\n    import numpy\nexcept ImportError:\n    @task\n    def a(context): ...",
        "6:6",
        "under the `except` of line 5",
    ),
    "the body of a try": (
        "try:\n    import numpy\n    @task\n    def a(context): ...\nexcept ImportError:\n    pass",
        "5:6",
        "Declare it outside of that",
    ),
    "a match": (
        "match input():\n    case _:\n        @task\n        def a(context): ...",
        "5:10",
        "under the `match` of line 3",
    ),
    "a factory": (
        "def make(name):\n    @task(id=name)\n    def step(context): ...\n    return step",
        "4:6",
        "`task` is used inside of the function make()",
    ),
    "a factory that calls": (
        "def make(f):\n    return cloacina.task(id='x')(f)",
        "4:12",
        "inside of the function make()",
    ),
    "a factory with its own import": (
        "def make(f):\n    from cloacina import task as t\n    return t(f)",
        "5:12",
        "`t` is used inside of the function make()",
    ),
    "a method": ("class Jobs:\n    @task\n    def a(context): ...", "4:6", "inside of the class Jobs"),
    "a function in a function": (
        "def a():\n    def b():\n        @task\n        def c(context): ...",
        "5:10",
        "the function b()",
    ),
    "a lambda": ("make = lambda f: task(f)", "3:18", "inside of a lambda"),
    "a comprehension": ("ALL = [task(id=n)(f) for n, f in {}]", "3:8", "inside of a comprehension"),
    "a default": ("def f(x=task): ...", "3:9", "`task` is used as a value"),
    "a call": ("def f(context): ...\na = task(f)", "4:5", "Write it as a decorator: @task(...) above the function"),
    "a call with arguments": ("a = task(id='x')(print)", "3:5", "task(...) is called as a function"),
    "a lambda as a task": (
        "a = cloacina.task(lambda context: None)",
        "3:5",
        "cloacina.task(...) is called as a function",
    ),
    "partial": ("import functools\nstep = functools.partial(task, timeout=1)", "4:26", "`task` is used as a value"),
    "a list of decorators": ("ALL = [task]\n@ALL[0]\ndef a(context): ...", "3:8", "`task` is used as a value"),
    "a dict of decorators": ("ALL = {'x': task}", "3:13", "`task` is used as a value"),
    "an attribute": ("import types\nx = types.SimpleNamespace()\nx.task = task", "5:10", "`task` is used as a value"),
    "getattr": ("@getattr(cloacina, 'task')\ndef a(context): ...", "3:2", "whether this decorator is Cloacina's"),
    "a decorator that may be ours": (
        "import sys\nif sys.argv:\n    step = task\nelse:\n    step = print\n@step\ndef a(context): ...",
        "8:2",
        "`step` depends on a branch at line 5",
    ),
    "a decorator in a choice": (
        "import sys\n@(task if sys.argv else print)\ndef a(context): ...",
        "4:3",
        "used as a value",
    ),
    "a star of another library": (
        "from math import *\n@task\ndef a(context): ...",
        "4:2",
        "`from math import *` may bind `task` again; import the names that you need",
    ),
    "unknown arguments": ("OPTIONS = {}\n@task(**OPTIONS)\ndef a(context): ...", "4:9", "the arguments in **OPTIONS"),
    "dependencies from a call": (
        "@task(dependencies=list('a'))\ndef a(context): ...",
        "3:20",
        "dependencies, `list('a')`,",
    ),
    "dependencies in a comprehension": (
        "@task(dependencies=[x for x in 'a'])\ndef a(context): ...",
        "3:20",
        "dependencies,",
    ),
    "a dependency from a call": (
        "@task(dependencies=[str(1)])\ndef a(context): ...",
        "3:21",
        "this dependency, `str(1)`,",
    ),
    "a dependency that comes later": (
        "@task(dependencies=[b])\ndef a(context): ...\n@task\ndef b(context): ...",
        "3:21",
        "`b` is not known at this line",
    ),
    "a dependency from another library": (
        "from os import path\n@task(dependencies=[path])\ndef a(context): ...",
        "4:21",
        "`path` comes from os",
    ),
    "a list that is changed": (
        "DEPS = ['x']\nDEPS.append('y')\n@task(dependencies=DEPS)\ndef a(context): ...",
        "5:20",
        "the list may have been changed at flow.py:4:1; a tuple cannot be",
    ),
    "a list that a function changes": (
        "D = ['x']\ndef add():\n    D.append('y')\n@task\ndef x(_): ...\n@task(dependencies=[*D])\ndef a(_): ...",
        "8:22",
        "this relies on the list `D`, which the function add() may change at flow.py:5:5. Make it a tuple",
    ),
    "a list that goes elsewhere": (
        "DEPS = ['x']\nprint.x = DEPS\n@task(dependencies=[*DEPS])\ndef a(context): ...",
        "5:22",
        "may have been changed at flow.py:4:11",
    ),
    "a policy from a call": (
        "@task(retry=make())\ndef a(context): ...",
        "3:13",
        "Write it out: retry=RetryPolicy(attempts=3)",
    ),
    "attempts from a call": (
        "@task(retry=RetryPolicy(int('3')))\ndef a(context): ...",
        "3:13",
        "`int('3')` is computed",
    ),
    "a policy of unknown arguments": (
        "@task(retry=RetryPolicy(**{}))\ndef a(context): ...",
        "3:13",
        "its arguments are not",
    ),
    "a timeout from a call": ("@task(timeout=float('1'))\ndef a(context): ...", "3:15", "the timeout, `float('1')`,"),
    "a timeout that fails": ("@task(timeout=1 / 0)\ndef a(context): ...", "3:15", "it fails: division by zero"),
    "a timedelta that fails": (
        "from datetime import timedelta\n@task(timeout=timedelta(days=10**20))\ndef a(context): ...",
        "4:15",
        "timedelta refuses its arguments",
    ),
    "a description from a call": ("@task(description=str())\ndef a(context): ...", "3:19", "the description, `str()`,"),
    "a decorator above": (
        "import functools\n@functools.cache\n@task\ndef a(context): ...",
        "4:2",
        "Put @task above the other decorators",
    ),
    "a decorator beneath that renames": (
        "def mine(function):\n    def inner(context): ...\n    return inner\n@task\n@mine\ndef a(context): ...",
        "8:1",
        "mine() beneath @task returns the function of flow.py:4:5",
    ),
    "a made decorator beneath that renames": (
        "def mine(n):\n def make(f):\n  def g(c): ...\n  return g\n return make\n@task(id='x')\n@mine(3)\ndef a(c): 1",
        "10:1",
        "give @task id= and description=",
    ),
    "a name that is bound again": (
        "@task\ndef a(context): ...\na = None",
        "4:1",
        "the name `a` of flow is bound again",
    ),
    "a function that is declared again": (
        "@task(id='x')\ndef a(context): ...\n@task(id='y')\ndef a(context): ...",
        "4:1",
        "to the task at flow.py:6:1",
    ),
    "a workflow in a list": ("ALL = [Workflow('x')]", "3:8", "a Workflow is made inside of an expression"),
    "a workflow in a class": (
        "class All:\n    daily = Workflow('x')",
        "4:13",
        "a Workflow is made inside of an expression",
    ),
    "a workflow in a loop": ("for x in 'a':\n    w = Workflow('x')", "4:9", "Workflow 'x' stands under the `for` loop"),
    "a workflow of an unknown name": ("w = Workflow(str(1))", "3:14", "the workflow's name, `str(1)`,"),
    "a workflow of unknown arguments": ("w = Workflow(**{})", "3:5", "the arguments of this Workflow"),
    "a workflow of unknown tasks": ("w = Workflow('x', tasks=find())", "3:25", "tasks, `find()`, is known only"),
    "a workflow of an unknown task": ("w = Workflow('x', tasks=[find()])", "3:26", "which task `find()` is"),
    "two workflows": (
        "with Workflow('x'):\n  @task\n  def a(context): ...\nwith Workflow('y'):\n  @task\n  def b(context): ...",
        "6:6",
        "'y' is a second Workflow, besides 'x' at flow.py:3:6",
    ),
    "a task outside of the workflow": (
        "with Workflow('x'):\n    @task\n    def a(context): ...\n@task\ndef b(context): ...",
        "7:1",
        "the task 'b' is outside of the Workflow 'x' at flow.py:3:6",
    ),
}


@pytest.mark.parametrize("name", UNDISCOVERABLE)
def test_what_only_running_the_code_tells_is_refused(name: str, tmp_path: Path) -> None:
    source, place, part = UNDISCOVERABLE[name]

    error = refusal(tmp_path, {"flow.py": HEAD + source})

    assert type(error) is UndiscoverableTask
    assert error.message.startswith(f"flow.py:{place}: ")
    assert part in error.message
