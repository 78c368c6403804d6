"""The rows of one topic that were read and wait for their turn in the lane. See :mod:`streams.merge`."""

from __future__ import annotations

from typing import Final

import numpy as np

from schemas.records import Headers, IntArray, RawBatch, TopicPartition

NEVER_MS: Final = -(2**63)  # nothing is known: the next row may be of any time
ENDLESS_MS: Final = 2**63 - 1  # no row will come any more


class TopicBuffer:
    """Columns in offset order. ``reached_ms``: no further row of this topic will be earlier."""

    def __init__(
        self, where: TopicPartition, next_offset: int, last_recorded_ms: int | None, end_offset: int | None
    ) -> None:
        """:arg end_offset: rows from there on are not wanted; None: all are."""
        self.where = where
        self.next_offset = next_offset  # of the first row that was not dropped yet
        self.last_recorded_ms = last_recorded_ms  # of the last row that was dropped
        self.end_offset = end_offset
        self.reached_ms = NEVER_MS if last_recorded_ms is None else last_recorded_ms
        self.ready = 0
        self.offsets: IntArray = np.empty(0, dtype=np.int64)
        self.times_ms: IntArray = np.empty(0, dtype=np.int64)
        self.values: list[bytes] = []
        self.headers: list[Headers] | None = None
        self.value_bytes = 0
        self.note_read_to(next_offset)

    def __len__(self) -> int:
        return len(self.values)

    def add(self, batch: RawBatch) -> None:
        """Rows that follow. Their times are raised to what came before, which their reader may not know."""
        if self.end_offset is not None:
            batch = batch.slice(0, int(np.searchsorted(batch.offsets, self.end_offset)))
        if not len(batch) or self.reached_ms == ENDLESS_MS:
            return
        times_ms = np.maximum(batch.recorded_time_ms, self.reached_ms)
        if batch.headers is not None or self.headers is not None:
            waiting = self.headers if self.headers is not None else [()] * len(self)
            self.headers = waiting + (batch.headers if batch.headers is not None else [()] * len(batch))
        self.offsets = np.concatenate((self.offsets, batch.offsets))
        self.times_ms = np.concatenate((self.times_ms, times_ms))
        self.values += batch.values
        self.value_bytes += sum(map(len, batch.values))
        self.reached_ms = int(times_ms[-1])

    def note_read_to(self, offset: int) -> bool:
        """Everything below ``offset`` was read; whether that is all that is wanted, for the first time."""
        if self.end_offset is None or offset < self.end_offset or self.reached_ms == ENDLESS_MS:
            return False
        self.reached_ms = ENDLESS_MS
        return True

    def mark_ready(self, below_ms: int, and_at: bool) -> int:
        """How many rows are below ``below_ms`` or, where ``and_at``, at it."""
        self.ready = int(np.searchsorted(self.times_ms, below_ms, side="right" if and_at else "left"))
        return self.ready

    def drop(self, count: int) -> None:
        """The first ``count`` rows have been emitted."""
        if not count:
            return
        self.next_offset = int(self.offsets[count - 1]) + 1
        self.last_recorded_ms = int(self.times_ms[count - 1])
        self.value_bytes -= sum(map(len, self.values[:count]))
        self.offsets, self.times_ms = self.offsets[count:], self.times_ms[count:]
        del self.values[:count]
        if self.headers is not None:
            self.headers = self.headers[count:] if len(self.values) else None
