"""What the tasks of one execution see of each other's changes, and what its result holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from cloacina.context import encode_mapping
from cloacina.scheduling.failure import error_record
from cloacina.scheduling.layers import extent
from cloacina.scheduling.merging import NOTHING_WRITTEN, Resolver

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cloacina.execution.outcome import Outcome
    from cloacina.execution.resources import Resources
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.graph import WorkflowGraph
    from cloacina.scheduling.merging import ContextMerger, State, Writers
    from cloacina.store.records import ErrorRecord

_FEW_KEYS: Final = 5_000
_FEW_CHARACTERS: Final = 1_000_000


class Seen(NamedTuple):
    """What a task, or the result, sees.

    Attributes:
        state: What tasks have written.
        values: JSON text by key, without the keys in conflict.
        conflicts: The writers of each key in conflict.
        error: What a function that was to merge values raised, if it did.
        text: For the result: the values as the store keeps them.
    """

    state: State
    values: Mapping[str, str]
    conflicts: Mapping[str, Writers]
    error: ErrorRecord | None = None
    text: str = ""


class Contexts:
    """Keeps what each task of an execution has written, and merges it for those that come after.

    It lives on the loop's thread. What may take long goes on in another one: to merge many keys, to encode much text,
    and every function of the user's.

    Args:
        graph: The workflow's.
        merger: Its rules.
        initial: The initial context: JSON text by key.
        variables: The context variables with which functions of the user's are called.
        resources: What it runs on.

    Attributes:
        states: For each task the state before it until it has completed, then the state after it.
    """

    __slots__ = (
        "_characters",
        "_graph",
        "_initial",
        "_latest",
        "_merger",
        "_pending",
        "_resolver",
        "_resources",
        "_users",
        "_variables",
        "states",
    )

    def __init__(
        self,
        graph: WorkflowGraph,
        merger: ContextMerger,
        initial: Mapping[str, str],
        variables: contextvars.Context,
        resources: Resources,
    ) -> None:
        self._graph = graph
        self._merger = merger
        self._initial = initial
        self._variables = variables
        self._resources = resources
        self.states: list[State | None] = [None] * len(graph.tasks)
        # How many dependents of a task have not completed; it has an entry from the first that has.
        self._users: dict[int, int] = {}
        self._characters = 0
        self._resolver: Resolver | None = None
        # Tasks that depend on the same ones become ready together, and see the same.
        self._latest: tuple[Sequence[int], Seen] | None = None
        self._pending: dict[Sequence[int], list[tuple[int, Callable[[int, Seen], None]]]] | None = None

    def completed(self, position: int, outcome: Outcome) -> None:
        """Take what a task has changed."""
        if outcome.changes:
            before = self.states[position] or NOTHING_WRITTEN
            self.states[position] = self._merger.after(before, position, outcome.changes)
            self._characters += len(outcome.changes_json or "")

    def restore(self, states: Sequence[State | None], tasks: Iterable[TaskExecution]) -> None:
        """Take what the tasks of an execution that was left have written."""
        self.states[:] = states
        self._characters = sum(len(task.changes or "") for task in tasks)

    def drop_superseded(self, position: int) -> None:
        """Forget the states that only this task still needed: in a long chain, each holds all that came before it."""
        for dependency in self._graph.dependencies[position]:
            users = self._users.get(dependency, len(self._graph.dependents[dependency])) - 1
            self._users[dependency] = users
            if not users:
                self.states[dependency] = None

    def see(self, position: int, later: Callable[[int, Seen], None]) -> Seen | None:
        """Find out what a task sees, whose dependencies have completed.

        Args:
            position: The task.
            later: Called on the loop's thread with the task and what it sees, if it takes long to find out.

        Returns:
            What the task sees; None when it takes long to find out.
        """
        dependencies = self._graph.dependencies[position]
        if self._latest is not None and self._latest[0] == dependencies:
            seen = self._latest[1]
            self.states[position] = seen.state
            return seen
        if self._pending is not None and (waiting := self._pending.get(dependencies)) is not None:
            waiting.append((position, later))
            return None
        states = [self.states[dependency] or NOTHING_WRITTEN for dependency in dependencies] or [NOTHING_WRITTEN]
        if self._resolver is None:
            self._resolver = Resolver(self._merger, self._initial)
        if not self._takes_long(states):
            seen = _see(self._merger, self._resolver, states)
            self._latest = dependencies, seen
            self.states[position] = seen.state
            return seen
        if self._pending is None:
            self._pending = {}
        self._pending[dependencies] = [(position, later)]
        see = partial(_see, self._merger, self._resolver, states)
        self._resources.call_off_loop(see, partial(self._is_seen, dependencies), self._variables)
        return None

    def _is_seen(self, dependencies: Sequence[int], seen: Seen | None, error: BaseException | None) -> None:
        waiting = () if self._pending is None else self._pending.pop(dependencies, ())
        if seen is None:
            seen = _nothing_because_of(error)
        self._latest = dependencies, seen
        for position, _ in waiting:
            self.states[position] = seen.state
        for position, later in waiting:
            later(position, seen)

    def final(self, completed: Sequence[bool], later: Callable[[Seen], None]) -> Seen | None:
        """Find out what the result holds.

        Args:
            completed: For each task, whether it has.
            later: Called on the loop's thread with what the result holds, if it took long to find out.

        Returns:
            What the result holds; None when it takes long to find out.
        """
        states = self._last(completed)
        if not (_is_long(self._initial, self._characters) or self._takes_long(states)):
            return _conclude(self._merger, self._initial, states)
        conclude = partial(_conclude, self._merger, self._initial, states)
        self._resources.call_off_loop(conclude, partial(_tell, later), self._variables)
        return None

    def undisputed(self, completed: Sequence[bool]) -> Seen:
        """Return what the result holds for sure, at once: no function of the user's is asked."""
        state = self._merger.join(self._last(completed))
        values = self._merger.undisputed(self._initial, state)
        return Seen(state, values, {}, text=encode_mapping(values))

    def close(self) -> None:
        """Forget what only the running needed: those who keep the result keep no more than that."""
        self.states.clear()
        self._users.clear()
        self._resolver = self._latest = self._pending = None

    def _takes_long(self, states: Sequence[State]) -> bool:
        keys = len(self._initial) + sum(map(extent, states))
        return keys > _FEW_KEYS or self._merger.may_ask(states)

    def _last(self, completed: Sequence[bool]) -> Sequence[State]:
        """Return the states after the last tasks, which saw all the others' changes."""
        if not any(self.states):
            return (NOTHING_WRITTEN,)
        dependents = self._graph.dependents
        last = [
            self.states[position] or NOTHING_WRITTEN
            for position, is_completed in enumerate(completed)
            if is_completed and not any(completed[dependent] for dependent in dependents[position])
        ]
        return last or (NOTHING_WRITTEN,)


