"""Fills a database from the log: the one way in which projections are built anew, to check, rebuild or compare them.

Reads spans of partitions one after another, decodes them as the live writer does and gives them to a
:class:`projections.writer.Writer`. Within a partition rows come in log order, which is all that any table needs.
Memory: one batch. Repetition is harmless, as everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from projections.writer import Writer
from schemas.codec import Decoded
from schemas.columns import EventBatch
from schemas.records import RawBatch, TopicPartition
from streams.log import EventLog, LogUnavailableError
from streams.progress import progress_of

BATCH_RECORDS = 50_000
READ_TIMEOUT_S = 30.0
Decode = Callable[[RawBatch], Decoded]


@dataclass(frozen=True, slots=True)
class Span:
    """Records of one partition: offsets from ``start`` to before ``end``."""

    where: TopicPartition
    start: int
    end: int

    @property
    def records(self) -> int:
        """How many at most; Kafka's offsets have gaps."""
        return max(0, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Filled:
    """What was read and written. ``rows_by_type`` counts records, repetitions included."""

    records: int
    rows_by_type: Mapping[str, int]


def spans(log: EventLog, topics: Sequence[str], ends: Mapping[TopicPartition, int]) -> list[Span]:
    """From the first kept record of every partition of ``topics`` up to ``ends`` (missing: nothing)."""
    earliest = log.earliest_offsets(topics)
    return [
        Span(where, start, ends.get(where, 0))
        for where, start in sorted(earliest.items())
        if ends.get(where, 0) > start
    ]


def fill(
    log: EventLog,
    decode: Decode,
    writer: Writer,
    wanted: Iterable[Span],
    now: Callable[[], datetime],
    *,
    types: frozenset[str] | None = None,
    progress: Callable[[int], None] = lambda _records: None,
) -> Filled:
    """Write the events of ``wanted``, of ``types`` only unless None; ``progress`` hears of records read.

    :raises OffsetOutOfRangeError: retention was faster. :raises LogUnavailableError: the log gives nothing any more.
    """
    records = 0
    rows: Counter[str] = Counter()
    for span in wanted:
        for batch in _batches(log, span):
            events = chosen(decode(batch).events, types)
            rows.update({name: len(typed) for name, typed in events.types.items()})
            writer.write([events], progress_of(batch), now())
            records += len(batch)
            progress(len(batch))
    return Filled(records, dict(rows))


def chosen(batch: EventBatch, types: frozenset[str] | None) -> EventBatch:
    """The batch with the rows of ``types`` only."""
    if types is None:
        return batch
    return replace(batch, types={name: typed for name, typed in batch.types.items() if name in types})


def _batches(log: EventLog, span: Span) -> Iterator[RawBatch]:
    with log.reader({span.where: span.start}) as reader:
        while reader.next_offsets()[span.where] < span.end:
            batches = reader.poll(BATCH_RECORDS, READ_TIMEOUT_S)
            if not batches and reader.next_offsets()[span.where] < span.end:
                raise LogUnavailableError(
                    f"{span.where} gave nothing for {READ_TIMEOUT_S:.0f} s although it goes on to {span.end}: "
                    "see that the log is up, and start again"
                )
            for batch in batches:
                part = batch.slice(0, int(np.searchsorted(batch.offsets, span.end)))
                if len(part):
                    yield part
