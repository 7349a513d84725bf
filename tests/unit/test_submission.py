"""What a runner accepts: workflows by name, and initial contexts that are checked and encoded before anything else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    PrivateAttr,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
)
from typing_extensions import TypedDict

from cloacina import (
    Context,
    DefinitionError,
    InvalidInput,
    InvalidOption,
    NotJSONSerializable,
    UnknownWorkflow,
    Workflow,
    task,
)
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


class _Login(BaseModel):
    user: str
    password: SecretStr


class _Row(TypedDict):
    token: SecretBytes


@dataclass
class _Account:
    logins: dict[str, _Login]
    parent: _Account | None = None


class _Nested(BaseModel):
    accounts: list[_Account]
    pin: Annotated[Secret[int] | None, Field(gt=0)] = None


class _InATypedDict(BaseModel):
    rows: tuple[_Row, ...]


class _Excluded(BaseModel):
    token: str = Field(exclude=True)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (_Login, ["'password' is a SecretStr"]),
        (_Nested, ["'accounts.logins.password' is a SecretStr", "'pin' is a Secret"]),
        (_InATypedDict, ["'rows.token' is a SecretBytes"]),
        (_Excluded, ["'token' is required, and excluded"]),
    ],
)
def test_a_model_with_a_field_that_no_context_can_hold_is_refused_when_the_workflow_is_made(
    model: type[BaseModel], told: list[str]
) -> None:
    with pytest.raises(InvalidOption) as raised:
        _workflow(input=model)
    for text in (model.__name__, "Pass the name of a secret", *told):
        assert text in raised.value.message


class _Anything(BaseModel):
    thing: Any = None
    things: dict[str, Any] = {}
    item: _Item | None = None
    hidden: str = Field(default="", exclude=True)
    price: int = 0

    model_config = ConfigDict(extra="allow")


class _LargeItem(_Item):
    weight: int = 3


class _Abridged(BaseModel):
    name: str

    @field_serializer("name")
    def _abridge(self, value: str) -> str:
        return value[:1]


class _ForPeople(BaseModel):
    day: date

    @field_serializer("day")
    def _show(self, value: date) -> str:
        return f"{value:%d.%m.}"


@pytest.mark.parametrize(
    ("model", "context", "told"),
    [
        (_Anything, {"thing": SecretStr("s3cret")}, "'thing' is a SecretStr"),
        (_Anything, {"things": {"a": [SecretBytes(b"s3cret")]}}, "'things.a.0' is a SecretBytes"),
        (_Anything, {"more": SecretStr("s3cret")}, "'more' is a SecretStr"),
        (_Anything, {"hidden": "s3cret"}, "'hidden' is a str"),
        (_Anything, {"item": _LargeItem(size=1, weight=5)}, "'item.weight' is a int"),
        (_Anything, {"thing": object()}, "Unable to serialize unknown type"),
        (_Abridged, {"name": "s3cret"}, "'name' is a str"),
        (_ForPeople, {"day": "2024-02-29"}, "day: Input should be a valid date"),
    ],
)
def test_what_the_json_of_a_model_would_lose_is_refused_by_its_field_and_not_by_its_value(
    model: type[BaseModel], context: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        encode_context(_workflow(input=model), context)
    assert told in raised.value.message
    assert model.__name__ in raised.value.message
    assert "s3cret" not in str(raised.value)


class _Revealed(BaseModel):
    password: SecretStr
    pin: Annotated[SecretStr, PlainSerializer(lambda value: value.get_secret_value())] = SecretStr("0000")

    @field_serializer("password")
    def _reveal(self, value: SecretStr) -> str:
        return value.get_secret_value()


class _Cents(BaseModel):
    price: int
    _lock: object = PrivateAttr(default_factory=object)

    @field_validator("price")
    @classmethod
    def _to_cents(cls, value: int) -> int:
        return value * 100


class _FromText(BaseModel):
    price: Annotated[int, BeforeValidator(lambda text: int(text.split()[0]))]
    prices: list[Annotated[int, BeforeValidator(lambda text: int(text.split()[0]))]] = []


class _ManyForms(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    day: date
    places: set[int]
    rate: Decimal
    path: Path
    numbers: Json[list[int]]
    by_number: dict[int, timedelta]
    renamed: int = Field(validation_alias="given", serialization_alias="shown")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def year(self) -> int:
        return self.day.year


@pytest.mark.parametrize(
    ("model", "context", "encoded"),
    [
        (_Revealed, {"password": "s3cret"}, {"password": '"s3cret"', "pin": '"0000"'}),
        (_Cents, {"price": 5}, {"price": "500"}),
        (_FromText, {"price": "5 EUR", "prices": ["6 EUR"]}, {"price": "5", "prices": "[6]"}),
        (
            _ManyForms,
            {
                "day": date(2024, 2, 29),
                "places": {3},
                "rate": Decimal("1.10"),
                "path": Path("a"),
                "numbers": "[1]",
                "by_number": {1: timedelta(seconds=2)},
                "given": 1,
            },
            {
                "day": '"2024-02-29"',
                "places": "[3]",
                "rate": '"1.10"',
                "path": '"a"',
                "numbers": "[1]",
                "by_number": '{"1":"PT2S"}',
                "given": "1",
                "shown": "1",
                "year": "2024",
            },
        ),
        (_Anything, {"thing": (1, date.max), "item": {"size": 1}, "more": [_Item(size=1)]}, None),
    ],
)
def test_a_model_that_writes_all_it_holds_in_a_form_of_its_own_is_accepted(
    model: type[BaseModel], context: dict[str, Any], encoded: dict[str, str] | None
) -> None:
    found = encode_context(_workflow(input=model), context)
    assert encoded is None or found == encoded
