"""What two cores of this machine give to work that shares nothing: the yardstick of scale-out.

The work is of the kind that is scaled out: each process decodes records of the same log, which it has read before, and
neither writes nor waits. One of two processes does it alone; then both do the same, each as much, at the same time.
Where that took as long, the machine gives 2.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Final

from benchmarks.together import TIMEOUT_S, together
from gridpulse import adapters
from gridpulse.settings import Settings
from schemas.records import RawBatch
from schemas.topics import DOMAIN_TOPICS
from streams.feeds import FeedName
from streams.log import EventLog

RECORDS: Final = 100_000  # that each process decodes


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What one process took; times are the machine's monotonic clock."""

    alone: tuple[float, float] | None  # seconds, CPU seconds
    began_s: float  # together with the other
    ended_s: float
    cpu_s: float


def two_cores(settings: Settings) -> dict[str, float]:
    """``machine_ratio``: work done by two at once to that of one, by wall; ``machine_ratio_by_cpu``: by CPU time."""
    begin = multiprocessing.get_context("spawn").Barrier(2)
    done: list[_Decoded] = together(_decode, [(settings, first, begin) for first in (True, False)])
    alone_s, alone_cpu_s = next(one.alone for one in done if one.alone is not None)
    both_s = max(one.ended_s for one in done) - min(one.began_s for one in done)
    return {
        "machine_ratio": round(2.0 * alone_s / both_s, 3),
        "machine_ratio_by_cpu": round(2.0 * alone_cpu_s / max(one.cpu_s for one in done), 3),
    }


def _decode(settings: Settings, first: bool, begin: Barrier, said: Queue[_Decoded]) -> None:
    """In a process of its own; only the first of the two decodes alone, too, while the other waits."""
    with adapters.the_log(settings) as log:
        batches = list(_read(log, settings))
        decode = adapters.flow_ports(settings, log, "detect").decode

        def work() -> tuple[float, float, float]:
            began_s, cpu_s = time.monotonic(), time.process_time()
            for batch in batches:
                decode(batch)
            return began_s, time.monotonic(), time.process_time() - cpu_s

        work()  # what is made once is made, and memory is there: else being alone would only mean being first
        begin.wait(TIMEOUT_S)
        alone = work() if first else None
        begin.wait(TIMEOUT_S)
        began_s, ended_s, cpu_s = work()
    said.put(_Decoded(None if alone is None else (alone[1] - alone[0], alone[2]), began_s, ended_s, cpu_s))


def _read(log: EventLog, settings: Settings) -> Iterator[RawBatch]:
    """The first records of the lanes, a lane after the other."""
    ends, records = log.end_offsets(DOMAIN_TOPICS), 0
    for lane in range(settings.partitions):
        feed = FeedName("lane", lane).open(log, None, ends)
        while records < RECORDS and not feed.ended:
            batch = feed.poll(settings.max_batch_records)
            if batch is not None and len(batch):
                records += len(batch)
                yield batch
        feed.close()
