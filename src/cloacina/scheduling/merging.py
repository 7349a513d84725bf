"""Merging the changes of tasks into the context that another task, or the result, sees.

For each key, the values that count are those of the *maximal* writers: a writer that is an ancestor of another writer
of the key is superseded by it. Several maximal writers with different values are a conflict. Values are compared as
JSON text, so 1, 1.0 and true differ; a deletion is a change like any other. Two dicts that differ by the order of their
keys alone are no conflict: the first writer's stands, or the last one's with `merge="last"`.

A state is kept for each completed task, and shared as long as nothing was changed, so a join of 200 tasks compares 200
references to one mapping. States that differ in a few of many keys share the others (see `layers`), and a join looks at
those few only.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from cloacina.context import decode, encode, encode_mapping, is_same_value
from cloacina.errors import ContextConflict, join_names
from cloacina.scheduling.layers import SHARED_FROM, Layered, flat, layered, own_of, shared_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloacina.workflow import Workflow

Writer: TypeAlias = tuple[int, str | None]
"""A task's position, and the JSON text that it wrote to a key, or None for a deletion."""

Writers: TypeAlias = tuple[Writer, ...]
"""The maximal writers of a key."""

State: TypeAlias = "Mapping[str, Writers]"
"""What tasks have written, by key. What nobody has written has the value of the initial context."""

NOTHING_WRITTEN: State = MappingProxyType({})
"""The state before any task has run."""


class ContextMerger:
    """Merges contexts by the rules of one workflow.

    Args:
        workflow: Its graph says who is whose ancestor, and its `merge` what to do about conflicts.
    """

    __slots__ = ("_graph", "_merge")

    def __init__(self, workflow: Workflow) -> None:
        self._graph = workflow.graph
        self._merge = workflow.merge

    def after(self, before: State, position: int, changes: Mapping[str, str | None]) -> State:
        """Return the state after a task.

        Args:
            before: The state that the task saw.
            position: The task.
            changes: What it changed.
        """
        if not changes:
            return before
        return layered(before, {key: ((position, text),) for key, text in changes.items()})

    def join(self, states: Sequence[State]) -> State:
        """Return the state that a task sees which depends on tasks with these states."""
        first = states[0]
        if not [state for state in states if state is not first]:
            return first
        if [state for state in states if type(state) is Layered or len(state) >= SHARED_FROM]:
            return self._join_large(states)
        joined = dict(first)
        self._add(joined, states, {})
        return joined

    def _join_large(self, states: Sequence[State]) -> State:
        """Look at what many states share once, and of each only at what it has over that."""
        shared = {id(below): below for below in [shared_of(state) for state in states]}
        most = max(shared.values(), key=len)
        others = [below for below in shared.values() if below is not most]
        joined: dict[str, Writers] = {}
        # Whoever stands on it has seen all of it. Others may not have.
        self._add(joined, others, most)
        self._add(joined, [_own(state) for state in states], most if others else {})
        return layered(most, joined)

    def _add(self, joined: dict[str, Writers], states: Iterable[State], below: State) -> None:
        """Add states to a joined one, which stands on a state that they may not have seen."""
        several: dict[str, set[Writer]] = {}
        for state in states:
            for key, writers in state.items():
                known = joined.get(key)
                if known is None and below:
                    known = below.get(key)
                if known is None:
                    joined[key] = writers
                elif known is not writers:
                    several.setdefault(key, set(known)).update(writers)
        for key, found in several.items():
            joined[key] = self._maximal(found)

    def may_ask(self, states: Sequence[State]) -> bool:
        """Return whether to resolve what these states join to may call a function of the user's."""
        if isinstance(self._merge, str):
            return False
        for key in self._merge:
            first, *others = [state[key] for state in states if key in state] or [()]
            if len(first) > 1 or any(writers is not first for writers in others):
                return True
        return False

    def resolve(self, initial: Mapping[str, str], state: State) -> tuple[Mapping[str, str], Mapping[str, Writers]]:
        """Return the values of a state as JSON text by key, and what is in conflict.

        Args:
            initial: The initial context.
            state: What tasks have written since.

        Raises:
            Exception: What a function given as `merge` raised.
        """
        if not state:
            return initial, {}
        texts, conflicts = self.settle(state)
        return flat({**initial, **texts}), conflicts

    def settle(self, state: State) -> tuple[Mapping[str, str | None], Mapping[str, Writers]]:
        """Return the JSON text of each key, None for one that is gone or in conflict, and what is in conflict.

        Raises:
            Exception: What a function given as `merge` raised.
        """
        texts: dict[str, str | None] = {}
        conflicts: dict[str, Writers] = {}
        for key, writers in state.items():
            if len(writers) == 1 or self._merge == "last":
                texts[key] = writers[-1][1]
            elif not _differ(writers):
                texts[key] = writers[0][1]
            elif not isinstance(self._merge, str) and (function := self._merge.get(key)) is not None:
                written: list[Any] = [decode(value) for _, value in writers if value is not None]
                texts[key] = encode(function(written), f"merge[{key!r}]")
            else:
                conflicts[key] = writers
                texts[key] = None
        return texts, conflicts

    def undisputed(self, initial: Mapping[str, str], state: State) -> Mapping[str, str]:
        """Return the values of the keys on whose value all writers agree, as JSON text by key."""
        disputed = {key for key, writers in state.items() if _differ(writers)}
        agreed = {key: writers for key, writers in state.items() if key not in disputed}
        values, _ = self.resolve({key: text for key, text in initial.items() if key not in disputed}, agreed)
        return values

    def conflict(self, conflicts: Mapping[str, Writers], where: str) -> ContextConflict:
        """Return the error for keys in conflict.

        Args:
            conflicts: The writers by key.
            where: Who cannot go on because of it.
        """
        found = "; ".join(
            f"{key!r} by {join_names([self._graph.tasks[position].id for position, _ in writers])}"
            for key, writers in sorted(conflicts.items())
        )
        message = (
            f"{where} joins tasks that wrote different values to the same key, and none comes after the other: {found}"
        )
        return ContextConflict(message)

    def _maximal(self, writers: Iterable[Writer]) -> Writers:
        """Return the writers that no other of them supersedes, in topological order."""
        found = sorted(writers, key=_position)
        superseded = 0
        for position, _ in found:
            superseded |= self._graph.ancestors[position]
        return tuple(writer for writer in found if not superseded >> writer[0] & 1)


