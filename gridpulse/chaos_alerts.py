"""``gridpulse chaos --alerts``: a storm of alerts to many endpoints while every process is killed in turn; the account.

Each run: start all, subscribe every endpoint through the API, blow up the storm, kill, wait until everybody has got
everything, and hold what was caused, what the log says and what each endpoint took against each other. Kills and the
storm keep step, so that there are kills from the first alert to the last. Some endpoints fail at random; some hang for
half of the storm and get the rest afterwards: the schedule of attempts is made short and long enough for that.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from gridpulse import adapters
from gridpulse.chaos import SETTLE_TIMEOUT_S, Frame, LogKind, Teller
from gridpulse.chaos_alerts_account import AlertsAccount, Logged, Subscriber, Told, account
from gridpulse.chaos_endpoints import Endpoint, Receivers, endpoints
from gridpulse.chaos_faults import BROKER, PROCESSES, Breaker, Fault
from gridpulse.chaos_load import LoadError
from gridpulse.chaos_storm import Storm
from gridpulse.chaos_world import DISTRICT_SCOPE, World, running_world
from gridpulse.draining import Draining
from schemas.families.system import Alert
from schemas.records import TopicPartition
from schemas.topics import topic_of
from streams.log import EventLog
from streams.pages import pages

KILLED: Final = (*PROCESSES, "webhooks")
_DELIVERIES_A_ROUND: Final = 70_000  # of kills of every process
_GAP_S: Final = 2.0  # between kills, at least
_STALLED_S: Final = 120.0  # without anything sent or taken: what is missing then will never come
_DEADLINE_S: Final = 300.0
_SLOWEST_PER_S: Final = 100.0
_LOOK_EVERY_S: Final = 0.1
_TELL_EVERY_S: Final = 15.0
_QUIET_S: Final = 1.0
_ALERT_TYPE: Final = f"{Alert.type_name}.v{Alert.version}"
_SETTINGS: Final = {
    "snapshot_interval_s": 15.0,  # so that a pipeline that is killed says much again
    "webhook_allow_http": True,
    "webhook_allow_private": "127.0.0.0/8",
    "webhook_timeout_s": 2.0,
    "webhook_retry_delays_s": ",".join(["0.2", "0.5", "1", "2", *["4"] * 1_000]),  # an endpoint may hang for an hour
}
_SUMS: Final = (
    "alerts", "subscribers", "missing", "out_of_order", "raised_twice", "unexplained", "uncaused", "bad_signatures",
    "kills", "restarts", "deliveries", "attempts", "repeats", "said_again", "seconds",
)  # fmt: skip
_ZERO: Final = ("missing", "out_of_order", "raised_twice", "unexplained", "uncaused", "bad_signatures")


@dataclass(frozen=True, slots=True)
class AlertChaosOptions:
    """``alerts``: different ones that are opened. ``data_dir`` None: a temporary one."""

    alerts: int
    endpoints: int
    logs: tuple[LogKind, ...]
    seed: int
    json: bool
    data_dir: Path | None


def run_alert_chaos(options: AlertChaosOptions) -> None:
    """Run it; the last line on stdout is one JSON object when ``json`` is set. Exits with 1 when something is wrong."""
    frame = Frame(options.logs, options.json, options.data_dir, _SUMS, is_wrong)
    frame.run(lambda kind, place, tell, stop: _Run(kind, place, options, tell, stop).run())


def is_wrong(result: dict[str, Any]) -> bool:
    """Whether somebody was not told, told in another order, or told twice."""
    return any(result[name] for name in _ZERO)


def turns(rounds: int, seed: int, kafka: bool) -> list[str]:
    """Whom to kill, one after the other: everyone once a round, in an order that changes."""
    chance = random.Random(f"{seed}/{rounds}/{kafka}")
    names = [*KILLED, *([BROKER] if kafka else [])]
    return [name for _ in range(rounds) for name in chance.sample(names, len(names))]


@dataclass(slots=True)
class _Run:
    """One log's run."""

    kind: LogKind
    data_dir: Path
    options: AlertChaosOptions
    tell: Teller
    stop: threading.Event
    receivers: Receivers = field(init=False)
    turns: list[str] = field(init=False)
    kills_done: int = 0

    def __post_init__(self) -> None:
        options = self.options
        self.receivers = Receivers(endpoints(options.endpoints, options.seed))
        rounds = 1 + options.alerts * options.endpoints // _DELIVERIES_A_ROUND
        self.turns = turns(rounds, options.seed, self.kind == "kafka")
        self._hang(0.0)

    def run(self) -> dict[str, Any]:
        with (
            self.receivers,
            running_world(self.data_dir, self.kind == "kafka", self.tell, _SETTINGS) as world,
            adapters.the_log(world.settings) as log,
        ):
            self._subscribe(world)
            return self._in(world, log)

    # -- subscriptions -----------------------------------------------------------------------------------------------
    def _subscribe(self, world: World) -> None:
        self.tell(f"订阅 · subscribing {len(self.receivers.endpoints)} endpoints")
        _, key = adapters.issue_api_key(world.settings, "admin", DISTRICT_SCOPE, "chaos")
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=world.settings.api_url, headers=headers, timeout=30.0, trust_env=False) as client:
            for one in self.receivers.endpoints:
                one.secret = self._subscribed(client, one)

    @staticmethod
    def _subscribed(client: httpx.Client, one: Endpoint) -> str:
        """Its secret."""
        answer = client.post("/v1/subscriptions", json={"url": one.url, "steps": sorted(one.steps)})
        if answer.status_code != 201:
            raise LoadError(f"the API answered {answer.status_code} to a subscription: {answer.text[:500]}")
        secret: str = answer.json()["secret"]
        return secret

    # -- the storm ---------------------------------------------------------------------------------------------------
    def _in(self, world: World, log: EventLog) -> dict[str, Any]:
        options, settings = self.options, world.settings
        storm = Storm(
            settings.api_url, world.api_key, log, alerts=options.alerts, partitions=settings.partitions,
            may_send=self._may_send,
        )  # fmt: skip
        breaker = Breaker(world.supervisor, world.broker, [], self._with_figures)
        began_s = time.monotonic()
        storm.start()
        try:
            self._break(world, storm, breaker)
        finally:
            storm.abandon()
        delivered_s = time.monotonic() - began_s
        breaker.heal()
        self._settle(world, log)
        return self._result(world, log, storm, breaker, delivered_s)

    def _break(self, world: World, storm: Storm, breaker: Breaker) -> None:
        """Until everybody has everything, and everyone was killed."""
        began_s = changed_s = told_s = time.monotonic()
        killed_s, last = 0.0, (0, 0)
        while not self.stop.is_set():
            now_s = time.monotonic()
            self._hang(self._share)
            if self._kill_is_due(now_s - killed_s, world.supervisor.pids()):
                breaker.faults.append(Fault(now_s - began_s, "kill", (self.turns[self.kills_done],)))
                breaker.step(now_s - began_s)
                self.kills_done, killed_s = self.kills_done + 1, time.monotonic()
            breaker.check()
            storm.check()
            world.supervisor.check()
            world.look()
            now = (len(storm.causes), self.receivers.taken)
            if now != last:
                last, changed_s = now, now_s
            if storm.ended and now[1] >= self._all and self.kills_done == len(self.turns):
                return
            if now_s - changed_s > _STALLED_S or now_s - began_s > _DEADLINE_S + self._all / _SLOWEST_PER_S:
                self.tell(self._stuck(storm))
                return
            if now_s - told_s > _TELL_EVERY_S:
                told_s = now_s
                self._with_figures("")
            time.sleep(_LOOK_EVERY_S)

    @property
    def _told(self) -> int:
        """Alerts that every healthy endpoint has heard of: of those that ask for nothing else."""
        healthy = [one for one in self.receivers.endpoints if one.kind == "healthy"]
        plain = [one for one in healthy if len(one.steps) == 1]
        return min(len(one.took) for one in plain or healthy)

    @property
    def _share(self) -> float:
        return self._told / self.options.alerts

    @property
    def _all(self) -> int:
        return sum(len(one.steps) for one in self.receivers.endpoints) * self.options.alerts

    def _kill_is_due(self, since_last_s: float, up: Container[str]) -> bool:
        """Whoever's turn it is is waited for while it is on its way back, so that everyone is killed as often."""
        if self.kills_done == len(self.turns) or since_last_s < _GAP_S:
            return False
        name = self.turns[self.kills_done]
        return (name in up or name == BROKER) and self._share >= (self.kills_done + 0.5) / len(self.turns)

    def _may_send(self, sent: int) -> bool:
        """The storm is a few kills ahead of kills and of endpoints, no more: so it goes on while there are kills."""
        a_kill = self.options.alerts / len(self.turns)
        return sent < min(self.kills_done * a_kill, self._told) + max(1, len(self.turns) // 10) * a_kill

    def _hang(self, share: float) -> None:
        """Each hangs for half of the storm, one begins after the other."""
        hanging = [one for one in self.receivers.endpoints if one.kind == "hanging"]
        for number, one in enumerate(hanging):
            begin = 0.4 * number / len(hanging)
            one.hangs = begin <= share < begin + 0.5

    def _with_figures(self, text: str) -> None:
        self.tell(f"{text:<40} 已送达 delivered {self.receivers.taken:,} / {self._all:,}")

    def _stuck(self, storm: Storm) -> str:
        short = [one for one in self.receivers.endpoints if len(one.took) < len(one.steps) * self.options.alerts]
        shown = ", ".join(f"{one.name} has {len(one.took):,}" for one in short[:5])
        return (
            f"不再等待 · not waited for any longer: {len(storm.causes):,} of {self.options.alerts:,} alerts caused, "
            f"{self.receivers.taken:,} of {self._all:,} deliveries taken; {shown}; see the logs of the processes"
        )

    def _settle(self, world: World, log: EventLog) -> None:
        self.tell("等待余下的 · waiting for whatever else may come")

        def check() -> None:
            world.supervisor.check()
            world.look()

        with adapters.clickhouse(world.settings, later=True) as client:  # the store may be on its way back
            Draining(log, client, check, SETTLE_TIMEOUT_S, quiet_s=2.0).everything()
        requests = -1
        while requests != (requests := sum(one.requests for one in self.receivers.endpoints)):
            check()
            time.sleep(_QUIET_S)

    # -- the account -------------------------------------------------------------------------------------------------
    def _result(
        self, world: World, log: EventLog, storm: Storm, breaker: Breaker, delivered_s: float
    ) -> dict[str, Any]:
        self.tell("对账 · holding what was caused, said and taken against each other")
        all_of_them = self.receivers.endpoints
        found = account(
            storm.causes, logged(log), [Subscriber(one.name, one.steps, [*one.took.values()]) for one in all_of_them]
        )
        for sentence in found.examples:
            self.tell(sentence)
        return {
            "log": self.kind,
            "subscribers": len(all_of_them),
            **_figures(found),
            "uncaused": self.options.alerts - len(storm.causes),
            "bad_signatures": sum(one.bad_signatures for one in all_of_them),
            "kills": breaker.kills.total(),
            "kills_by_process": dict(breaker.kills),
            "restarts": world.supervisor.restarts + breaker.broker_restarts,
            "deliveries": self.receivers.taken,
            "attempts": sum(one.requests for one in all_of_them),
            "repeats": sum(one.repeats for one in all_of_them),
            "deliveries_per_s": round(self.receivers.taken / delivered_s, 1),
            "events_sent_again": storm.sent_again,
            "peak_rss_mb": world.memory.peak_mb,
            "seconds": round(self.tell.passed_s, 1),
            "examples": [*found.examples],
        }


def _figures(found: AlertsAccount) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if name != "examples"}


def logged(log: EventLog) -> Iterator[Logged]:
    """Every alert step in the log, partition after partition: all about a subject is in one. :raises LogError:"""
    topic = topic_of(Alert.family)
    earliest = log.earliest_offsets([topic])
    for where, end in sorted(log.end_offsets([topic]).items()):
        yield from _steps(log, where, earliest[where], end)


def _steps(log: EventLog, where: TopicPartition, start: int, end: int) -> Iterator[Logged]:
    for batch in pages(log, where, start, end):
        for value in batch.values:
            event = orjson.loads(value)
            if event["type"] == _ALERT_TYPE:
                data = event["data"]
                told = Told(data["alert"], data["step"], data["step_number"], data["subject"])
                yield Logged(event["id"], told, data["opened_time_ms"])
