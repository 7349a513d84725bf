"""What `cloacina inspect` shows a person: the package, its tasks as a graph, targets, dependencies and signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cloacina.cli.task_graph import draw_tasks, ordered_ids
from cloacina.packaging.sizes import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloacina.packaging.inspection import InspectedDependency, InspectedSignature, InspectedTask, Inspection

_SMALLEST_WIDTH: Final = 40
_WIDEST: Final = 120
_LABEL: Final = 11
_GAP: Final = "  "
_LEAST_TEXT: Final = 12  # columns; what is narrower than that tells nothing
_WIDEST_GRAPH: Final = 0.4  # of the terminal; beyond, dependencies are named instead of drawn
_WIDEST_FLOOR: Final = 24  # columns, for the oldest system library
_SHOWN_TASKS: Final = 40
_SHOWN_DEPENDENCIES: Final = 20
_NO_DATE: Final = "1980-01-01T00:00:00Z"
_VERDICTS: Final = {
    "trusted": ("trusted", "green"),
    "unknown": ("valid, but its key is not trusted", "yellow"),
    "expired": ("valid, but its key is not valid now", "yellow"),
    "invalid": ("NOT VALID", "bold red"),
    "unchecked": ("not checked", "yellow"),
}


def summary_lines(inspection: Inspection, *, width: int, is_unicode: bool) -> Iterator[Text]:
    """Yield the lines that show a package as a whole.

    Args:
        inspection: What is in the package.
        width: The columns of the terminal.
        is_unicode: Whether it shows characters outside of ASCII.
    """
    width = _bounded(width)
    yield Text(f"{inspection.name} {inspection.version}", "bold")
    if inspection.description:
        yield Text(_GAP + _fit(_printable(inspection.description), width - len(_GAP), is_unicode=is_unicode))
    yield Text()
    yield _labelled("fingerprint", inspection.fingerprint)
    yield _labelled("built", _built(inspection))
    yield _labelled("runs", _printable(_runs(inspection)))
    yield _labelled("file", _file(inspection))
    yield from _signature_lines(inspection.signatures)
    yield Text()
    yield from _task_lines(inspection.tasks, width, is_unicode=is_unicode)
    yield Text()
    yield from _target_lines(inspection, is_unicode=is_unicode)
    if inspection.dependencies:
        yield Text()
        yield from _dependency_lines(inspection, width, is_unicode=is_unicode)


def task_lines(inspection: Inspection, *, width: int, is_unicode: bool) -> Iterator[Text]:
    """Yield the lines that show every task with its function; the arguments are those of `summary_lines`."""
    width = _bounded(width)
    graph = _graph(inspection.tasks, width, is_unicode=is_unicode)
    rows = [
        (name, "", "", "") if task is None else (name, _printable(task.function), _limits(task), text)
        for name, task, text in graph
    ]
    for name, function, limits, text in _columns(rows, width, is_unicode=is_unicode):
        yield _line(name, _GAP, (function, "cyan"), _GAP, (limits, "dim"), _GAP, (text, "dim"))


def dependency_lines(inspection: Inspection, *, width: int, is_unicode: bool) -> Iterator[Text]:
    """Yield the lines that show every dependency with its wheels; the arguments are those of `summary_lines`."""
    del width, is_unicode  # File names are shown whole, so that they can be searched for.
    if not inspection.dependencies:
        yield Text("The package has no dependencies.")
    for dependency in inspection.dependencies:
        terms = _printable(dependency.license or "licence not stated")
        yield Text.assemble((_printable(f"{dependency.name} {dependency.version}"), "bold"), _GAP, (terms, "dim"))
        for wheel in dependency.wheels:
            yield Text(_GAP + _printable(wheel.file_name))
            yield Text(_GAP * 2 + _printable(_where(wheel.targets, len(inspection.targets))), "dim")


def _built(inspection: Inspection) -> str:
    if inspection.created_at == _NO_DATE:
        return "at a time that is not recorded: SOURCE_DATE_EPOCH was not set"
    return f"{inspection.created_at.replace('T', ' ').removesuffix('Z')} UTC, as the package says of itself"


def _runs(inspection: Inspection) -> str:
    if inspection.entry_module is not None:
        return f"Python {inspection.requires_python or 'of any version'}, entry module {inspection.entry_module}"
    return f"Rust library {inspection.library_path}; Cloacina for Python shows it, and cannot run it"


def _file(inspection: Inspection) -> str:
    return (
        f"{readable_size(inspection.packed_size)} ({inspection.compression}),"
        f" {readable_size(inspection.unpacked_size)} unpacked,"
        f" {inspection.file_count:,} {_plural('file', inspection.file_count)}"
    )


def _signature_lines(signatures: Sequence[InspectedSignature]) -> Iterator[Text]:
    if not signatures:
        yield _labelled("signature", "none: anybody may have built this package", "yellow")
    for signature in signatures:
        verdict, style = _VERDICTS.get(signature.status, (signature.status, "yellow"))
        signer = f": {_printable(signature.signer)}" if signature.signer else ""
        yield _labelled("signature", f"{verdict}{signer}", style)
        if signature.key_fingerprint:
            yield _labelled("", f"{signature.key_type} {signature.key_fingerprint}", "dim")
        if signature.status != "trusted":
            yield _labelled("", _printable(signature.message), "dim")


def _task_lines(tasks: Sequence[InspectedTask], width: int, *, is_unicode: bool) -> Iterator[Text]:
    yield _heading("Tasks", len(tasks))
    graph = _graph(tasks, width, is_unicode=is_unicode)
    shown = graph if len(graph) <= _SHOWN_TASKS + 1 else graph[:_SHOWN_TASKS]
    rows = [(name, _limits(task) if task else "", text) for name, task, text in shown]
    for name, limits, text in _columns(rows, width, is_unicode=is_unicode):
        yield _line(name, _GAP, (limits, "dim"), _GAP, (text, "dim"))
    if len(shown) < len(graph):
        yield Text(f"{_GAP}and {len(graph) - len(shown)} more lines; --tasks shows all", "dim")


def _graph(
    tasks: Sequence[InspectedTask], width: int, *, is_unicode: bool
) -> list[tuple[str, InspectedTask | None, str]]:
    """Return for each row the task's name behind the lines of the graph, the task, and what it is for.

    Where the graph would be too wide, the dependencies are named, and stand for what the task is for.
    """
    by_id = {task.id: task for task in tasks}
    drawn = draw_tasks(tasks, is_unicode=is_unicode, widest=int(width * _WIDEST_GRAPH))
    if drawn is not None:
        return [
            (f"{_GAP}{row.lines} {row.task_id or ''}", task, _printable(task.description or "") if task else "")
            for row in drawn
            for task in [by_id.get(row.task_id or "")]
        ]
    return [
        (f"{_GAP}{task.id}", task, f"after {', '.join(task.dependencies)}" if task.dependencies else "")
        for task in map(by_id.__getitem__, ordered_ids(tasks))
    ]


def _limits(task: InspectedTask) -> str:
    retries = f"{task.retries} {_plural('retry', task.retries)}" if task.retries else ""
    timeout = f"{task.timeout_seconds:g} s" if task.timeout_seconds is not None else ""
    return ", ".join(filter(None, (retries, timeout)))


def _target_lines(inspection: Inspection, *, is_unicode: bool) -> Iterator[Text]:
    targets = inspection.targets
    yield _heading("Targets", len(targets))
    names = [target.name for target in targets]
    floors = [_fit(_printable(target.floor or ""), _WIDEST_FLOOR, is_unicode=is_unicode) for target in targets]
    name_width, floor_width = max(map(len, names)), max(map(cell_len, floors))
    for target, name, floor in zip(targets, names, floors, strict=True):
        own = f"{readable_size(target.own_size):>9} of its own" if target.abi else ""
        about = f"{name:{name_width}}{_GAP}{set_cell_size(floor, floor_width)}"
        yield Text(f"{_GAP}{about}{_GAP}{own}, {readable_size(target.installed_size)} installed")
    shared = f"{readable_size(inspection.shared_size)} shared by all, " if inspection.shared_size else ""
    yield Text(f"{_GAP}{shared}{readable_size(inspection.workflow_size)} of source", "dim")


def _dependency_lines(inspection: Inspection, width: int, *, is_unicode: bool) -> Iterator[Text]:
    dependencies = inspection.dependencies
    yield _heading("Dependencies", len(dependencies))
    shown = dependencies if len(dependencies) <= _SHOWN_DEPENDENCIES + 1 else dependencies[:_SHOWN_DEPENDENCIES]
    rows = [_dependency_row(dependency, len(inspection.targets)) for dependency in shown]
    for name, version, terms in _columns(rows, width, is_unicode=is_unicode):
        yield _line(name, _GAP, version, _GAP, (terms, "dim"))
    if len(shown) < len(dependencies):
        yield Text(f"{_GAP}and {len(dependencies) - len(shown)} more; --dependencies shows all", "dim")


def _dependency_row(dependency: InspectedDependency, target_count: int) -> tuple[str, str, str]:
    terms = dependency.license or "licence not stated"
    if len(dependency.targets) < target_count:
        terms = f"{terms}; {_where(dependency.targets, target_count)}"
    return f"{_GAP}{_printable(dependency.name)}", _printable(dependency.version), _printable(terms)


def _where(targets: Sequence[str], target_count: int) -> str:
    return "on every target" if len(targets) == target_count else f"only on {', '.join(targets) or 'no target'}"


def _columns(rows: Sequence[tuple[str, ...]], width: int, *, is_unicode: bool) -> Iterator[tuple[str, ...]]:
    """Yield the rows with their cells padded to columns; the last column gets what the others leave of the width."""
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    left = width - sum(widths) - len(_GAP) * len(widths)
    for *cells, text in rows:
        padded = [set_cell_size(cell, size) for cell, size in zip(cells, widths, strict=True)]
        yield (*padded, _fit(text, left, is_unicode=is_unicode) if left >= _LEAST_TEXT else "")


def _fit(text: str, width: int, *, is_unicode: bool) -> str:
    if cell_len(text) <= width:
        return text
    ellipsis = "…" if is_unicode else "..."
    return set_cell_size(text, width - len(ellipsis)).rstrip() + ellipsis


def _printable(text: str) -> str:
    """Return a stranger's text on one line, without what would command the terminal or turn the line around."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in " ".join(text.split())
    )


def _line(*parts: str | tuple[str, str]) -> Text:
    line = Text.assemble(*parts)
    line.rstrip()
    return line


def _heading(text: str, count: int) -> Text:
    return Text(f"{text} ({count:,})", "bold")


def _labelled(label: str, text: str, style: str = "") -> Text:
    return Text.assemble(f"{_GAP}{label:{_LABEL}}{_GAP}", (text, style))


def _plural(noun: str, count: int) -> str:
    if count == 1:
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _bounded(width: int) -> int:
    return max(_SMALLEST_WIDTH, min(width, _WIDEST))
