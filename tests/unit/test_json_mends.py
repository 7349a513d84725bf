"""What JSON cannot hold is refused with what to write instead, whatever it is and whatever it does when it is asked."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import io
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pydantic
import pytest

from cloacina import Context, NotJSONSerializable


def of_library(module: str, name: str, *bases: type, **defined: Any) -> Any:
    """Return a value of a class as a library that is not installed has it."""
    return type(name, bases, {"__module__": module, **defined})()


@dataclasses.dataclass
class Order:
    number: int


class Model(pydantic.BaseModel):
    number: int = 1


class Rows:
    def __iter__(self) -> Any:
        raise AssertionError


class Size(enum.Enum):
    LARGE = 3


async def coroutine_function() -> None: ...


async def async_generator() -> AsyncIterator[int]:
    yield 1


def closed_coroutine() -> Any:
    coroutine = coroutine_function()
    coroutine.close()
    return coroutine


class Task:
    def __await__(self) -> Any: ...


MENDED: list[tuple[Callable[[], Any], str]] = [
    (lambda: {1, 2}, "sorted(value)"),
    (lambda: b"x", "value.decode()"),
    (lambda: memoryview(b"x"), "bytes(value).decode()"),
    (lambda: 1j, "a list of its two parts"),
    (lambda: (number for number in [1]), "list(value)"),
    (lambda: map(str, [1]), "list(value)"),
    (lambda: iter([1]), "list(value)"),
    (lambda: {"a": 1}.items(), "list(value)"),
    (lambda: range(3), "list(value)"),
    (lambda: collections.deque([1]), "list(value)"),
    (Rows, "list(value)"),
    (lambda: MappingProxyType({}), "dict(value)"),
    (lambda: collections.UserDict(a=1), "dict(value)"),
    (lambda: os.environ, "dict(value)"),
    (lambda: Context({"a": 1}), "value.to_dict()"),
    (closed_coroutine, "did you forget await?"),
    (Task, "did you forget await?"),
    (Future, "value.result()"),
    (async_generator, "async for item in value"),
    (lambda: closed_coroutine, "value.__name__"),
    (lambda: functools.partial(int), "value.__name__"),
    (lambda: len, "value.__name__"),
    (lambda: Order, "value.__name__"),
    (lambda: enum, "value.__name__"),
    (lambda: ValueError("x"), "str(value)"),
    (io.StringIO, "value.read()"),
    (lambda: Decimal("1.10"), "str(value)"),
    (lambda: Fraction(1, 2), "str(value)"),
    (lambda: UUID(int=1), "str(value)"),
    (lambda: Path("a"), "str(value)"),
    (lambda: ip_address("::1"), "str(value)"),
    (lambda: UTC, "str(value)"),
    (lambda: datetime.now(UTC), "value.isoformat()"),
    (lambda: date.max, "value.isoformat()"),
    (lambda: time(1), "value.isoformat()"),
    (lambda: timedelta(1), "value.total_seconds()"),
    (lambda: Size.LARGE, "value.value"),
    (lambda: re.compile("a"), "value.pattern"),
    (lambda: re.match("a", "a"), "value.group()"),
    (lambda: Order(1), "dataclasses.asdict(value)"),
    (Model, 'value.model_dump(mode="json")'),
    (lambda: pydantic.SecretStr("s3cret"), "the name of the secret"),
    (lambda: of_library("attr", "Order", __attrs_attrs__=()), "attrs.asdict(value)"),
    (lambda: of_library("msgspec", "Order", __struct_fields__=()), "msgspec.to_builtins(value)"),
    (lambda: of_library("numpy", "float32", type("generic", (), {"__module__": "numpy"})), "value.item()"),
    (lambda: of_library("numpy", "ndarray", __iter__=None), "value.tolist()"),
    (lambda: of_library("numpy", "datetime64", type("generic", (), {"__module__": "numpy"})), "str(value)"),
    (lambda: of_library("pandas.core.frame", "DataFrame", keys=None), 'value.to_dict("records")'),
    (lambda: of_library("pandas.core.series", "Series"), "value.tolist()"),
    (lambda: of_library("pandas._libs.missing", "NAType"), "Write None"),
    (lambda: of_library("polars.series", "Series"), "value.to_list()"),
    (lambda: of_library("jaxlib", "ArrayImpl", tolist=None, __iter__=None), "value.tolist()"),
    (object, "Write None, booleans, numbers"),
    (threading.Lock, "Write None, booleans, numbers"),
]


@pytest.mark.parametrize(("make", "mend"), MENDED, ids=map(str, range(len(MENDED))))
def test_the_message_says_what_to_write_instead(make: Callable[[], Any], mend: str) -> None:
    with pytest.raises(NotJSONSerializable) as caught:
        Context()["key"] = [make()]
    assert caught.value.message.startswith("context['key'][0] is a ")
    assert mend in caught.value.message


class AnyAttribute(type):
    """A metaclass whose classes answer nothing."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Evasive(metaclass=AnyAttribute):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    __repr__ = __str__ = __eq__ = __iter__ = __bool__ = __getattribute__  # type: ignore[assignment]
    __hash__ = object.__hash__


class Unnamed:
    __module__ = 3  # type: ignore[assignment]
    __qualname__ = "Unnamed"


class Proxy:
    """As a lazy object of a web framework says of its class what stands behind it."""

    __class__ = property(lambda self: dict)  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]


class RaisingDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("s3cret")


class RaisingText(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = isascii = encode = __repr__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Evasive, "is a Evasive, which JSON cannot hold"),
        (Unnamed, "is a Unnamed, which JSON cannot hold"),
        (Proxy, "is a Proxy, which JSON cannot hold"),
        (lambda: Mock(spec=dict), "is a Mock, which JSON cannot hold"),
        (lambda: RaisingDict(a=1), "cannot be read as JSON: RuntimeError"),
        (lambda: {Evasive(): 1}, "has the key of the type Evasive"),
        (lambda: {("a", Evasive()): 1}, "has the key of the type tuple"),
        (lambda: {"x" * 10_000: {1}}, "xxx'] is a set"),
    ],
    ids=map(str, range(8)),
)
def test_a_value_that_must_not_be_looked_at_is_refused_in_words(make: Callable[[], Any], told: str) -> None:
    context = Context({"list": []})
    with pytest.raises(NotJSONSerializable) as caught:
        context["key"] = make() if type(make()) is RaisingDict else [make()]
    assert told in caught.value.message
    assert len(caught.value.message) < 500
    context["list"].append(make())
    with pytest.raises(NotJSONSerializable):
        context.seal()


def test_a_text_whose_own_methods_raise_is_a_text() -> None:
    context = Context()
    context["key"] = [RaisingText("a"), {RaisingText("b"): 1}]
    assert context.changes() == {"key": '["a",{"b":1}]'}
