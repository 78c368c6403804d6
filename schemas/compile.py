"""From a pydantic model to columns: the Arrow schema of its fields and their rules as checks over whole columns.

The rules are read from pydantic's own core schema, so what the strict path enforces is what is compiled. A rule that
is not known here makes the model not compilable (:func:`compile_model` gives None): its events then always go the
strict path. A model's own validator needs a rule over columns in :data:`MODEL_RULES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.base import EventData, EventType, Upcaster
from schemas.families.readings import QUANTITIES, Measured, heartbeat_1_to_2
from schemas.vectors import BoolArray, Check, byte_set, numbers, one_of, texts_of, within

ARROW_TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}
Columns = Mapping[str, pa.Array]
ModelRule = Callable[[Columns], BoolArray]
ColumnUpcaster = Callable[[Columns], Columns]


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


@dataclass(frozen=True, slots=True)
class CompiledField:
    """A field as a column; the schema says the same, but asking it takes longer."""

    name: str
    type: pa.DataType
    is_text: bool
    is_optional: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model as columns: their schema, the checks of each, and the model's own rule over all of them."""

    schema: pa.Schema
    fields: tuple[CompiledField, ...]
    names: tuple[str, ...]
    rule: ModelRule | None


class _NotCompilable(Exception):
    """The model has a rule that is not known over columns."""


@cache
def compile_model(model: type[EventData]) -> CompiledModel | None:
    """The compiled model, or None when it has a rule that only pydantic knows."""
    try:
        fields, has_validator = _model_fields(model.__pydantic_core_schema__)
        rule = MODEL_RULES.get(model)
        if has_validator != (rule is not None):
            raise _NotCompilable
        schema = model_schema(model)
        compiled = tuple(
            CompiledField(
                field.name,
                field.type,
                pa.types.is_string(field.type),
                field.nullable,
                _field_checks(fields[field.name], field),
            )
            for field in schema
        )
    except _NotCompilable:
        return None
    return CompiledModel(schema, compiled, tuple(schema.names), rule)


def _model_fields(core: Any) -> tuple[dict[str, Any], bool]:
    """The fields' core schemas, and whether the model has a validator of its own."""
    has_validator = core["type"] == "function-after"
    inner = core["schema"] if has_validator else core
    if inner["type"] != "model" or inner["custom_init"] or inner["root_model"]:
        raise _NotCompilable
    config = inner["config"]
    if not config.get("strict") or config.get("allow_inf_nan", True) or config.get("extra_fields_behavior") != "forbid":
        raise _NotCompilable
    fields = inner["schema"]
    if fields["type"] != "model-fields" or inner.get("post_init"):
        raise _NotCompilable
    return fields["fields"], has_validator


def _field_checks(field: Any, column: pa.Field) -> tuple[Check, ...]:
    _allow(field, "schema")
    core = field["schema"]
    if core["type"] == "default":
        _allow(core, "schema", "default")
        if core["default"] is not None or core["schema"]["type"] != "nullable":
            raise _NotCompilable
        core = core["schema"]["schema"]
    elif column.nullable:  # null allowed but the key demanded: a column can't tell the two
        raise _NotCompilable
    compiler = _COMPILERS.get(core["type"])
    if compiler is None:
        raise _NotCompilable
    return compiler(core)


def _allow(core: Any, *keys: str) -> None:
    """Every key of a core schema must be known, or a rule might be overlooked."""
    if not set(core) <= {"type", "metadata", *keys}:
        raise _NotCompilable


def _text(core: Any) -> tuple[Check, ...]:
    _allow(core, "min_length", "max_length", "pattern")
    shortest, longest = core.get("min_length", 0), core.get("max_length")
    if shortest > 1:  # characters can't be counted in bytes
        raise _NotCompilable
    if "pattern" in core:
        return (_pattern(core["pattern"], shortest, longest),)
    return (_sized(shortest, longest),) if shortest or longest is not None else ()


@cache
def _sized(shortest: int, longest: int | None) -> Check:
    return texts_of(shortest, longest)


_PATTERN = re.compile(r"\^\[([^]\\^]+)\](?:\[([^]\\^]+)\]\*|\{([0-9]+)\})\$")


