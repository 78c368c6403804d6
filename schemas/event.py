"""One event in memory, and its canonical bytes.

Canonical is structured CloudEvents 1.0 JSON, attributes in a fixed order, always the type's latest version, times in
UTC with milliseconds, absent data fields left out: the same event gives the same bytes, and the fast path of
:mod:`schemas.codec` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from schemas.base import EventData, EventType
from schemas.catalogue import BY_NAME
from schemas.families.system import Tick
from schemas.records import NewRecord
from schemas.times import rfc3339
from schemas.topics import partition_key as default_partition_key
from schemas.topics import partition_of, topic_of

SPEC_VERSION = "1.0"
NO_SCOPE = "-"  # of records that belong to no place: ticks
TICK_SOURCE = "/gridpulse/clock"
_TICK_WIRE_NAME = BY_NAME[Tick.type_name].wire_name


@dataclass(frozen=True, slots=True)
class Event:
    """A valid event; ``data`` is of its type's latest version, ``version`` the one it came in."""

    id: str
    source: str
    event_type: EventType
    version: int
    scope: str
    partition_key: str
    event_time_ms: int
    data: EventData


def new_event(
    data: EventData, *, id: str, source: str, scope: str, event_time_ms: int, partition_key: str | None = None
) -> Event:
    """An event of our own making; ``data`` must be of its type's latest version."""
    event_type = BY_NAME[data.type_name]
    if type(data) is not event_type.latest:
        raise TypeError(f"{type(data).__name__} is not the latest version of {event_type.name}")
    key = default_partition_key(scope) if partition_key is None else partition_key
    return Event(id, source, event_type, event_type.version, scope, key, event_time_ms, data)


def to_record_value(event: Event, recorded_time_ms: int | None) -> bytes:
    """The canonical bytes. ``recordedtime`` is left out when ``recorded_time_ms`` is None: the log stamps it."""
    value: dict[str, object] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.event_type.wire_name,
        "time": rfc3339(event.event_time_ms),
    }
    if recorded_time_ms is not None:
        value["recordedtime"] = rfc3339(recorded_time_ms)
    value["scope"] = event.scope
    value["partitionkey"] = event.partition_key
    value["data"] = event.data.model_dump(exclude_none=True)
    return orjson.dumps(value)


def to_new_record(event: Event, partitions: int, recorded_time_ms: int | None) -> NewRecord:
    """The record of an event, in its family's topic and its community's partition."""
    key = event.partition_key.encode()
    return NewRecord(
        topic_of(event.event_type.family),
        partition_of(key, partitions),
        key,
        to_record_value(event, recorded_time_ms),
        recorded_time_ms=recorded_time_ms,
    )


def tick_record(topic: str, partition: int, recorded_time_ms: int) -> NewRecord:
    """Time has come to ``recorded_time_ms`` in a partition where nothing happened. Repeating it is harmless."""
    value = orjson.dumps(
        {
            "specversion": SPEC_VERSION,
            "id": f"{topic}/{partition}/{recorded_time_ms}",
            "source": TICK_SOURCE,
            "type": _TICK_WIRE_NAME,
            "scope": NO_SCOPE,
            "data": {},
        }
    )
    return NewRecord(topic, partition, b"", value, recorded_time_ms=recorded_time_ms)
