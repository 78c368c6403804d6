"""Clocks. ``wall_clock`` is, entry points apart, the only place that reads the machine's clock.

Times are epoch milliseconds, UTC.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol, Self

from schemas.records import TopicPartition
from streams.log import LogUnavailableError

_CACHED_MS: Final = 20
_FOLLOWED_S: Final = 0.1


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


class FollowedClock:
    """A clock that may have to wait, as one that never does: a thread asks it, and a call gives its last answer.

    For an event loop, where asking a broker would hold up everybody. The answer is ``every_s`` and one question old;
    while the log is away it stays as it is. The first question is asked at once, by who builds it. Whatever else ends
    the thread is raised by the next call.
    """

    def __init__(self, clock: Callable[[], int], every_s: float = _FOLLOWED_S) -> None:
        """:raises LogUnavailableError: there is no first answer."""
        self._clock, self._every_s = clock, every_s
        self._now_ms = clock()
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="clock", daemon=True)
        self._thread.start()

    def __call__(self) -> int:
        if self._failure is not None:
            raise self._failure
        return self._now_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._stop.wait(self._every_s):
                with suppress(LogUnavailableError):
                    self._now_ms = self._clock()
        except BaseException as failure:  # noqa: BLE001 - handed to the callers
            self._failure = failure
