"""HTTP into the real ingest and a log: keys from the log, events into it, a reason code for every kind of bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http as official
from cloudevents.core.v1.event import CloudEvent
from fastapi.testclient import TestClient

from api.app import create_app
from api.dependencies import ApiDependencies
from projections.queries.fakes import FakeQueries
from schemas.topics import ALL_TOPICS, topic_of
from streams.ingest import Ingest, IngestConfig
from streams.keys import LogKeyRing, issue_key
from streams.log_memory import MemoryLog
from streams.recent_ids import RecentIds

NOW_MS = 1_772_337_600_000  # 2026-03-01T04:00:00Z
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
READING = {"device": "noise-1", "quantity": "laeq", "value": 54.2, "unit": "dB(A)"}


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(ALL_TOPICS, 2)
    return log


@pytest.fixture
def real(log: MemoryLog) -> Iterator[TestClient]:
    text, _ = issue_key(log, "writer", "wuhu/jinghu")
    ingest = Ingest(log, lambda: NOW_MS, IngestConfig(2, scope_roots=("wuhu",)), RecentIds())
    now = datetime.fromtimestamp(NOW_MS / 1000.0, UTC)
    app = create_app(ApiDependencies(FakeQueries(), ingest, LogKeyRing(log), log, lambda: now))
    with TestClient(app, headers={"Authorization": f"Bearer {text}"}) as client:
        yield client


def event(**changes: Any) -> dict[str, Any]:
    whole = {
        "specversion": "1.0", "id": "1", "source": "//iot", "type": "cn.gridpulse.readings.measured.v1",
        "time": "2026-03-01T12:00:00+08:00", "scope": SCOPE, "data": READING,
    }  # fmt: skip
    return {name: value for name, value in (whole | changes).items() if value is not None}


def in_log(log: MemoryLog) -> list[dict[str, Any]]:
    ends = log.end_offsets([topic_of("readings")])
    return [json.loads(value) for where in ends for value in log.read(where, 0, 100).values]


def result(real: TestClient, body: bytes) -> dict[str, Any]:
    answer = real.post("/v1/events", content=body, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.status_code in (202, 422), answer.text
    (one,) = answer.json()["results"]
    return dict(one)


def test_events_built_with_the_official_package_are_in_the_log(real: TestClient, log: MemoryLog) -> None:
    now = datetime.fromtimestamp(NOW_MS / 1000.0, UTC)  # left out, the package would stamp the machine's time
    for number, encode in enumerate((official.to_binary_event, official.to_structured_event)):
        made = CloudEvent(attributes=event(id=f"e{number}", time=now, data=None), data=READING)
        message = encode(made)
        answer = real.post("/v1/events", content=message.body, headers=dict(message.headers))
        assert answer.json()["accepted"] == 1, answer.text
    batch = json.dumps([event(id="e2"), event(id="e3")]).encode()
    answer = real.post("/v1/events", content=batch, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert answer.json()["accepted"] == 2
    stored = in_log(log)
    assert [one["time"] for one in stored] == ["2026-03-01T04:00:00.000Z"] * 4
    assert [one["id"] for one in stored] == ["e0", "e1", "e2", "e3"]
    assert all(one["data"] == READING for one in stored)


def test_the_same_event_twice_is_a_duplicate_and_in_the_log_once(real: TestClient, log: MemoryLog) -> None:
    body = json.dumps(event()).encode()
    assert [result(real, body)["status"] for _ in range(2)] == ["accepted", "duplicate"]
    assert len(in_log(log)) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id":', "invalid_json"),
        (b'{"id":"\xff"}', "invalid_utf8"),
        (b'{"id":"1","id":"2"}', "duplicate_key"),
        (json.dumps(event(data=READING | {"value": float("nan")})).encode(), "not_finite"),
        (json.dumps(event(type="cn.gridpulse.readings.nonsense.v1")).encode(), "unknown_type"),
        (json.dumps(event(id=None)).encode(), "missing_attribute"),
        (json.dumps(event(time="2026-03-01T12:00:00")).encode(), "naive_time"),
        (json.dumps(event(time="2026-03-01T12:05:01+08:00")).encode(), "time_ahead"),
        (json.dumps(event(data=READING | {"unit": "dB"})).encode(), "wrong_unit"),
        (json.dumps(event(scope="wuhu/yijiang/x/y")).encode(), "scope_not_allowed"),
        (json.dumps(event(note="x" * 2_000_000)).encode(), "too_large"),
    ],
)
def test_bad_input_gets_its_reason_and_changes_nothing(
    real: TestClient, log: MemoryLog, body: bytes, reason: str
) -> None:
    answer = result(real, body)
    assert (answer["status"], answer["reason"]) == ("rejected", reason)
    assert answer["detail"]
    assert in_log(log) == []
