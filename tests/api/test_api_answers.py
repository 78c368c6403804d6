"""What the query routes answer: windows, pages, freshness, problems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.freshness import CACHED_S
from projections.client import StoreUnavailableError
from projections.queries.ports import (
    AlertRow,
    AlertTrend,
    DeviceRow,
    PartitionProgress,
    PerceptionBoard,
    QueryTimeoutError,
)
from schemas.metrics import METRICS
from schemas.records import TopicPartition

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == "urn:gridpulse:problem:" + kind
    assert body["status"] == status
    assert body["title"] != body["title_en"]
    return body


def device(name: str, scope: str = SCOPE) -> DeviceRow:
    return DeviceRow(scope, name, "noise", None, None, "2", None, "online", NOON, NOON, 0.5)


def alert(name: str, opened: datetime) -> AlertRow:
    return AlertRow(
        name, SCOPE, "noise_limit", "day_limit", "d", "warning", "open", 1, opened, opened, None, 1.5, 1.0, 60.0, 70.0,
        "dB(A)", "1", "超限", "over",
    )  # fmt: skip


def test_catalogue(http: TestClient) -> None:
    listed = http.get("/v1/metrics").json()["metrics"]
    assert [metric["name"] for metric in listed] == [metric.name for metric in METRICS]


def test_windows_are_whole_and_in_the_zone_asked_for(http: TestClient) -> None:
    body = http.get("/v1/metrics/heartbeats", params={"from": "2026-03-01T11:30:00+08:00", "grain": "hour"}).json()
    assert (body["from_time"], body["to_time"]) == ("2026-03-01T11:00:00+08:00", "2026-03-01T12:00:00+08:00")
    assert body["series"] == [{"key": None, "points": [{"window_start": "2026-03-01T11:00:00+08:00", "value": 1.0}]}]
    london = http.get("/v1/metrics/heartbeats", params={"timezone": "Europe/London", "from": "-1h"}).json()
    assert london["from_time"] == "2026-03-01T03:00:00Z"


def test_a_plus_sign_that_arrives_as_a_space_is_understood(http: TestClient) -> None:
    answer = http.get("/v1/metrics/heartbeats?from=2026-03-01T11:00:00+08:00&to=now")
    assert answer.json()["from_time"] == "2026-03-01T11:00:00+08:00"


@pytest.mark.parametrize(
    ("grain", "zone", "from_text", "to_text", "starts"),
    [
        ("day", "Asia/Shanghai", "-1d", "now",
         ["2026-02-28T00:00:00+08:00", "2026-03-01T00:00:00+08:00"]),
        ("day", "Europe/Berlin", "2025-10-25T00:00:00+02:00", "2025-10-27T00:00:00+01:00",
         ["2025-10-25T00:00:00+02:00", "2025-10-26T00:00:00+02:00"]),  # the second day has 25 hours
        ("hour", "Asia/Kolkata", "-1h", "now", ["2026-03-01T08:00:00+05:30", "2026-03-01T09:00:00+05:30"]),
        ("minute", "UTC", "-90s", "now", ["2026-03-01T03:58:00Z", "2026-03-01T03:59:00Z"]),
    ],
)  # fmt: skip
def test_window_starts(
    http: TestClient, grain: str, zone: str, from_text: str, to_text: str, starts: list[str]
) -> None:
    params = {"grain": grain, "timezone": zone, "from": from_text, "to": to_text}
    (series,) = http.get("/v1/metrics/heartbeats", params=params).json()["series"]
    got = [point["window_start"] for point in series["points"]]
    assert got == starts


def test_an_unknown_metric_names_the_nearest(http: TestClient) -> None:
    body = problem(http.get("/v1/metrics/noise_laqe"), 404, "unknown-metric")
    assert body["nearest"][0] == "noise_laeq"


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"from": "yesterday"}, "query.from"),
        ({"from": "2026-03-01T00:00:00"}, "query.from"),  # no offset
        ({"from": "2026-13-01T00:00:00Z"}, "query.from"),
        ({"from": "0001-01-01T00:00:00Z"}, "query.from"),
        ({"from": "-999999w"}, "query.from"),
        ({"from": "now", "to": "-1h"}, "query.from"),
        ({"timezone": "Mars/Olympus"}, "query.timezone"),
        ({"timezone": "../../etc/passwd"}, "query.timezone"),
        ({"grain": "week"}, "query.grain"),
        ({"by": "nothing"}, "query.by"),
        ({"only": "x"}, "query.only"),
    ],
)
def test_wrong_parameters_are_named(http: TestClient, params: dict[str, str], parameter: str) -> None:
    body = problem(http.get("/v1/metrics/heartbeats", params=params), 422, "invalid-parameter")
    assert body["errors"][0]["parameter"] == parameter


def test_too_many_points_name_the_grain_to_take(world: Any, http: TestClient) -> None:
    asked = {"grain": "minute", "from": "-30d"}
    assert (
        problem(http.get("/v1/metrics/heartbeats", params=asked), 422, "too-many-points")["suggested_grain"] == "hour"
    )
    world.queries.metric_keys = [str(number) for number in range(100)]
    asked = {"grain": "hour", "from": "-30d", "by": "scope"}
    assert problem(http.get("/v1/metrics/heartbeats", params=asked), 422, "too-many-points")["suggested_grain"] == "day"
    asked = {"grain": "day", "from": "-4000d", "by": "scope"}
    assert "suggested_grain" not in problem(http.get("/v1/metrics/heartbeats", params=asked), 422, "too-many-points")


def test_pages_join_and_the_last_has_no_cursor(world: Any, http: TestClient) -> None:
    world.queries.device_rows = [device(f"d{number}") for number in range(5)]
    world.queries.alert_rows = [alert(f"a{number}", NOON - timedelta(hours=number // 2)) for number in range(5)]
    for path, rows, name in (("/v1/devices", "devices", "device"), ("/v1/alerts", "alerts", "alert")):
        seen, params = [], {"limit": "2"}
        while True:
            page = http.get(path, params=params).json()
            seen += [row[name] for row in page[rows]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert len(seen) == len(set(seen)) == 5, path


def test_an_alert_that_comes_in_meanwhile_moves_nothing(world: Any, http: TestClient) -> None:
    world.queries.alert_rows = [alert(f"a{number}", NOON - timedelta(hours=number)) for number in range(4)]
    first = http.get("/v1/alerts", params={"limit": "2"}).json()
    world.queries.alert_rows.append(alert("new", NOON + timedelta(minutes=1)))
    second = http.get("/v1/alerts", params={"limit": "2", "cursor": first["next_cursor"]}).json()
    assert [row["alert"] for row in second["alerts"]] == ["a2", "a3"]


@pytest.mark.parametrize("cursor", ["x", "é", "W10", "bnVsbA", "WyJ4IiwxLCJhIl0", "A" * 1024])
def test_a_foreign_cursor_is_refused(http: TestClient, cursor: str) -> None:
    for path in ("/v1/alerts", "/v1/devices", "/v1/deadletters"):
        problem(http.get(path, params={"cursor": cursor}), 422, "invalid-cursor")


def test_a_cursor_goes_with_its_filters(world: Any, http: TestClient) -> None:
    world.queries.alert_rows = [alert(f"a{number}", NOON) for number in range(4)]
    cursor = http.get("/v1/alerts", params={"limit": "2"}).json()["next_cursor"]
    problem(http.get("/v1/alerts", params={"cursor": cursor, "state": "open"}), 422, "invalid-cursor")


def test_a_device_and_what_is_none(world: Any, http: TestClient) -> None:
    world.queries.device_rows = [device("d"), device("twin"), device("twin", "wuhu/yijiang/x/y")]
    body = http.get("/v1/devices/d").json()
    assert body["device"]["last_seen"] == "2026-03-01T12:00:00+08:00"
    problem(http.get("/v1/devices/none"), 404, "not-found")
    problem(http.get("/v1/devices/none/timeline"), 404, "not-found")
    assert problem(http.get("/v1/devices/twin"), 409, "ambiguous")["scopes"] == [SCOPE, "wuhu/yijiang/x/y"]
    assert http.get("/v1/devices/twin", params={"scope": "wuhu/yijiang"}).status_code == 200
    problem(http.get("/v1/devices/d/timeline", params={"from": "-32d"}), 422, "invalid-parameter")


def test_board_change_against_the_span_before(world: Any, http: TestClient) -> None:
    trend = (AlertTrend("noise_limit", "day_limit", 3, 2), AlertTrend("noise_limit", "burst", 1, 0))
    world.queries.board = PerceptionBoard((), (), None, (), (), False, trend)
    rows = http.get("/v1/boards/perception").json()["alert_trend"]
    assert [row["change_ratio"] for row in rows] == [0.5, None]
    assert world.queries.board_queries[-1].known_to == NOON


# -- freshness --------------------------------------------------------------------------------------------------------

READINGS, ALERTS = TopicPartition("gridpulse.readings", 0), TopicPartition("gridpulse.alerts", 0)


def freshness(http: TestClient, path: str = "/v1/metrics") -> tuple[Any, Any, Any]:
    body = http.get(path).json()
    return body["as_of"], body["lag_events"], body["lag_s"]


def test_nothing_yet_is_null(http: TestClient) -> None:
    assert freshness(http) == (None, 0, 0.0)


def test_caught_up_is_as_of_the_logs_latest_record(world: Any, http: TestClient) -> None:
    world.log_state.ends = {READINGS: 10, ALERTS: 0}
    world.log_state.last_ms = {READINGS: round(NOON.timestamp() * 1000) + 500}
    world.queries.progress_rows = [PartitionProgress("gridpulse.readings", 0, 10, NOON - timedelta(days=1))]
    assert freshness(http) == ("2026-03-01T12:00:00.500000+08:00", 0, 0.0)


def test_behind_is_as_of_the_slowest_partition_and_idle_ones_do_not_count(world: Any, http: TestClient) -> None:
    world.log_state.ends = {READINGS: 10, ALERTS: 3}
    world.log_state.last_ms = {READINGS: round(NOON.timestamp() * 1000), ALERTS: 0}
    world.queries.progress_rows = [
        PartitionProgress("gridpulse.readings", 0, 4, NOON - timedelta(seconds=2)),
        PartitionProgress("gridpulse.alerts", 0, 3, NOON - timedelta(days=1)),
    ]
    assert freshness(http) == ("2026-03-01T11:59:58+08:00", 6, 2.0)
    text = http.get("/metrics").text
    assert "gridpulse_lag_events 6.0" in text
    assert "gridpulse_lag_seconds 2.0" in text


def test_one_record_behind_is_behind(world: Any, http: TestClient) -> None:
    world.log_state.ends, world.log_state.last_ms = {READINGS: 5}, {READINGS: round(NOON.timestamp() * 1000)}
    world.queries.progress_rows = [PartitionProgress("gridpulse.readings", 0, 4, NOON - timedelta(seconds=1))]
    assert freshness(http) == ("2026-03-01T11:59:59+08:00", 1, 1.0)


def test_a_partition_never_written_leaves_nothing_certain(world: Any, http: TestClient) -> None:
    world.log_state.ends, world.log_state.last_ms = {READINGS: 5, ALERTS: 1}, {READINGS: 0, ALERTS: 0}
    world.queries.progress_rows = [PartitionProgress("gridpulse.readings", 0, 4, NOON)]
    assert freshness(http)[:2] == (None, 2)


def test_a_metric_is_only_as_fresh_as_its_rollups(world: Any, http: TestClient) -> None:
    world.log_state.ends, world.log_state.last_ms = {READINGS: 1}, {READINGS: round(NOON.timestamp() * 1000)}
    world.queries.progress_rows = [PartitionProgress("gridpulse.readings", 0, 1, NOON)]
    world.queries.not_rolled_up = NOON - timedelta(seconds=5)
    assert freshness(http, "/v1/metrics/heartbeats")[0] == "2026-03-01T11:59:54.999000+08:00"


def test_without_the_log_the_lag_is_unknown_and_queries_go_on(world: Any, http: TestClient) -> None:
    world.log_state.available = False
    world.queries.progress_rows = [PartitionProgress("gridpulse.readings", 0, 4, NOON)]
    assert freshness(http) == ("2026-03-01T12:00:00+08:00", None, None)


def test_freshness_is_asked_at_most_once_a_second(world: Any, http: TestClient) -> None:
    assert freshness(http)[1] == 0
    world.log_state.ends = {READINGS: 7}
    assert freshness(http)[1] == 0
    world.clock_s += CACHED_S
    assert freshness(http)[1] == 7


# -- faults -----------------------------------------------------------------------------------------------------------

ASKING = (
    "/v1/metrics",
    "/v1/metrics/heartbeats",
    "/v1/boards/perception",
    "/v1/devices",
    "/v1/alerts",
    "/v1/deadletters",
)


@pytest.mark.parametrize("path", ASKING)
def test_an_unreachable_store_and_a_slow_query(world: Any, http: TestClient, path: str) -> None:
    world.queries.fault = StoreUnavailableError("no")
    assert http.get(path).headers["retry-after"] == "2"
    problem(http.get(path), 503, "store-unavailable")
    world.queries.fault = QueryTimeoutError("slow")
    problem(http.get(path), 504, "query-timeout")


def test_a_defect_is_500_and_says_nothing_of_itself(world: Any, http: TestClient) -> None:
    world.queries.fault = ZeroDivisionError("secret")
    assert "secret" not in str(problem(http.get("/v1/devices"), 500, "internal"))


def test_unknown_paths_and_methods(http: TestClient) -> None:
    problem(http.get("/v2/metrics"), 404, "not-found")
    assert problem(http.delete("/v1/metrics"), 405, "method-not-allowed") is not None
    assert http.get("/docs").status_code == 404


def test_readiness_says_what_is_wrong(world: Any, http: TestClient) -> None:
    assert http.get("/readyz").json()["ready"] is True
    world.queries.missing = ["0002_more.sql"]
    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert "0002_more.sql" in answer.json()["migrations"]["detail"]
    world.queries.fault = StoreUnavailableError("no")
    world.log_state.available = False
    body = http.get("/readyz").json()
    assert [body[part]["ok"] for part in ("log", "store", "migrations")] == [False, False, False]
    assert http.get("/healthz").status_code == 200


def test_answers_are_not_to_be_stored_and_have_no_cors(http: TestClient) -> None:
    answer = http.get("/v1/metrics", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


def test_requests_are_counted_by_route_template(http: TestClient) -> None:
    http.get("/v1/devices/some-device")
    http.get("/v1/nowhere")
    text = http.get("/metrics").text
    assert 'gridpulse_http_requests_total{method="GET",route="/v1/devices/{device}",status="404"} 1.0' in text
    assert 'gridpulse_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert "some-device" not in text
