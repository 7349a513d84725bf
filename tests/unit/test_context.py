"""What a context accepts, what it refuses and how, and what it says was changed."""

from __future__ import annotations

import copy
import enum
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from cloacina import Context, ContextSealed, NotJSONSerializable
from cloacina.canonical_json import MAXIMUM_DEPTH
from cloacina.context import decode, encode, encode_mapping, encode_values

SURROGATE = "broken \ud800"


class Point(NamedTuple):
    x: int
    y: int


class Celsius(float):
    """A float of another library, such as numpy.float64."""

    def __repr__(self) -> str:
        return f"Celsius({float(self)})"


class Level(enum.IntEnum):
    HIGH = 3


class Colour(enum.StrEnum):
    RED = "red"


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = [value]
    return value


REFUSED = [
    pytest.param(float("nan"), "", "is nan", id="nan"),
    pytest.param([1, float("inf")], "[1]", "is inf", id="infinity"),
    pytest.param({"a": {"b": -float("inf")}}, "['a']['b']", "is -inf", id="negative infinity"),
    pytest.param(Celsius("nan"), "", "is nan", id="nan of a subclass"),
    pytest.param({1, 2}, "", "is a set", id="set"),
    pytest.param([0, frozenset({1})], "[1]", "is a frozenset", id="frozenset"),
    pytest.param({"a": [1, 2, 3, {"b": b"x"}]}, "['a'][3]['b']", "is a bytes", id="bytes"),
    pytest.param([bytearray(b"x")], "[0]", "is a bytearray", id="bytearray"),
    pytest.param([1j], "[0]", "is a complex", id="complex"),
    pytest.param((1, [object()]), "[1][0]", "is a object", id="object in a tuple"),
    pytest.param(datetime(2026, 1, 1, tzinfo=UTC), "", "is a datetime", id="datetime"),
    pytest.param({"a": {1: "x"}}, "['a']", "has the key 1 (int)", id="integer key"),
    pytest.param([{None: 1}], "[0]", "has the key None (NoneType)", id="None as a key"),
    pytest.param({"a": {True: 1}}, "['a']", "has the key True (bool)", id="boolean key"),
    pytest.param([SURROGATE], "[0]", "half of a surrogate pair", id="surrogate"),
    pytest.param({"a": {SURROGATE: 1}}, r"['a']['broken \ud800']", "half of a surrogate pair", id="surrogate in a key"),
    pytest.param([1 << 60_000], "[0]", "more digits", id="huge integer"),
    pytest.param(nested(MAXIMUM_DEPTH + 1), "[0]" * 10 + "...[0]", "more than 200 levels", id="too deep"),
    pytest.param(cyclic(), "['self'][0]" * 5 + "...[0]", "or contains itself", id="cycle"),
]

ACCEPTED = [
    pytest.param(None, "null", id="None"),
    pytest.param(True, "true", id="True"),
    pytest.param(False, "false", id="False"),
    pytest.param(0, "0", id="zero"),
    pytest.param(-5, "-5", id="negative"),
    pytest.param(1 << 70, "1180591620717411303424", id="over 64 bits"),
    pytest.param(1.0, "1.0", id="float"),
    pytest.param(Celsius(1.5), "1.5", id="float subclass"),
    pytest.param(1e300, "1e+300", id="large float"),
    pytest.param("", '""', id="empty string"),
    pytest.param('a"\n\x00ü\N{GRINNING FACE}', '"a\\"\\n\\u0000ü\N{GRINNING FACE}"', id="string with escapes"),
    pytest.param({"b": [1, {}], "a": {"ü": []}}, '{"b":[1,{}],"a":{"ü":[]}}', id="nested"),
    pytest.param((1, (2,)), "[1,[2]]", id="tuple"),
    pytest.param(Point(1, 2), "[1,2]", id="named tuple"),
    pytest.param(OrderedDict(b=1, a=2), '{"b":1,"a":2}', id="ordered dict"),
    pytest.param(Level.HIGH, "3", id="IntEnum"),
    pytest.param([Colour.RED], '["red"]', id="StrEnum"),
    pytest.param(nested(MAXIMUM_DEPTH), "[" * MAXIMUM_DEPTH + "]" * MAXIMUM_DEPTH, id="as deep as allowed"),
]


