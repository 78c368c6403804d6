"""A real store with two neighbouring communities in it, rolled up; shared by the tests of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projections.client import Client, connect
from projections.queries.clickhouse import ClickHouseQueries
from projections.rollup import RollupWorker
from projections.tables import EVENT_TABLES
from schemas.catalogue import BY_NAME
from schemas.topics import topic_of
from tests.conftest import READER, READER_PASSWORD, NewDatabase

A, B = "wuhu/jinghu/tingtang/jianyang", "wuhu/yijiang/zhongshan/tieqiao"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
Insert = Callable[..., None]


def reader_of(client: Client) -> Client:
    """A read-only client of the same database, as the API has one."""
    address = client.address
    return connect(f"http://{READER}@{address.host}:{address.port}/{client.database}", password=READER_PASSWORD)


@pytest.fixture(scope="session")
def writer_client(new_database: NewDatabase) -> Client:
    return new_database()


@pytest.fixture(scope="session")
def insert(writer_client: Client) -> Insert:
    return inserter(writer_client)


def inserter(writer_client: Client) -> Insert:
    """Inserts rows of an event type: ``insert("readings.measured", scope, time, device=…)``; offsets count up."""
    offsets: dict[str, int] = {}

    def one(type_name: str, scope: str, event_time: datetime, **data: Any) -> None:
        event_type = BY_NAME["cn.gridpulse." + type_name]
        topic = topic_of(event_type.family)
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        row = {
            "event_time": event_time, "recorded_time": event_time + timedelta(seconds=1), "scope": scope,
            "source": "test", "event_id": f"{topic}-{offset}", "log_topic": topic, "log_partition": 0,
            "log_offset": offset, **data,
        }  # fmt: skip
        writer_client.insert_rows(EVENT_TABLES[event_type.name].name, row, [list(row.values())])
        progress = ("writer", topic, 0, offset + 1, row["recorded_time"], row["recorded_time"])
        columns = ("flow", "topic", "partition", "next_offset", "recorded_time", "processed_time")
        writer_client.insert_rows("projection_progress", columns, [progress])

    return one


@pytest.fixture(scope="session")
def rollup(writer_client: Client) -> RollupWorker:
    return RollupWorker(writer_client, "Asia/Shanghai")


@pytest.fixture(scope="session")
def queries(writer_client: Client) -> Iterator[ClickHouseQueries]:
    """Asked as a read-only user, as the API does."""
    with reader_of(writer_client) as client:
        yield ClickHouseQueries(client)


@pytest.fixture(scope="session")
def seeded(insert: Insert, rollup: RollupWorker) -> None:
    """The same things in both communities, told apart by an ``a`` or ``b`` in every name."""
    for letter, community in (("a", A), ("b", B)):
        grid = community + "/g03"
        _devices(insert, letter, grid)
        _readings(insert, letter, grid)
        _passages(insert, letter, grid)
        _alerts(insert, letter, grid)
        insert(
            "deadletters.dead_letter", grid, NOON, stage="bridge", reason="unknown_type", detail=f"secret-{letter}",
            origin=f"vendor-{letter}/0/1", raw_base64="e30=", raw_bytes=2,
        )  # fmt: skip
    rollup.catch_up()


def _devices(insert: Insert, letter: str, grid: str) -> None:
    long_ago = NOON - timedelta(days=10)
    for kind, name in (("noise", "noise"), ("smoke", "smoke"), ("gate", "door")):
        insert("registry.device", grid, long_ago, change="registered", device=f"{name}-{letter}", kind=kind, site="s1")
    insert("registry.device", grid, long_ago, change="registered", device="twin", kind="other")
    insert("registry.device", grid, long_ago, change="registered", device=f"old-{letter}", kind="other")
    insert("registry.device", grid, NOON, change="retired", device=f"old-{letter}", kind="other")
    status = "detections.device_status"
    insert(status, grid, long_ago, device=f"noise-{letter}", status="online", cause="first_seen")
    insert(status, grid, NOON - timedelta(hours=3), device=f"smoke-{letter}", status="online", cause="first_seen")
    insert(status, grid, NOON - timedelta(minutes=90), device=f"smoke-{letter}", status="offline", cause="silent")
    for minute in (-50, -40, -10, 0):
        at = NOON + timedelta(minutes=minute)
        insert("readings.heartbeat", grid, at, device=f"noise-{letter}", battery_ratio=0.5 - minute / 1000.0)


def _readings(insert: Insert, letter: str, grid: str) -> None:
    for minutes, level_db in ((-120, 50.0), (-90, 60.0), (-30, 70.0)):
        insert(
            "readings.measured", grid, NOON + timedelta(minutes=minutes), device=f"noise-{letter}", quantity="laeq",
            value=level_db, unit="dB(A)",
        )  # fmt: skip
    for hours, session in ((-30, "s1"), (-20, "s1"), (-2, "s1"), (-1, "s2")):
        insert(
            "online.interaction", grid, NOON + timedelta(hours=hours), app=f"app-{letter}", kind="click", page="p",
            session=f"{session}-{letter}",
        )  # fmt: skip


def _passages(insert: Insert, letter: str, grid: str) -> None:
    for minutes, kind, direction in (
        (-70, "person", "in"),
        (-65, "person", "in"),
        (-20, "person", "out"),
        (-15, "vehicle", "in"),
    ):
        insert(
            "passages.passage", grid, NOON + timedelta(minutes=minutes), gate=f"door-{letter}", kind=kind,
            direction=direction, method="card",
        )  # fmt: skip


def _alerts(insert: Insert, letter: str, grid: str) -> None:
    def step(name: str, at: datetime, step: str, opened: datetime, resolved: datetime | None, **more: Any) -> None:
        state = {
            "alert": f"{name}-{letter}", "alert_key": f"noise_limit/day_limit/noise-{letter}", "step": step,
            "detector": "noise_limit", "rule": "day_limit", "subject": f"noise-{letter}", "severity": "warning",
            "count": 1, "opened_time_ms": _ms(opened), "updated_time_ms": _ms(at),
            "resolved_time_ms": None if resolved is None else _ms(resolved), "score": 1.5, "threshold": 1.0,
            "baseline": 60.0, "observed": 70.0, "unit": "dB(A)", "model_version": "1", "reason_zh": f"超限{letter}",
            "reason_en": f"over the limit {letter}",
        }  # fmt: skip
        insert("alerts.alert", grid, at, **(state | more))

    yesterday, opened = NOON - timedelta(hours=30), NOON - timedelta(minutes=30)
    step("al1", yesterday, "opened", yesterday, None)
    ended = yesterday + timedelta(minutes=20)
    step("al1", ended, "resolved", yesterday, ended)
    step("al2", opened, "opened", opened, None)
    people = {"assignee": f"warden-{letter}", "case": f"case-{letter}"}
    step("al2", opened + timedelta(minutes=5), "updated", opened, None, count=2, severity="critical", **people)
    insert("civic.case", grid, opened, case=f"case-{letter}", service="grid", kind=f"kind-{letter}", step="reported")
    insert(
        "civic.alert_silence", grid, NOON, silence=f"sil-{letter}", kind="silence", silenced_scope=grid,
        starts_time_ms=_ms(NOON), ends_time_ms=_ms(NOON + timedelta(days=1)), actor=f"op-{letter}",
        comment=f"why-{letter}", status="active",
    )  # fmt: skip


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
