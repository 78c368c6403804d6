"""What two cores of this machine give to work that shares nothing: the yardstick of scale-out.

The work is of the kind that is scaled out: each process decodes records of the same log, which it has read before, and
neither writes nor waits. One process does it alone, then two do the same each, at the same time; both have warmed up.
Where each of the two took as long as the one, the machine gives 2.
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

    began_s: float
    ended_s: float
    cpu_s: float
    records: int


def two_cores(settings: Settings) -> dict[str, float]:
    """``machine_ratio``: work done by two at once to that of one, by wall; ``machine_ratio_by_cpu``: by CPU time."""
    (alone,), both = _decoded_by(1, settings), _decoded_by(2, settings)
    both_s = max(one.ended_s for one in both) - min(one.began_s for one in both)
    return {
        "machine_ratio": round(2.0 * (alone.ended_s - alone.began_s) / both_s, 3),
        "machine_ratio_by_cpu": round(2.0 * alone.cpu_s / max(one.cpu_s for one in both), 3),
    }


def _decoded_by(processes: int, settings: Settings) -> list[_Decoded]:
    begin = multiprocessing.get_context("spawn").Barrier(processes)
    return together(_decode, [(settings, begin)] * processes)


def _decode(settings: Settings, begin: Barrier, said: Queue[_Decoded]) -> None:
    """In a process of its own."""
    with adapters.the_log(settings) as log:
        batches = list(_read(log, settings))
        decode = adapters.flow_ports(settings, log, "detect").decode
        decode(batches[0])
        begin.wait(TIMEOUT_S)
        began_s, cpu_s = time.monotonic(), time.process_time()
        for batch in batches:
            decode(batch)
        ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
    said.put(_Decoded(began_s, ended_s, cpu_s, sum(map(len, batches))))


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
