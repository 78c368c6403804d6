"""The delivery log on the real store: one subscription's attempts, each once, and what can be delivered again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projections.client import Client
from projections.queries.clickhouse import ClickHouseQueries
from projections.queries.delivery_ports import DeliverableStep, DeliveryQuery
from tests.conftest import NewDatabase
from tests.projections.queries.conftest import inserter, reader_of

PLACE = "wuhu/jinghu"
T0 = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
Insert = Callable[..., None]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@pytest.fixture(scope="module")
def writer_client(new_database: NewDatabase) -> Client:
    """A database of its own."""
    client = new_database()
    insert = inserter(client)
    for number, (name, outcome) in enumerate(
        [("s1", "failed"), ("s1", "delivered"), ("s2", "delivered"), ("s1", "abandoned")]
    ):
        at = T0 + timedelta(seconds=number)
        fields: dict[str, Any] = {
            "subscription": name, "webhook_id": f"msg_{number}", "alert_event": f"e{number}",
            "alert_recorded_time_ms": ms(T0), "alert": "a1", "subject": "m1", "attempt": 1, "outcome": outcome,
            "attempted_time_ms": ms(at), "next_attempt_time_ms": ms(at) + 5_000 if outcome == "failed" else None,
        }  # fmt: skip
        insert("deliveries.attempt", PLACE, at, **fields)
    insert(
        "alerts.alert", f"{PLACE}/tingtang/jianyang", T0, alert="a9", alert_key="k", step="opened", detector="d",
        rule="r", subject="m9", severity="warning", count=1, opened_time_ms=ms(T0), updated_time_ms=ms(T0), score=1.0,
        threshold=1.0, model_version="1", reason_zh="", reason_en="",
    )  # fmt: skip
    return client


@pytest.fixture(scope="module")
def queries(writer_client: Client) -> ClickHouseQueries:
    return ClickHouseQueries(reader_of(writer_client))


def test_a_subscriptions_attempts_newest_first_and_paged(queries: ClickHouseQueries) -> None:
    def page(**changed: Any) -> list[str]:
        asked: dict[str, Any] = {
            "scope": PLACE, "subscription": "s1", "outcome": None, "from_time": None, "to_time": None, "before": None,
            "limit": 10,
        }  # fmt: skip
        return [row.webhook_id for row in queries.deliveries(DeliveryQuery(**(asked | changed)))]

    assert page() == ["msg_3", "msg_1", "msg_0"]
    assert page(outcome="delivered") == ["msg_1"]
    assert page(scope="wuhu") == []  # another scope's subscription of that name
    assert page(from_time=T0 + timedelta(seconds=1), to_time=T0 + timedelta(seconds=3)) == ["msg_1"]
    (first,) = queries.deliveries(DeliveryQuery(PLACE, "s1", None, None, None, None, 1))
    assert page(before=(first.attempted_time, first.attempt_id)) == ["msg_1", "msg_0"]
    (failed,) = queries.deliveries(DeliveryQuery(PLACE, "s1", "failed", None, None, None, 5))
    assert failed.next_attempt_time == T0 + timedelta(seconds=5)


def test_what_can_be_delivered_again(queries: ClickHouseQueries, writer_client: Client) -> None:
    assert queries.deliverable(PLACE, "s1", "msg_1") == DeliverableStep("e1", T0)
    assert queries.deliverable(PLACE, "s1", "e1") == DeliverableStep("e1", T0)
    assert queries.deliverable(PLACE, "s1", "msg_2") is None  # another's
    never_sent = str(writer_client.query("SELECT event_id FROM alert_log").rows[0][0])
    found = queries.deliverable(PLACE, "s1", never_sent)
    assert found == DeliverableStep(never_sent, T0 + timedelta(seconds=1))
    assert queries.deliverable("wuhu/yijiang", "s1", never_sent) is None
