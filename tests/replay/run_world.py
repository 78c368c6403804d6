"""A log with a live database that has all of it, on a real store, and books of runs over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from projections.client import Client, connect
from projections.rollup import RollupWorker
from projections.writer import Writer
from replay.fill import fill, spans
from replay.run import RunConfig
from replay.run_book import BookPorts, RunBook
from replay.run_spec import LIVE, RunSpec
from replay.run_table import RunRow
from schemas.codec import Decoder
from schemas.records import NewRecord
from schemas.strict import Limits
from schemas.topics import ALL_TOPICS
from streams.log import EventLog
from streams.log_memory import MemoryLog
from tests.flow.world import LANES, NOW_MS, World

STORE_PASSWORD = "projector-secret"  # tests/conftest.py
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SAID = "detections", "device_status_log", "alert_log"


class KilledError(Exception):
    """Put in on purpose."""


def now() -> datetime:
    return NOW


@dataclass
class Clock:
    """Seconds that pass by sleeping alone."""

    at_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    def monotonic_s(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.at_s += seconds


@dataclass
class RunWorld:
    """Where runs are begun, killed, gone on with and looked at."""

    log: EventLog
    live: Client
    runs_dir: Path
    clock: Clock = field(default_factory=Clock)

    @staticmethod
    def of_district(directory: Path, live: Client) -> RunWorld:
        """The small district, gone through by the real dataflow, written and rolled up."""
        district = World(directory / "state")
        district.run(write=False)
        world = RunWorld(district.log, live, directory / "runs")
        wanted = spans(world.log, ALL_TOPICS, world.log.end_offsets(ALL_TOPICS))
        fill(world.log, Decoder(Limits()).decode, Writer(live, "pipeline"), wanted, now)
        RollupWorker(live).catch_up()
        return world

    @staticmethod
    def of_records(directory: Path, live: Client, records: tuple[NewRecord, ...]) -> RunWorld:
        """A log that live has not looked at yet."""
        log = MemoryLog(lambda: NOW_MS)
        log.create_topics(ALL_TOPICS, LANES)
        log.append(records)
        return RunWorld(log, live, directory / "runs")

    @property
    def book(self) -> RunBook:
        decode, decode_said = Decoder(Limits()).decode, Decoder(Limits(max_ahead_ms=2**61)).decode
        return RunBook(
            BookPorts(
                self.log, self.live, self.open, self.runs_dir, decode, decode_said, now, self.clock.monotonic_s,
                self.clock.sleep,
            )
        )  # fmt: skip

    def open(self, database: str) -> Client:
        address = self.live.address
        url = f"http://{address.user}@{address.host}:{address.port}/{database}"
        return connect(url, password=STORE_PASSWORD, create_database=True)

    def run(self, run: str, config: RunConfig | None = None, base: str = LIVE, **asked: Any) -> RunRow:
        """A run from its beginning to its end."""
        manifest = self.book.begin(run, RunSpec(**asked), base, LANES)
        return self.book.carry_out(manifest, config or RunConfig())

    def kill(self, run: str, config: RunConfig, after_batches: int) -> bool:
        """Go on with a run until its process dies, after so many batches; whether it did, or came to its end."""
        left = iter(range(after_batches + 1))  # the first word of progress is what was done before

        def die(_records: int) -> None:
            if next(left, None) is None:
                raise KilledError

        try:
            self.book.carry_out(self.book.manifest(run), config, die)
        except KilledError:
            return True
        return False

    def said(self, database: str, columns: str = "*", where: str = "1") -> list[tuple[Any, ...]]:
        """What the detectors said there: (table, columns …), sorted."""
        with self.open(database) as client:
            found = [
                (table, *row)
                for table in SAID
                for row in client.query(f"SELECT {columns} FROM {table} FINAL WHERE {where}").rows
            ]
        return sorted(found, key=repr)
