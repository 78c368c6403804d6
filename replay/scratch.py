"""A database beside the live one, built from the log: what ClickHouse should say.

The rows come as the live writer wrote them: same migrations, same decoder, same writer, log order within a partition.
Event rows whose records retention has removed are taken from the live tables, first, since they come first in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from projections.client import Client
from projections.ddl import Table
from projections.exchange import carry_over, create_tables
from projections.late_tables import LATE_EVENTS
from projections.pins import Pins, Place
from projections.rollup import RollupWorker
from projections.sources import TYPE_OF, sources_of, topics_of, types_of
from projections.tables import EVENT_TABLES, METRIC_TABLES, PROJECTION_PROGRESS, ROLLUP_PROGRESS
from projections.writer import Position, Writer, Written
from replay.distinct import DistinctEvents
from replay.fill import Decode, Filled, Span, chosen, fill
from schemas.codec import Decoded
from schemas.columns import EventBatch
from schemas.records import RawBatch, TopicPartition
from streams.log import EventLog, OffsetOutOfRangeError

FLOW = "rebuilt"
Heard = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LogSide:
    """Where events come from, and the clock that stamps when they were written."""

    log: EventLog
    decode: Decode
    now: Callable[[], datetime]
    timezone: str

    def ends(self, topics: Sequence[str]) -> dict[Place, int]:
        return _places(self.log.end_offsets(topics))

    def starts(self, topics: Sequence[str]) -> dict[Place, int]:
        return _places(self.log.earliest_offsets(topics))


class CopyWriter(Writer):
    """Writes rows and says nothing of progress: that stays what the live writer says."""

    def write(self, batches: Sequence[EventBatch], positions: Iterable[Position], processed_time: datetime) -> Written:
        return super().write(batches, (), processed_time)


class Scratch:
    """Fills ``client``'s database with what ``tables`` need, up to rising ends."""

    def __init__(self, side: LogSide, client: Client, tables: Sequence[Table]) -> None:
        self.client = client
        self.tables = tables
        self.topics = topics_of(tables)
        self.sources = tuple(dict.fromkeys(source for table in tables for source in sources_of(table)))
        self.reached: dict[Place, int] = side.starts(self.topics)
        self.starts = dict(self.reached)
        self.distinct = DistinctEvents()
        self._side, self._types = side, types_of(tables)
        self._recorded_ms: dict[Place, int] = {}

    def check(self, ends: Mapping[Place, int]) -> None:
        """:raises OffsetOutOfRangeError: ClickHouse has come further than the log goes: it is another log."""
        log_ends = self._side.ends(self.topics)
        for place, end in sorted(ends.items()):
            if place in log_ends and end > log_ends[place]:
                raise OffsetOutOfRangeError(TopicPartition(*place), end, self.starts.get(place, 0), log_ends[place])

    def create(self) -> None:
        """Make the tables that are needed, where they are missing."""
        metrics = [ROLLUP_PROGRESS.name] if any(table in METRIC_TABLES for table in self.tables) else []
        own = [table.name for table in self.tables]
        create_tables(self.client, {PROJECTION_PROGRESS.name, *metrics, *own, *self.sources})

    def carry_over(self, live_database: str) -> int:
        """Take what the log has lost from the live tables; how many rows."""
        events = [EVENT_TABLES[TYPE_OF[source]] for source in self.sources]
        others = [table for table in self.tables if table not in events]
        return carry_over(self.client, live_database, [*events, *others], Pins(self.starts, {}))

    def fill_to(self, ends: Mapping[Place, int], heard: Heard) -> Filled:
        """Go on up to ``ends``. :raises OffsetOutOfRangeError: retention was faster."""
        return self._fill(Writer(self.client, FLOW, lists_late=LATE_EVENTS in self.tables), ends, heard)

    def copy_to(self, target: Client, ends: Mapping[Place, int], heard: Heard) -> Filled:
        """Go on up to ``ends``, but in another database, whose progress stays as it is."""
        return self._fill(CopyWriter(target, FLOW), ends, heard)

    def roll_up(self, first_run: int = 0) -> None:
        """Compute the rollups of all that is in, when they are asked for."""
        if any(table in METRIC_TABLES for table in self.tables):
            RollupWorker(self.client, self._side.timezone, first_run=first_run).catch_up()

    def waiting(self, ends: Mapping[Place, int]) -> int:
        """Records up to ``ends`` that are not in yet."""
        return sum(span.records for span in self._spans(ends))

    def _fill(self, writer: Writer, ends: Mapping[Place, int], heard: Heard) -> Filled:
        spans = self._spans(ends)
        filled = fill(self._side.log, self._decode, writer, spans, self._side.now, types=self._types, progress=heard)
        self.reached = self.reached | {(span.where.topic, span.where.partition): span.end for span in spans}
        return filled

    def _decode(self, batch: RawBatch) -> Decoded:
        """Recorded times go on rising where an earlier reader left off; every event is counted."""
        place = (batch.topics[0], batch.partition)
        times_ms = np.maximum(batch.recorded_time_ms, self._recorded_ms.get(place, 0))
        self._recorded_ms[place] = int(times_ms[-1])
        decoded = self._side.decode(replace(batch, recorded_time_ms=times_ms))
        self.distinct.take(chosen(decoded.events, self._types))
        return decoded

    def lost_rows(self, carried: int) -> dict[str, tuple[int, int]]:
        """Tables that do not have as many rows as there are different events: events and rows.

        Rows that were carried over may repeat events, so with them there may be more rows, but never fewer.
        """
        events = self.distinct.counts()
        counts = [
            f"SELECT '{source}', count() FROM {source} FINAL WHERE {self.distinct.chosen_sql()}"
            for source in self.sources
        ]
        lost: dict[str, tuple[int, int]] = {}
        for source, found in self.client.query(" UNION ALL ".join(counts)).rows:
            expected = events.get(TYPE_OF[source], 0)
            if found < expected or (found > expected and not carried):
                lost[str(source)] = (expected, int(found))
        return lost

    def _spans(self, ends: Mapping[Place, int]) -> list[Span]:
        return [
            Span(TopicPartition(*place), start, ends[place])
            for place, start in sorted(self.reached.items())
            if ends.get(place, 0) > start
        ]


def _places(offsets: Mapping[TopicPartition, int]) -> dict[Place, int]:
    return {(where.topic, where.partition): offset for where, offset in offsets.items()}
