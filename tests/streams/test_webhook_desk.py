"""The delivery worker's decisions, with a clock set by hand and endpoints that answer as they are told."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection

import pytest

from schemas.families.subscriptions import SubscriptionState
from schemas.families.system import Alert
from streams.log_copy import copy_log
from streams.log_memory import MemoryLog
from streams.webhooks.deliveries import Answer, Delivery, webhook_id
from streams.webhooks.dispatch import Shares
from streams.webhooks.outbox import Outbox
from streams.webhooks.schedule import DELAYS_S, Schedule, retry_after_s
from tests.streams.webhook_world import BROKEN, DAY_MS, START_MS, TAKEN, Running, World

GONE = Answer("对方返回 410 · the answer was 410", 3, 410)
QUICK = Schedule(delays_s=(1.0,) * 60)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    one = Running(world)
    yield one
    one.end()


class KilledError(Exception):
    """Put in on purpose."""


class Doomed(Outbox):
    """Ends at its nth transaction: before it, or just after it is in."""

    left = 1 << 30
    after = False

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KilledError
        with super()._transaction() as run:
            yield run
        if self.left == 0:
            raise KilledError


@pytest.mark.parametrize("seed", range(12))
def test_any_failures_and_ends_keep_every_alert_and_the_order_per_subject(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    world = World(tmp_path)
    names = ["s1", "s2", "s3"]
    for name in names:
        world.subscribe(name, f"https://{name}.example.org/")
    received: dict[str, list[str]] = defaultdict(list)  # by subscriber, event ids as they came
    told: list[tuple[str, int]] = []
    numbers: dict[str, int] = defaultdict(int)
    running: Running | None = None
    ends = 0
    while True:
        try:
            if running is None:
                running = Running(world, QUICK, Shares(total=5, per_subscription=3, per_host=2), Doomed)
                if ends < 25:
                    assert isinstance(running.outbox, Doomed)
                    running.outbox.left, running.outbox.after = rng.randint(2, 12), rng.random() < 0.5
            if len(told) < 40 and rng.random() < 0.7:
                subject = rng.choice("abc")
                numbers[subject] += 1
                world.alert(subject, numbers[subject])
                told.append((subject, numbers[subject]))
            running.read()
            batch = running.take()
            rng.shuffle(batch)
            for one in batch:  # they answer one by one, in any order
                taken = rng.random() < 0.6
                if taken or rng.random() < 0.3:  # an answer that is lost on its way: taken, but not for us
                    received[one.subscription].append(one.event_id)
                running.settle((one, TAKEN if taken else BROKEN))
            if rng.random() < 0.5:
                running.say()
            world.now_ms += rng.choice((0, 400, 1_500))
            if len(told) == 40 and not batch and running.outbox.depth() == (0, 0):
                break
        except KilledError:
            assert running is not None
            ends += 1
            running.end()
            running = None
    running.say()
    running.end()
    assert ends == 25
    wanted = {f"{subject}-{number}" for subject, number in told}
    for name in names:
        once = list(dict.fromkeys(received[name]))
        assert set(once) == wanted
        for subject in "abc":
            of_it = [int(event.split("-")[1]) for event in once if event.startswith(subject)]
            assert of_it == sorted(of_it)
    attempts = world.attempts()
    delivered = {(one.subscription, one.alert_event) for one in attempts if one.outcome == "delivered"}
    assert delivered == {(name, event) for name in names for event in wanted}
    assert {one.webhook_id for one in attempts} == {webhook_id(name, event) for name, event in delivered}


def test_a_delivery_is_tried_for_a_day_then_the_endpoint_is_disabled_and_an_alert_says_so(
    world: World, running: Running
) -> None:
    world.subscribe("dead")
    world.subscribe("duty", detectors="webhooks")
    world.alert("m1", 1)
    world.alert("m1", 2)
    world.alert("m2", 1)
    attempts = 0
    while running.book.get("dead") is None or running.desk.subscription("dead") is not None:
        attempts += len(running.exchange(lambda _: BROKEN))
        due_ms = running.desk.dispatcher.next_due_ms()
        world.now_ms = max(world.now_ms + 1, due_ms or 0)
    assert 0.8 * DAY_MS < world.now_ms - START_MS < 1.3 * DAY_MS
    sent = running.exchange()
    assert [one.subscription for one in sent] == ["duty"]
    running.exchange()
    of_m1 = [one for one in world.attempts() if one.alert_event == "m1-1"]
    assert [one.attempt for one in of_m1] == list(range(1, len(DELAYS_S) + 2))
    assert [one.outcome for one in of_m1] == ["failed"] * len(DELAYS_S) + ["abandoned"]
    assert [one.outcome for one in world.attempts() if one.alert_event == "m1-2"] == ["abandoned"]
    (state,) = [one for one in world.said(SubscriptionState, "control") if one.status == "disabled"]
    assert (state.subscription, state.revision, state.actor) == ("dead", 2, "gridpulse")
    (alert,) = [one for one in world.said(Alert, "alerts") if one.detector == "webhooks"]
    assert (alert.rule, alert.subject, alert.step) == ("endpoint_disabled", "dead", "opened")
    world.subscribe("dead", revision=3, status="active")
    world.order("dead", "failed")
    again = running.exchange()
    assert [one.event_id for one in again if one.subscription == "dead" and one.subject == "m1"] == ["m1-1", "m1-2"]
    running.exchange()
    steps = [one.step for one in world.said(Alert, "alerts") if one.detector == "webhooks"]
    assert sorted(steps) == ["opened", "resolved"]


def test_gone_is_disabled_at_once_and_once(world: World, running: Running) -> None:
    world.subscribe("s1")
    for number in range(1, 4):
        world.alert("m1", number)
        world.alert(f"n{number}", 1)
    assert len(running.exchange(lambda _: GONE)) == 1
    running.exchange()
    assert sorted(one.outcome for one in world.attempts()) == ["abandoned"] * 6
    assert [one.status for one in world.said(SubscriptionState, "control")] == ["active", "disabled"]
    assert len([one for one in world.said(Alert, "alerts") if one.detector == "webhooks"]) == 1


def test_a_delivery_that_alone_is_refused_is_abandoned_and_the_endpoint_stays(world: World) -> None:
    running = Running(world, Schedule(delays_s=(5.0, 5.0)))
    world.subscribe("s1")
    world.alert("bad", 1)
    world.alert("bad", 2)
    for number in range(1, 8):
        world.alert("good", number)
        running.exchange(lambda one: BROKEN if one.event_id == "bad-1" else TAKEN)
        world.now_ms += 4_000
    outcomes = {one.alert_event: one.outcome for one in world.attempts()}
    assert outcomes["bad-1"] == "abandoned"
    assert outcomes["bad-2"] == "delivered"
    assert running.desk.subscription("s1") is not None
    running.end()


def test_an_endpoint_that_hangs_delays_nobody_else(world: World) -> None:
    running = Running(world, shares=Shares(total=24, per_subscription=4, per_host=4))
    names = [f"s{number}" for number in range(20)]
    for number, name in enumerate(names):
        world.subscribe(name, f"https://{'hang' if number < 10 else 'good'}{number}.example.org/")
    for number in range(1, 6):
        for subject in ("a", "b", "c"):
            world.alert(subject, number)
    hanging: list[Delivery] = []
    got: list[Delivery] = []
    running.read()
    while batch := running.take():
        stuck = [one for one in batch if int(one.subscription[1:]) < 10]
        hanging += stuck
        fine = [one for one in batch if one not in stuck]
        got += fine
        running.settle(*[(one, TAKEN) for one in fine])
    assert len(got) == 10 * 15
    assert len({one.subscription for one in hanging}) == len(hanging) == 10  # one place each, more are not risked
    running.end()


def test_many_subscriptions_of_one_host_share_its_connections_and_all_get_theirs(world: World) -> None:
    running = Running(world, shares=Shares(total=64, per_subscription=4, per_host=3))
    for number in range(30):
        world.subscribe(f"s{number}", f"https://one.example.org/{number}")
    for number in range(1, 4):
        world.alert("m1", number)
    running.read()
    most, sent = 0, 0
    under_way: list[Delivery] = []
    while under_way := under_way + running.take():
        most, sent = max(most, len(under_way)), sent + 1
        running.settle((under_way.pop(0), TAKEN))
    assert most == 3
    assert sent == 90
    running.end()


def test_retry_after_makes_pauses_longer_up_to_a_bound_and_never_shorter() -> None:
    schedule = Schedule()
    plain = schedule.pause_ms("msg_1", 1)
    assert plain is not None
    assert 4_000 <= plain <= 6_000
    assert schedule.pause_ms("msg_1", 1) == plain != schedule.pause_ms("msg_2", 1)
    assert schedule.pause_ms("msg_1", 1, 0.0) == plain
    assert schedule.pause_ms("msg_1", 1, 90.0) == 90_000
    assert schedule.pause_ms("msg_1", 1, 1e9) == 6 * 3_600_000
    assert schedule.pause_ms("msg_1", 11) is None
    assert retry_after_s("120", 0) == 120.0
    assert retry_after_s("Fri, 01 May 2026 00:01:00 GMT", START_MS) == 60.0
    assert retry_after_s("Fri, 01 May 2026 00:00:00 GMT", START_MS + 5_000) == 0.0
    assert retry_after_s("soon", 0) is None


def test_who_subscribes_later_is_not_told_of_earlier_alerts(world: World, running: Running) -> None:
    world.alert("m1", 1)
    world.now_ms += 10
    world.subscribe("s1")
    world.now_ms += 10
    world.alert("m1", 2)
    assert [one.event_id for one in running.exchange()] == ["m1-2"]


def test_a_change_of_a_subscription_hides_nothing_that_came_before_it(world: World, running: Running) -> None:
    world.subscribe("s1")
    world.now_ms += 10
    world.alert("m1", 1)
    world.now_ms += 10
    world.subscribe("s1", note="changed")
    assert [one.event_id for one in running.exchange()] == ["m1-1"]


def test_what_is_said_twice_is_told_once_and_old_things_said_anew_to_nobody(world: World, running: Running) -> None:
    world.subscribe("s1")
    world.alert("m1", 1)
    world.alert("m1", 1)
    assert len(running.exchange()) == 1
    world.alert("m1", 1)
    assert running.exchange() == []
    world.alert("m2", 1, detected_time_ms=world.now_ms - DAY_MS - 1)
    assert running.exchange() == []


def test_a_worker_without_its_state_tells_of_the_last_day_only(world: World) -> None:
    world.subscribe("s1")
    world.alert("m1", 1)
    world.now_ms += 2 * DAY_MS
    world.alert("m1", 2)
    running = Running(world)
    assert [one.event_id for one in running.exchange()] == ["m1-2"]
    running.end()
    world.alert("m1", 3)
    world.now_ms += 2 * DAY_MS
    resumed = Running(world)
    assert [one.event_id for one in resumed.exchange()] == ["m1-3"]  # it was down for long, and loses nothing
    resumed.end()


def test_paused_holds_what_waits_and_deleted_forgets_it(world: World, running: Running) -> None:
    world.subscribe("s1")
    world.alert("m1", 1)
    assert len(running.exchange(lambda _: BROKEN)) == 1
    world.subscribe("s1", status="paused")
    world.alert("m1", 2)
    world.now_ms += 3_600_000
    assert running.exchange() == []
    world.subscribe("s1", status="active")
    assert [one.event_id for one in running.exchange(lambda _: BROKEN)] == ["m1-1"]
    world.subscribe("s1", status="deleted")
    world.now_ms += DAY_MS
    assert running.exchange() == []
    assert running.outbox.depth() == (0, 0)


def test_redelivery_of_one_and_of_a_span_keeps_the_message_id(world: World, running: Running) -> None:
    world.subscribe("s1")
    for number in range(1, 6):
        world.alert("m1", number)
        world.now_ms += 1_000
    first = running.exchange()
    world.order("s1", "one", alert_event="m1-2", from_time_ms=START_MS + 1_000, to_time_ms=START_MS + 1_001)
    one = running.exchange()
    assert [each.webhook_id for each in one] == [webhook_id("s1", "m1-2")]
    world.order("s1", "span", "red_2", from_time_ms=START_MS + 2_000, to_time_ms=START_MS + 4_000)
    span = running.exchange()
    assert [each.event_id for each in span] == ["m1-3", "m1-4"]
    assert {each.webhook_id for each in span} <= {each.webhook_id for each in first}
    assert len(world.attempts()) == 5 + 1 + 2  # none hides another
    assert running.exchange() == []


def test_a_ping_overtakes_what_waits_and_has_the_id_that_was_promised(world: World, running: Running) -> None:
    world.subscribe("s1")
    world.alert("m1", 1)
    running.exchange(lambda _: BROKEN)
    world.ping("s1", "ping_7")
    (ping,) = running.exchange()
    assert ping.webhook_id == "ping_7"
    world.order("s1", "span", from_time_ms=0, to_time_ms=world.now_ms + 1)
    assert [one.event_id for one in running.exchange()] == ["m1-1"]
    running.end()
    resumed = Running(world)
    assert resumed.exchange() == []  # not once more after a restart
    resumed.end()
    running.outbox = resumed.outbox  # closed already


def test_of_a_paused_subscription_only_pings_are_sent_and_the_rest_waits(world: World, running: Running) -> None:
    world.subscribe("s1")
    world.alert("m1", 1)
    running.exchange(lambda _: BROKEN)
    world.subscribe("s1", status="paused")
    world.now_ms += 60_000  # the alert is long due
    world.ping("s1", "ping_1")
    assert [one.webhook_id for one in running.exchange(lambda _: BROKEN)] == ["ping_1"]
    world.now_ms += 60_000
    assert [one.webhook_id for one in running.exchange()] == ["ping_1"], "a ping that failed is tried again"
    assert running.exchange() == []
    world.ping("s1", "ping_2")
    running.exchange(lambda _: GONE)
    assert world.said(SubscriptionState, "control")[-1].status == "paused", "a test disables nothing"
    world.subscribe("s1", status="active")
    assert [one.event_id for one in running.exchange()] == ["m1-1"]
    world.subscribe("s1", status="disabled")
    world.ping("s1", "ping_3")
    assert running.exchange() == []


def test_filters_choose(world: World, running: Running) -> None:
    world.subscribe("all")
    world.subscribe("critical", min_severity="critical")
    world.subscribe("elsewhere", subscription_scope="hefei")
    world.alert("m1", 1)
    world.alert("m2", 1, severity="critical")
    sent = {(one.subscription, one.event_id) for one in running.exchange()}
    assert sent == {("all", "m1-1"), ("all", "m2-1"), ("critical", "m2-1")}


def test_an_outbox_of_another_log_is_moved_aside(world: World, tmp_path: Path) -> None:
    running = Running(world)
    world.subscribe("s1")
    world.alert("m1", 1)
    running.read()
    running.end()
    other = Outbox(world.path, "another log")
    assert other.is_new
    assert other.depth() == (0, 0)
    other.close()
    assert (tmp_path / "webhooks.old.sqlite").exists()


def test_a_rescaled_log_has_the_same_subscriptions_and_orders(tmp_path: Path) -> None:
    world = World(tmp_path, partitions=2)
    names = [f"s{number}" for number in range(12)]
    for name in names:
        world.subscribe(name)
        world.subscribe(name, status="paused")
        world.subscribe(name, status="active")
    target = MemoryLog(lambda: world.now_ms)
    copy_log(world.log, target, 5)
    world.log = target
    running = Running(world)
    world.alert("m1", 1)
    assert sorted(one.subscription for one in running.exchange()) == sorted(names)
    running.end()
