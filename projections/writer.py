"""From decoded batches to ClickHouse: per event type one Arrow insert, one of the late events, then the progress rows.

Delivery     at least once: a batch written twice, wholly or in part, leaves the tables (read with FINAL) as if written
             once, since rows are replaced by key. Nothing is ever added to.
Order        rows of one type go in log order; types do not depend on each other and go in parallel.
             ``projection_progress`` is written last, so whatever it names can be queried. It never goes back.
On failure   transient errors are retried a bounded number of times, then :class:`StoreUnavailableError` is raised:
             progress does not name the batch, and the caller writes it again. Any other error is raised at once.
Columns      are passed on as Arrow buffers; no Python object is made per event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa

from projections.client import Client, with_retries
from projections.late_rows import late_of, lateness_s
from projections.late_tables import LATE_EVENTS
from projections.tables import EVENT_TABLES, PROJECTION_PROGRESS
from schemas.columns import EventBatch, TypedRows

# An import of old series, or devices with wild clocks, may touch any number of months in one block.
# One thread: a batch is one block, and handing it round costs a fifth of a small insert.
# Nothing is merged before it is written, which is half the cost of a large insert: FINAL and merges see to that.
INSERT_SETTINGS: Mapping[str, Any] = {
    "max_partitions_per_insert_block": 0, "max_threads": 1, "max_insert_threads": 1, "optimize_on_insert": 0,
}  # fmt: skip
_TIME = pa.timestamp("ms", tz="UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENVELOPE = (
    ("event_time", "event_time_ms", _TIME),
    ("recorded_time", "recorded_time_ms", _TIME),
    ("scope", "scope", None),
    ("source", "source", None),
    ("event_id", "id", None),
    ("log_topic", "topic", None),
    ("log_partition", "partition", None),
    ("log_offset", "offset", None),
)


class Position(Protocol):
    """How far a batch comes in one partition: everything before ``next_offset`` is in it or was before it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def next_offset(self) -> int: ...
    @property
    def recorded_time_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Written:
    """What a call has written."""

    rows: int  # of event tables
    inserts: int  # statements sent, the progress rows not counted


class Writer:
    """Writes for one flow. Not for several threads at once; several writers may share the flow's name."""

    def __init__(
        self,
        client: Client,
        flow: str,
        *,
        max_insert_rows: int = 100_000,
        attempts: int = 6,
        parallel_inserts: int = 4,
        lists_late: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``parallel_inserts``: tables are written so many at a time; they do not depend on each other.

        ``lists_late``: whether the database has ``late_events``; one that is built for other tables has not.
        """
        self._threads = ThreadPoolExecutor(parallel_inserts, thread_name_prefix="insert")
        self._client = client
        self._flow = flow
        self._max_insert_rows = max_insert_rows
        self._attempts = attempts
        self._lists_late = lists_late
        self._sleep = sleep

    def write(self, batches: Sequence[EventBatch], positions: Iterable[Position], processed_time: datetime) -> Written:
        """Insert all rows of ``batches``, in the order given, then the progress they reach.

        :raises StoreUnavailableError: still unreachable after all attempts. :raises StoreError: refused.
        """
        rows = rows_by_table(batches)
        written = sum(table.num_rows for table in rows.values())
        if self._lists_late and (late := late_of(batches)):
            rows[LATE_EVENTS.name] = pa.concat_tables(map(_late_rows, late))
        tables = sorted(rows.items(), key=lambda table: -table[1].num_rows)
        inserts = sum(self._threads.map(lambda table: self._insert_all(*table), tables))
        self._write_progress(positions, processed_time)
        return Written(written, inserts)

    def _insert_all(self, table: str, rows: pa.Table) -> int:
        """One table's rows, in order, in as many statements as their number asks for."""
        starts = range(0, rows.num_rows, self._max_insert_rows)
        for start in starts:
            self._insert(table, rows.slice(start, self._max_insert_rows))
        return len(starts)

    def _insert(self, table: str, rows: pa.Table) -> None:
        with_retries(
            lambda: self._client.insert_arrow(table, rows, INSERT_SETTINGS), attempts=self._attempts, sleep=self._sleep
        )

    def _write_progress(self, positions: Iterable[Position], processed_time: datetime) -> None:
        latest: dict[tuple[str, int], Position] = {}
        for position in positions:
            where = (position.topic, position.partition)
            if where not in latest or position.next_offset >= latest[where].next_offset:
                latest[where] = position
        if latest:
            self._insert(PROJECTION_PROGRESS.name, _progress_table(self._flow, list(latest.values()), processed_time))


def rows_by_table(batches: Sequence[EventBatch]) -> dict[str, pa.Table]:
    """The rows of all batches, per table with its columns; types without a table (ticks) are left out."""
    pieces: dict[str, list[pa.Table]] = {}
    for batch in batches:
        for name, typed in batch.types.items():
            if len(typed) and (table := EVENT_TABLES.get(name)) is not None:
                pieces.setdefault(table.name, []).append(table_rows(typed))
    return {name: pa.concat_tables(tables) if len(tables) > 1 else tables[0] for name, tables in pieces.items()}


def table_rows(typed: TypedRows) -> pa.Table:
    """One type's rows with the names and times of its table; ClickHouse narrows the integers."""
    names, columns = _envelope(typed)
    return pa.table([*columns, *typed.data.columns], names=[*names, *typed.data.column_names])


def _late_rows(typed: TypedRows) -> pa.Table:
    names, columns = _envelope(typed)
    type_names = pa.repeat(pa.scalar(typed.type_name), len(typed))
    return pa.table([*columns, type_names, lateness_s(typed)], names=[*names, "type", "lateness_s"])


def _envelope(typed: TypedRows) -> tuple[list[str], list[pa.ChunkedArray]]:
    """Names and columns of what every event table has."""
    columns = []
    for _, envelope_name, cast in _ENVELOPE:
        column = typed.envelope.column(envelope_name)
        columns.append(column if cast is None else column.cast(cast))
    return [name for name, _, _ in _ENVELOPE], columns


def _progress_table(flow: str, positions: Sequence[Position], processed_time: datetime) -> pa.Table:
    processed_ms = (processed_time - _EPOCH) // timedelta(milliseconds=1)
    return pa.table(
        {
            "flow": pa.array([flow] * len(positions), pa.string()),
            "topic": pa.array([position.topic for position in positions], pa.string()),
            "partition": pa.array([position.partition for position in positions], pa.uint32()),
            "next_offset": pa.array([position.next_offset for position in positions], pa.uint64()),
            "recorded_time": pa.array([position.recorded_time_ms for position in positions], _TIME),
            "processed_time": pa.array([processed_ms] * len(positions), _TIME),
        }
    )
