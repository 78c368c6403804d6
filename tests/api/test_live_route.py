"""``/v1/live`` over HTTP without a socket: streams of this app end once they have begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient

from api.live.limits import LiveLimits
from api.live.positions import decode, encode
from schemas.families.system import ALERT_STEPS
from schemas.metrics import METRICS
from tests.api.live_worlds import Message, alert, messages


def begin(http: TestClient, since: str | None = None, key: str = "reader", **params: Any) -> list[Message]:
    headers = {"X-API-Key": key} | ({"Last-Event-ID": since} if since else {})
    answer = http.get("/v1/live", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    return messages(answer.content)


def problem(http: TestClient, status: int, kind: str, since: str | None = None, **params: Any) -> dict[str, Any]:
    answer = http.get("/v1/live", params=params, headers={"Last-Event-ID": since} if since else {})
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:gridpulse:problem:{kind}")
    return dict(answer.json()) | {"headers": answer.headers}


def test_it_begins_with_when_to_come_back_where_it_is_and_what_was_understood(http: TestClient) -> None:
    text = http.get("/v1/live", params={"scope": "wuhu", "rule": "day_limit,silent", "steps": "opened"}).text
    retry, place, event, data = text.split("\n")[:4]
    assert 1_000 <= int(retry.removeprefix("retry: ")) < 5_000
    assert decode(place.removeprefix("id: "))[1] == (0, 0)
    assert event == "event: hello"
    hello = orjson.loads(data.removeprefix("data: "))
    assert hello == {
        "scope": "wuhu", "detectors": [], "rules": ["day_limit", "silent"], "min_severity": "info",
        "steps": ["opened"], "metrics": [], "heartbeat_s": 15.0, "resumed": False,
    }  # fmt: skip
    assert orjson.loads(begin(http, key="reader-a")[0].data)["scope"] == "wuhu/jinghu"


def test_clients_do_not_come_back_all_at_once(http: TestClient) -> None:
    said = {http.get("/v1/live").text.split("\n", 1)[0] for _ in range(8)}
    assert len(said) == 8


def test_it_goes_on_from_the_header_or_else_from_the_parameter(world: Any, http: TestClient) -> None:
    place = begin(http)[0].id
    mark, _ = decode(place)
    world.live_log.append([alert(f"a{number}") for number in range(3)])
    for since, params, expected in (
        (encode(mark, (2, 0)), {}, (2, 0)),
        (None, {"last_event_id": encode(mark, (1, 0))}, (1, 0)),
        (encode(mark, (2, 0)), {"last_event_id": place}, (2, 0)),
    ):
        (hello,) = begin(http, since, **params)
        assert decode(hello.id)[1] == expected
        assert orjson.loads(hello.data)["resumed"] is True


def test_who_can_not_go_on_is_told_how_to_catch_up(world: Any, http: TestClient) -> None:
    mark, _ = decode(begin(http)[0].id)
    world.live_log.append([alert("a")])
    hello, reset = begin(http, encode(mark ^ 1, (0, 0)), scope="wuhu")
    assert reset.event == "reset"
    told = orjson.loads(reset.data)
    assert (told["reason"], told["catch_up"]) == ("other_log", "/v1/alerts?scope=wuhu")
    assert told["catch_up"] in told["detail"]
    assert told["catch_up"] in told["detail_en"]
    assert orjson.loads(hello.data)["resumed"] is False
    assert http.get(told["catch_up"]).status_code == 200


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"steps": "opened,exploded"}, "query.steps"),
        ({"steps": ","}, "query.steps"),
        ({"min_severity": "grave"}, "query.min_severity"),
        ({"detector": "a b"}, "query.detector"),
        ({"rule": "x" * 513}, "query.rule"),
        ({"metrics": ",".join(metric.name for metric in METRICS[:6])}, "query.metrics"),
        ({"last_event_id": "no!"}, "query.last_event_id"),
    ],
)
def test_wrong_parameters_are_named(http: TestClient, params: dict[str, str], parameter: str) -> None:
    errors = problem(http, 422, "invalid-parameter", **params)["errors"]
    assert errors[0]["parameter"] == parameter


def test_an_unknown_step_is_answered_with_those_there_are(http: TestClient) -> None:
    (error,) = problem(http, 422, "invalid-parameter", steps="exploded")["errors"]
    assert all(step in error["problem"] for step in ALERT_STEPS)


def test_an_unknown_metric_names_the_nearest(http: TestClient) -> None:
    assert problem(http, 404, "unknown-metric", metrics="heartbeats,noise_laqe")["nearest"][0] == "noise_laeq"


@pytest.mark.parametrize("since", ["abc", "A" * 40, "AXhW1tkBBqvwkbs"])
def test_a_made_up_position_is_refused(http: TestClient, since: str) -> None:
    assert "Last-Event-ID" in problem(http, 422, "invalid-cursor", since)["detail_en"]
    problem(http, 422, "invalid-cursor", last_event_id=since)


def test_when_it_is_full_one_is_told_when_to_come_back(world: Any) -> None:
    world.live = LiveLimits(clients=0)
    with world.client() as full:
        full.headers["X-API-Key"] = "reader"
        assert problem(full, 503, "too-many-clients")["headers"]["retry-after"] == "10"


def test_it_is_counted_by_how_it_ended_and_how_clients_came_back(http: TestClient) -> None:
    place = begin(http)[0].id
    begin(http, place)
    text = http.get("/metrics").text
    assert 'gridpulse_live_ended_total{why="lifetime"} 2.0' in text
    assert 'gridpulse_live_resumed_total{how="resumed"} 1.0' in text
    assert "gridpulse_live_clients 0.0" in text


def test_without_a_log_there_is_no_stream(world: Any) -> None:
    bare = replace(world)
    bare.live_log = None
    with bare.client() as http:
        http.headers["X-API-Key"] = "reader"
        problem(http, 503, "log-unavailable")
