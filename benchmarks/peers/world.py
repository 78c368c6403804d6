"""What all share in one run: a broker, its topics filled before anybody starts, and a fresh store for each."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from benchmarks.peers.job import TOPIC, Job
from benchmarks.peers.tables import TABLES
from gridpulse.free_ports import free_ports
from projections.client import Client, connect
from projections.store import StoreConfig, StoreUser, password_hash
from projections.store.process import StoreProcess
from schemas.event import tick_record
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.clocks import wall_clock
from streams.log import EventLog
from streams.log_url import open_log

USER: Final = "peer"
DATABASE: Final = "peers"
_WARM_WITHIN_S: Final = 60.0
Advance = Callable[[int], None]


@dataclass
class World:
    """A broker, what was put into its topics, and where things are kept."""

    bootstrap: str
    scratch: Path
    partitions: int
    filled: dict[int, str] = field(default_factory=dict)  # meters -> topic
    bytes_per_event: int = 0
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    def log(self) -> EventLog:
        return open_log(f"kafka://{self.bootstrap}", wall_clock)

    def warm(self) -> None:
        """Have the broker make its topic of offsets: else the first consumer group waits for that, alone of all."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "warming", "log_level": 0})
        until_s = time.monotonic() + _WARM_WITHIN_S
        while True:
            try:
                consumer.committed([KafkaPartition("warming", 0)], timeout=5.0)
            except KafkaException:
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.2)
            else:
                consumer.close()
                return

    def fill(self, job: Job, topic: str, advance: Advance) -> None:
        """The job's readings in ``topic``, made with so many partitions."""
        with self.log() as log:
            log.create_topics([topic], self.partitions)
            size = 0
            for chunk in job.records(topic):
                offsets = log.append(chunk)
                size += sum(len(record.value) for record in chunk)
                advance(len(chunk))
                self._reached(topic, [record.partition for record in chunk], offsets)
        self.filled[job.devices] = topic
        self.bytes_per_event = round(size / job.events)

    def fill_ours(self, job: Job, advance: Advance) -> None:
        """What GridPulse reads beside the readings: the meters' entries, and a tick that closes every topic."""
        with self.log() as log:
            log.create_topics(ALL_TOPICS, self.partitions)
            log.append(job.registry())
        self.fill(job, TOPIC, advance)
        with self.log() as log:
            log.append(
                [
                    tick_record(topic, partition, job.last_recorded_ms + 1)
                    for topic in DOMAIN_TOPICS
                    for partition in range(self.partitions)
                    if topic != TOPIC
                ]
            )

    def _reached(self, topic: str, partitions: list[int], offsets: list[int]) -> None:
        for partition, offset in zip(partitions, offsets, strict=True):
            where = TopicPartition(topic, partition)
            self.ends[where] = max(offset + 1, self.ends.get(where, 0))


@dataclass(frozen=True)
class Store:
    """A store process with the peers' tables, and how a peer connects to it."""

    process: StoreProcess
    client: Client
    password: str = field(repr=False)

    @property
    def connection(self) -> dict[str, Any]:
        """Keyword arguments of ``clickhouse_connect.get_client``."""
        config = self.process.config
        return {
            "host": config.host,
            "port": config.port,
            "username": USER,
            "password": self.password,
            "database": DATABASE,
        }


@contextlib.contextmanager
def fresh_store(directory: Path) -> Iterator[Store]:
    """A store of its own over a new directory: nobody pays for merging another's rows."""
    password = secrets.token_hex(16)
    (port,) = free_ports(1)
    config = StoreConfig(directory, port, {USER: StoreUser(password_hash(password))})
    with StoreProcess.start(config) as process:
        url = f"http://{USER}@{config.host}:{config.port}/{DATABASE}"
        with connect(url, password=password, create_database=True) as client:
            for table in TABLES:
                client.command(table)
            yield Store(process, client, password)
