"""The whole API over the real store, with two communities in it: a reader of one never sees a row of the other.

Every route of the OpenAPI document is walked, with and without each scope its key may name. Everything in the second
community carries ``-b`` or the community's path, so one look at the answer's bytes is enough.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.dependencies import ApiDependencies
from projections.client import Client
from projections.queries.clickhouse import ClickHouseQueries
from projections.queries.ports import QueryTimeoutError
from projections.queries.running import SCOPE_RULE, Runner
from schemas.metrics import METRICS
from streams.fakes import FakeIngest, FakeKeyRing, FakeLogState
from streams.ports import Principal

A, B = "wuhu/jinghu/tingtang/jianyang", "wuhu/yijiang/zhongshan/tieqiao"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
NOT_OF_THE_STORE = ("/v1/live", "/v1/subscriptions")  # these are answered from the log
pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(scope="module")
def app(queries: ClickHouseQueries) -> Any:
    keys = {
        "a": Principal("a", "admin", A),
        "near": Principal("near", "admin", "wuhu/yijiang/zhongshan/tie"),  # begins like B, but is not above it
        "b": Principal("b", "admin", B),
    }
    deps = ApiDependencies(queries, FakeIngest(), FakeKeyRing(keys), FakeLogState(), lambda: NOON + timedelta(hours=1))
    return create_app(deps)


def requests_of(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every GET of the document with parameters that would find something in either community."""
    found: list[tuple[str, dict[str, Any]]] = []
    for path, methods in document["paths"].items():
        if "get" not in methods or path == "/openapi.json" or path.startswith(NOT_OF_THE_STORE):
            continue
        names = {parameter["name"] for parameter in methods["get"].get("parameters", ())}
        base: dict[str, Any] = {"from": "-20d"} if "from" in names else {}
        if path == "/v1/metrics/{metric}":
            for metric in METRICS:
                by = metric.dimensions[-1] if metric.dimensions else "scope"
                found.append((path.format(metric=metric.name), base | {"grain": "day", "by": by}))
            continue
        for name in ("noise-a", "noise-b", "smoke-a", "smoke-b", "twin", "al2-a", "al2-b"):
            found.append((path.format(device=name, alert=name), base))
            if "{" not in path:
                break
    return found


def answers(app: Any, key: str, *named: str) -> dict[str, str]:
    """The text of every answer, asked without a scope and with those named."""
    http = TestClient(app, headers={"X-API-Key": key})
    asked = requests_of(http.get("/openapi.json").json())
    scopes: list[str | None] = [None, *named]
    texts: dict[str, str] = {}
    for path, params in asked:
        for scope in scopes if "/metrics/" not in path else scopes[:1]:
            answer = http.get(path, params=params | ({"scope": scope} if scope else {}))
            assert answer.status_code in (200, 403, 404), (path, params, answer.text)
            texts[f"{path} {params} {scope}"] = answer.text if answer.status_code == 200 else ""
    return texts


def test_a_reader_sees_its_own_and_nothing_beside_it(app: Any) -> None:
    for key, own, foreign in (("a", ("-a", A), ("-b", B)), ("b", ("-b", B), ("-a", A))):
        seen = answers(app, key, B, "wuhu")
        assert len(seen) > 80
        for request, text in seen.items():
            assert not any(mark + '"' in text or mark + "/" in text for mark in foreign), (key, request, text)
        assert sum(any(mark in text for mark in own) for text in seen.values()) > 20


def test_a_scope_that_only_begins_like_another_sees_nothing_of_it(app: Any) -> None:
    for request, text in answers(app, "near").items():
        assert '-b"' not in text, (request, text)
        assert B not in text, (request, text)


