"""What people do by the API becomes the alert's life: through the log, a lane and the writer, back to its answers.

And the life rebuilt from the log alone is the same as the live one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.dependencies import ApiDependencies
from projections.client import Client
from projections.queries.clickhouse import ClickHouseQueries
from projections.writer import Writer
from replay.fill import fill, spans
from schemas.codec import Decoder
from schemas.event import tick_record
from schemas.strict import Limits
from schemas.times import rfc3339
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, partition_key, partition_of
from streams.fakes import FakeKeyRing
from streams.flow import WriterItem
from streams.ingest import Ingest, IngestConfig
from streams.log_memory import MemoryLog
from streams.ports import Principal, RawEvent
from streams.recent_ids import RecentIds
from tests.conftest import NewDatabase
from tests.flow.world import LANES, World

MINUTE_MS = 60_000
START_MS = 1_772_334_000_000  # 2026-03-01 11:00 in Shanghai
HERE = "wuhu/jinghu/tingtang/jianyang/g03"
HERE_LANE = partition_of(partition_key(HERE).encode(), LANES)
THERE = next(
    scope
    for scope in (f"wuhu/jinghu/tingtang/c{n}/g01" for n in range(99))
    if partition_of(partition_key(scope).encode(), LANES) != HERE_LANE
)


class RealWriter:
    def __init__(self, client: Client) -> None:
        self._writer = Writer(client, "pipeline")

    def write(self, items: Sequence[WriterItem]) -> None:
        positions = [position for item in items for position in item.progress]
        self._writer.write([item.events for item in items], positions, datetime.now(UTC))

    def close(self) -> None:
        pass


class Town:
    """Two communities of two lanes with a meter each, a flow that is run by hand, and the API."""

    def __init__(self, state_dir: Path, client: Client) -> None:
        self.now_ms = START_MS
        self.log = MemoryLog(lambda: self.now_ms)
        self._world = World(state_dir, self.log, records=[], new_writer=lambda: RealWriter(client))
        self.ingest = Ingest(self.log, lambda: self.now_ms, IngestConfig(LANES), RecentIds())
        keys = {"wang": Principal("k-wang", "operator", "wuhu/jinghu")}
        deps = ApiDependencies(
            ClickHouseQueries(client), self.ingest, FakeKeyRing(keys), self.log,
            self.now,
        )  # fmt: skip
        self.http = TestClient(create_app(deps), headers={"X-API-Key": "wang"})
        self._sent = 0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def say(self, fact: str, scope: str, **data: Any) -> None:
        self._sent += 1
        event = {
            "specversion": "1.0", "id": f"e-{self._sent}", "source": "//test", "type": f"cn.gridpulse.{fact}",
            "time": rfc3339(self.now_ms), "scope": scope, "data": data,
        }  # fmt: skip
        (answer,) = self.ingest.accept([RawEvent(orjson.dumps(event))], "")
        assert answer.status == "accepted", answer

    def measure(self, minutes: int, levels_db: dict[str, float]) -> None:
        for _ in range(minutes):
            self.now_ms += MINUTE_MS
            for scope, level_db in levels_db.items():
                name = "here" if scope == HERE else "there"
                reading = {"quantity": "laeq", "unit": "dB(A)", "interval_s": 60.0, "value": level_db}
                self.say("readings.measured.v1", scope, device=f"meter-{name}", **reading)

    def settle(self) -> None:
        """A minute passes everywhere; the flow comes to it, and then to what it said itself."""
        self.now_ms += MINUTE_MS
        for turn in range(2):
            self.now_ms += turn
            self.log.append([tick_record(topic, lane, self.now_ms) for topic in DOMAIN_TOPICS for lane in range(LANES)])
            self._world.run()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def alerts(self) -> dict[str, dict[str, Any]]:
        listed = self.http.get("/v1/alerts").json()["alerts"]
        return {one["subject"]: one for one in listed}


@pytest.fixture
def client(new_database: NewDatabase) -> Client:
    return new_database()


@pytest.fixture
def town(tmp_path: Path, client: Client) -> Town:
    town = Town(tmp_path, client)
    for scope, name in ((HERE, "here"), (THERE, "there")):
        town.say("registry.device.v1", scope, change="registered", device=f"meter-{name}", kind="noise", noise_zone="2")
    return town


def rebuilt(log: MemoryLog, client: Client, now: datetime) -> Callable[[str], dict[str, Any]]:
    """The answers of an API over a database that was made from the log alone."""
    ends = log.end_offsets(ALL_TOPICS)
    fill(
        log, Decoder(Limits()).decode, Writer(client, "again"), spans(log, ALL_TOPICS, ends), lambda: datetime.now(UTC)
    )
    ring = FakeKeyRing({"wang": Principal("k-wang", "operator", "wuhu/jinghu")})
    ingest = Ingest(log, lambda: 0, IngestConfig(LANES), RecentIds())
    deps = ApiDependencies(ClickHouseQueries(client), ingest, ring, log, lambda: now)
    http = TestClient(create_app(deps), headers={"X-API-Key": "wang"})
    return lambda path: told(http.get(path).json())


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without its freshness."""
    return {name: value for name, value in answer.items() if name not in ("as_of", "lag_events", "lag_s")}


