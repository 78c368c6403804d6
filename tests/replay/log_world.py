"""A small log and a live database that follows it, as the writer and the rollup would have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from projections.client import Client, connect
from projections.ddl import Table
from projections.digest import CONTENT_TABLES
from projections.pins import reached
from projections.rollup import RollupWorker
from projections.writer import Writer
from replay.fill import Span, fill
from replay.scratch import LogSide
from replay.simulator import Simulator
from replay.simulator.config import DistrictConfig
from replay.verify import Verified, Watch, verify
from schemas.codec import Decoder
from schemas.golden import golden_examples
from schemas.records import NewRecord, TopicPartition
from schemas.strict import Limits
from schemas.topics import ALL_TOPICS, topic_of
from streams.log_memory import MemoryLog

LANES = 2
CONFIG = DistrictConfig(seed=5, communities=2, size=0.1)
HOUR_MS = 3_600_000
NOW_MS = CONFIG.start_ms + 400 * 24 * HOUR_MS  # of what has no time of its own: after everything else
TIMEZONE = "Asia/Shanghai"


class LogWorld:
    """``live`` is at the test's disposal; other databases of the store are made beside it."""

    def __init__(self, live: Client, password: str) -> None:
        self.live = live
        self.log = MemoryLog(lambda: NOW_MS)
        self.log.create_topics(ALL_TOPICS, LANES)
        self._password = password
        self._simulator = Simulator(CONFIG, LANES)
        self._until_ms = CONFIG.start_ms
        self.side = LogSide(self.log, Decoder(Limits()).decode, lambda: datetime(2026, 6, 1, tzinfo=UTC), TIMEZONE)
        self._writer = Writer(live, "pipeline")

    def happen(self, hours: float) -> None:
        """Let the district go on for so long; at the first time it is registered."""
        if self._until_ms == CONFIG.start_ms:
            self.log.append(self._simulator.registry_events())
        until_ms = self._until_ms + int(hours * HOUR_MS)
        for piece in self._simulator.slices(self._until_ms, until_ms, HOUR_MS):
            self.log.append(piece.records)
        self._until_ms = until_ms

    def say(self, family: str, fact: str, **data: Any) -> None:
        """An event from the golden examples with other data."""
        example = orjson.loads(golden_examples()[f"cn.gridpulse.{family}.{fact}"][0])
        example["id"] = f"said-{family}-{data}"
        example["data"] |= data
        self.log.append([NewRecord(topic_of(family), 0, b"", orjson.dumps(example))])

    def measure(self, lane: int, second: int) -> None:
        """A temperature of the lane's one thermometer, ``second`` seconds after all that has happened."""
        example = orjson.loads(golden_examples()["cn.gridpulse.readings.measured.v1"][0])
        at_ms = self._until_ms + second * 1000
        example |= {"id": f"measured-{lane}-{second}", "scope": f"wuhu/jinghu/tingtang/lane{lane}/g01"}
        example["time"] = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
        example["data"] |= {"device": f"thermometer-{lane}", "quantity": "temperature", "unit": "Cel", "value": second}
        record = NewRecord(topic_of("readings"), lane, b"", orjson.dumps(example), recorded_time_ms=at_ms)
        self.log.append([record])

    def write(self, max_records: int = 700, lanes: Sequence[int] = range(LANES)) -> None:
        """What the writer would do: bring the database to the end of the log."""
        ends, now = self.side.ends(ALL_TOPICS), reached(self.live).ends
        spans = [
            Span(TopicPartition(*place), start, min(start + max_records, end))
            for place, end in ends.items()
            if place[1] in lanes
            for start in range(now.get(place, 0), end, max_records)
        ]
        fill(self.log, self.side.decode, self._writer, spans, self.side.now)

    def roll_up(self) -> None:
        RollupWorker(self.live, TIMEZONE).catch_up()

    def new_database(self, name: str) -> Client:
        address = self.live.address
        url = f"http://{address.user}@{address.host}:{address.port}/{name}"
        return connect(url, password=self._password, create_database=True)

    def verify(self, tables: Sequence[Table] = CONTENT_TABLES, side: LogSide | None = None) -> Verified:
        return verify(side or self.side, self.live, self.new_database, tables, Watch(wait_s=0.0))

    def side_with(self, decode_hook: Callable[[], None]) -> LogSide:
        """The log, with something done before each batch is decoded."""

        def decode(batch: Any) -> Any:
            decode_hook()
            return self.side.decode(batch)

        return replace(self.side, decode=decode)

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        return self.live.query(sql).rows

    def do(self, *statements: str) -> None:
        """By hand, as somebody with the password would."""
        for statement in statements:
            self.live.command(statement, settings={"mutations_sync": 1})

    def databases(self) -> list[str]:
        prefix = self.live.database + "_"
        return [
            str(row[0]) for row in self.rows(f"SELECT name FROM system.databases WHERE startsWith(name, '{prefix}')")
        ]
