"""Notices that the log got other partitions than a running flow reads.

A producer that knows of the new partitions puts records where this flow does not look, and those of one community in
two places. So the flow must stop and somebody must decide; see ``gridpulse rescale``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from streams.log import EventLog, LogError, LogFacts
from streams.log_checks import check_partition_count

INTERVAL_S: Final = 10.0


class PartitionWatch:
    """Asks the log about its topics every ``interval_s``, on a thread of its own: the flow never waits for it.

    An outage of the log is not its business: then it asks again later.
    """

    def __init__(
        self,
        log: EventLog,
        topics: Sequence[str],
        partitions: int,
        *,
        interval_s: float = INTERVAL_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._topics, self._partitions = log, tuple(topics), partitions
        self._interval_s, self._monotonic_s = interval_s, monotonic_s
        self._asked_at_s = monotonic_s()
        self._asking: threading.Thread | None = None
        self._facts: LogFacts | None = None

    def check(self) -> None:
        """Cheap; call it often. :raises LogConfigError: a topic has another number of partitions by now."""
        if self._facts is not None:
            facts, self._facts = self._facts, None
            for topic, found in facts.partitions.items():
                check_partition_count(topic, found, self._partitions)
        if self._monotonic_s() - self._asked_at_s < self._interval_s or self.asking:
            return
        self._asked_at_s = self._monotonic_s()
        self._asking = threading.Thread(target=self._ask, name="partition-watch", daemon=True)
        self._asking.start()

    @property
    def asking(self) -> bool:
        """Whether an answer is still awaited."""
        return self._asking is not None and self._asking.is_alive()

    def _ask(self) -> None:
        with suppress(LogError):
            self._facts = self._log.describe(self._topics)