def nothing_written(initial: Mapping[str, str]) -> Seen | None:
    """Return what the result holds when no task has written anything; None when it takes long to encode."""
    return None if _is_long(initial) else Seen(NOTHING_WRITTEN, initial, {}, text=encode_mapping(initial))


def _is_long(initial: Mapping[str, str], written: int = 0) -> bool:
    return written + sum(map(len, initial.values())) > _FEW_CHARACTERS


# These run in any thread: what they are given is not changed any more.


def _see(merger: ContextMerger, resolver: Resolver, states: Sequence[State]) -> Seen:
    state = merger.join(states)
    try:
        values, conflicts = resolver.resolve(state)
    except BaseException as error:  # noqa: BLE001 - a user's merge function may raise anything
        return _nothing_because_of(error)
    return Seen(state, values, conflicts)


def _conclude(merger: ContextMerger, initial: Mapping[str, str], states: Sequence[State]) -> Seen:
    state = merger.join(states)
    record: ErrorRecord | None = None
    try:
        values, conflicts = merger.resolve(initial, state)
    except BaseException as error:  # noqa: BLE001 - as above
        record = error_record(error, None, None)
        values, conflicts = merger.undisputed(initial, state), {}
    return Seen(state, values, conflicts, record, encode_mapping(values))


def _tell(later: Callable[[Seen], None], seen: Seen | None, error: BaseException | None) -> None:
    later(seen or _nothing_because_of(error))


def _nothing_because_of(error: BaseException | None) -> Seen:
    record = error_record(error or RuntimeError("nobody knows what was written"), None, None)
    return Seen(NOTHING_WRITTEN, {}, {}, record, "{}")