@pytest.mark.parametrize(("value", "text"), ACCEPTED)
def test_json_values_have_one_text(value: Any, text: str) -> None:
    context = Context()
    context["key"] = value
    assert context.changes() == {"key": text}
    assert encode(value) == text


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED)
def test_writing_refuses_what_json_cannot_hold_and_names_its_path(value: Any, path: str, reason: str) -> None:
    context = Context()
    with pytest.raises(NotJSONSerializable) as caught:
        context["key"] = value
    assert caught.value.message.startswith(f"context['key']{path} "), caught.value.message
    assert reason in caught.value.message
    assert "key" not in context


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED)
def test_containers_changed_in_place_are_checked_when_the_task_ends(value: Any, path: str, reason: str) -> None:
    context = Context({"items": []})
    context["items"].append(value)
    for end in (context.changes, context.to_dict, context.seal):
        with pytest.raises(NotJSONSerializable) as caught:
            end()
        assert caught.value.message.startswith(f"context['items'][0]{path.partition('...')[0][:20]}")
        assert reason in caught.value.message


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED)
def test_initial_values_are_checked(value: Any, path: str, reason: str) -> None:
    with pytest.raises(NotJSONSerializable) as caught:
        Context({"key": value})
    assert caught.value.message.startswith(f"context['key']{path} ")
    assert reason in caught.value.message


@pytest.mark.parametrize("key", [1, None, ("a",), b"a"])
def test_keys_are_strings(key: Any) -> None:
    context = Context()
    with pytest.raises(NotJSONSerializable, match="Keys are strings"):
        context[key] = 1
    with pytest.raises(NotJSONSerializable, match="Keys are strings"):
        encode_values({key: 1})


def test_keys_hold_no_surrogates() -> None:
    with pytest.raises(NotJSONSerializable, match="half of a surrogate pair"):
        Context()[SURROGATE] = 1


def test_encode_calls_the_value_by_the_path_it_is_given() -> None:
    with pytest.raises(NotJSONSerializable, match=r"^merge\['total'\]\[1\] is a set"):
        encode([1, {2}], "merge['total']")


def test_a_missing_key_raises_key_error() -> None:
    context = Context({"a": 1})
    del context["a"]
    for key in ("a", "b"):
        with pytest.raises(KeyError, match=f"'{key}'"):
            context[key]
        with pytest.raises(KeyError, match=f"'{key}'"):
            del context[key]


