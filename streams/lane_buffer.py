"""The rows of one topic that were read and wait for their turn in the lane. See :mod:`streams.merge`.

Times and offsets are arrays; values stay in the lists in which they were read, and are touched once more, when they
are taken. Touching a value costs a cache miss, which is most of what merging costs.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from schemas.records import Headers, IntArray, RawBatch, TopicPartition

NEVER_MS: Final = -(2**63)  # nothing is known: the next row may be of any time
ENDLESS_MS: Final = 2**63 - 1  # no row will come any more


class _Piece:
    """Rows that were read together, of which the first ``taken`` are gone. All their bytes stay till all are."""

    __slots__ = ("headers", "taken", "value_bytes", "values")

    def __init__(self, values: list[bytes], headers: list[Headers] | None) -> None:
        self.values, self.headers = values, headers
        self.taken = 0
        self.value_bytes = 0  # once counted


class TopicBuffer:
    """Rows in offset order. ``reached_ms``: no further row of this topic will be earlier."""

    def __init__(
        self, where: TopicPartition, next_offset: int, last_recorded_ms: int | None, end_offset: int | None
    ) -> None:
        """:arg end_offset: rows from there on are not wanted; None: all are."""
        self.where = where
        self.next_offset = next_offset  # of the first row that was not taken yet
        self.last_recorded_ms = last_recorded_ms  # of the last row that was taken
        self.end_offset = end_offset
        self.reached_ms = NEVER_MS if last_recorded_ms is None else last_recorded_ms
        self.ready = 0
        self.offsets: IntArray = np.empty(0, dtype=np.int64)
        self.times_ms: IntArray = np.empty(0, dtype=np.int64)
        self._pieces: deque[_Piece] = deque()
        self._uncounted: deque[_Piece] = deque()  # the last ones of them
        self._counted_bytes = 0
        self.note_read_to(next_offset)

    def __len__(self) -> int:
        return len(self.times_ms)

    @property
    def value_bytes(self) -> int:
        """What the values take. Counted when asked for: that is seldom of the topic that most rows come from."""
        while self._uncounted:
            piece = self._uncounted.popleft()
            piece.value_bytes = sum(map(len, piece.values))
            self._counted_bytes += piece.value_bytes
        return self._counted_bytes

    def add(self, batch: RawBatch) -> None:
        """Rows that follow. Their times are raised to what came before, which their reader may not know."""
        if self.end_offset is not None and len(batch) and batch.offsets[-1] >= self.end_offset:
            batch = batch.slice(0, int(np.searchsorted(batch.offsets, self.end_offset)))
        if not len(batch) or self.reached_ms == ENDLESS_MS:
            return
        times_ms = np.maximum(batch.recorded_time_ms, self.reached_ms)
        waiting = len(self) > 0
        self.offsets = np.concatenate((self.offsets, batch.offsets)) if waiting else batch.offsets
        self.times_ms = np.concatenate((self.times_ms, times_ms)) if waiting else times_ms
        piece = _Piece(batch.values, batch.headers)
        self._pieces.append(piece)
        self._uncounted.append(piece)
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

    def take(self, count: int) -> tuple[list[bytes], list[Headers] | None]:
        """The values of the first ``count`` rows, at least one, and their headers if there are any; they go."""
        self.next_offset = int(self.offsets[count - 1]) + 1
        self.last_recorded_ms = int(self.times_ms[count - 1])
        self.offsets, self.times_ms = self.offsets[count:], self.times_ms[count:]
        values, headers = self._take_of_first(count)
        while len(values) < count:
            more, their_headers = self._take_of_first(count - len(values))
            if headers is not None or their_headers is not None:
                headers = (headers or [()] * len(values)) + (their_headers or [()] * len(more))
            values = values + more
        return values, headers

    def _take_of_first(self, count: int) -> tuple[list[bytes], list[Headers] | None]:
        piece = self._pieces[0]
        start, stop = piece.taken, min(piece.taken + count, len(piece.values))
        piece.taken = stop
        if stop == len(piece.values):
            self._drop_first()
            if not start:
                return piece.values, piece.headers
        return piece.values[start:stop], None if piece.headers is None else piece.headers[start:stop]

    def _drop_first(self) -> None:
        piece = self._pieces.popleft()
        if self._uncounted and self._uncounted[0] is piece:
            self._uncounted.popleft()
        else:
            self._counted_bytes -= piece.value_bytes
