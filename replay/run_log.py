"""The log as a replay sees it: read only, and ending for ever where it ended when the run began.

A lane read through it emits exactly what is *settled* below those ends, as the live pipeline would have: what waits
for a silent topic waits here too. However much the log grows meanwhile, a run and its resumption read the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn, Self

import numpy as np

from schemas.records import NewRecord, RawBatch, TopicPartition
from streams.log import EventLog, LogConfigError, LogFacts, LogReader


class PinnedLog:
    """Contract: :class:`streams.log.EventLog`, but nothing can be appended. ``exhausted`` is about its readers."""

    def __init__(self, log: EventLog, ends: Mapping[TopicPartition, int]) -> None:
        self._log, self._ends = log, ends
        self._readers: list[PinnedReader] = []

    @property
    def exhausted(self) -> bool:
        """Whether no reader has anything left to give, short of what it was told to pause."""
        return all(reader.exhausted for reader in self._readers)

    def create_topics(self, topics: Sequence[str], partitions: int) -> None:
        _refuse()

    def describe(self, topics: Sequence[str]) -> LogFacts:
        return self._log.describe(topics)

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        _refuse()

    def partitions(self, topic: str) -> int:
        return self._log.partitions(topic)

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {where: end for where, end in self._ends.items() if where.topic in topics}

    def earliest_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return self._log.earliest_offsets(topics)

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        return self._log.last_recorded_time_ms(topics)

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        return below(self._log.read(where, offset, max_records), self._ends[where])

    def reader(self, start: Mapping[TopicPartition, int]) -> PinnedReader:
        reader = PinnedReader(self._log.reader(start), self._ends)
        self._readers.append(reader)
        return reader

    def close(self) -> None:
        """Nothing to do: the log beneath belongs to somebody else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class PinnedReader:
    """Contract: :class:`streams.log.LogReader`; partitions that have come to their end are read no further."""

    def __init__(self, reader: LogReader, ends: Mapping[TopicPartition, int]) -> None:
        self._reader, self._ends = reader, ends
        self._asked: frozenset[TopicPartition] = frozenset()  # to be paused, by whoever reads
        self._paused: frozenset[TopicPartition] = frozenset()
        self._pause()

    @property
    def exhausted(self) -> bool:
        return self._paused >= self._reader.next_offsets().keys()

    def poll(self, max_records: int, timeout_s: float) -> list[RawBatch]:
        if self.exhausted:
            return []
        read = self._reader.poll(max_records, timeout_s)
        batches = [below(batch, self._ends[TopicPartition(batch.topics[0], batch.partition)]) for batch in read]
        self._pause()
        return [batch for batch in batches if len(batch)]

    def set_paused(self, paused: Collection[TopicPartition]) -> None:
        self._asked = frozenset(paused)
        self._pause()

    def next_offsets(self) -> dict[TopicPartition, int]:
        return {where: min(offset, self._ends[where]) for where, offset in self._reader.next_offsets().items()}

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _pause(self) -> None:
        ended = {where for where, offset in self._reader.next_offsets().items() if offset >= self._ends[where]}
        if (paused := self._asked | ended) != self._paused:
            self._reader.set_paused(paused)
            self._paused = paused


def below(batch: RawBatch, end: int) -> RawBatch:
    """The records of one partition below ``end``."""
    return batch.slice(0, int(np.searchsorted(batch.offsets, end)))


def _refuse() -> NoReturn:
    raise LogConfigError("a replay only reads the log")
