"""From a pydantic model to columns: the Arrow schema of an event type's data, derived from the model alone."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa

from schemas.base import EventData, EventType

ARROW_TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}


def python_type(annotation: Any) -> tuple[type, bool]:
    """The scalar type behind an annotation, and whether None is allowed. :raises TypeError: not a flat scalar."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return python_type(get_args(annotation)[0])
    if origin is Literal:
        kinds = {type(value) for value in get_args(annotation)}
        if len(kinds) == 1:
            return kinds.pop(), False
    if origin in (Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not NoneType]
        if len(inner) == 1:
            return python_type(inner[0])[0], len(get_args(annotation)) == 2
    if annotation in ARROW_TYPES:
        return annotation, False
    raise TypeError(f"{annotation!r} is not a flat scalar; event data are tables")


@cache
def model_schema(model: type[EventData]) -> pa.Schema:
    """The Arrow schema of a model's fields, in their order; optional fields are nullable."""
    fields = []
    for name, info in model.model_fields.items():
        kind, optional = python_type(info.annotation)
        fields.append(pa.field(name, ARROW_TYPES[kind], nullable=optional))
    return pa.schema(fields)


def data_schema(event_type: EventType) -> pa.Schema:
    """The columns of a type's data, in its latest version."""
    return model_schema(event_type.latest)
