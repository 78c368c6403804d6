"""Records of the event log as they travel: raw bytes with their coordinates, many at a time.

``recorded_time`` is when a record was appended, in epoch milliseconds; within one partition it never goes back.
Nothing here looks into the bytes: that is :mod:`schemas.codec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Headers = tuple[tuple[str, bytes], ...]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One ordered sequence of records."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class NewRecord(NamedTuple):
    """A record about to be appended. ``recorded_time_ms`` None: the log's clock stamps it at append.

    A tuple: many are made, and one is made in a fifth of the time that a frozen data class takes.
    """

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Headers = ()
    recorded_time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Records in order, as parallel columns of equal length.

    One lane's batch is ordered by ``(recorded_time_ms, topic, offset)``, a single partition's by ``offset``.
    ``topic_index`` points into ``topics``. ``headers`` is None when no record has any.
    """

    partition: int
    topics: tuple[str, ...]
    topic_index: IntArray
    offsets: IntArray
    recorded_time_ms: IntArray
    values: list[bytes]
    headers: list[Headers] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> RawBatch:
        """The records ``[start, stop)``; used by tests to cut anywhere."""
        return RawBatch(
            self.partition,
            self.topics,
            self.topic_index[start:stop],
            self.offsets[start:stop],
            self.recorded_time_ms[start:stop],
            self.values[start:stop],
            None if self.headers is None else self.headers[start:stop],
        )

    @staticmethod
    def of(
        topic: str,
        partition: int,
        offsets: Sequence[int],
        recorded_time_ms: Sequence[int],
        values: list[bytes],
        headers: list[Headers] | None = None,
    ) -> RawBatch:
        """A batch of one partition."""
        return RawBatch(
            partition,
            (topic,),
            np.zeros(len(values), dtype=np.int64),
            np.asarray(offsets, dtype=np.int64),
            np.asarray(recorded_time_ms, dtype=np.int64),
            values,
            headers,
        )
