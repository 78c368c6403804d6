"""Acting on alerts and silencing them: who did it is the key, nothing is done twice, nobody acts beside his subtree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from projections.client import StoreUnavailableError
from projections.queries.life_cycle_ports import AlertCase, AlertTimesOfOne, AlertTimesRow, SilenceRow, Spread
from projections.queries.ports import AlertRow, AlertStepRow
from schemas.families.civic import AlertAction, AlertSilence
from streams.ports import Principal

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
A, B = "wuhu/jinghu/tingtang/jianyang/g03", "wuhu/jinghu2/tingtang/jianyang/g03"  # B only begins like A's district
BODIES: dict[str, dict[str, str]] = {
    "acknowledge": {},
    "assign": {"assignee": "warden-07"},
    "comment": {"comment": "看过 seen"},
    "resolve": {},
    "close": {"comment": "done"},
    "verdict": {"verdict": "true"},
    "case": {"case": "case-1"},
}


def alert(name: str, scope: str = A, **changes: Any) -> AlertRow:
    row = AlertRow(
        name, scope, "noise_limit", "over_limit", "d", "warning", "open", 1, NOON, NOON, None, 1.5, 1.0, 60.0, 70.0,
        "dB(A)", "1", "超限", "over",
    )  # fmt: skip
    return replace(row, **changes)


def silence(name: str, scope: str = A, **changes: Any) -> SilenceRow:
    row = SilenceRow(
        name, scope, "maintenance", "active", None, "over_limit", None, NOON, NOON + timedelta(hours=2), "k9", "why",
        NOON, None, None, None,
    )  # fmt: skip
    return replace(row, **changes)


@pytest.fixture(autouse=True)
def operators(world: Any) -> None:
    world.keys._keys["operator-a"] = Principal("op-a", "operator", "wuhu/jinghu")
    world.keys._keys["operator"] = Principal("op", "operator", "")
    world.queries.alert_rows = [alert("here"), alert("there", B)]
    world.queries.silence_rows = [silence("s-here"), silence("s-there", B)]


def act(http: TestClient, action: str, name: str = "here", key: str = "operator-a", **headers: str) -> Any:
    url = f"/v1/alerts/{name}/{action}"
    return http.post(url, json=BODIES[action], headers={"X-API-Key": key} | headers)


def kind_of(answer: Any) -> str:
    return str(answer.json()["type"]).removeprefix("urn:gridpulse:problem:")


@pytest.mark.parametrize("action", BODIES)
def test_an_action_is_an_event_at_the_alerts_scope_by_the_key(world: Any, http: TestClient, action: str) -> None:
    answer = act(http, action)
    assert answer.status_code == 202, answer.text
    ((event, everywhere),) = world.ingest.said
    assert (event.id, event.scope, event.source) == (answer.json()["event_id"], A, "//gridpulse/api")
    assert (event.event_time_ms, everywhere) == (int(NOON.timestamp() * 1000), False)
    said = "report_case" if action == "case" else action
    assert event.data == AlertAction(alert="here", action=said, actor="op-a", **BODIES[action])  # type: ignore[arg-type]
    assert answer.json() == {"alert": "here", "action": said, "event_id": event.id, "status": "accepted"}


@pytest.mark.parametrize("action", BODIES)
def test_nobody_acts_beside_his_subtree(world: Any, http: TestClient, action: str) -> None:
    for name in ("there", "nowhere"):
        answer = act(http, action, name)
        assert (answer.status_code, kind_of(answer)) == (404, "not-found")
    for key in ("reader", "writer"):
        assert act(http, action, key=key).status_code == 403
    assert world.ingest.said == []
    assert act(http, action, "there", "operator").status_code == 202


def test_the_same_request_again_is_the_same_action(world: Any, http: TestClient) -> None:
    first = act(http, "acknowledge", **{"Idempotency-Key": "one"}).json()
    world.queries.alert_rows[0] = alert("here", acknowledged_by="op-a", state="closed")  # by now
    again = act(http, "acknowledge", **{"Idempotency-Key": "one"})
    assert again.status_code == 202
    assert again.json() == first | {"status": "duplicate"}
    assert len(world.ingest.said) == 1
    world.queries.alert_rows[0] = alert("here")
    ids = {first["event_id"]}
    for action, name, key, headers in (
        ("acknowledge", "here", "operator-a", {"Idempotency-Key": "two"}),
        ("acknowledge", "here", "operator", {"Idempotency-Key": "one"}),
        ("acknowledge", "there", "operator", {"Idempotency-Key": "one"}),
        ("resolve", "here", "operator-a", {"Idempotency-Key": "one"}),
        ("comment", "here", "operator-a", {}),
        ("comment", "here", "operator-a", {}),
    ):
        ids.add(act(http, action, name, key, **headers).json()["event_id"])
    assert len(ids) == len(world.ingest.said) == 7


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("acknowledge", {"acknowledged_by": "k7"}),
        ("acknowledge", {"state": "resolved"}),
        ("resolve", {"state": "resolved"}),
        ("assign", {"state": "closed"}),
        ("close", {"state": "closed"}),
        ("comment", {"detector": "webhooks"}),  # of the delivery worker, which no lane knows
    ],
)
def test_what_would_do_nothing_is_refused(world: Any, http: TestClient, action: str, changes: dict[str, Any]) -> None:
    world.queries.alert_rows[0] = alert("here", **changes)
    answer = act(http, action)
    assert (answer.status_code, kind_of(answer)) == (409, "not-now")
    assert answer.json()["detail"]
    assert world.ingest.said == []


@pytest.mark.parametrize("action", ["comment", "verdict", "case", "close", "assign"])
def test_an_alert_that_is_over_can_still_be_worked_on(world: Any, http: TestClient, action: str) -> None:
    world.queries.alert_rows[0] = alert("here", state="resolved")
    assert act(http, action).status_code == 202


@pytest.mark.parametrize(
    ("action", "body", "parameter"),
    [
        ("acknowledge", {"actor": "somebody else"}, "body.actor"),
        ("acknowledge", {"comment": "x" * 501}, "body.comment"),
        ("acknowledge", {"comment": ""}, "body.comment"),
        ("assign", {}, "body.assignee"),
        ("assign", {"assignee": "张三 13800000000"}, "body.assignee"),  # no person in clear
        ("comment", {}, "body.comment"),
        ("verdict", {"verdict": "maybe"}, "body.verdict"),
        ("case", {"case": "x" * 65}, "body.case"),
        ("close", [], "body"),
    ],
)
def test_wrong_bodies_are_named(http: TestClient, action: str, body: Any, parameter: str) -> None:
    answer = http.post(f"/v1/alerts/here/{action}", json=body)
    assert (answer.status_code, kind_of(answer)) == (422, "invalid-parameter")
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_what_is_no_small_json_is_refused(world: Any, http: TestClient) -> None:
    def post(body: bytes, content_type: str = "application/json") -> tuple[int, str]:
        headers = {"Content-Type": content_type}
        answer = http.post("/v1/alerts/here/acknowledge", content=body, headers=headers)
        return answer.status_code, "" if answer.status_code == 202 else kind_of(answer)

    assert post(b'{"comment":') == (400, "malformed-body")
    assert post(b'{"comment": "\\ud800"}') == (400, "malformed-body")  # could never be written down
    assert post(b"\xff") == (400, "malformed-body")
    assert post(b'{"comment": "x"}', "text/plain") == (415, "unsupported-media-type")
    assert post(b" " * 20_000) == (413, "too-large")
    assert world.ingest.said == []
    assert post(b"", "") == post(b'{"comment": "x"}', "application/json; charset=utf-8") == (202, "")


def test_while_the_log_or_the_store_is_away_nothing_is_promised(world: Any, http: TestClient) -> None:
    world.ingest.available = False
    assert kind_of(act(http, "acknowledge")) == "log-unavailable"
    world.ingest.available = True
    world.queries.fault = StoreUnavailableError("away")
    assert kind_of(act(http, "acknowledge")) == "store-unavailable"


def test_an_alert_tells_its_whole_life(world: Any, http: TestClient) -> None:
    world.queries.alert_rows[0] = alert("here", acknowledged_by="op-a", case="case-1", escalation=2)
    opened = AlertStepRow(NOON, NOON, "opened", "warning", 1, 1.0, 1.0, None, None, "超限", "over")
    world.queries.step_rows = [opened, replace(opened, step="acknowledged", actor="op-a", comment="seen")]
    world.queries.case_rows = [AlertCase("case-1", "grid", "noise", "closed", NOON, None, NOON)]
    world.queries.times_of = {"here": AlertTimesOfOne(NOON, 60.0, 30.0, None, 600.5)}
    body = http.get("/v1/alerts/here", headers={"X-API-Key": "operator-a"}).json()
    assert [(step["step"], step["actor"], step["comment"]) for step in body["steps"]] == [
        ("opened", None, None),
        ("acknowledged", "op-a", "seen"),
    ]
    assert (body["alert"]["acknowledged_by"], body["alert"]["escalation"]) == ("op-a", 2)
    assert body["cases"][0]["status"] == "closed"
    assert body["times"] == {
        "raised_time": "2026-03-01T12:00:00+08:00", "acknowledge_s": 60.0, "act_s": 30.0, "resolve_s": None,
        "close_s": 600.5,
    }  # fmt: skip


def test_times_are_of_the_keys_scope_and_a_month_by_default(world: Any, http: TestClient) -> None:
    spread = Spread(2, 1.5, 2.5)
    world.queries.times_rows = [
        AlertTimesRow(scope, "noise_limit", "over_limit", 3, spread, spread, spread, Spread(0, None, None))
        for scope in (A, B)
    ]
    body = http.get("/v1/alerts/times", headers={"X-API-Key": "reader-a"}).json()
    assert [row["grid"] for row in body["times"]] == [A]
    assert (body["scope"], body["by"], body["cut"]) == ("wuhu/jinghu", "grid_and_kind", False)
    assert body["times"][0]["act"] == {"count": 2, "p50_s": 1.5, "p90_s": 2.5}
    assert body["times"][0]["close"] == {"count": 0, "p50_s": None, "p90_s": None}
    (query,) = world.queries.times_queries
    assert query.to_time - query.from_time == timedelta(days=30)
    assert http.get("/v1/alerts/times", params={"by": "device"}).status_code == 422


def test_more_rows_than_are_given_are_said_to_be_cut(world: Any, http: TestClient) -> None:
    never = Spread(0, None, None)
    world.queries.times_rows = [AlertTimesRow(A, None, None, 1, never, never, never, never)] * 1001
    body = http.get("/v1/alerts/times", params={"by": "grid"}).json()
    assert (len(body["times"]), body["cut"]) == (1000, True)


def make(http: TestClient, key: str = "operator-a", **changes: Any) -> Any:
    wanted = {"kind": "maintenance", "duration_s": 3600, "comment": "更换 replaced"} | changes
    body = {name: value for name, value in wanted.items() if value is not None}
    return http.post("/v1/silences", json=body, headers={"X-API-Key": key})


def test_a_silence_is_said_everywhere_by_the_key(world: Any, http: TestClient) -> None:
    answer = make(http, scope=A, detector="noise_limit", rule="over_limit", subject="d")
    assert answer.status_code == 202, answer.text
    ((event, everywhere),) = world.ingest.said
    name, now_ms = answer.json()["silence"], int(NOON.timestamp() * 1000)
    assert everywhere
    assert (event.id, event.scope) == (name, A)
    assert event.data == AlertSilence(
        silence=name, kind="maintenance", silenced_scope=A, detector="noise_limit", rule="over_limit", subject="d",
        starts_time_ms=now_ms, ends_time_ms=now_ms + 3_600_000, actor="op-a", comment="更换 replaced", status="active",
    )  # fmt: skip
    assert answer.json()["ends_time"] == "2026-03-01T13:00:00+08:00"
    assert make(http).json()["scope"] == "wuhu/jinghu"  # the key's own
    later = make(http, starts_time="2026-03-02T00:00:00+08:00")
    assert (later.json()["state"], later.json()["ends_time"]) == ("pending", "2026-03-02T01:00:00+08:00")


def test_the_same_silence_again_is_the_same_one(world: Any, http: TestClient) -> None:
    body = {"scope": A, "duration_s": 3600, "comment": "x"}

    def post(key: str, **changes: Any) -> dict[str, Any]:
        headers = {"X-API-Key": key, "Idempotency-Key": "one"}
        return dict(http.post("/v1/silences", json=body | changes, headers=headers).json())

    first = post("operator-a")
    world.queries.silence_rows = [silence(first["silence"], starts_time=NOON - timedelta(minutes=1))]
    again = post("operator-a")
    assert (again["silence"], again["status"]) == (first["silence"], "duplicate")
    assert again["starts_time"] == "2026-03-01T11:59:00+08:00"  # it began with the first request
    assert len(world.ingest.said) == 1
    others = {post("operator")["silence"], post("operator-a", comment="y")["silence"], make(http).json()["silence"]}
    assert len({first["silence"], *others}) == 4


def test_nobody_silences_beside_his_subtree(world: Any, http: TestClient) -> None:
    for scope in (B, "wuhu", "wuhu/jinghu2"):
        assert kind_of(make(http, scope=scope)) == "scope-not-allowed"
    for key in ("reader", "writer"):
        assert kind_of(make(http, key)) == "role-not-allowed"
    for name in ("s-there", "nothing"):
        assert kind_of(http.delete(f"/v1/silences/{name}", headers={"X-API-Key": "operator-a"})) == "not-found"
    assert world.ingest.said == []
    listed = http.get("/v1/silences", headers={"X-API-Key": "operator-a"}).json()["silences"]
    assert [one["silence"] for one in listed] == ["s-here"]


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"duration_s": None}, "body.ends_time"),
        ({"ends_time": "2026-03-01T13:00:00+08:00"}, "body.ends_time"),  # and a duration
        ({"duration_s": None, "ends_time": "2026-03-01T11:59:00+08:00"}, "body.ends_time"),
        ({"duration_s": None, "ends_time": "2026-06-02T00:00:00+08:00"}, "body.ends_time"),
        ({"duration_s": None, "ends_time": "2026-03-01T13:00:00"}, "body.ends_time"),  # no offset
        ({"duration_s": None, "ends_time": "9999-12-31T23:59:59-08:00"}, "body.ends_time"),
        ({"starts_time": "0001-01-01T00:00:00+08:00"}, "body.ends_time"),
        ({"starts_time": "2027-03-03T00:00:00+08:00"}, "body.starts_time"),
        ({"duration_s": 93 * 86_400}, "body.duration_s"),
        ({"rule": "over_limt"}, "body.rule"),
        ({"detector": "device_offline", "rule": "over_limit"}, "body.rule"),
        ({"detector": "nobody"}, "body.detector"),
        ({"scope": "wuhu//x"}, "body.scope"),
        ({"comment": None}, "body.comment"),
    ],
)
def test_wrong_silences_are_named(http: TestClient, changes: dict[str, Any], parameter: str) -> None:
    answer = make(http, **changes)
    assert (answer.status_code, kind_of(answer)) == (422, "invalid-parameter"), answer.text
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_a_key_for_everything_must_name_what_it_silences(http: TestClient) -> None:
    answer = make(http, "operator")
    assert answer.json()["errors"][0]["parameter"] == "body.scope"
    assert make(http, "operator", scope=B).status_code == 202


def test_a_silence_is_lifted_once(world: Any, http: TestClient) -> None:
    headers = {"X-API-Key": "operator-a"}
    answer = http.delete("/v1/silences/s-here", params={"comment": "done early"}, headers=headers)
    assert (answer.status_code, answer.json()["state"]) == (202, "lifted")
    again = http.delete("/v1/silences/s-here", headers=headers)
    assert (again.status_code, again.json()["status"]) == (202, "duplicate")
    ((event, everywhere),) = world.ingest.said
    data = event.data
    assert (everywhere, data.status, data.actor, data.comment, data.rule) == (
        True, "lifted", "op-a", "done early", "over_limit",
    )  # fmt: skip
    world.queries.silence_rows[0] = silence("s-here", state="ended")
    assert kind_of(http.delete("/v1/silences/s-here", headers=headers)) == "not-now"


def test_silences_are_paged(world: Any, http: TestClient) -> None:
    world.queries.silence_rows = [silence(f"s-{n}", created_time=NOON + timedelta(seconds=n // 2)) for n in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = http.get("/v1/silences", params={"limit": "2"} | cursor).json()
        seen += [one["silence"] for one in body["silences"]]
        if body["next_cursor"] is None:
            break
        cursor = {"cursor": body["next_cursor"]}
    assert seen == ["s-4", "s-3", "s-2", "s-1", "s-0"]
