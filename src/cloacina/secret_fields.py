"""Fields of a pydantic model that the text of a context cannot hold, found by their types before there is a value.

pydantic writes ten stars for a `SecretStr`, and nothing for an excluded field. Whether any other field comes back as it
was is seen by its values, when a workflow is submitted. pydantic itself is not imported here.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEND: Final = (
    "A context is stored as plain text. Pass the name of a secret, and let the task look it up; leave a field that is"
    " not to be written out of the model"
)
_SECRETS: Final = frozenset({"SecretStr", "SecretBytes", "Secret"})
_SERIALIZERS: Final = frozenset({"PlainSerializer", "WrapSerializer"})


def is_secret(kind: type) -> bool:
    """Return whether pydantic writes stars for the values of a class."""
    return any(each.__name__ in _SECRETS and each.__module__ == "pydantic.types" for each in kind.__mro__)


def unwritable_fields(model: type) -> Iterator[str]:
    """Yield the fields that could not be read back from JSON text, and why.

    A field with a serializer of its own may be written as anything, so nothing is said about it.
    """
    yield from _in_class(model, "", set())


def _in_class(kind: type, path: str, seen: set[type]) -> Iterator[str]:
    if kind in seen:
        return
    seen.add(kind)
    fields: dict[str, Any] | None = getattr(kind, "model_fields", None) or getattr(kind, "__pydantic_fields__", None)
    if fields is None:
        for name, annotation in _annotations(kind).items():
            yield from _in_annotation(annotation, f"{path}{name}", seen)
        return
    written = _written_by_a_serializer(kind)
    for name, field in fields.items():
        if name in written or "*" in written or _has_serializer(field.metadata):
            continue
        if field.exclude is True and field.is_required():
            yield f"{path + name!r} is required, and excluded from what the model writes"
        yield from _in_annotation(field.annotation, f"{path}{name}", seen)


def _in_annotation(annotation: Any, path: str, seen: set[type]) -> Iterator[str]:
    annotation = getattr(annotation, "__value__", annotation)  # As of `type Password = SecretStr`.
    kind, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if kind is typing.Annotated:
        arguments = () if _has_serializer(arguments[1:]) else arguments[:1]
    elif isinstance(kind, type) and is_secret(kind):
        yield f"{path!r} is a {kind.__name__}, which a context cannot hold"
        return
    elif isinstance(kind, type):
        yield from _in_class(kind, f"{path}.", seen)
    for argument in arguments:
        yield from _in_annotation(argument, path, seen)


def _annotations(kind: type) -> dict[str, Any]:
    # Those of a dataclass, of a TypedDict, whichever module it is from, and of a NamedTuple.
    if not any(hasattr(kind, mark) for mark in ("__dataclass_fields__", "__total__", "_fields")):
        return {}
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that is not there yet; then the values will tell.
        return {}


def _written_by_a_serializer(kind: type) -> frozenset[str]:
    decorators = getattr(kind, "__pydantic_decorators__", None)
    if getattr(decorators, "model_serializers", None):
        return frozenset("*")
    serializers: dict[str, Any] = getattr(decorators, "field_serializers", {})
    return frozenset(name for each in serializers.values() for name in each.info.fields)


def _has_serializer(metadata: Iterable[object]) -> bool:
    return any(type(each).__name__ in _SERIALIZERS for each in metadata)
