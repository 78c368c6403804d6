"""Batches of bytes in; events in columns and dead letters out. Never raises on input.

Every record read moves the clock (``EventBatch.recorded_time_ms``), ticks and dead letters too; ticks are in no table.
Records are grouped by type and each group goes the fast path (:mod:`schemas.fast`), which may only accept; whatever it
leaves goes one by one through the strict path (:mod:`schemas.strict`), the authority, and is merged back at its place.
So the outcome does not depend on grouping or on where batches are cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from schemas.base import EventType
from schemas.catalogue import EVENT_TYPES
from schemas.columns import ENVELOPE_SCHEMA, EventBatch, TypedRows
from schemas.compile import data_schema
from schemas.event import Event
from schemas.families.system import Tick
from schemas.fast import MIN_ROWS, Accepted, FastType, Group, accept
from schemas.reasons import Reason
from schemas.records import IntArray, RawBatch
from schemas.strict import Limits, Rejected, is_plain, parse_strict

_TYPE_KEY, _SPACED_TYPE_KEY = b'"type":"c', b'"type": "c'  # a rare last byte makes the search twice as fast


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
    """Decodes batches; keeps nothing between them. ``min_fast_rows``: smaller groups are decoded one by one."""

    def __init__(self, limits: Limits, min_fast_rows: int = MIN_ROWS) -> None:
        self._limits = limits
        self._min_fast_rows = min_fast_rows
        kinds = ((event_type.wire_name.encode(), FastType.of(event_type)) for event_type in EVENT_TYPES)
        self._fast = {wire_name: kind for wire_name, kind in kinds if kind is not None}

    def decode(self, batch: RawBatch) -> Decoded:
        """Everything in the batch, in log order."""
        rows: dict[str, _Rows] = {}
        dead: list[Dead] = []
        is_left = np.ones(len(batch), dtype=np.bool_)
        for found in accept(self._groups(batch), batch.recorded_time_ms, self._limits, self._min_fast_rows):
            is_left[found.at] = False
            rows[found.event_type.name] = _Rows(found.event_type, found)
        for position in np.flatnonzero(is_left).tolist():
            outcome = self._strict(batch, position)
            if isinstance(outcome, Rejected):
                dead.append(_dead(batch, position, outcome))
            else:
                of_type = rows.setdefault(outcome.event_type.name, _Rows(outcome.event_type))
                of_type.positions.append(position)
                of_type.events.append(outcome)
        rows.pop(Tick.type_name, None)
        types = {name: rows[name].table(batch) for name in sorted(rows)}
        return Decoded(EventBatch(batch.partition, batch.recorded_time_ms, types), dead)

    def _groups(self, batch: RawBatch) -> list[Group]:
        """The records by type, as far as they are worth a parse. A mere guess: the parsed type is checked."""
        if len(batch) < self._min_fast_rows:
            return []
        guesses: dict[bytes, tuple[list[int], list[bytes]]] = {}
        for position, value in enumerate(batch.values):
            start = value.find(_TYPE_KEY)
            if start < 0:
                start = value.find(_SPACED_TYPE_KEY) + 1
            start += 8
            guess = value[start : value.find(b'"', start)]
            group = guesses.get(guess)
            if group is None:
                group = guesses[guess] = ([], [])
            group[0].append(position)
            group[1].append(value)
        groups = []
        for wire_name, (positions, values) in guesses.items():
            if len(positions) < self._min_fast_rows or wire_name not in self._fast:
                continue
            if batch.headers is not None:
                plain = [i for i, position in enumerate(positions) if is_plain(batch.headers[position])]
                positions, values = [positions[i] for i in plain], [values[i] for i in plain]
            groups.append(Group(self._fast[wire_name], np.asarray(positions, dtype=np.int64), values))
        return groups

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


@dataclass(slots=True)
class _Rows:
    """One type's accepted rows from both paths."""

    event_type: EventType
    fast: Accepted | None = None
    positions: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def table(self, batch: RawBatch) -> TypedRows:
        """Both paths' rows merged in log order."""
        parts = [_of_fast(batch, self.fast)] if self.fast is not None else []
        if self.events:
            parts.append(self._of_strict(batch))
        if len(parts) == 1:
            return parts[0]
        positions = np.concatenate([part.positions for part in parts])
        order = np.argsort(positions, kind="stable")
        return TypedRows(
            self.event_type.name,
            positions[order],
            pa.concat_tables([part.envelope for part in parts]).take(order).combine_chunks(),
            pa.concat_tables([part.data for part in parts]).take(order).combine_chunks(),
        )

    def _of_strict(self, batch: RawBatch) -> TypedRows:
        at = np.asarray(self.positions, dtype=np.int64)
        events = self.events
        ids, sources, scopes = (
            pa.array([getattr(event, name) for event in events], type=pa.string()) for name in ("id", "source", "scope")
        )
        times = np.asarray([event.event_time_ms for event in events], dtype=np.int64)
        schema = data_schema(self.event_type)
        columns = [
            pa.array([getattr(event.data, column.name) for event in events], type=column.type) for column in schema
        ]
        return TypedRows(
            self.event_type.name,
            at,
            _envelope(batch, at, ids, sources, scopes, times),
            pa.Table.from_arrays(columns, schema=schema),
        )


def _of_fast(batch: RawBatch, found: Accepted) -> TypedRows:
    envelope = _envelope(batch, found.at, found.id, found.source, found.scope, found.event_time_ms)
    return TypedRows(found.event_type.name, found.at, envelope, found.data)


def _envelope(
    batch: RawBatch, at: IntArray, ids: pa.Array, sources: pa.Array, scopes: pa.Array, event_time_ms: IntArray
) -> pa.Table:
    """The envelope table of the rows at the given positions."""
    topics = pa.array(batch.topics, type=pa.string()).take(pa.array(batch.topic_index[at]))
    arrays = [
        ids,
        sources,
        scopes,
        pa.array(event_time_ms),
        pa.array(batch.recorded_time_ms[at]),
        topics,
        pa.array(np.full(len(at), batch.partition, dtype=np.int64)),
        pa.array(batch.offsets[at]),
    ]
    return pa.Table.from_arrays(arrays, schema=ENVELOPE_SCHEMA)
