"""The event log in memory: a fake for unit tests, which keeps the contract of :mod:`streams.log` but for durability.

Several readers and appending threads of one process may share it; nothing is left when it is dropped.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from schemas.records import Headers, NewRecord, RawBatch, TopicPartition
from streams.log import LogFacts
from streams.log_checks import check_offset, check_partition, check_partition_count, check_records, no_such_topic


@dataclass(slots=True)
class _Partition:
    first: int = 0
    last_ms: int | None = None
    times_ms: list[int] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.values)


class MemoryLog:
    """``clock`` gives "now" in epoch milliseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._identity = uuid.uuid4().hex
        self._topics: dict[str, list[_Partition]] = {}
        self._changed = threading.Condition(threading.RLock())  # re-entrant: the clock may be the log's own time

    def create_topics(self, topics: Sequence[str], partitions: int) -> None:
        if partitions < 1:
            raise ValueError(f"a topic has at least one partition, not {partitions}")
        with self._changed:
            for topic in topics:
                if topic in self._topics:
                    check_partition_count(topic, len(self._topics[topic]), partitions)
            for topic in topics:
                self._topics.setdefault(topic, [_Partition() for _ in range(partitions)])

    def partitions(self, topic: str) -> int:
        return len(self._topic(topic))

    def describe(self, topics: Sequence[str]) -> LogFacts:
        with self._changed:
            return LogFacts(
                self._identity, {topic: len(self._topics[topic]) for topic in topics if topic in self._topics}
            )

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        with self._changed:
            check_records(records, {topic: self.partitions(topic) for topic in {record.topic for record in records}})
            now_ms = self._clock()
            offsets = [self._add(record, now_ms) for record in records]
            self._changed.notify_all()
            return offsets

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        with self._changed:
            return {where: partition.end for where, partition in self._all(topics)}

    def earliest_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        with self._changed:
            return {where: partition.first for where, partition in self._all(topics)}

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        with self._changed:
            return {where: partition.last_ms for where, partition in self._all(topics)}

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        partitions = self._topic(where.topic)
        check_partition(where, len(partitions))
        partition = partitions[where.partition]
        with self._changed:
            check_offset(where, offset, partition.first, partition.end)
            start = offset - partition.first
            stop = min(start + max_records, len(partition.values))
            headers = partition.headers[start:stop]
            return RawBatch.of(
                where.topic,
                where.partition,
                range(offset, offset + stop - start),
                partition.times_ms[start:stop],
                partition.values[start:stop],
                headers if any(headers) else None,
            )

    def reader(self, start: Mapping[TopicPartition, int]) -> MemoryReader:
        for where in start:
            check_partition(where, self.partitions(where.topic))
        return MemoryReader(self, self._changed, start)

    def drop_before(self, where: TopicPartition, offset: int) -> None:
        """Retention, for tests: remove the records below ``offset``."""
        partition = self._topic(where.topic)[where.partition]
        with self._changed:
            gone = min(offset, partition.end) - partition.first
            partition.times_ms = partition.times_ms[gone:]
            partition.values = partition.values[gone:]
            partition.headers = partition.headers[gone:]
            partition.first += gone

    def close(self) -> None:
        """Nothing to do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _topic(self, topic: str) -> list[_Partition]:
        if topic not in self._topics:
            raise no_such_topic(topic)
        return self._topics[topic]

    def _all(self, topics: Sequence[str]) -> list[tuple[TopicPartition, _Partition]]:
        return [(TopicPartition(topic, n), part) for topic in topics for n, part in enumerate(self._topic(topic))]

    def _add(self, record: NewRecord, now_ms: int) -> int:
        partition = self._topics[record.topic][record.partition]
        stamp_ms = now_ms if record.recorded_time_ms is None else record.recorded_time_ms
        partition.last_ms = stamp_ms if partition.last_ms is None else max(stamp_ms, partition.last_ms)
        partition.times_ms.append(partition.last_ms)
        partition.values.append(record.value)
        partition.headers.append(record.headers)
        return partition.end - 1


class MemoryReader:
    """Contract: :class:`streams.log.LogReader`."""

    def __init__(self, log: MemoryLog, changed: threading.Condition, start: Mapping[TopicPartition, int]) -> None:
        self._log, self._changed, self._next = log, changed, dict(start)
        self._turns = sorted(start)
        self._paused: frozenset[TopicPartition] = frozenset()

    def poll(self, max_records: int, timeout_s: float) -> list[RawBatch]:
        batches: list[RawBatch] = []

        def found() -> bool:
            batches.extend(self._read(max_records))
            return bool(batches)

        with self._changed:
            self._changed.wait_for(found, timeout_s)
        return batches

    def set_paused(self, paused: Collection[TopicPartition]) -> None:
        self._paused = frozenset(paused)

    def next_offsets(self) -> dict[TopicPartition, int]:
        return dict(self._next)

    def close(self) -> None:
        """Nothing to do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self, max_records: int) -> list[RawBatch]:
        turns = [where for where in self._turns if where not in self._paused]
        self._turns = self._turns[1:] + self._turns[:1]
        batches = []
        left = max_records
        for place, where in enumerate(turns):
            batch = self._log.read(where, self._next[where], -(-left // (len(turns) - place)))
            if len(batch):
                self._next[where] += len(batch)
                left -= len(batch)
                batches.append(batch)
        return batches
