"""Ticks: records that say that time has passed in partitions where nothing happened, so that no lane waits for long.

A partition gets one when its last record is older than the interval. While there is traffic this costs one look at
the ends of the partitions per interval and writes nothing. Several tickers on one log do no harm.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from schemas.event import tick_record
from schemas.records import TopicPartition
from streams.log import EventLog, LogUnavailableError

GIVE_UP_AFTER_S: Final = 60.0
_LOOKS_PER_INTERVAL: Final = 2
_log = structlog.get_logger(__name__)


class Ticker:
    """``clock`` gives the log's "now" in epoch milliseconds."""

    def __init__(
        self,
        log: EventLog,
        topics: Sequence[str],
        clock: Callable[[], int],
        interval_ms: int,
        give_up_after_s: float = GIVE_UP_AFTER_S,
    ) -> None:
        if interval_ms < 1:
            raise ValueError(f"the interval of ticks is at least 1 ms, not {interval_ms}")
        self._log, self._topics, self._clock, self._interval_ms = log, tuple(topics), clock, interval_ms
        self._give_up_after_s = give_up_after_s
        # What is known of each partition's last record; it can only be younger in truth.
        self._last_ms: dict[TopicPartition, int | None] = {}

    def tick_once(self) -> int:
        """Append a tick wherever the last record is older than the interval; how many were appended.

        :raises streams.log.LogError: nothing or not all could be appended; call again.
        """
        now_ms = self._clock()
        if self._last_ms and not self._silent(now_ms):
            return 0
        self._last_ms = self._log.last_recorded_time_ms(self._topics)
        silent = self._silent(now_ms)
        if silent:
            self._log.append([tick_record(where.topic, where.partition, now_ms) for where in silent])
            self._last_ms.update(dict.fromkeys(silent, now_ms))
        return len(silent)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``. :raises LogUnavailableError: the log was unavailable for ``give_up_after_s``."""
        failing_since_s: float | None = None
        while not stop.wait(self._interval_ms / 1000 / _LOOKS_PER_INTERVAL):
            try:
                self.tick_once()
                failing_since_s = None
            except LogUnavailableError as error:
                now_s = time.monotonic()
                failing_since_s = now_s if failing_since_s is None else failing_since_s
                if now_s - failing_since_s >= self._give_up_after_s:
                    raise
                _log.warning("tick_failed", error=str(error))

    def _silent(self, now_ms: int) -> list[TopicPartition]:
        oldest_ms = now_ms - self._interval_ms
        return [where for where, last_ms in self._last_ms.items() if last_ms is None or last_ms < oldest_ms]