@cache  # equal ones are the same check
def _pattern(pattern: Any, shortest: int, longest: int | None) -> Check:
    """``^[first][rest]*$`` and ``^[all]{n}$`` over ASCII, as tables of bytes."""
    match = _PATTERN.fullmatch(pattern) if isinstance(pattern, str) else None
    if match is None or not pattern.isascii():
        raise _NotCompilable
    first, rest, count = match.groups()
    if count is not None:
        n = int(count)
        return texts_of(max(shortest, n), n if longest is None else min(longest, n), byte_set(_characters(first)))
    allowed, start = byte_set(_characters(rest)), byte_set(_characters(first))
    if (start & ~allowed).any():
        raise _NotCompilable
    return texts_of(shortest, longest, allowed, start)


def _characters(bracket: str) -> list[int]:
    """The bytes of a bracket expression's inside: ranges and single characters."""
    found: list[int] = []
    i = 0
    while i < len(bracket):
        if bracket[i + 1 : i + 2] == "-" and i + 2 < len(bracket):
            found += range(ord(bracket[i]), ord(bracket[i + 2]) + 1)
            i += 3
        else:
            found.append(ord(bracket[i]))
            i += 1
    return found


def _float(core: Any) -> tuple[Check, ...]:
    _allow(core, "ge", "gt", "le", "lt")
    return (within(**{bound: core[bound] for bound in ("ge", "gt", "le", "lt") if bound in core}),)


def _int(core: Any) -> tuple[Check, ...]:
    bounds = {bound: core[bound] for bound in ("ge", "gt", "le", "lt") if bound in core}
    _allow(core, *bounds)
    return (within(**bounds),) if bounds else ()


def _literal(core: Any) -> tuple[Check, ...]:
    _allow(core, "expected")
    if not all(isinstance(value, str) for value in core["expected"]):
        raise _NotCompilable
    return (one_of(core["expected"]),)


def _bool(core: Any) -> tuple[Check, ...]:
    _allow(core)
    return ()


_COMPILERS: dict[str, Callable[[Any], tuple[Check, ...]]] = {
    "str": _text,
    "float": _float,
    "int": _int,
    "literal": _literal,
    "bool": _bool,
}

# -- rules over several columns, one for each model that has a validator of its own ------------------------------------

_UNITS = tuple(sorted({unit for unit, _, _ in QUANTITIES.values()}))
_UNIT_OF = np.array([_UNITS.index(unit) for unit, _, _ in QUANTITIES.values()], dtype=np.int64)
_LOWEST_OF = np.array([lowest for _, lowest, _ in QUANTITIES.values()], dtype=np.float64)
_HIGHEST_OF = np.array([highest for _, _, highest in QUANTITIES.values()], dtype=np.float64)


def _in_unit_and_range(columns: Mapping[str, pa.Array]) -> BoolArray:
    """:class:`Measured`'s validator: the unit is the quantity's, the value possible for it."""
    quantity = _index(columns["quantity"], tuple(QUANTITIES))
    unit = _index(columns["unit"], _UNITS)
    value = numbers(columns["value"])
    ok: BoolArray = (quantity >= 0) & (unit == _UNIT_OF[quantity])
    ok &= (value >= _LOWEST_OF[quantity]) & (value <= _HIGHEST_OF[quantity])
    return ok


def _index(texts: pa.Array, values: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each text stands in the set; -1 for none."""
    found = pc.index_in(texts, value_set=_value_set(values)).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


@cache
def _value_set(values: tuple[str, ...]) -> pa.Array:
    """Built when first needed: Arrow imports pandas to build an array, which is slow."""
    return pa.array(values, type=pa.string())


MODEL_RULES: dict[type[EventData], ModelRule] = {Measured: _in_unit_and_range}


# -- old versions raised as columns; events of a version without it go the strict path ---------------------------------


def _heartbeat_1_to_2(columns: Columns) -> Columns:
    percent = columns["battery_percent"]
    return {
        "device": columns["device"],
        "battery_ratio": pc.divide(percent, 100.0),
        "rssi_dbm": pa.nulls(len(percent), pa.float64()),
    }


COLUMN_UPCASTERS: dict[Upcaster, ColumnUpcaster] = {heartbeat_1_to_2: _heartbeat_1_to_2}