def test_the_life_of_an_alert_from_its_opening_to_its_closing(town: Town, new_database: NewDatabase) -> None:
    town.measure(30, {HERE: 80.0})
    town.settle()
    (name,) = (one["alert"] for one in town.alerts().values())
    town.post(f"/v1/alerts/{name}/acknowledge", comment="on my way")
    town.now_ms += MINUTE_MS
    town.post(f"/v1/alerts/{name}/assign", assignee="warden-07")
    town.post(f"/v1/alerts/{name}/comment", comment="排练 a rehearsal")
    town.post(f"/v1/alerts/{name}/case", case="case-9")
    town.measure(40, {HERE: 45.0})
    town.settle()
    assert town.alerts()["meter-here"]["state"] == "resolved"
    assert town.http.post(f"/v1/alerts/{name}/acknowledge").status_code == 409
    town.post(f"/v1/alerts/{name}/verdict", verdict="true")
    town.say("civic.case.v1", HERE, case="case-9", service="grid", kind="noise", step="closed")
    town.now_ms += MINUTE_MS
    town.post(f"/v1/alerts/{name}/close", comment="done")
    town.settle()

    body = town.http.get(f"/v1/alerts/{name}").json()
    by_people = [(step["step"], step["actor"], step["comment"]) for step in body["steps"] if step["actor"]]
    assert by_people == [
        ("acknowledged", "k-wang", "on my way"),
        ("assigned", "k-wang", None),
        ("commented", "k-wang", "排练 a rehearsal"),
        ("reported", "k-wang", None),
        ("verdict", "k-wang", None),
        ("closed", "k-wang", "done"),
    ]
    state = body["alert"]
    assert (state["state"], state["acknowledged_by"], state["assignee"]) == ("closed", "k-wang", "warden-07")
    assert (state["verdict"], state["case"]) == ("true", "case-9")
    assert [(case["case"], case["status"]) for case in body["cases"]] == [("case-9", "closed")]
    times = body["times"]
    assert 0 < times["acknowledge_s"] == times["act_s"] < times["resolve_s"] < times["close_s"]
    (figures,) = town.http.get("/v1/alerts/times").json()["times"]
    assert (figures["grid"], figures["rule"], figures["alerts"]) == (HERE, "over_limit", 1)
    assert figures["close"] == {"count": 1, "p50_s": times["close_s"], "p90_s": times["close_s"]}

    town.post("/v1/silences", duration_s=60, comment="x")
    town.settle()
    again = rebuilt(town.log, new_database(), town.now())
    for path in (f"/v1/alerts/{name}", "/v1/alerts", "/v1/alerts?state=closed", "/v1/silences"):
        assert again(path) == told(town.http.get(path).json()), path


def test_a_silence_reaches_every_lane_until_it_is_lifted(town: Town) -> None:
    made = town.post("/v1/silences", duration_s=86_400, rule="over_limit", comment="施工 building works")
    town.measure(30, {HERE: 80.0, THERE: 80.0})
    town.settle()
    for subject in ("meter-here", "meter-there"):
        alert = town.alerts()[subject]
        assert (alert["state"], alert["silenced"], alert["silenced_by"]) == ("open", True, made["silence"]), subject
    assert town.http.delete(f"/v1/silences/{made['silence']}", params={"comment": "early"}).status_code == 202
    town.measure(2, {HERE: 80.0, THERE: 80.0})
    town.settle()
    assert {one["silenced"] for one in town.alerts().values()} == {False}
    (listed,) = town.http.get("/v1/silences").json()["silences"]
    assert (listed["state"], listed["actor"], listed["lifted_by"]) == ("lifted", "k-wang", "k-wang")
