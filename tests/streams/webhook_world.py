"""A delivery worker's world in memory: a log, a clock that is set by hand, endpoints that answer as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from schemas.event import new_event, to_new_record
from schemas.families.deliveries import DeliveryAttempt, Redelivery
from schemas.families.subscriptions import SubscriptionPing, SubscriptionState
from schemas.families.system import Alert
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, topic_of
from streams.control_state import control_record
from streams.log_memory import MemoryLog
from streams.webhooks.deliveries import Answer, Delivery
from streams.webhooks.desk import Attempted, Desk, DeskPorts
from streams.webhooks.dispatch import Shares
from streams.webhooks.intake import Intake, LogFollower
from streams.webhooks.messages import Composer
from streams.webhooks.outbox import Outbox
from streams.webhooks.schedule import Schedule
from streams.webhooks.subscriptions import CONTROL_TOPIC, URL_FIELD, SubscriptionBook, ping_record, state_record
from streams.webhooks.vault import Vault
from streams.webhooks.worker_metrics import WorkerMetrics

PLACE = "wuhu/yijiang/guandou/rulinxiyuan/g01"
ZONE = ZoneInfo("Asia/Shanghai")
START_MS = 1_777_593_600_000
TAKEN = Answer(None, 3, 204)
BROKEN = Answer("对方返回 500 · the answer was 500", 3, 500)
DAY_MS = 86_400_000


class World:
    """What outlives a worker: the log, the outbox's file, the clock."""

    def __init__(self, directory: Path, partitions: int = 2) -> None:
        self.now_ms = START_MS
        self.log = MemoryLog(lambda: self.now_ms)
        self.log.create_topics(ALL_TOPICS, partitions)
        self.vault = Vault(b"k" * 32)
        self.path = directory / "webhooks.sqlite"
        self._revisions: dict[str, SubscriptionState] = {}

    def subscribe(self, name: str, url: str = "https://example.org/in", **fields: Any) -> SubscriptionState:
        """Make or change a subscription."""
        known = self._revisions.get(name)
        base: dict[str, Any] = {
            "subscription": name, "subscription_scope": "wuhu", "kind": "standard", "shown_url": url,
            "sealed_url": self.vault.seal(url, name, URL_FIELD), "min_severity": "info", "silenced": False,
            "secret_id": "sec_1", "status": "active", "key_id": "k", "actor": "k",
        }  # fmt: skip
        before = known.model_dump() if known else base
        state = SubscriptionState(**(before | {"revision": known.revision + 1 if known else 1} | fields))
        self._revisions[name] = state
        self.log.append([state_record(self.log, state)])
        return state

    def alert(self, subject: str, number: int, **fields: Any) -> str:
        """Append an alert step; its event's id."""
        base: dict[str, Any] = {
            "alert": f"a-{subject}", "alert_key": f"noise_limit/over_limit/{subject}", "step": "updated",
            "detector": "noise_limit", "rule": "over_limit", "subject": subject, "severity": "warning", "count": number,
            "opened_time_ms": START_MS, "updated_time_ms": self.now_ms, "score": 1.0, "threshold": 1.0,
            "model_version": "1", "reason_zh": "超标", "reason_en": "too loud", "detected_time_ms": self.now_ms,
            "step_number": number,
        }  # fmt: skip
        event = new_event(
            Alert(**(base | fields)), id=f"{subject}-{number}", source="//gridpulse/detectors", scope=PLACE,
            event_time_ms=START_MS,
        )  # fmt: skip
        self.log.append([to_new_record(event, self.log.partitions(CONTROL_TOPIC), None)])
        return event.id

    def ping(self, name: str, ping: str = "ping_1") -> None:
        self.log.append([ping_record(self.log, SubscriptionPing(ping=ping, subscription=name, actor="k"), "wuhu")])

    def order(self, name: str, what: str, redelivery: str = "red_1", **fields: Any) -> None:
        """Order a redelivery."""
        order = Redelivery.model_validate(
            {"redelivery": redelivery, "subscription": name, "what": what, "actor": "k"} | fields
        )
        self.log.append([control_record(self.log, order, name, redelivery, "//gridpulse/api", "wuhu")])

    def said(self, model: type[Any], family: str) -> list[Any]:
        """Events of a type in the log, in order, each id once."""
        found: dict[str, Any] = {}
        for partition in range(self.log.partitions(topic_of(family))):
            for value in self.log.read(TopicPartition(topic_of(family), partition), 0, 100_000).values:
                event = orjson.loads(value)
                if event["type"].startswith(model.type_name + ".v"):
                    found.setdefault(event["id"], model.model_validate(event["data"]))
        return list(found.values())

    def attempts(self) -> list[DeliveryAttempt]:
        return self.said(DeliveryAttempt, "deliveries")


class Running:
    """A worker's desk from its start to its end, which may come at any place."""

    def __init__(
        self,
        world: World,
        schedule: Schedule | None = None,
        shares: Shares | None = None,
        outbox: Callable[[Path, str], Outbox] = Outbox,
        max_age_ms: int | None = DAY_MS,
    ) -> None:
        self.world = world
        self.outbox = outbox(world.path, world.log.describe(()).identity)
        self.book = SubscriptionBook(world.log.partitions(CONTROL_TOPIC))
        self.follower = LogFollower(world.log, self.outbox.offsets())
        self.composer = Composer(world.vault, ZONE)
        self.metrics = WorkerMetrics()
        not_before_ms = world.now_ms - DAY_MS if self.outbox.is_new else 0
        ports = DeskPorts(
            world.log, self.outbox, self.book,
            Intake(self.book, self.outbox.offsets(), max_age_ms=max_age_ms, not_before_ms=not_before_ms),
            self.composer, lambda: world.now_ms, schedule or Schedule(), self.metrics,
        )  # fmt: skip
        self.desk = Desk(ports, shares or Shares())

    def read(self) -> None:
        self.desk.take_in(self.follower.read(0.0))
        self.desk.reconcile()

    def take(self) -> list[Delivery]:
        return self.desk.dispatcher.take(self.world.now_ms)

    def settle(self, *answers: tuple[Delivery, Answer]) -> None:
        self.desk.settle([Attempted(delivery, answer, self.world.now_ms) for delivery, answer in answers])

    def say(self) -> None:
        number, records = self.outbox.outgoing(10_000)
        self.world.log.append(records)
        self.outbox.said(number)

    def exchange(self, answer: Callable[[Delivery], Answer] = lambda _: TAKEN) -> list[Delivery]:
        """Read, send all that may be sent and what follows from it, say; what was sent, in order."""
        self.read()
        sent: list[Delivery] = []
        while batch := self.take():
            sent += batch
            self.settle(*[(one, answer(one)) for one in batch])
        while self.desk.tidy():
            pass
        self.say()
        return sent

    def end(self) -> None:
        self.follower.close()
        self.outbox.close()


def run(coroutine: Any) -> Any:
    """On an event loop of its own."""
    return asyncio.run(coroutine)