class CountingBase(dict[str, str]):
    """A base that counts which values were looked at."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.read: list[str] = []

    def __getitem__(self, key: str) -> str:
        self.read.append(key)
        return super().__getitem__(key)


def test_a_value_is_decoded_at_its_first_access_and_only_then() -> None:
    base = CountingBase({"a": "[1]", "b": "not even JSON"})
    context = Context.from_encoded(base)
    assert len(context) == 2
    assert list(context) == ["a", "b"]
    assert "b" in context
    assert base.read == []
    assert context["a"] is context["a"]
    assert base.read == ["a"]
    assert context.seal() == {}


def test_a_container_changed_in_place_never_shows_up_in_a_sibling() -> None:
    base = {"rows": "[1]"}
    first, second = Context.from_encoded(base), Context.from_encoded(base)
    first["rows"].append(2)
    assert second["rows"] == [1]
    assert first.changes() == {"rows": "[1,2]"}
    assert second.changes() == {}
    assert base == {"rows": "[1]"}


def test_a_context_does_not_change_the_values_it_was_made_of() -> None:
    values = {"rows": [1]}
    context = Context(values)
    context["rows"].append(2)
    assert values == {"rows": [1]}


def test_writing_the_same_value_again_is_no_change() -> None:
    context = Context({"a": {"x": 1, "y": [2.5, None]}, "b": 1})
    context["a"] = {"x": 1, "y": (2.5, None)}
    context["b"] = 1
    assert context.changes() == {}


def test_another_order_of_the_keys_of_a_dict_is_a_change() -> None:
    context = Context({"a": {"x": 1, "y": 2}})
    context["a"]["x"] = context["a"].pop("x")
    assert context.changes() == {"a": '{"y":2,"x":1}'}


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), (1.0, 1), (0, False), (0.0, -0.0), ("1", 1)])
def test_equality_is_that_of_json_text(before: Any, after: Any) -> None:
    context = Context({"a": before})
    context["a"] = after
    assert context.changes() == {"a": encode(after)}


def test_a_deletion_is_a_tombstone_and_null_is_a_value() -> None:
    context = Context({"gone": 1, "null": 1, "back": 1})
    del context["gone"]
    context["null"] = None
    del context["back"]
    context["back"] = 1
    context["new"] = 1
    del context["new"]
    assert context.changes() == {"null": "null", "gone": None}


def test_a_key_deleted_and_written_again_moves_to_the_end_as_in_a_dict() -> None:
    context = Context({"a": 1, "b": 2})
    context["c"] = 3
    del context["a"]
    assert list(context) == ["b", "c"]
    context["a"] = 4
    assert list(context.items()) == [("b", 2), ("c", 3), ("a", 4)]
    assert context.changes() == {"c": "3", "a": "4"}
    del context["a"]
    assert context.changes() == {"c": "3", "a": None}


def test_the_mapping_methods_work() -> None:
    context = Context({"a": 1, "b": [2]})
    assert context == {"a": 1, "b": [2]}
    assert context != {"a": 1}
    assert context.get("missing", 7) == 7
    assert context.setdefault("c", 3) == 3
    assert context.pop("a") == 1
    assert context.pop("a", None) is None
    context.update({"d": 4}, e=5)
    assert context.to_dict() == {"b": [2], "c": 3, "d": 4, "e": 5}
    context.clear()
    assert not context
    assert context.changes() == {"a": None, "b": None}


def test_reading_and_writing_while_iterating_works_on_a_snapshot_of_the_keys() -> None:
    context = Context({"a": 1, "b": 2})
    context["c"] = 3
    for key in context:
        context[f"{key}{key}"] = context[key]
        del context[key]
    assert context == {"aa": 1, "bb": 2, "cc": 3}


def test_to_dict_is_what_another_task_would_see() -> None:
    context = Context({"a": [1]})
    context["b"] = (1, {"x": (2,)})
    values = context.to_dict()
    assert values == {"a": [1], "b": [1, {"x": [2]}]}
    values["a"].append(2)
    values["b"][1]["x"] = None
    assert context["a"] == [1]
    assert context["b"] == (1, {"x": (2,)})


WRITES: dict[str, Callable[[Context], object]] = {
    "set": lambda context: context.__setitem__("a", 2),
    "delete": lambda context: context.__delitem__("a"),
    "clear": lambda context: context.clear(),
    "pop": lambda context: context.pop("a"),
    "popitem": lambda context: context.popitem(),
    "update": lambda context: context.update(a=2),
    "setdefault": lambda context: context.setdefault("z", 2),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("end", [Context.seal, Context.discard])
def test_a_sealed_context_can_be_read_and_refuses_every_write(end: Callable[[Context], object], write: str) -> None:
    context = Context({"a": 1})
    end(context)
    with pytest.raises(ContextSealed, match="after the task had ended"):
        WRITES[write](context)
    assert context == {"a": 1}


def test_seal_returns_the_changes() -> None:
    context = Context({"a": 1})
    context["b"] = 2
    assert context.seal() == {"b": "2"}


def test_a_context_that_cannot_be_encoded_is_sealed_nevertheless() -> None:
    context = Context({"items": []})
    context["items"].append({1})
    with pytest.raises(NotJSONSerializable):
        context.seal()
    with pytest.raises(ContextSealed):
        context["items"] = []


def test_discard_does_not_look_at_the_values() -> None:
    context = Context({"items": []})
    context["items"].append({1})
    context.discard()


def pickled(context: Context) -> Context:
    return pickle.loads(pickle.dumps(context))  # type: ignore[no-any-return]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_is_written_independently(copied: Callable[[Context], Context]) -> None:
    context = Context({"a": 1, "b": 2})
    context["c"] = 3
    del context["a"]
    other = copied(context)
    assert other == context
    other["d"] = 4
    del other["b"]
    assert context.changes() == {"c": "3", "a": None}
    assert other.changes() == {"c": "3", "d": "4", "a": None, "b": None}


def test_the_repr_shows_values_and_abridges_long_ones() -> None:
    assert repr(Context({"a": 1, "b": ["x"]})) == "Context({'a': 1, 'b': ['x']})"
    shown = repr(Context({"text": "x" * 10_000, "rows": list(range(10_000))}))
    assert len(shown) < 300
    assert "..." in shown


def test_a_context_takes_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Context().rows = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_encoded_values_are_put_together_without_encoding_them_again() -> None:
    values = {'k"ü': [1, {"b": None, "a": 2.5}], "a": "text", "": {}}
    assert encode_mapping(encode_values(values)) == encode(values)
    assert encode_mapping({}) == "{}"
    assert list(decode(encode(values))) == list(values)
    assert decode(encode(values)) == values
