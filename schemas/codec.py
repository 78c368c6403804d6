"""Batches of bytes in; events in columns and dead letters out. Never raises on input.

Every record read moves the clock (``EventBatch.recorded_time_ms``), ticks and dead letters too; ticks are in no table.
A batch goes the fast path (:mod:`schemas.fast`), which may only accept; whatever it leaves goes one by one through the
strict path (:mod:`schemas.strict`), the authority, and is merged back at its place. So the outcome does not depend on
how records are written, on grouping or on where batches are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas.admit import Accepted, FastType
from schemas.catalogue import EVENT_TYPES
from schemas.columns import ENVELOPE_SCHEMA, EventBatch, TypedRows
from schemas.compile import data_schema
from schemas.event import Event
from schemas.families.system import Tick
from schemas.fast import Thresholds, accept
from schemas.reasons import Reason
from schemas.records import IntArray, RawBatch
from schemas.strict import Limits, Rejected, is_plain, parse_strict


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
    """Decodes batches; keeps nothing between them. ``min_fast_rows``: fewer of a kind are decoded one by one."""

    def __init__(self, limits: Limits, min_fast_rows: int | None = None) -> None:
        self._limits = limits
        self._thresholds = Thresholds() if min_fast_rows is None else Thresholds(min_fast_rows, min_fast_rows)
        self._kinds = {wire_name: kind for each in EVENT_TYPES for wire_name, kind in FastType.of(each).items()}

    def decode(self, batch: RawBatch) -> Decoded:
        """Everything in the batch, in log order."""
        rows: dict[str, list[TypedRows]] = {}
        is_left = np.ones(len(batch), dtype=np.bool_)
        for found in self._fast(batch):
            is_left[found.at] = False
            for typed in _of_fast(batch, found):
                rows.setdefault(typed.type_name, []).append(typed)
        events: dict[str, list[tuple[int, Event]]] = {}
        dead: list[Dead] = []
        for position in np.flatnonzero(is_left).tolist():
            outcome = self._strict(batch, position)
            if isinstance(outcome, Rejected):
                dead.append(_dead(batch, position, outcome))
            else:
                events.setdefault(outcome.event_type.name, []).append((position, outcome))
        for typed in _of_strict(batch, events):
            rows.setdefault(typed.type_name, []).append(typed)
        rows.pop(Tick.type_name, None)
        types = {name: _merged(rows[name]) for name in sorted(rows)}
        return Decoded(EventBatch(batch.partition, batch.recorded_time_ms, types), dead)

    def _fast(self, batch: RawBatch) -> Iterator[Accepted]:
        """What the fast path accepts of the records whose value says it all."""
        at = np.arange(len(batch))
        values = batch.values
        if batch.headers is not None:
            at = np.flatnonzero([is_plain(headers) for headers in batch.headers])
            values = [values[position] for position in at.tolist()]
        return accept(values, at, batch.recorded_time_ms, self._kinds, self._limits, self._thresholds)

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


def _merged(parts: list[TypedRows]) -> TypedRows:
    """One type's rows from all paths, in log order."""
    if len(parts) == 1:
        return parts[0]
    positions = np.concatenate([part.positions for part in parts])
    order = np.argsort(positions, kind="stable")
    return TypedRows(
        parts[0].type_name,
        positions[order],
        pa.concat_tables([part.envelope for part in parts]).take(order).combine_chunks(),
        pa.concat_tables([part.data for part in parts]).take(order).combine_chunks(),
    )


def _of_fast(batch: RawBatch, found: Accepted) -> Iterator[TypedRows]:
    envelope = _envelope(batch, found.at, found.id, found.source, found.scope, found.event_time_ms)
    for of_type in found.types:
        rows = of_type.rows
        part = envelope.slice(rows.start, rows.stop - rows.start)
        yield TypedRows(of_type.event_type.name, found.at[rows], part, of_type.data)


def _of_strict(batch: RawBatch, found: Mapping[str, list[tuple[int, Event]]]) -> Iterator[TypedRows]:
    """Events by type with their places in the batch, each type's in order."""
    flat = [each for events in found.values() for each in events]
    if not flat:
        return
    at = np.asarray([position for position, _ in flat], dtype=np.int64)
    ids, sources, scopes = (
        pa.array([getattr(event, name) for _, event in flat], type=pa.string()) for name in ("id", "source", "scope")
    )
    times = np.asarray([event.event_time_ms for _, event in flat], dtype=np.int64)
    envelope = _envelope(batch, at, ids, sources, scopes, times)
    start = 0
    for name, events in found.items():
        schema = data_schema(events[0][1].event_type)
        columns = [
            pa.array([getattr(event.data, column.name) for _, event in events], type=column.type) for column in schema
        ]
        stop = start + len(events)
        part = envelope.slice(start, len(events))
        yield TypedRows(name, at[start:stop], part, pa.Table.from_arrays(columns, schema=schema))
        start = stop


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
