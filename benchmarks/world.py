"""The real processes, started for a benchmark: store, pipeline, rollup, on a log of their own, with nothing stubbed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.city import closing_ticks, last_ms
from benchmarks.figures import cpu_seconds
from gridpulse import adapters
from gridpulse.free_ports import free_ports
from gridpulse.settings import Settings, load_settings
from gridpulse.up import child, store_child
from projections.client import Client
from projections.progress import queryable
from projections.rollup_progress import load_progress
from projections.tables import EVENT_TABLES
from schemas.catalogue import BY_NAME
from schemas.metrics import METRICS
from schemas.records import NewRecord, TopicPartition
from schemas.topics import DOMAIN_TOPICS, topic_of
from streams.dev_broker import DevBroker
from streams.log import EventLog
from streams.supervise import Supervisor

TIMEOUT_S = 900.0
LOOK_S = 0.25  # a look costs the store milliseconds, which count as its work
APPENDED_TOGETHER = 10_000
Ends = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds by process, so far or between two looks."""

    cpu_s: Mapping[str, float]

    def since(self, before: Spent) -> Spent:
        return Spent({name: cpu_s - before.cpu_s.get(name, 0.0) for name, cpu_s in self.cpu_s.items()})

    @property
    def total_s(self) -> float:
        return sum(self.cpu_s.values())


class World:
    """A started GridPulse."""

    def __init__(self, settings: Settings, log: EventLog, supervisor: Supervisor) -> None:
        self.settings, self.log, self.supervisor = settings, log, supervisor
        self.client: Client = adapters.clickhouse(settings)

    def start(self, *names: str) -> None:
        for name in names:
            self.supervisor.start(child(self.settings, name))

    def append(self, records: Sequence[NewRecord]) -> Ends:
        """All records; per partition one past the last."""
        return append_all(self.log, records)

    def append_settled(self, records: Sequence[NewRecord], partitions: int) -> Ends:
        """All records, and ticks after them, so that no lane waits for more; the ends are of the records alone."""
        ends = self.append(records)
        self.append(closing_ticks(last_ms(records) + 1, partitions))
        return ends

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        """:raises TimeoutError: not in time."""
        wait_until(reached, what, self.supervisor)

    def queryable(self) -> Ends:
        return queryable(self.client)

    def are_rows_in(self, ends: Ends) -> bool:
        queryable = self.queryable()
        return all(queryable.get(where, 0) >= end for where, end in ends.items())

    def are_minutes_in(self, ends: Ends) -> bool:
        """Whether the minutes of every metric have been computed so far."""
        done_to = load_progress(self.client).done_to
        return all(
            done_to.get(("minute", table, where.topic, where.partition), 0) >= end
            for where, end in ends.items()
            for table in _rolled_up(where.topic)
        )

    def spent(self) -> Spent:
        return Spent({name: cpu_seconds(psutil.Process(pid)) for name, pid in self.supervisor.pids().items()})

    def rss_mb(self) -> dict[str, int]:
        return {
            name: round(psutil.Process(pid).memory_info().rss / 1e6) for name, pid in self.supervisor.pids().items()
        }

    def count(self, what: str) -> int:
        """Rows of a table, each once."""
        return int(self.client.query(f"SELECT count() FROM {what} FINAL").rows[0][0])

    @contextlib.contextmanager
    def held(self, *names: str) -> Iterator[None]:
        """These processes stand still meanwhile, warm and where they were."""
        pids = [self.supervisor.pids()[name] for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def wait_until(
    reached: Callable[[], bool],
    what: str,
    supervisor: Supervisor,
    *,
    timeout_s: float = TIMEOUT_S,
    look_s: float = LOOK_S,
) -> None:
    """Meanwhile everything is kept running. :raises TimeoutError: not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not reached():
        supervisor.check()
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(look_s)


def append_all(log: EventLog, records: Sequence[NewRecord]) -> Ends:
    """All records in order; per partition one past the last."""
    ends: Ends = {}
    for start in range(0, len(records), APPENDED_TOGETHER):
        piece = records[start : start + APPENDED_TOGETHER]
        for record, offset in zip(piece, log.append(piece), strict=True):
            ends[TopicPartition(record.topic, record.partition)] = offset + 1
    return ends


@contextlib.contextmanager
def broker(scratch: Path) -> Iterator[DevBroker]:
    with DevBroker.start(scratch / "kafka") as started:
        yield started


@contextlib.contextmanager
def new_log_url(scratch: Path, kafka: bool) -> Iterator[str | None]:
    """A broker's, that ends with it; None, where it is SQLite."""
    if not kafka:
        yield None
        return
    with broker(scratch) as started:
        yield f"kafka://{started.bootstrap}"


@contextlib.contextmanager
def settings_on_a_log(scratch: Path, kafka: bool, **given: object) -> Iterator[Settings]:
    """For processes on a log of their own."""
    with new_log_url(scratch, kafka) as log_url:
        yield load_settings({"data_dir": scratch / "data", "log_url": log_url, **given})


@contextlib.contextmanager
def store_started(settings: Settings) -> Iterator[Supervisor]:
    """A store that runs, with its database; it ends with all that the supervisor has started since."""
    supervisor = Supervisor(settings.data_dir / "logs")
    try:
        supervisor.start(store_child(settings))
        adapters.migrate_database(settings)
        yield supervisor
    finally:
        supervisor.stop()


@contextlib.contextmanager
def world(scratch: Path, log_url: str | None, partitions: int = 1, **given: object) -> Iterator[World]:
    """Store and database on a log that is made; ``log_url`` None: SQLite. Everything ends with it."""
    store_port, api_port = free_ports(2)
    settings = load_settings(
        {
            "data_dir": scratch / "data", "partitions": partitions, "store_port": store_port, "api_port": api_port,
            "log_url": log_url, **given,
        }
    )  # fmt: skip
    with adapters.the_log(settings) as log, store_started(settings) as supervisor:
        yield World(settings, log, supervisor)


def domain_starts(log: EventLog) -> Ends:
    """Where the domain topics end now, so what is appended next begins."""
    return dict(log.end_offsets(DOMAIN_TOPICS))


def _rolled_up(topic: str) -> list[str]:
    types = {metric.type_name for metric in METRICS}
    return [EVENT_TABLES[name].name for name in types if topic_of(BY_NAME[name].family) == topic]
