"""Batches of bytes in; events in columns and dead letters out. Never raises on input.

Every record read moves the clock (``EventBatch.recorded_time_ms``), ticks and dead letters too; ticks are in no table.
The strict path (:mod:`schemas.strict`) is the authority.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas.base import EventType
from schemas.columns import ENVELOPE_SCHEMA, EventBatch, TypedRows
from schemas.compile import data_schema
from schemas.event import Event
from schemas.families.system import Tick
from schemas.reasons import Reason
from schemas.records import IntArray, RawBatch
from schemas.strict import Limits, Rejected, parse_strict


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that is no event, with its place in the log and its bytes as they are there."""

    topic: str
    partition: int
    offset: int
    recorded_time_ms: int
    reason: Reason
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch held: events by type and, in log order, what could not be read."""

    events: EventBatch
    dead: list[Dead]


class Decoder:
    """Decodes batches; keeps nothing between them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, batch: RawBatch) -> Decoded:
        """Everything in the batch, in log order."""
        accepted: dict[str, tuple[EventType, list[int], list[Event]]] = {}
        dead: list[Dead] = []
        for position in range(len(batch)):
            outcome = self._strict(batch, position)
            if isinstance(outcome, Rejected):
                dead.append(_dead(batch, position, outcome))
            elif outcome.event_type.name != Tick.type_name:
                _, positions, events = accepted.setdefault(outcome.event_type.name, (outcome.event_type, [], []))
                positions.append(position)
                events.append(outcome)
        types = {
            name: _typed_rows(batch, event_type, positions, events)
            for name, (event_type, positions, events) in accepted.items()
        }
        return Decoded(EventBatch(batch.partition, batch.recorded_time_ms, types), dead)

    def _strict(self, batch: RawBatch, position: int) -> Event | Rejected:
        headers = batch.headers[position] if batch.headers is not None else None
        return parse_strict(batch.values[position], headers, int(batch.recorded_time_ms[position]), self._limits)


def _dead(batch: RawBatch, position: int, rejected: Rejected) -> Dead:
    return Dead(
        batch.topics[int(batch.topic_index[position])],
        batch.partition,
        int(batch.offsets[position]),
        int(batch.recorded_time_ms[position]),
        rejected.reason,
        rejected.detail,
        batch.values[position],
    )


def _typed_rows(batch: RawBatch, event_type: EventType, positions: list[int], events: list[Event]) -> TypedRows:
    at: IntArray = np.asarray(positions, dtype=np.int64)
    schema = data_schema(event_type)
    data = [pa.array([getattr(event.data, field.name) for event in events], type=field.type) for field in schema]
    envelope = [
        pa.array([event.id for event in events], type=pa.string()),
        pa.array([event.source for event in events], type=pa.string()),
        pa.array([event.scope for event in events], type=pa.string()),
        pa.array([event.event_time_ms for event in events], type=pa.int64()),
        pa.array(batch.recorded_time_ms[at]),
        pa.array(batch.topics, type=pa.string()).take(pa.array(batch.topic_index[at])),
        pa.array(np.full(len(at), batch.partition, dtype=np.int64)),
        pa.array(batch.offsets[at]),
    ]
    return TypedRows(
        event_type.name,
        at,
        pa.Table.from_arrays(envelope, schema=ENVELOPE_SCHEMA),
        pa.Table.from_arrays(data, schema=schema),
    )
