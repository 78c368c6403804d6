"""Devices, timelines, alerts, dead letters, the perception board and progress, on the real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from projections.queries.clickhouse import ClickHouseQueries
from projections.queries.ports import (
    AlertQuery,
    AlertRow,
    BoardQuery,
    DeadLetterQuery,
    DeviceQuery,
    TimelineQuery,
)
from projections.queries.windows import Windows

A, B = "wuhu/jinghu/tingtang/jianyang", "wuhu/yijiang/zhongshan/tieqiao"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("seeded")


def alert_query(scope: str = A, **changes: object) -> AlertQuery:
    values: dict[str, object] = {
        "scope": scope, "state": None, "detector": None, "rule": None, "severity": None, "subject": None,
        "from_time": None, "to_time": None, "before": None, "limit": 100,
    }  # fmt: skip
    return AlertQuery(**(values | changes))  # type: ignore[arg-type]


def test_devices_with_their_state_now(queries: ClickHouseQueries) -> None:
    rows = {row.device: row for row in queries.devices(DeviceQuery(A, None, None, None, None, 100))}
    assert set(rows) == {"noise-a", "smoke-a", "door-a", "twin"}
    assert (rows["noise-a"].status, rows["noise-a"].last_seen, rows["noise-a"].battery_ratio) == ("online", NOON, 0.5)
    assert (rows["smoke-a"].status, rows["smoke-a"].status_since) == ("offline", NOON - timedelta(minutes=90))
    assert (rows["door-a"].status, rows["door-a"].status_since, rows["door-a"].last_seen) == ("unknown", None, None)


@pytest.mark.parametrize(
    ("kind", "status", "site", "expected"),
    [
        ("smoke", None, None, ["smoke-a"]),
        (None, "online", None, ["noise-a"]),
        (None, "unknown", "s1", ["door-a"]),
        (None, None, "elsewhere", []),
    ],
)
def test_device_filters(
    queries: ClickHouseQueries, kind: str | None, status: str | None, site: str | None, expected: list[str]
) -> None:
    query = DeviceQuery(A, kind, status, site, None, 100)  # type: ignore[arg-type]
    assert [row.device for row in queries.devices(query)] == expected


def test_device_pages_join_without_gap_or_repetition(queries: ClickHouseQueries) -> None:
    whole = queries.devices(DeviceQuery("", None, None, None, None, 100))
    paged, after = [], None
    while page := queries.devices(DeviceQuery("", None, None, None, after, 3)):
        paged += page
        after = (page[-1].scope, page[-1].device)
    assert paged == whole
    assert len(whole) == 8


def test_a_name_is_unique_within_a_community_only(queries: ClickHouseQueries) -> None:
    assert len(queries.device("", "twin")) == 2
    assert [row.community for row in queries.device(A, "twin")] == [A]
    assert queries.device(A, "noise-b") == []


def timeline(queries: ClickHouseQueries, **changes: object) -> list[str]:
    values: dict[str, object] = {
        "scope": "", "community": A, "device": "noise-a", "from_time": NOON - timedelta(days=2),
        "to_time": NOON + timedelta(hours=1), "gap_s": 1200.0, "before": None, "limit": 100,
    }  # fmt: skip
    rows = queries.timeline(TimelineQuery(**(values | changes)))  # type: ignore[arg-type]
    return [f"{row.kind}/{row.step or row.status or row.gap_s}" for row in rows]


def test_timeline_merges_newest_first(queries: ClickHouseQueries) -> None:
    assert timeline(queries) == ["alert/opened", "heartbeat_gap/1800.0", "alert/resolved", "alert/opened"]
    assert timeline(queries, gap_s=500.0).count("heartbeat_gap/600.0") == 2
    assert timeline(queries, device="smoke-a") == ["status/offline", "status/online"]
    assert timeline(queries, community=B) == []


def test_timeline_pages_join(queries: ClickHouseQueries) -> None:
    query = TimelineQuery("", A, "noise-a", NOON - timedelta(days=30), NOON + timedelta(hours=1), 500.0, None, 100)
    whole, paged, before = queries.timeline(query), [], None
    while page := queries.timeline(TimelineQuery("", A, "noise-a", query.from_time, query.to_time, 500.0, before, 2)):
        paged += page
        before = (page[-1].event_time, page[-1].entry_id)
    assert paged == whole
    assert len(whole) == 7


def test_alerts_in_their_latest_state_newest_first(queries: ClickHouseQueries) -> None:
    newest, oldest = queries.alerts(alert_query())
    assert (newest.alert, newest.state, newest.count, newest.severity) == ("al2-a", "open", 2, "critical")
    assert (oldest.alert, oldest.state, oldest.resolved_time) == (
        "al1-a", "resolved", NOON - timedelta(hours=30) + timedelta(minutes=20),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "open"}, ["al2-a"]),
        ({"state": "resolved"}, ["al1-a"]),
        ({"severity": "critical"}, ["al2-a"]),
        ({"detector": "noise_limit", "rule": "day_limit"}, ["al2-a", "al1-a"]),
        ({"rule": "night_limit"}, []),
        ({"subject": "noise-b"}, []),
        ({"from_time": NOON - timedelta(hours=1)}, ["al2-a"]),
        ({"to_time": NOON - timedelta(minutes=30)}, ["al1-a"]),  # half-open: the alert opened then is out
        ({"detector": "x' OR 1=1 --"}, []),
    ],
)
def test_alert_filters(queries: ClickHouseQueries, changes: dict[str, Any], expected: list[str]) -> None:
    assert [row.alert for row in queries.alerts(alert_query(**changes))] == expected


def test_alert_pages_are_stable_when_new_alerts_come_in(queries: ClickHouseQueries) -> None:
    whole = queries.alerts(alert_query(""))
    first: list[AlertRow] = queries.alerts(alert_query("", limit=2))
    rest = queries.alerts(alert_query("", before=(first[-1].opened_time, first[-1].alert)))
    assert first + rest == whole
    assert len(whole) == 4


def test_an_alert_and_its_steps(queries: ClickHouseQueries) -> None:
    alert = queries.alert(A, "al2-a")
    assert alert is not None
    assert alert.reason_zh == "超限a"
    steps = queries.alert_steps(A, "al2-a")
    assert [(step.step, step.count) for step in steps] == [("opened", 1), ("updated", 2)]
    assert queries.alert(A, "al2-b") is None
    assert queries.alert_steps(A, "al2-b") == []


def test_dead_letters(queries: ClickHouseQueries) -> None:
    (row,) = queries.dead_letters(DeadLetterQuery(A, "bridge", "unknown_type", None, None, None, 10))
    assert (row.detail, row.raw_base64, row.recorded_time) == ("secret-a", "e30=", NOON + timedelta(seconds=1))
    assert queries.dead_letters(DeadLetterQuery(A, "import", None, None, None, None, 10)) == []
    before = (row.recorded_time, row.event_id)
    assert queries.dead_letters(DeadLetterQuery(A, None, None, None, None, before, 10)) == []


def test_perception_board(queries: ClickHouseQueries) -> None:
    windows = Windows.covering("hour", ZoneInfo("Asia/Shanghai"), NOON - timedelta(hours=2), NOON + timedelta(hours=1))
    board = queries.perception(BoardQuery(A, windows, NOON, 50))
    assert {row.kind: (row.total, row.online, row.offline, row.unknown) for row in board.devices} == {
        "gate": (1, 0, 0, 1), "noise": (1, 1, 0, 0), "other": (1, 0, 0, 1), "smoke": (1, 0, 1, 0),
    }  # fmt: skip
    assert [(p.online, p.offline, p.availability_ratio) for p in board.connection] == [(1, 1, 0.75), (1, 1, 0.5)]
    assert board.availability_ratio == 0.625
    assert [(a.rule, a.severity, a.open, a.subjects) for a in board.open_alarms] == [("day_limit", "critical", 1, 1)]
    flows = [(f.gate, f.persons_in, f.persons_out, f.vehicles_in, f.vehicles_out) for f in board.passages]
    assert flows == [("door-a", 2, 0, 0, 0), ("door-a", 0, 1, 1, 0)]
    assert [f.community for f in board.passages] == [A, A]
    assert [(t.opened, t.opened_before) for t in board.alert_trend] == [(1, 0)]


def test_perception_board_by_day_compares_with_the_span_before(queries: ClickHouseQueries) -> None:
    windows = Windows.covering("day", ZoneInfo("Asia/Shanghai"), NOON - timedelta(hours=1), NOON)
    board = queries.perception(BoardQuery("", windows, NOON, 1))
    assert board.gates_cut
    assert [(f.gate, f.persons_in) for f in board.passages] == [("door-a", 2)]
    earlier = Windows.covering("day", ZoneInfo("Asia/Shanghai"), NOON - timedelta(hours=35), NOON)
    trend = queries.perception(BoardQuery("", earlier, NOON, 1)).alert_trend
    assert [(t.opened, t.opened_before) for t in trend] == [(4, 0)]


def test_progress_and_migrations(queries: ClickHouseQueries) -> None:
    assert queries.missing_migrations() == []
    reached = {(row.topic, row.partition): row for row in queries.progress()}
    assert reached["gridpulse.alerts", 0].next_offset == 8
    recorded = reached["gridpulse.alerts", 0].recorded_time
    assert recorded is not None
    assert recorded.utcoffset() == timedelta(0)