def test_nobody_acts_on_what_lies_beside_his_subtree(queries: ClickHouseQueries) -> None:
    """Alerts and silences of the other community are not there, for a key of another and for one that begins alike."""
    ingest, at = FakeIngest(), NOON + timedelta(hours=1)
    keys = {"a": Principal("a", "operator", A), "near": Principal("near", "operator", "wuhu/jinghu/tingtang/jian")}
    http = TestClient(create_app(ApiDependencies(queries, ingest, FakeKeyRing(keys), FakeLogState(), lambda: at)))
    actions = {
        "acknowledge": {}, "assign": {"assignee": "w"}, "comment": {"comment": "x"}, "resolve": {}, "close": {},
        "verdict": {"verdict": "false"}, "case": {"case": "c"},
    }  # fmt: skip
    for key, letter in (("a", "b"), ("near", "a"), ("near", "b")):
        for action, body in actions.items():
            answer = http.post(f"/v1/alerts/al2-{letter}/{action}", json=body, headers={"X-API-Key": key})
            assert answer.status_code == 404, (key, letter, action)
        assert http.delete(f"/v1/silences/sil-{letter}", headers={"X-API-Key": key}).status_code == 404
    assert ingest.said == []
    for action, body in actions.items():
        answer = http.post(f"/v1/alerts/al2-a/{action}", json=body, headers={"X-API-Key": "a"})
        assert answer.status_code == 202, (action, answer.text)
    assert http.delete("/v1/silences/sil-a", headers={"X-API-Key": "a"}).status_code == 202
    assert {event.scope for event, _ in ingest.said} == {f"{A}/g03"}
    assert [everywhere for _, everywhere in ingest.said] == [False] * 7 + [True]


def test_an_alerts_answer_is_its_whole_life(app: Any) -> None:
    body = TestClient(app, headers={"X-API-Key": "a"}).get("/v1/alerts/al2-a").json()
    assert [(step["step"], step["assignee"], step["case"]) for step in body["steps"]] == [
        ("opened", None, None),
        ("updated", "warden-a", "case-a"),
    ]
    assert (body["alert"]["case"], body["alert"]["assignee"]) == ("case-a", "warden-a")
    assert [(case["case"], case["status"]) for case in body["cases"]] == [("case-a", "reported")]
    assert (body["times"]["act_s"], body["times"]["acknowledge_s"]) == (None, None)  # no step says so


def test_figures_count_one_community_only(app: Any) -> None:
    for key in ("a", "b"):
        http = TestClient(app, headers={"X-API-Key": key})
        params = {"from": "-1d", "to": "now", "grain": "day"}
        series = http.get("/v1/metrics/passages", params=params).json()["series"][0]["points"]
        assert sum(point["value"] for point in series) == 4.0
        board = http.get("/v1/boards/perception", params={"from": "-1d"}).json()
        assert board["devices"]["total"] == 4
        assert [alarm["open"] for alarm in board["open_alarms"]] == [1]
        assert sum(row["opened"] + row["opened_before"] for row in board["alert_trend"]) == 2
        assert len(http.get("/v1/deadletters").json()["dead_letters"]) == 1


def test_a_query_that_takes_too_long_is_stopped(writer_client: Client) -> None:
    with pytest.raises(QueryTimeoutError):
        Runner(writer_client, 1).rows("SELECT sum(sipHash64(number)) AS x FROM numbers(100000000000)", {})


def test_the_scope_rule_compares_whole_segments(writer_client: Client) -> None:
    def within(scope: str, row_scope: str) -> bool:
        parameters = {"scope": scope, "below": scope + "/", "row": row_scope}
        sql = f"SELECT {SCOPE_RULE} AS yes FROM (SELECT {{row:String}} AS scope)"
        return bool(Runner(writer_client, 5).rows(sql, parameters)[0]["yes"])

    assert within("", "wuhu")
    assert within("wuhu", "wuhu")
    assert within("wuhu", "wuhu/jinghu")
    assert not within("wuhu", "wuhu2")
    assert not within("wuhu/jinghu", "wuhu")
    assert not within("wu%", "wuhu")
