"""Ticks: records that say that time has passed in partitions where nothing happened, so that no lane waits for long.

A partition gets one when its last record is older than the interval: so timers fire where nothing happens at all. Where
something happened in a lane, its other topics get one at the next look: a row waits for every topic of its lane, and
that wait is most of an alert's delay. A lane at rest costs the first kind only. Several tickers on one log do no harm.
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
        look_every_ms: int | None = None,
    ) -> None:
        """:arg look_every_ms: so often rows that wait are looked for; None: only the interval counts."""
        if interval_ms < 1:
            raise ValueError(f"the interval of ticks is at least 1 ms, not {interval_ms}")
        self._log, self._topics, self._clock, self._interval_ms = log, tuple(topics), clock, interval_ms
        self._give_up_after_s, self._look_every_ms = give_up_after_s, look_every_ms
        # What is known of each partition's last record; it can only be younger in truth.
        self._last_ms: dict[TopicPartition, int | None] = {}
        self._ticked_ms: dict[TopicPartition, int] = {}

    def tick_once(self) -> int:
        """Append a tick wherever the last record is older than the interval; how many were appended.

        :raises streams.log.LogError: nothing or not all could be appended; call again.
        """
        now_ms = self._clock()
        if self._look_every_ms is None and self._last_ms and not self._silent(now_ms):
            return 0
        self._last_ms = self._log.last_recorded_time_ms(self._topics)
        wanted = sorted({*self._silent(now_ms), *self._waited_for(now_ms)})
        if wanted:
            self._log.append([tick_record(where.topic, where.partition, now_ms) for where in wanted])
            self._last_ms.update(dict.fromkeys(wanted, now_ms))
            self._ticked_ms.update(dict.fromkeys(wanted, now_ms))
        return len(wanted)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``. :raises LogUnavailableError: the log was unavailable for ``give_up_after_s``."""
        failing_since_s: float | None = None
        every_ms = self._interval_ms / _LOOKS_PER_INTERVAL
        if self._look_every_ms is not None:
            every_ms = min(every_ms, self._look_every_ms)
        while not stop.wait(every_ms / 1000):
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

    def _waited_for(self, now_ms: int) -> list[TopicPartition]:
        """The partitions that have not come past the latest row of their lane that is no tick of ours."""
        if self._look_every_ms is None:
            return []
        latest: dict[int, tuple[int, str]] = {}
        for where, last_ms in self._last_ms.items():
            if last_ms is not None and last_ms != self._ticked_ms.get(where):
                latest[where.partition] = max(latest.get(where.partition, (last_ms, "")), (last_ms, where.topic))
        return [
            where
            for where, last_ms in self._last_ms.items()
            if where.partition in latest
            and (last_ms is None or (last_ms < now_ms and (last_ms, where.topic) < latest[where.partition]))
        ]
