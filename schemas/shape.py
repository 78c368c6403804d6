"""The shape of every event version as plain data: what the compatibility check compares and the state tag hashes.

A shape says all that decides whether a stored event is accepted and what it then means: topic, table, fields with
their types and limits, units of quantities. Titles and descriptions are left out: better words change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from schemas.base import EventData, EventType, JsonObject
from schemas.catalogue import EVENT_TYPES
from schemas.export import event_json_schema
from schemas.families.readings import QUANTITIES, Measured
from schemas.strict import Limits
from schemas.topics import topic_of

_WORDS = frozenset({"title", "description", "examples"})
_OF_THE_TYPE = frozenset({"type", "data"})  # attributes that the types' own shapes tell
ENVELOPE = "envelope"


class IncompatibleError(Exception):
    """Something stored would not be readable any more; the message says what and what to do."""


def shapes(
    event_types: Sequence[EventType] = EVENT_TYPES, quantities: Mapping[str, tuple[str, float, float]] = QUANTITIES
) -> dict[str, JsonObject]:
    """The shape of every type and version by wire name, and that of the envelope."""
    found = {ENVELOPE: _envelope()}
    for event_type in event_types:
        for model in event_type.models:
            found[f"{event_type.name}.v{model.version}"] = _shape(event_type, model, quantities)
    return found


@cache
def catalogue_digest() -> str:
    """Changes whenever stored events could be read in another way."""
    document = orjson.dumps(shapes(), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(document, digest_size=8).hexdigest()


def _shape(
    event_type: EventType, model: type[EventData], quantities: Mapping[str, tuple[str, float, float]]
) -> JsonObject:
    schema = model.model_json_schema()
    shape: JsonObject = {
        "topic": topic_of(event_type.family),
        "table": event_type.table,
        "own_rule": model.__pydantic_core_schema__["type"] != "model",  # a validator of the whole model
        "required": sorted(schema.get("required", ())),
        "fields": {name: _wordless(field) for name, field in schema.get("properties", {}).items()},
    }
    if model.type_name == Measured.type_name:
        shape["quantities"] = {
            name: {"unit": unit, "minimum": lowest, "maximum": highest}
            for name, (unit, lowest, highest) in quantities.items()
        }
    return shape


def _envelope() -> JsonObject:
    schema = event_json_schema(EVENT_TYPES[0].wire_name)
    limits = Limits()
    return {
        "required": sorted(schema["required"]),
        "fields": {name: _wordless(field) for name, field in schema["properties"].items() if name not in _OF_THE_TYPE},
        "limits": {"max_event_bytes": limits.max_event_bytes, "max_ahead_ms": limits.max_ahead_ms},
    }


def _wordless(schema: Any) -> Any:
    """A JSON Schema without its words, whatever its depth; ``X or null`` as the type pair it is."""
    if isinstance(schema, list):
        return [_wordless(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _wordless(part) for name, part in schema.items() if name not in _WORDS}
