"""Merging against a model: for each key, the writers that no other writer of it comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from cloacina import Context, Workflow, task
from cloacina.scheduling.merging import NOTHING_WRITTEN, ContextMerger, encode_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloacina.scheduling.merging import State

_KEYS = "ab"
_VALUES = ("1", "2", None)

Shape = tuple[tuple[frozenset[int], dict[str, str | None]], ...]
"""For each task, the earlier ones that it depends on, and what it writes."""


@st.composite
def _shapes(draw: st.DrawFn) -> Shape:
    count = draw(st.integers(1, 7))
    return tuple(
        (
            draw(st.frozensets(st.integers(0, at - 1), max_size=3)) if at else frozenset(),
            draw(st.dictionaries(st.sampled_from(_KEYS), st.sampled_from(_VALUES), max_size=2)),
        )
        for at in range(count)
    )


def _body(context: Context) -> None:
    """Do nothing: only the graph counts."""


def _workflow(shape: Shape, **options: Any) -> Workflow:
    def another() -> Callable[[Context], None]:
        return lambda context: _body(context)

    tasks = [
        task(id=f"t{at}", dependencies=[f"t{dependency}" for dependency in sorted(dependencies)])(another())
        for at, (dependencies, _) in enumerate(shape)
    ]
    return Workflow("merges", tasks=tasks, **options)


def _ancestors(shape: Shape, at: int) -> set[int]:
    found: set[int] = set()
    for dependency in shape[at][0]:
        found |= {dependency} | _ancestors(shape, dependency)
    return found


def _maximal_writers(shape: Shape, among: set[int], key: str) -> list[int]:
    writers = {at for at in among if key in shape[at][1]}
    return sorted(at for at in writers if not any(at in _ancestors(shape, other) for other in writers))


class _Run:
    """All tasks of a shape, completed in order, by the merger."""

    def __init__(self, shape: Shape, merger: ContextMerger, workflow: Workflow) -> None:
        self.merger = merger
        self.position = [workflow.graph.index[f"t{at}"] for at in range(len(shape))]
        self.before: list[State] = []
        self.after: list[State] = []
        for at, (dependencies, writes) in enumerate(shape):
            before = merger.join([self.after[dependency] for dependency in sorted(dependencies)] or [NOTHING_WRITTEN])
            self.before.append(before)
            self.after.append(merger.after(before, self.position[at], writes))

    def end(self, shape: Shape) -> State:
        last = [at for at in range(len(shape)) if not any(at in dependencies for dependencies, _ in shape)]
        return self.merger.join([self.after[at] for at in last])


_INITIAL: Mapping[str, str] = {"a": "0", "kept": "9"}


def _expected(shape: Shape, among: set[int], *, last_wins: bool) -> tuple[dict[str, str], dict[str, list[int]]]:
    values, conflicts = dict(_INITIAL), dict[str, list[int]]()
    for key in _KEYS:
        writers = _maximal_writers(shape, among, key)
        written = [shape[at][1][key] for at in writers]
        if not writers:
            continue
        value = written[-1]
        if not last_wins and len(set(written)) > 1:
            conflicts[key] = writers
            value = None
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    return values, conflicts


@given(shape=_shapes(), last_wins=st.booleans())
def test_each_task_and_the_result_see_what_the_maximal_writers_wrote(shape: Shape, last_wins: bool) -> None:
    workflow = _workflow(shape, merge="last" if last_wins else "fail")
    merger = ContextMerger(workflow)
    run = _Run(shape, merger, workflow)
    # Without dependencies between them, tasks stand in the order of their declaration, so that "last" is plain.
    order = sorted(range(len(shape)), key=lambda at: run.position[at])
    assert order == list(range(len(shape)))
    for at in range(len(shape)):
        values, conflicts = merger.resolve(_INITIAL, run.before[at])
        expected, disputed = _expected(shape, _ancestors(shape, at), last_wins=last_wins)
        assert dict(values) == expected
        assert {key: [position for position, _ in writers] for key, writers in conflicts.items()} == disputed
    values, conflicts = merger.resolve(_INITIAL, run.end(shape))
    expected, disputed = _expected(shape, set(range(len(shape))), last_wins=last_wins)
    assert dict(values) == expected
    assert set(conflicts) == set(disputed)
    for key in disputed:
        assert key in merger.conflict(conflicts, "the result").message


@given(shape=_shapes())
def test_the_undisputed_keys_are_those_without_a_conflict(shape: Shape) -> None:
    workflow = _workflow(shape)
    merger = ContextMerger(workflow)
    state = _Run(shape, merger, workflow).end(shape)
    values, _ = merger.resolve(_INITIAL, state)
    assert dict(merger.undisputed(_INITIAL, state)) == dict(values)


def test_a_state_that_nothing_was_changed_in_is_shared() -> None:
    workflow = _workflow(((frozenset(), {}), (frozenset(), {})))
    merger = ContextMerger(workflow)
    state: State = {"a": ((0, "1"),)}
    assert merger.after(state, 1, {}) is state
    assert merger.join([state] * 200) is state
    assert merger.resolve(_INITIAL, NOTHING_WRITTEN)[0] is _INITIAL


@pytest.mark.parametrize(("merge", "stands"), [("fail", "first"), ("last", "second"), ({"a": len}, "first")])
def test_the_same_dict_in_another_order_is_no_conflict(merge: Any, stands: str) -> None:
    merger = ContextMerger(_workflow(((frozenset(), {}), (frozenset(), {})), merge=merge))
    texts = {"first": '{"x":[{"p":1,"q":2}],"y":1}', "second": '{"y":1,"x":[{"q":2,"p":1}]}'}
    values, conflicts = merger.resolve(_INITIAL, {"a": ((0, texts["first"]), (1, texts["second"]))})
    assert (values["a"], conflicts) == (texts[stands], {})


def test_one_and_one_point_zero_under_a_key_are_a_conflict_in_any_order() -> None:
    merger = ContextMerger(_workflow(((frozenset(), {}), (frozenset(), {}))))
    written = ((0, '{"x":1.0,"y":11}'), (1, '{"y":1.0,"x":11}'))
    assert merger.resolve(_INITIAL, {"a": written})[1] == {"a": written}


def test_changes_are_stored_as_json() -> None:
    assert encode_changes({"b": "[1]", "c": "2", "a": None}) == '{"set":{"b":[1],"c":2},"delete":["a"]}'
    assert encode_changes({"b": "[1]", "a": "2"}) == '{"set":{"b":[1],"a":2}}'
    assert encode_changes({"z": None, "a": None}) == '{"delete":["a", "z"]}'
