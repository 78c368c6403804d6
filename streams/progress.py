"""How far a batch brings its partitions: what the writer stores once the batch's rows can be queried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.records import RawBatch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch brings its partitions."""

    topic: str
    partition: int
    next_offset: int
    recorded_time_ms: int


def progress_of(raw: RawBatch) -> tuple[Progress, ...]:
    """The last position per topic of a batch."""
    backwards = raw.topic_index[::-1]
    topics, distance_from_end = np.unique(backwards, return_index=True)
    rows = len(backwards) - 1 - distance_from_end
    return tuple(
        Progress(raw.topics[topic], raw.partition, int(raw.offsets[row]) + 1, int(raw.recorded_time_ms[row]))
        for topic, row in zip(topics.tolist(), rows.tolist(), strict=True)
    )
