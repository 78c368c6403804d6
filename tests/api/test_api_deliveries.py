"""The delivery log by API, page by page, and orders to deliver again as they stand in the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient

from projections.queries.delivery_ports import DeliverableStep, DeliveryRow
from schemas.families.deliveries import DeliveryOutcome, Redelivery
from schemas.records import TopicPartition
from streams.control_state import CONTROL_TOPIC
from tests.api.conftest import NOON, NOON_MS


@pytest.fixture
def subscription(http: TestClient) -> str:
    answer = http.post("/v1/subscriptions", json={"url": "https://hooks.example.org/in", "scope": "wuhu/jinghu"})
    return str(answer.json()["subscription"])


def attempt(number: int, outcome: DeliveryOutcome) -> DeliveryRow:
    at = NOON - timedelta(seconds=number)
    return DeliveryRow(
        f"t{number}", at, f"msg_{number}", f"e{number}", "a1", "m1", 1, outcome, 204, None, 12, None, None
    )


def orders(world: Any) -> list[Redelivery]:
    return [
        Redelivery.model_validate(event["data"])
        for number in range(world.live_log.partitions(CONTROL_TOPIC))
        for value in world.live_log.read(TopicPartition(CONTROL_TOPIC, number), 0, 1_000).values
        if (event := orjson.loads(value))["type"] == "cn.gridpulse.control.redelivery.v1"
    ]


def test_attempts_come_newest_first_page_by_page(world: Any, http: TestClient, subscription: str) -> None:
    outcomes: list[DeliveryOutcome] = ["delivered", "failed", "delivered", "abandoned", "delivered"]
    world.queries.delivery_rows[subscription] = [attempt(number, one) for number, one in enumerate(outcomes)]
    path, cursor, found = f"/v1/subscriptions/{subscription}/deliveries", None, []
    for _ in range(3):
        answer = http.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [one["attempt_id"] for one in answer["deliveries"]]
        cursor = answer["next_cursor"]
    assert cursor is None
    assert found == ["t0", "t1", "t2", "t3", "t4"]
    failed = http.get(path, params={"outcome": "failed"}).json()["deliveries"]
    assert [one["attempt_id"] for one in failed] == ["t1"]
    assert failed[0]["attempted_time"] == "2026-03-01T11:59:59+08:00"
    late = http.get(path, params={"from": "-2s", "to": "-1s"}).json()["deliveries"]
    assert [one["attempt_id"] for one in late] == ["t2"]


def test_a_key_sees_and_redelivers_within_its_scope_only(http: TestClient, subscription: str) -> None:
    for key, status in (("operator-a", 200), ("reader", 403)):
        answer = http.get(f"/v1/subscriptions/{subscription}/deliveries", headers={"X-API-Key": key})
        assert answer.status_code == status
    other = http.post("/v1/subscriptions", json={"url": "https://hooks.example.org/in", "scope": "wuhu/yijiang"})
    name = other.json()["subscription"]
    headers = {"X-API-Key": "operator-a"}
    assert http.get(f"/v1/subscriptions/{name}/deliveries", headers=headers).status_code == 404
    assert http.post(f"/v1/subscriptions/{name}/redeliver", json={"failed": True}, headers=headers).status_code == 404


def test_orders_stand_in_the_log(world: Any, http: TestClient, subscription: str) -> None:
    world.queries.deliverables["msg_7"] = DeliverableStep("e7", NOON)
    path = f"/v1/subscriptions/{subscription}/redeliver"
    answers = [
        http.post(path, json=body)
        for body in ({"event_id": "msg_7"}, {"failed": True}, {"from": "-2h", "to": "2026-03-01T11:30:00+08:00"})
    ]
    assert [answer.status_code for answer in answers] == [202] * 3
    one, failed, span = orders(world)
    assert (one.what, one.alert_event, one.from_time_ms, one.to_time_ms) == ("one", "e7", NOON_MS, NOON_MS + 1)
    assert (failed.what, failed.from_time_ms) == ("failed", None)
    assert (span.what, span.from_time_ms, span.to_time_ms) == ("span", NOON_MS - 7_200_000, NOON_MS - 1_800_000)
    assert [one.redelivery for one in (one, failed, span)] == [answer.json()["redelivery"] for answer in answers]
    assert {one.actor for one in (one, failed, span)} == {"k0"}


@pytest.mark.parametrize(
    "body",
    [{}, {"failed": True, "event_id": "e1"}, {"to": "-1h"}, {"from": "-1h", "to": "-2h"}, {"failed": False},
     {"from": "yesterday"}, {"event_id": ""}, {"what": "failed"}],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_is_ordered(
    world: Any, http: TestClient, subscription: str, body: dict[str, Any]
) -> None:
    answer = http.post(f"/v1/subscriptions/{subscription}/redeliver", json=body)
    assert answer.status_code == 422, answer.text
    assert orders(world) == []


def test_unknown_messages_and_paused_subscriptions(world: Any, http: TestClient, subscription: str) -> None:
    path = f"/v1/subscriptions/{subscription}"
    assert http.post(f"{path}/redeliver", json={"event_id": "msg_unknown"}).status_code == 404
    http.post(f"{path}/pause")
    answer = http.post(f"{path}/redeliver", json={"failed": True})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:gridpulse:problem:not-now")
    assert "resume" in answer.text
    assert orders(world) == []
