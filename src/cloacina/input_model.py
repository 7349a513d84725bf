"""An initial context as a pydantic model makes it, refused where its JSON would lose something in silence.

The tasks get what the model writes as JSON. A secret is written as stars, an excluded field not at all, an instance of
a subclass without what the subclass adds, and a serializer of the user's may write anything. So the model reads back
what it has written: if that makes another model, which writes the same, the text stands for both, and what told them
apart is lost. A validator that converts whatever it is given writes something else the second time, and loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from cloacina.errors import InvalidInput
from cloacina.secret_fields import MEND, is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloacina.workflow import Workflow

_MISSING: Final = object()


def validated(workflow: Workflow, values: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the values that a workflow's input model makes of others, and the model.

    Raises:
        InvalidInput: The model refuses the values, or cannot write them as JSON.
    """
    try:
        model = workflow.input.model_validate(values)
        return {**values, **model.model_dump(mode="json", by_alias=True)}, model
    except ValidationError as error:
        message = (
            f"the initial context of workflow {workflow.name!r} does not satisfy {workflow.input.__name__}:"
            f" {_found(error)}"
        )
        raise InvalidInput(message) from None
    except PydanticSerializationError as error:
        message = (
            f"{workflow.input.__name__}, the input model of workflow {workflow.name!r}, cannot write the initial"
            f" context as JSON: {error}"
        )
        raise InvalidInput(message) from error


def refuse_loss(workflow: Workflow, model: Any) -> None:
    """Refuse a model that the JSON it writes does not tell from another one.

    Raises:
        InvalidInput: Something would be lost. The message names the fields, and no value.
    """
    if not isinstance(model, BaseModel):
        return
    kind, text = type(model), _written(model)
    try:
        again = kind.model_validate_json(text, by_name=True, by_alias=False)
    except ValidationError as error:
        lost = [] if any(_has_validators(type(each)) for each in _models_in(model)) else [_found(error)]
    except Exception:  # noqa: BLE001 - a validator of the user's that takes another form than the one it makes.
        lost = []
    else:
        lost = [] if _equal(model, again) else list(_lost(model, again, ""))
        if lost and _written(again) != text:
            lost = []
    if lost:
        message = (
            f"what {kind.__name__}, the input model of workflow {workflow.name!r}, writes as JSON does not hold all of"
            f" the initial context: {'; '.join(lost)}. {MEND}"
        )
        raise InvalidInput(message)


def _written(model: BaseModel) -> str:
    return model.model_dump_json(round_trip=True, warnings=False)


def _found(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, detail['loc'])) or 'context'}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False)
    )


def _lost(value: object, again: object, path: str) -> Iterator[str]:
    """Yield where a value is not what was read back of it."""
    parts, others = _parts(value), _parts(again)
    if parts is not None and others is not None:
        for name, part in parts.items():
            yield from _lost(part, others.get(name, _MISSING), f"{path}.{name}" if path else f"{name}")
    elif not _is_same(value, again):
        yield f"{path!r} is a {type(value).__name__} that does not come back as it was"


def _parts(value: object) -> dict[Any, object] | None:
    """Return what a value holds, by name or place; None if it is not made of parts."""
    if isinstance(value, BaseModel):
        # What the model fills in and excludes was not to reach the tasks; what somebody gave was.
        fields = {
            name: cast("object", getattr(value, name))
            for name, field in type(value).model_fields.items()
            if field.exclude is not True or name in value.model_fields_set
        }
        return fields | (value.model_extra or {})
    if isinstance(value, dict):
        return cast("dict[Any, object]", value)
    return dict(enumerate(cast("list[object]", value))) if isinstance(value, list | tuple) else None


def _is_same(value: object, again: object) -> bool:
    kind: Any = type(value)
    if value is again or again is _MISSING:
        return value is again
    if kind is type(again) and kind.__eq__ is not object.__eq__:
        return _equal(value, again)
    if is_secret(kind):
        return False
    try:
        # A field of any type takes a date, and gives its text back.
        return bool(to_jsonable_python(value) == to_jsonable_python(again))
    except PydanticSerializationError:
        return True  # Only its own serializer knows it.


def _equal(value: object, again: object) -> bool:
    try:
        return bool(value == again) or bool(value != value)  # noqa: PLR0124 - NaN.
    except Exception:  # noqa: BLE001 - as arrays do, which have no one answer.
        return True


def _models_in(value: object) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
    for part in (_parts(value) or {}).values():
        yield from _models_in(part)


def _has_validators(model: type[BaseModel]) -> bool:
    decorators = model.__pydantic_decorators__
    if decorators.field_validators or decorators.model_validators or decorators.validators:
        return True
    return any(_mentions_validator((*field.metadata, field.annotation)) for field in model.model_fields.values())


def _mentions_validator(parts: tuple[Any, ...]) -> bool:
    return any(
        type(part).__module__ == "pydantic.functional_validators" or _mentions_validator(get_args(part))
        for part in parts
    )