class Resolver:
    """Resolves the states of one execution: what many of them share once, and of each what it has over that.

    Args:
        merger: The workflow's rules.
        initial: The initial context.
    """

    __slots__ = ("_initial", "_merger", "_shared")

    def __init__(self, merger: ContextMerger, initial: Mapping[str, str]) -> None:
        self._merger = merger
        self._initial = initial
        self._shared: tuple[State, Mapping[str, str], Mapping[str, Writers]] | None = None

    def resolve(self, state: State) -> tuple[Mapping[str, str], Mapping[str, Writers]]:
        """Return the values of a state and what is in conflict; see `ContextMerger.resolve`."""
        shared, own = shared_of(state), _own(state)
        if self._shared is None or self._shared[0] is not shared:
            self._shared = (shared, *self._merger.resolve(self._initial, shared))
        _, values, conflicts = self._shared
        if not own:
            return values, conflicts
        if any(key not in values and (key in self._initial or key in shared) for key in own):
            # It was gone, and may be back, at the place that it had.
            return self._merger.resolve(self._initial, state)
        texts, disputed = self._merger.settle(own)
        left = {key: writers for key, writers in conflicts.items() if key not in own}
        return layered(values, texts), {**left, **disputed}


def encode_changes(changed: Mapping[str, str | None]) -> str:
    """Return what a task changed as the JSON text that the store keeps: `{"set": {…}, "delete": […]}`."""
    written = {key: text for key, text in changed.items() if text is not None}
    deleted = sorted(key for key, text in changed.items() if text is None)
    parts: list[str] = []
    if written:
        parts.append(f'"set":{encode_mapping(written)}')
    if deleted:
        parts.append(f'"delete":{json.dumps(deleted)}')
    return f"{{{','.join(parts)}}}"


def _own(state: State) -> State:
    # A deletion has its writers: no key of a state is ever gone.
    return cast("State", own_of(state))


def _differ(writers: Writers) -> bool:
    text = writers[0][1]
    return len(writers) > 1 and any(other != text and _is_other(text, other) for _, other in writers)


def _is_other(text: str | None, other: str | None) -> bool:
    return text is None or other is None or not is_same_value(text, other)


def _position(writer: Writer) -> int:
    return writer[0]
