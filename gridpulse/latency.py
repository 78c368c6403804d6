"""From append to queryable, seen from outside: when does what was appended show in ClickHouse?

The writer's ``projection_progress`` row goes in after a batch's rows, so once it names an offset, everything below it
can be queried. A slice counts from just *before* its append, and is seen at the next look: both only make it longer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.records import TopicPartition

KEPT_SLICES = 200_000  # percentiles are over the latest so many


@dataclass(frozen=True, slots=True)
class _Waiting:
    where: TopicPartition
    end_offset: int
    events: int
    appended_s: float


@dataclass(slots=True)
class LatencyMeter:
    """Weighs every slice by its events. Times are of one monotonic clock, in seconds."""

    events: int = 0
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=KEPT_SLICES))  # latency_ms, events
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def appended(self, ends: Mapping[TopicPartition, tuple[int, int]], before_append_s: float) -> None:
        """``ends``: per partition one past the last offset, and how many events went there."""
        with self._lock:
            for where, (end_offset, events) in ends.items():
                self._waiting.append(_Waiting(where, end_offset, events, before_append_s))

    def looked(self, queryable: Mapping[TopicPartition, int], now_s: float) -> None:
        """``queryable``: per partition one past the last offset that can be queried now."""
        with self._lock:
            still = deque[_Waiting]()
            for one in self._waiting:
                if queryable.get(one.where, 0) >= one.end_offset:
                    self._seen.append(((now_s - one.appended_s) * 1000.0, one.events))
                    self.events += one.events
                else:
                    still.append(one)
            self._waiting = still

    @property
    def waiting_events(self) -> int:
        with self._lock:
            return sum(one.events for one in self._waiting)

    @property
    def oldest_waiting_s(self) -> float | None:
        """When the oldest slice that can't be queried yet was appended."""
        with self._lock:
            return min((one.appended_s for one in self._waiting), default=None)

    def percentile_ms(self, ratio: float) -> float | None:
        """The latency that ``ratio`` of all events did not exceed; None before any was seen."""
        with self._lock:  # only to copy: whoever appends must not wait for the sorting
            seen = list(self._seen)
        seen.sort()
        wanted = ratio * sum(events for _, events in seen)
        reached = 0
        for latency_ms, events in seen:
            reached += events
            if reached >= wanted:
                return latency_ms
        return None
