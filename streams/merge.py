"""The lane merge: partition *p* of several topics as one stream, ordered by ``(recorded_time_ms, topic, offset)``.

Guarantees
    order       what is emitted is always a prefix of the one total order of the lane's records, whatever was read
                first and wherever batches are cut.
    waiting     a row is emitted when no topic can still have one before it: rows strictly below the smallest recorded
                time that every topic has reached and, of the rows at just that time, those of the topics up to the
                one that is furthest behind (their place is settled too). A silent topic holds the lane until a tick.
    resuming    a reader made from :meth:`LaneReader.position` goes on with exactly the rows that follow.
    memory      a topic that is ahead is paused once ``buffer_records`` or ``buffer_bytes`` of it wait; the topic that
                holds the lane back is always read, and its own rows need not wait.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, Self

import numpy as np

from schemas.records import Headers, IntArray, RawBatch, TopicPartition
from streams.lane_buffer import ENDLESS_MS, TopicBuffer
from streams.lane_position import LanePosition, PositionError
from streams.log import EventLog

__all__ = ["LanePosition", "LaneReader"]

BUFFER_RECORDS: Final = 65_536
BUFFER_BYTES: Final = 64 * 1024 * 1024
_READ_RECORDS: Final = 16_384


class LaneReader:
    """Reads one lane. For one thread at a time."""

    def __init__(
        self,
        log: EventLog,
        topics: Sequence[str],
        partition: int,
        position: LanePosition | None = None,
        *,
        drain_to: Mapping[str, int] | None = None,
        buffer_records: int = BUFFER_RECORDS,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """
        :arg position: from where to go on; None: from the first kept records.
        :arg drain_to: for finite replays: an end offset per topic. Records from there on are not emitted, and a topic
            that has reached its end holds nobody back. None: read for ever.
        :raises PositionError: the position is another lane's or of other topics.
        """
        self._topics = tuple(sorted(set(topics)))
        self._partition = partition
        self._buffer_records, self._buffer_bytes = buffer_records, buffer_bytes
        if position is None:
            earliest = log.earliest_offsets(self._topics)
            starts = {topic: earliest[TopicPartition(topic, partition)] for topic in self._topics}
            position = LanePosition.start(partition, starts)
        self._require_own(position)
        self._buffers = [
            TopicBuffer(
                TopicPartition(topic, partition),
                position.next_offsets[topic],
                position.last_recorded_ms[topic],
                None if drain_to is None else drain_to[topic],
            )
            for topic in self._topics
        ]
        self._by_where = {buffer.where: buffer for buffer in self._buffers}
        self._frontier_ms = position.frontier_ms
        self._paused: frozenset[TopicPartition] = frozenset()
        self._reader = log.reader({buffer.where: buffer.next_offset for buffer in self._buffers})

    def poll(self, max_records: int, timeout_s: float) -> RawBatch | None:
        """The next rows of the lane, at most ``max_records``; None when there are none within ``timeout_s``.

        Fewer than ``max_records`` come only when the log has no more to give at once.
        """
        deadline_s = time.monotonic() + timeout_s
        while (ready := self._ready()) < max_records and not self._all_ended():
            wait_s = 0.0 if ready else max(0.0, deadline_s - time.monotonic())
            if not self._read(wait_s) and (ready or time.monotonic() >= deadline_s):
                break
        return self._emit(max_records) if ready else None

    @property
    def drained(self) -> bool:
        """Draining, and everything below the given ends has been emitted."""
        return self._all_ended() and not any(len(buffer) for buffer in self._buffers)

    def position(self) -> LanePosition:
        """Where the rows end that have been emitted."""
        return LanePosition(
            self._partition,
            {buffer.where.topic: buffer.next_offset for buffer in self._buffers},
            {buffer.where.topic: buffer.last_recorded_ms for buffer in self._buffers},
            self._frontier_ms,
        )

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _require_own(self, position: LanePosition) -> None:
        if position.partition != self._partition or position.next_offsets.keys() != set(self._topics):
            raise PositionError(
                f"the saved position is of lane {position.partition} over {sorted(position.next_offsets)}, but lane "
                f"{self._partition} over {list(self._topics)} is wanted: rebuild from the start of the log"
            )

    def _all_ended(self) -> bool:
        return all(buffer.reached_ms == ENDLESS_MS for buffer in self._buffers)

    def _ready(self) -> int:
        """How many rows may be emitted now."""
        behind = min(range(len(self._buffers)), key=lambda index: self._buffers[index].reached_ms)
        reached_ms = self._buffers[behind].reached_ms
        return sum(buffer.mark_ready(reached_ms, index <= behind) for index, buffer in enumerate(self._buffers))

    def _read(self, timeout_s: float) -> bool:
        """Read a bit from every topic that is not too far ahead; whether anything came (or an end was reached)."""
        self._pause_those_ahead()
        batches = self._reader.poll(_READ_RECORDS, timeout_s)
        for batch in batches:
            self._by_where[TopicPartition(batch.topics[0], batch.partition)].add(batch)
        ended = False
        if any(buffer.end_offset is not None for buffer in self._buffers):
            next_offsets = self._reader.next_offsets()
            for buffer in self._buffers:
                ended |= buffer.note_read_to(next_offsets[buffer.where])
        return bool(batches) or ended

    def _pause_those_ahead(self) -> None:
        behind_ms = min(buffer.reached_ms for buffer in self._buffers)
        paused = frozenset(
            buffer.where
            for buffer in self._buffers
            if buffer.reached_ms == ENDLESS_MS  # drained
            or (buffer.reached_ms > behind_ms and self._is_full(buffer))
        )
        if paused != self._paused:
            self._reader.set_paused(paused)
            self._paused = paused

    def _is_full(self, buffer: TopicBuffer) -> bool:
        # Once paused, half must be gone before it is read again: on Kafka a pause throws away what was fetched ahead.
        share = 2 if buffer.where in self._paused else 1
        return len(buffer) * share >= self._buffer_records or buffer.value_bytes * share >= self._buffer_bytes

    def _emit(self, max_records: int) -> RawBatch:
        # Of no topic can more than max_records rows be among the first max_records.
        counts = np.array([min(buffer.ready, max_records) for buffer in self._buffers], dtype=np.int64)
        heads = [(buffer, count) for buffer, count in zip(self._buffers, counts.tolist(), strict=True) if count]
        times_ms = np.concatenate([buffer.times_ms[:count] for buffer, count in heads])
        offsets = np.concatenate([buffer.offsets[:count] for buffer, count in heads])
        labels = np.repeat(np.arange(len(counts)), counts)
        if len(heads) == 1:
            values, headers = self._columns(counts, None)
        else:
            # Stable: equal times stay in the order of topics and offsets. Runs are sorted already, as timsort likes.
            order = np.argsort(times_ms, kind="stable")[:max_records]
            offsets, times_ms, labels = offsets[order], times_ms[order], labels[order]
            taken = np.bincount(labels, minlength=len(counts))
            first, first_taken = np.cumsum(counts) - counts, np.cumsum(taken) - taken
            values, headers = self._columns(taken, order - (first - first_taken)[labels])
        self._frontier_ms = int(times_ms[-1])
        return RawBatch(self._partition, self._topics, labels, offsets, times_ms, values, headers)

    def _columns(self, taken: IntArray, order: IntArray | None) -> tuple[list[bytes], list[Headers] | None]:
        """The first values and headers of each topic; ``order``: their places among these, None: as they are."""
        parts = [buffer.take(count) for buffer, count in zip(self._buffers, taken.tolist(), strict=True) if count]
        values = parts[0][0] if order is None else [value for part, _ in parts for value in part]
        headers: list[Headers] | None = None
        if any(part is not None for _, part in parts):
            headers = [one for part, its in parts for one in (its if its is not None else [()] * len(part))]
        if order is not None:
            # An array of objects is put in order for a third of what a list takes.
            values = np.array(values, dtype=np.object_)[order].tolist()
            headers = None if headers is None else [headers[place] for place in order.tolist()]
        return values, headers if headers is not None and any(headers) else None
