"""What the fields of a manifest must be together: the rules that no single field can break."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final

from cloacina.packaging.manifest.fields import is_function_path
from cloacina.packaging.manifest.strict_json import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloacina.packaging.manifest.models import Manifest

# Looking for the nearest of many ids takes long, and a manifest may be made to hold many wrong ones.
_MOST_HINTS: Final = 20
_MOST_COMPARED: Final = 1_000  # pairs of ids, at up to two milliseconds each
_SHOWN_OF_CIRCLE: Final = 20


def broken_rules(manifest: Manifest) -> list[str]:
    """Return what is wrong with a manifest whose fields are right one by one, each problem with its path."""
    return [problem for rule in _RULES for problem in rule(manifest)]


def _runtime(manifest: Manifest) -> Iterator[str]:
    runtimes = {"python": manifest.python, "rust": manifest.rust}
    for language, runtime in runtimes.items():
        if language == manifest.language and runtime is None:
            yield f"{language} is missing; expected the runtime of a package whose language is {show(language)}"
        elif language != manifest.language and runtime is not None:
            yield f"{language} is given; expected only {manifest.language}, which is the package's language"


def _targets(manifest: Manifest) -> Iterator[str]:
    yield from _repeated(manifest.package.targets, "package.targets")


def _builds(manifest: Manifest) -> Iterator[str]:
    builds = manifest.package.builds
    if builds is None:
        return
    targets = manifest.package.targets
    for index, build in enumerate(builds):
        if build.platform not in targets:
            yield (
                f"package.builds[{index}].platform is {show(build.platform)}; expected one of package.targets:"
                f" {', '.join(map(show, targets))}"
            )
    built = {build.platform for build in builds}
    for index, target in enumerate(targets):
        if target not in built:
            yield f"package.targets[{index}] is {show(target)}, for which package.builds has no entry"
    yield from _repeated([f"{build.platform}-{build.abi}" for build in builds], "package.builds")


def _functions(manifest: Manifest) -> Iterator[str]:
    if manifest.language == "python":
        for index, task in enumerate(manifest.tasks):
            if not is_function_path(task.function):
                yield f"tasks[{index}].function is {show(task.function)}; expected a path such as 'module.path:name'"


def _task_ids(manifest: Manifest) -> Iterator[str]:
    places: dict[str, int] = {}
    for index, task in enumerate(manifest.tasks):
        first = places.setdefault(task.id, index)
        if first != index:
            yield f"tasks[{index}].id is {show(task.id)}, which is the id of tasks[{first}] already"


def _dependencies(manifest: Manifest) -> Iterator[str]:
    known = {task.id for task in manifest.tasks}
    hints = min(_MOST_HINTS, _MOST_COMPARED // max(len(known), 1))
    for index, task in enumerate(manifest.tasks):
        for at, dependency in enumerate(task.dependencies):
            if dependency not in known:
                close = get_close_matches(dependency, known, n=1) if hints else []
                hints -= bool(hints)
                hint = f"; did you mean {show(close[0])}?" if close else ""
                yield f"tasks[{index}].dependencies[{at}] is {show(dependency)}, which no task has as its id{hint}"


def _cycle(manifest: Manifest) -> Iterator[str]:
    dependencies = {task.id: task.dependencies for task in manifest.tasks}
    if len(dependencies) < len(manifest.tasks):
        return  # With ids that repeat, nobody can say who depends on whom.
    sorter = TopologicalSorter(dependencies)
    try:
        sorter.prepare()
    except CycleError as error:
        # graphlib goes from a task to those that depend on it, and repeats the first at the end.
        circle: Sequence[str] = error.args[1][:0:-1]
        places = {task_id: index for index, task_id in enumerate(dependencies)}
        first = circle.index(min(circle, key=places.__getitem__))
        circle = [*circle[first:], *circle[: first + 1]]
        if (left_out := len(circle) - _SHOWN_OF_CIRCLE) > 1:
            circle = [*circle[: _SHOWN_OF_CIRCLE - 1], f"{left_out:,} others", circle[-1]]
        yield f"tasks depend on each other in a circle: {' -> '.join(circle)} (each depends on the next)"


def _repeated(names: Sequence[str], path: str) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{path} has {show(name)} {count} times; expected it once"


_RULES: tuple[Callable[[Manifest], Iterator[str]], ...] = (
    _runtime,
    _targets,
    _builds,
    _functions,
    _task_ids,
    _dependencies,
    _cycle,
)
