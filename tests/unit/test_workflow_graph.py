"""Whatever tasks depend on, the graph is in order, knows all ancestors, and a cycle is found if there is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from cloacina import Context, DependencyCycle, TaskDefinition, task
from cloacina.graph import WorkflowGraph, build_graph
from cloacina.task import task_definition

Edges = Sequence[frozenset[int]]


def definitions(edges: Edges) -> list[TaskDefinition]:
    """Return a task for each position, which depends on those at the positions given."""
    made: list[TaskDefinition] = []
    for position, needs in enumerate(edges):

        @task(id=f"t{position}", dependencies=[f"t{need}" for need in needs])
        def body(context: Context) -> None: ...

        made.append(task_definition(body))
    return made


def edges_of(size: int, *, acyclic: bool) -> st.SearchStrategy[Edges]:
    """Return graphs of a size; an acyclic one is made by allowing dependencies along one random order only."""
    if not acyclic:
        return st.lists(st.frozensets(st.integers(0, size - 1), max_size=3), min_size=size, max_size=size)

    def relabel(order: list[int], needs: list[frozenset[int]]) -> Edges:
        relabelled: list[frozenset[int]] = [frozenset()] * size
        for rank, allowed in enumerate(needs):
            relabelled[order[rank]] = frozenset(order[need] for need in allowed if need < rank)
        return relabelled

    needs = st.lists(st.frozensets(st.integers(0, size - 1), max_size=4), min_size=size, max_size=size)
    return st.builds(relabel, st.permutations(range(size)), needs)


ACYCLIC = st.integers(1, 12).flatmap(lambda size: edges_of(size, acyclic=True))
ANY = st.integers(1, 8).flatmap(lambda size: edges_of(size, acyclic=False))


def reachable(edges: Edges, start: int) -> frozenset[int]:
    """Return what can be reached from a task by following dependencies, at least one."""
    seen: set[int] = set()
    pending = list(edges[start])
    while pending:
        position = pending.pop()
        if position not in seen:
            seen.add(position)
            pending.extend(edges[position])
    return frozenset(seen)


def ids(graph: WorkflowGraph, positions: Iterable[int]) -> set[str]:
    return {graph.tasks[position].id for position in positions}


@given(ACYCLIC)
def test_every_task_comes_after_its_dependencies(edges: Edges) -> None:
    graph = build_graph("workflow", definitions(edges))
    assert sorted(definition.id for definition in graph.tasks) == sorted(f"t{place}" for place in range(len(edges)))
    assert graph.index == {definition.id: position for position, definition in enumerate(graph.tasks)}
    for position, definition in enumerate(graph.tasks):
        assert all(dependency < position for dependency in graph.dependencies[position])
        assert ids(graph, graph.dependencies[position]) == set(definition.dependencies)
        assert list(graph.dependencies[position]) == sorted(graph.dependencies[position])


@given(ACYCLIC)
def test_the_order_takes_the_first_declared_of_those_that_are_ready(edges: Edges) -> None:
    graph = build_graph("workflow", definitions(edges))
    done: set[int] = set()
    for definition in graph.tasks:
        ready = [place for place, needs in enumerate(edges) if place not in done and needs <= done]
        assert definition.id == f"t{ready[0]}"
        done.add(ready[0])


@given(ACYCLIC)
def test_ancestors_are_the_transitive_closure(edges: Edges) -> None:
    graph = build_graph("workflow", definitions(edges))
    for place in range(len(edges)):
        mask = graph.ancestors[graph.index[f"t{place}"]]
        found = ids(graph, (position for position in range(len(edges)) if mask >> position & 1))
        assert found == {f"t{ancestor}" for ancestor in reachable(edges, place)}
        assert mask >> len(edges) == 0


@given(ACYCLIC)
def test_dependents_are_dependencies_the_other_way_round(edges: Edges) -> None:
    graph = build_graph("workflow", definitions(edges))
    forward = {(above, below) for below, needs in enumerate(graph.dependencies) for above in needs}
    backward = {(above, below) for above, found in enumerate(graph.dependents) for below in found}
    assert forward == backward
    assert all(list(found) == sorted(set(found)) for found in graph.dependents)


@given(ANY)
def test_a_cycle_is_reported_if_and_only_if_there_is_one(edges: Edges) -> None:
    has_cycle = any(place in reachable(edges, place) for place in range(len(edges)))
    if not has_cycle:
        assert len(build_graph("workflow", definitions(edges)).tasks) == len(edges)
        return
    with pytest.raises(DependencyCycle) as caught:
        build_graph("workflow", definitions(edges))
    shown = caught.value.message.partition("in a circle: ")[2].partition(" (each")[0]
    path = [int(name.removeprefix("t")) for name in shown.split(" -> ")]
    assert path[0] == path[-1]
    assert len(set(path[1:])) == len(path) - 1
    assert all(below in edges[above] for above, below in pairwise(path))


def test_a_chain_of_five_thousand_tasks_has_a_graph() -> None:
    size = 5_000
    graph = build_graph("chain", definitions([frozenset({place - 1} if place else ()) for place in range(size)]))
    assert graph.ancestors[-1] == (1 << (size - 1)) - 1
    assert graph.dependents[0] == (1,)
