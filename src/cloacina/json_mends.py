"""What to write into a context instead of a value that JSON cannot hold.

A value is known by the names of its class and of those that this derives from, or by what they define. So no library is
imported for it, and nothing of the value is called: it may be anything, and what is said of it is said in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloacina.membrane.words import full_name

if TYPE_CHECKING:
    from collections.abc import Mapping

MENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Write a list: sorted(value)": ("builtins.set", "builtins.frozenset"),
    "Write text: value.decode(), or base64": ("builtins.bytes", "builtins.bytearray"),
    "Write text: bytes(value).decode(), or base64": ("builtins.memoryview",),
    "Write a list of its two parts": ("builtins.complex",),
    "Write a list: list(value)": (
        "builtins.generator",
        "builtins.range",
        "builtins.map",
        "builtins.filter",
        "builtins.zip",
        "builtins.dict_keys",
        "builtins.dict_values",
        "builtins.dict_items",
        "collections.deque",
    ),
    "Write a dict: dict(value)": ("builtins.mappingproxy", "collections.UserDict", "collections.ChainMap"),
    "Write a dict: value.to_dict()": ("cloacina.Context",),
    "Write its result: did you forget await?": (
        "builtins.coroutine",
        "asyncio.Future",
        "_asyncio.Future",
    ),
    "Write its result: value.result()": ("concurrent.futures.Future",),
    "Write a list: [item async for item in value]": ("builtins.async_generator",),
    "Write what it returns, with the brackets of a call, or its name: value.__name__": (
        "builtins.function",
        "builtins.method",
        "builtins.builtin_function_or_method",
        "functools.partial",
    ),
    "Write its name: value.__name__": ("builtins.type", "builtins.module"),
    "Write text: str(value), or repr(value)": ("builtins.BaseException",),
    "Write its path, or what it holds: value.read()": ("io.IOBase", "_io._IOBase", "tempfile._TemporaryFileWrapper"),
    "Write text: str(value)": (
        "decimal.Decimal",
        "fractions.Fraction",
        "uuid.UUID",
        "pathlib.PurePath",
        "datetime.tzinfo",
        "ipaddress.IPv4Address",
        "ipaddress._IPAddressBase",
        "numpy.datetime64",
        "numpy.timedelta64",
    ),
    "Write text: value.isoformat()": ("datetime.datetime", "datetime.date", "datetime.time"),
    "Write seconds: value.total_seconds()": ("datetime.timedelta",),
    "Write value.value, or value.name": ("enum.Enum",),
    "Write text: value.pattern": ("re.Pattern",),
    "Write text: value.group()": ("re.Match",),
    "Write a number: value.item()": ("numpy.generic",),
    "Write a list: value.tolist()": (
        "numpy.ndarray",
        "pandas.Series",
        "pandas.Index",
        "torch.Tensor",
    ),
    'Write a list of dicts: value.to_dict("records")': ("pandas.DataFrame",),
    "Write a list of dicts: value.to_dicts()": ("polars.DataFrame",),
    "Write a list: value.to_list()": ("polars.Series",),
    "Write None": ("pandas.NaTType", "pandas.NAType"),
    'Write value.model_dump(mode="json")': ("pydantic.BaseModel",),
    "A context is stored as plain text: write the name of the secret, and let the task look it up": (
        "pydantic.SecretStr",
        "pydantic.SecretBytes",
        "pydantic.Secret",
    ),
    "Write a dict: dict(value._mapping)": ("sqlalchemy.Row",),
}
"""What to do about values of which classes. Of a module the first part counts, as `pandas` of `pandas.core.frame`."""

TRAITS: Final[Mapping[str, str]] = {
    "__dataclass_fields__": "Write a dict: dataclasses.asdict(value)",
    "__attrs_attrs__": "Write a dict: attrs.asdict(value)",
    "__struct_fields__": "Write msgspec.to_builtins(value)",
    "__await__": "Write its result: did you forget await?",
    "tolist": "Write a list: value.tolist()",
    "keys": "Write a dict: dict(value)",
    "__iter__": "Write a list: list(value)",
}
"""What to do about values of other classes, by what they define; the first that fits stands."""


_OTHERWISE: Final = "Write None, booleans, numbers, strings, lists, and dicts with string keys"


def mend_for(kind: type) -> str:
    """Return what to write instead of a value of a class."""
    # Around what the class or its metaclass may have put in the place of these attributes.
    line = _line(kind)[:-1]
    for base in line:
        if (mend := _BY_NAME.get(_short(*full_name(base)))) is not None:
            return mend
    defined = {name for base in line for name in _names(base)}
    return next((mend for trait, mend in TRAITS.items() if trait in defined), _OTHERWISE)


def _short(module: str, name: str) -> str:
    return f"{module.partition('.')[0]}.{name}"


_BY_NAME: Final = {_short(*name.rpartition(".")[::2]): mend for mend, names in MENDS.items() for name in names}
_line: Final = vars(type)["__mro__"].__get__
_names: Final = vars(type)["__dict__"].__get__
