"""The demo's receiver over real HTTP, against messages that the package of Standard Webhooks signed; what it counts."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from gridpulse.demo_receiver import Receiver
from gridpulse.demo_webhooks import Webhooks, line
from gridpulse.signatures import is_signed
from schemas.event import new_event, to_new_record
from schemas.families.system import Alert
from schemas.topics import ALL_TOPICS, topic_of
from streams.log_memory import MemoryLog

SECRET, OTHER = "whsec_" + "QUJD" * 8, "whsec_" + "QUJE" * 8
EMPTY, KEYED = ("v1," + base64.b64encode(hmac.new(key, b"a.0.", "sha256").digest()).decode() for key in (b"", b"k"))
OPENED = {
    "type": "alert.opened",
    "data": {"subject": "gate-1", "severity": "warning", "scope": "wuhu", "reason_zh": "静默", "reason_en": "silent"},
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        started.set_secret(SECRET)
        yield started


def send(url: str, name: str, message: dict[str, Any], secret: str = SECRET, age_s: float = 0.0) -> int:
    """Deliver as a worker would; the status."""
    body, sent = orjson.dumps(message).decode(), datetime.now(UTC) - timedelta(seconds=age_s)
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": "v1,AAAA " + Webhook(secret).sign(name, sent, body),
    }
    return httpx.post(url, content=body, headers=headers, trust_env=False).status_code


def test_it_counts_each_message_once_and_keeps_the_first(receiver: Receiver) -> None:
    resolved = {**OPENED, "type": "alert.resolved"}
    assert [send(receiver.url, name, OPENED) for name in ("a", "a")] == [204, 204]
    assert send(receiver.url, "b", resolved) == 204
    assert (receiver.received, receiver.verified) == (2, 2)
    assert (receiver.first, receiver.latest) == (OPENED, resolved)
    assert line(OPENED) == "静默 · silent (alert.opened, gate-1)"


def test_it_takes_nothing_that_is_signed_by_another_or_long_ago(receiver: Receiver) -> None:
    assert send(receiver.url, "a", OPENED, secret=OTHER) == 401
    assert send(receiver.url, "b", OPENED, age_s=600.0) == 401
    assert httpx.post(receiver.url, content=b"{}", trust_env=False).status_code == 401
    assert (receiver.verified, receiver.first) == (0, None)


def test_nothing_is_right_before_it_has_a_secret() -> None:
    assert not is_signed("", {"webhook-id": "a", "webhook-timestamp": "0", "webhook-signature": EMPTY}, b"", 0.0)
    assert not is_signed("whsec_", {"webhook-id": "a", "webhook-timestamp": "0", "webhook-signature": EMPTY}, b"", 0.0)
    secret = "whsec_" + base64.b64encode(b"k").decode()
    assert is_signed(secret, {"webhook-id": "a", "webhook-timestamp": "0", "webhook-signature": KEYED}, b"", 0.0)


def test_a_test_message_and_other_subscriptions_are_no_alerts(receiver: Receiver) -> None:
    assert not receiver.pinged.is_set()
    assert send(receiver.url, "ping_1", {"type": "subscription.ping", "data": {}}) == 204
    assert send(f"{receiver.root}/mine", "a", OPENED, secret=OTHER) == 204
    assert receiver.pinged.is_set()
    assert (receiver.received, receiver.verified) == (0, 0)


def test_it_expects_what_was_asked_for_and_said_since(receiver: Receiver) -> None:
    log = MemoryLog(lambda: 0)
    log.create_topics(ALL_TOPICS, 2)
    append(log, "long-ago", step="opened")
    webhooks = Webhooks(log, receiver, dict(log.end_offsets([topic_of("alerts")])))
    assert webhooks.wanted() == 0
    append(log, "long-ago", step="opened")  # said again
    append(log, "new", step="opened")
    append(log, "new", step="opened")
    append(log, "over", step="resolved")
    append(log, "more", step="updated")
    append(log, "quiet", step="opened", silenced=True)
    append(log, "folded", step="opened", group="al-1")
    assert webhooks.wanted() == 2


def test_news_are_told_once(receiver: Receiver) -> None:
    webhooks = Webhooks(MemoryLog(lambda: 0), receiver, {})
    assert list(webhooks.news()) == []
    send(receiver.url, "ping_1", {"type": "subscription.ping", "data": {}})
    send(receiver.url, "a", OPENED)
    assert [text.split(" · ")[0] for text in webhooks.news()] == ["收到测试消息,验签通过", "收到告警,验签通过"]
    assert list(webhooks.news()) == []


def append(log: MemoryLog, name: str, **fields: Any) -> None:
    alert: dict[str, Any] = {
        "alert": "al-1", "alert_key": "device_offline/silent/gate-1", "detector": "device_offline", "rule": "silent",
        "subject": "gate-1", "severity": "warning", "count": 1, "opened_time_ms": 1, "updated_time_ms": 1, "score": 1.0,
        "threshold": 1.0, "model_version": "1", "reason_zh": "静默", "reason_en": "silent",
    }  # fmt: skip
    event = new_event(
        Alert.model_validate(alert | fields), id=name, source="/gridpulse/incidents", scope="wuhu/a/b/c/g01",
        event_time_ms=1,
    )  # fmt: skip
    log.append([to_new_record(event, 2, None)])
