"""Alerts to a receiver, for the demo: subscribes it by the API as a user would, tests it, and tells what arrived.

Subscriptions with the demo's note end with it, those made by hand with the printed command too: their receiver is gone.
Those of a demo that was killed are deleted by the next.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson
from rich.console import Console

from gridpulse.demo_receiver import Receiver
from gridpulse.exit import StartError
from schemas.records import TopicPartition
from schemas.topics import topic_of
from streams.log import EventLog
from streams.pages import pages

STEPS: Final = ("opened", "resolved")
_NOTE: Final = "gridpulse demo"
_TIMEOUT_S: Final = 30.0
_ARRIVE_WITHIN_S: Final = 20.0
_LOOK_S: Final = 0.1
_ALERTS: Final = topic_of("alerts")


@dataclass(slots=True)
class Webhooks:
    """The demo's subscription, and what came of it."""

    log: EventLog
    receiver: Receiver
    starts: dict[TopicPartition, int]
    _is_ping_told: bool = False
    _is_alert_told: bool = False

    def news(self) -> Iterator[str]:
        """What arrived for the first time since this was last asked: the test message, an alert."""
        if not self._is_ping_told and self.receiver.pinged.is_set():
            self._is_ping_told = True
            yield "收到测试消息,验签通过 · received a test message, its signature is right"
        if not self._is_alert_told and self.receiver.first is not None:
            self._is_alert_told = True
            yield f"收到告警,验签通过 · received an alert, its signature is right: {line(self.receiver.first)}"

    def wanted(self) -> int:
        """Alert steps said since it was made that it asks for; one that is said again is not new."""
        before, since = set[str](), set[str]()
        earliest = self.log.earliest_offsets([_ALERTS])
        for where, end in self.log.end_offsets([_ALERTS]).items():
            for batch in pages(self.log, where, earliest[where], end):
                for at, event in zip(batch.offsets.tolist(), map(orjson.loads, batch.values), strict=True):
                    if _is_wanted(event):
                        (since if at >= self.starts.get(where, 0) else before).add(event["id"])
        return len(since - before)

    def wait(self, check: Callable[[], None]) -> None:
        """Until every alert has arrived, or the time for it is over."""
        wanted, give_up_s = self.wanted(), time.monotonic() + _ARRIVE_WITHIN_S
        while self.receiver.verified < wanted and time.monotonic() < give_up_s:
            check()
            time.sleep(_LOOK_S)

    def result(self) -> dict[str, Any]:
        first = self.receiver.first
        return {
            "pinged": self.receiver.pinged.is_set(),
            "alert_steps": self.wanted(),
            "received": self.receiver.received,
            "verified": self.receiver.verified,
            "first": None if first is None else told(first),
        }


def told(message: dict[str, Any]) -> dict[str, Any]:
    """What is interesting in an alert's message."""
    names = ("subject", "severity", "scope", "opened_time", "reason_zh", "reason_en")
    return {"type": message["type"], **{name: message["data"].get(name) for name in names}}


def line(message: dict[str, Any]) -> str:
    """An alert's message for people, Chinese first."""
    alert = told(message)
    return f"{alert['reason_zh']} · {alert['reason_en']} ({alert['type']}, {alert['subject']})"


@contextlib.contextmanager
def subscribed(api_url: str, key: str, log: EventLog) -> Iterator[Webhooks]:
    """A receiver that is subscribed meanwhile. :raises StartError: the API refuses."""
    with Receiver() as receiver, httpx.Client(
        base_url=api_url, headers={"X-API-Key": key}, timeout=_TIMEOUT_S, trust_env=False, verify=False
    ) as client:  # fmt: skip
        _delete_ours(client)
        wish = {"url": receiver.url, "steps": list(STEPS), "note": _NOTE}
        starts = dict(log.end_offsets([_ALERTS]))
        made = _asked(client, "POST", "/v1/subscriptions", wish)
        receiver.set_secret(made["secret"])
        try:
            _asked(client, "POST", f"/v1/subscriptions/{made['subscription']}/test")
            yield Webhooks(log, receiver, starts)
        finally:
            with contextlib.suppress(StartError):  # the next demo deletes them
                _delete_ours(client)


def how_to_subscribe(api_url: str, key: str, receiver: Receiver, console: Console) -> None:
    """The same with curl, to a path of the receiver that takes everything."""
    wish = orjson.dumps({"url": f"{receiver.root}/mine", "steps": list(STEPS), "note": _NOTE}).decode()
    headers = f'-H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
    command = f"curl -s {headers} -d '{wish}' \"{api_url}/v1/subscriptions\""
    console.print(f"订阅 · subscribe  {command}", highlight=False, soft_wrap=True, markup=False)
    console.print("接收示例 · receivers  docs/webhooks.md", highlight=False)


def _delete_ours(client: httpx.Client) -> None:
    for one in _asked(client, "GET", "/v1/subscriptions")["subscriptions"]:
        if one["note"] == _NOTE:
            _asked(client, "DELETE", f"/v1/subscriptions/{one['subscription']}")


def _is_wanted(event: dict[str, Any]) -> bool:
    data = event["data"]
    return data.get("step") in STEPS and not data.get("silenced") and not data.get("group")


def _asked(client: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        answer = client.request(method, path, json=body)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise StartError(f"订阅失败 · the demo's receiver can't be subscribed: {error}") from error
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found
