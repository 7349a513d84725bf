"""What a runner accepts: workflows by name, and initial contexts that are checked and encoded before anything else."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cloacina import Context, DefinitionError, InvalidInput, NotJSONSerializable, UnknownWorkflow, Workflow, task
from cloacina.submission import WorkflowRegistry, encode_context


def _work(context: Context) -> None:
    """Do nothing."""


def _workflow(name: str = "works", **options: Any) -> Workflow:
    def work(context: Context) -> None:
        _work(context)

    return Workflow(name, tasks=[task(work)], **options)


def test_a_workflow_is_found_as_it_is_or_by_its_name() -> None:
    registry, workflow = WorkflowRegistry(), _workflow()
    assert registry.find(workflow) is workflow
    registry.register([workflow])
    assert registry.find("works") is workflow


def test_a_later_workflow_of_the_same_name_replaces_the_earlier() -> None:
    registry, earlier, later = WorkflowRegistry(), _workflow(), _workflow()
    registry.register([earlier, later])
    assert registry.find("works") is later


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    registry = WorkflowRegistry()
    with pytest.raises(UnknownWorkflow, match="'works'"):
        registry.find("works")
    registry.register([_workflow("zebra"), _workflow("ant")])
    with pytest.raises(UnknownWorkflow, match=r"ant.*zebra"):
        registry.find("works")


@pytest.mark.parametrize("thing", [None, 3, _work, ["works"]])
def test_what_is_no_workflow_is_refused(thing: Any) -> None:
    with pytest.raises(UnknownWorkflow):
        WorkflowRegistry().find(thing)


def test_a_workflow_that_is_not_built_is_not_registered() -> None:
    registry = WorkflowRegistry()
    with pytest.raises(DefinitionError):
        registry.register([_workflow(), Workflow("empty")])


@pytest.mark.parametrize(
    ("context", "encoded"),
    [
        (None, {}),
        ({}, {}),
        ({"b": [1, 2.0, None], "a": {"y": 1, "x": True}}, {"b": "[1,2.0,null]", "a": '{"y":1,"x":true}'}),
        (MappingProxyType({"a": "ü"}), {"a": '"ü"'}),
        (Context({"a": (1, 2)}), {"a": "[1,2]"}),
    ],
)
def test_a_context_is_encoded_by_key(context: Any, encoded: dict[str, str]) -> None:
    assert encode_context(_workflow(), context) == encoded


@pytest.mark.parametrize(
    "context",
    [
        [("a", 1)],
        "a",
        3,
        {1: "a"},
        {"a": {1, 2}},
        {"a": b"1"},
        {"a": [float("nan")]},
        {"a": float("inf")},
        {"a": date.max},
    ],
)
def test_a_context_that_json_cannot_hold_is_refused(context: Any) -> None:
    with pytest.raises(NotJSONSerializable):
        encode_context(_workflow(), context)


class _Item(BaseModel):
    size: int


class _Input(BaseModel):
    day: date
    items: list[_Item] = []
    unit: str = "m"
    kind: str = Field(default="plain", alias="type")

    model_config = ConfigDict(populate_by_name=True)


def test_what_the_model_fills_in_or_converts_is_part_of_the_context() -> None:
    workflow = _workflow(input=_Input)
    encoded = encode_context(workflow, {"day": "2024-02-29", "items": [{"size": "3"}], "type": "odd", "unknown": [1]})
    assert encoded == {
        "day": '"2024-02-29"',
        "items": '[{"size":3}]',
        "unit": '"m"',
        "type": '"odd"',
        "unknown": "[1]",
    }


def test_what_the_model_refuses_is_told_field_by_field() -> None:
    workflow = _workflow(input=_Input)
    with pytest.raises(InvalidInput) as raised:
        encode_context(workflow, {"items": [{"size": "big"}]})
    for text in ("'works'", "_Input", "day: ", "items.0.size: "):
        assert text in raised.value.message


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = 0


def test_a_model_may_forbid_what_it_does_not_know() -> None:
    with pytest.raises(InvalidInput, match="other"):
        encode_context(_workflow(input=_Strict), {"other": 1})
