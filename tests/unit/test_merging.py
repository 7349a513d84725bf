"""Merging against a model: for each key, the writers that no other writer of it comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st

from cloacina import Context, Workflow, task
from cloacina.scheduling import layers, merging
from cloacina.scheduling.layers import Layered, shared_of
from cloacina.scheduling.merging import NOTHING_WRITTEN, ContextMerger, Resolver, encode_changes

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


def _seen(shape: Shape, merge: Any) -> list[tuple[list[tuple[str, str]], list[str]]]:
    """Return what each task and the result of a shape see: the values in their order, and the keys in conflict."""
    workflow = _workflow(shape, merge=merge)
    merger = ContextMerger(workflow)
    run = _Run(shape, merger, workflow)
    resolver = Resolver(merger, _INITIAL)
    found = [resolver.resolve(state) for state in [*run.before, run.end(shape)]]
    return [(list(values.items()), sorted(conflicts)) for values, conflicts in found]


@given(shape=_shapes(), merge=st.sampled_from(["fail", "last", {"b": sorted}]), is_largest_first=st.booleans())
def test_sharing_keys_between_states_changes_nothing_that_is_seen(
    shape: Shape, merge: Any, is_largest_first: bool
) -> None:
    expected = _seen(shape, merge)
    with (
        patch.multiple(layers, SHARED_FROM=0, OWN_AT_MOST=0),
        patch.object(merging, "SHARED_FROM", 0 if is_largest_first else 64),
    ):
        seen = _seen(shape, merge)
    if is_largest_first:  # The order of what tasks wrote beside each other is another one then.
        seen, expected = ([(sorted(values), keys) for values, keys in each] for each in (seen, expected))
    assert seen == expected


@given(changes=st.lists(st.dictionaries(st.sampled_from("abcde"), st.sampled_from(_VALUES)), max_size=5))
def test_a_layered_mapping_reads_like_the_dict_that_it_stands_for(changes: list[dict[str, str | None]]) -> None:
    below: Mapping[str, str] = {"a": "0", "c": "0", "e": "0"}
    expected = dict(below)
    with patch.multiple(layers, SHARED_FROM=0, OWN_AT_MOST=0):
        for change in changes:
            below = layers.layered(below, change)
            expected = layers.flat({**expected, **change})
    assert (dict(below), len(below)) == (expected, len(expected))
    assert [below.get(key) for key in "abcde"] == [expected.get(key) for key in "abcde"]
    assert [key in below for key in "abcde"] == [key in expected for key in "abcde"]


def test_many_states_of_many_keys_share_them_and_a_join_looks_at_what_differs() -> None:
    class Unread(dict[str, Any]):
        """A dict whose keys are looked up, and never gone through."""

        def __iter__(self) -> Any:
            raise AssertionError

        keys = items = values = __iter__

    count = 100
    shape: Shape = ((frozenset(), {}), *[(frozenset({0}), {}) for _ in range(count)])
    merger = ContextMerger(_workflow(shape))
    root = Unread({f"k{number}": ((0, "0"),) for number in range(10 * count)})
    states = [merger.after(root, at, {f"own{at}": "1", "k0": "1"}) for at in range(1, count + 1)]
    joined = merger.join(states)
    assert {id(shared_of(state)) for state in (*states, joined)} == {id(root)}
    assert isinstance(joined, Layered)
    assert len(joined["k0"]) == len(joined.own) - 1 == count


def test_a_chain_of_many_keys_is_copied_from_time_to_time() -> None:
    shape: Shape = tuple((frozenset({at - 1} if at else ()), {}) for at in range(500))
    merger = ContextMerger(_workflow(shape))
    state = NOTHING_WRITTEN
    for at in range(len(shape)):
        state = merger.after(state, at, {f"k{at}": str(at)})
        own = len(layers.own_of(state))
        assert len(shared_of(state)) + own == at + 1
        assert own <= at / layers.OWN_AT_MOST
    assert list(state) == [f"k{at}" for at in range(len(shape))]


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
