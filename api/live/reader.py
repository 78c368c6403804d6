"""One thread that reads the alerts topic, all partitions of it, and hands the steps over.

It begins before the end, so that clients can go on from where they were, and says when it has reached what was the end
as it began. The log may go away for a while: it tries again, from where it was. When retention has overtaken it, or
the log is not as it must be, it ends, and says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from api.live.positions import mark_of
from api.live.steps import ReadSteps, read_steps
from schemas.records import TopicPartition
from schemas.topics import topic_of
from streams.log import EventLog, LogError, LogUnavailableError

TOPIC: Final = topic_of("alerts")
_POLL_RECORDS: Final = 2_000
_POLL_S: Final = 0.5
_GATHER_S: Final = 0.05  # what comes within this of the last is sent together: a client costs by the piece
_RETRY_S: Final = 0.5
_LEAST_BACK: Final = 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where reading begins, and where the log ended at that time; per partition."""

    mark: int
    start: list[int]
    end: list[int]


def beginning(event_log: EventLog, steps_kept: int) -> Beginning:
    """Far enough back to fill what is kept, and to know what was repeated in it.

    :raises LogError:
    """
    facts = event_log.describe([TOPIC])
    first, end = event_log.earliest_offsets([TOPIC]), event_log.end_offsets([TOPIC])
    back = max(_LEAST_BACK, 2 * steps_kept // len(end))
    ordered = sorted(end)
    return Beginning(
        mark_of(facts.identity),
        [max(first[where], end[where] - back) for where in ordered],
        [end[where] for where in ordered],
    )


class Receiver(Protocol):
    """Who is handed what was read; called from the reader's thread, waits until it has been taken."""

    def __call__(self, reads: Sequence[ReadSteps], is_caught_up: bool) -> None: ...


class AlertReader:
    """``receive`` is given everything in order; ``ended`` is called once, at the end of the thread."""

    def __init__(self, event_log: EventLog, begin: Beginning, receive: Receiver, ended: Callable[[], None]) -> None:
        self._log = event_log
        self._receive, self._ended = receive, ended
        self._next = {TopicPartition(TOPIC, number): offset for number, offset in enumerate(begin.start)}
        self._behind = {TopicPartition(TOPIC, number): offset for number, offset in enumerate(begin.end)}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-alerts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait for the thread."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._read()
                except LogUnavailableError as fault:
                    log.warning("live_log_unavailable", fault=str(fault))
                    self._stop.wait(_RETRY_S)
                except LogError as fault:
                    log.warning("live_reading_begins_anew", fault=str(fault))
                    return
        finally:
            self._ended()

    def _read(self) -> None:
        with self._log.reader(self._next) as reader:
            while not self._stop.is_set():
                batches = reader.poll(_POLL_RECORDS, 0.0 if self._behind else _POLL_S)
                reads = [read_steps(batch) for batch in batches]
                self._next = reader.next_offsets()
                self._behind = {where: end for where, end in self._behind.items() if self._next[where] < end}
                self._receive(reads, not self._behind)  # of nothing too: so it is known whether anybody is there
                if reads and not self._behind:
                    self._stop.wait(_GATHER_S)
                elif not reads and self._behind:
                    self._stop.wait(_GATHER_S / 5)
