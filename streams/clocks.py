"""Clocks. ``wall_clock`` is, entry points apart, the only place that reads the machine's clock.

Times are epoch milliseconds, UTC.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, Protocol

from schemas.records import TopicPartition

_CACHED_MS: Final = 20


def wall_clock() -> int:
    """Now."""
    return time.time_ns() // 1_000_000


class LastTimes(Protocol):
    """The part of :class:`streams.log.EventLog` that a :class:`LogClock` needs."""

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]: ...


class LogClock:
    """Now is the largest recorded time at the ends of ``topics``: the time of a simulation that writes them.

    0 while they are empty. Never goes back. The answer is up to ``cached_ms`` of real time old.
    """

    def __init__(self, log: LastTimes, topics: Sequence[str], cached_ms: int = _CACHED_MS) -> None:
        self._log, self._topics, self._cached_s = log, tuple(topics), cached_ms / 1000
        self._now_ms = 0
        self._asked_at_s: float | None = None

    def __call__(self) -> int:
        asked_at_s = time.monotonic()
        if self._asked_at_s is None or asked_at_s - self._asked_at_s >= self._cached_s:
            last = self._log.last_recorded_time_ms(self._topics).values()
            self._now_ms = max(self._now_ms, *(time_ms for time_ms in last if time_ms is not None), 0)
            self._asked_at_s = asked_at_s
        return self._now_ms
