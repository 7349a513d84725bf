"""A value satisfies a schema exactly when the package `jsonschema` says so, for all that pydantic writes."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import example, given, strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloacina.json_schema import violation


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Card(BaseModel):
    kind: Literal["card"]
    number: str = Field(pattern="^[0-9]+$", min_length=2, max_length=4)


class Cash(BaseModel):
    kind: Literal["cash"]
    coins: list[Annotated[int, Field(ge=1, multiple_of=2)]] = Field(min_length=1, max_length=2)


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: Annotated[int, Field(gt=0, lt=5)]
    price: Annotated[float, Field(ge=0.5, le=2)] | None = None
    paid_by: Annotated[Card | Cash, Field(discriminator="kind")] | None = None
    colours: set[Colour] = Field(default=set(), max_length=1)
    place: tuple[int, str] = (0, "")
    parts: list[Order] = []
    counts: dict[Annotated[str, Field(pattern="^a")], bool] = Field(default={}, min_length=1, max_length=2)
    is_urgent: bool = False


TYPES: list[Any] = [
    Order,
    Card | Cash,
    bool,
    int | None,
    Colour,
    list[str | int],
    dict[str, float],
    Literal[1, "one"] | None,
]
SCHEMAS = [TypeAdapter[Any](kind).json_schema() for kind in TYPES]
SPELLED = [True, False, {"items": False, "prefixItems": [{"const": [1, {"a": True}]}]}, {"uniqueItems": True}]

words = st.sampled_from(["a", "ab", "b", "12", "card", "cash", "kind", "number", "coins", "red", "one"])
scalars = st.none() | st.booleans() | st.integers(-3, 6) | st.sampled_from([0.5, 1.0, 2.25]) | words
names = words | st.sampled_from(list(Order.model_fields))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
orders = st.fixed_dictionaries(
    {"number": st.integers(0, 5)},
    optional={
        "price": scalars,
        "paid_by": st.fixed_dictionaries({"kind": words}, optional={"number": words, "coins": values}),
        "colours": st.lists(words, max_size=2),
        "place": st.lists(scalars, max_size=3),
        "parts": st.lists(st.dictionaries(names, scalars, max_size=2), max_size=2),
        "counts": st.dictionaries(words, scalars, max_size=3),
        "is_urgent": scalars,
    },
)


@given(st.sampled_from([*SCHEMAS, *SPELLED]), values | orders)
@example(
    SCHEMAS[0], {"number": 1, "paid_by": {"kind": "cash", "coins": [2, 4]}, "place": [1, "x"], "counts": {"a": True}}
)
@example(SCHEMAS[0], {"number": 1, "parts": [{"number": 4, "colours": ["red"]}], "price": None})
@example(SPELLED[2], [[1, {"a": True}]])
@example(SPELLED[2], [[1, {"a": 1}]])
@example(SPELLED[3], [1, True, [1], [True], {"a": 1}])
@example(SPELLED[3], [{"a": [1]}, {"a": [1.0]}])
def test_values_satisfy_the_schemas_that_they_satisfy_for_jsonschema(schema: Any, value: Any) -> None:
    is_valid = Draft202012Validator(schema).is_valid(value)

    assert (violation(value, schema, "answer") is None) is is_valid


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (bool, "yes", 'answer is "yes"; expected true or false'),
        (int | None, "x", 'answer is "x"; expected an integer or null'),
        (Colour, "pink", 'answer is "pink"; expected one of "red", "blue"'),
        (Order, {}, "answer has no 'number'; expected it to be there"),
        (Order, {"number": 9}, "answer['number'] is 9; expected less than 5"),
        (Order, {"number": 1, "parts": [{"number": 1, "price": 9}]}, "['parts'][0]['price'] is 9; expected at most"),
        (Card, {"kind": "card", "number": "x" * 99}, "xxx…; expected at most 4 characters"),
        (Order, {"number": 1, "paid_by": {"kind": "card", "number": "x1"}}, '"x1"; expected it to match ^[0-9]+$'),
        (Order, {"number": 1, "place": [1, "a", 2]}, "answer['place'] is [1, \"a\", 2]; expected at most 2 items"),
        (date, "2025-02-30", 'answer is "2025-02-30"; expected a date'),
        (datetime, "noon", 'answer is "noon"; expected a date-time'),
        (UUID, "x", 'answer is "x"; expected a uuid'),
    ],
)  # fmt: skip
def test_violation_says_where_it_is_what_was_found_and_what_was_expected(kind: Any, value: Any, told: str) -> None:
    found = violation(value, TypeAdapter[Any](kind).json_schema(), "answer")

    assert found is not None
    assert told in found


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"format": "date-time"}, "2025-06-15T12:00:00Z"),
        ({"format": "color"}, "pink"),
        ({"pattern": r"^\p{Lu}"}, "Ä"),
        ({"multipleOf": 0.1}, 0.3),
        ({"x-widget": "slider"}, 3),
    ],
)
def test_what_only_the_model_can_judge_satisfies_the_schema(schema: Any, value: Any) -> None:
    assert violation(value, schema, "answer") is None
