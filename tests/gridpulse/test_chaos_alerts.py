"""The account of a storm of alerts finds each thing that can be wrong, and its receivers are what they say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections import Counter
from collections.abc import Callable

import orjson
import pytest

from gridpulse.chaos_alerts import _ZERO, KILLED, is_wrong, turns
from gridpulse.chaos_alerts import logged as read_back
from gridpulse.chaos_alerts_account import AlertsAccount, Logged, Subscriber, Told, account
from gridpulse.chaos_endpoints import Endpoint, Receivers, endpoints
from gridpulse.chaos_faults import BROKER
from gridpulse.signatures import is_signed
from schemas.event import new_event, to_new_record
from schemas.families.system import Alert
from schemas.topics import ALL_TOPICS
from streams.log_memory import MemoryLog

NOW_S = 1_780_000_000.0
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
CAUSES = [("meter-1", 100), ("meter-1", 200), ("meter-2", 100)]


def told(subject: str, at_ms: int, step: str = "opened", alert: str = "") -> Told:
    return Told(alert or f"{subject}@{at_ms}", step, 1 if step == "opened" else 2, subject)


def logged(subject: str, at_ms: int, step: str = "opened", alert: str = "") -> Logged:
    one = told(subject, at_ms, step, alert)
    return Logged(f"{one.alert}/{step}", one, at_ms)


OPENED = [told(*cause) for cause in CAUSES]
LOG = [logged(*cause) for cause in CAUSES]


def accounted(
    took: list[Told], log: list[Logged] = LOG, steps: frozenset[str] = frozenset({"opened"})
) -> AlertsAccount:
    return account(CAUSES, log, [Subscriber("sub", steps, took)])


def wrong(found: AlertsAccount) -> dict[str, int]:
    counted = {name: getattr(found, name) for name in ("missing", "out_of_order", "raised_twice", "unexplained")}
    return {name: count for name, count in counted.items() if count}


def test_all_is_well_in_any_order_of_subjects_though_the_log_repeats_itself() -> None:
    found = accounted([OPENED[2], OPENED[0], OPENED[1]], [*LOG, LOG[0], LOG[2]])
    assert (found.alerts, found.said_again, wrong(found), found.examples) == (3, 2, {}, ())


def test_steps_that_were_not_asked_for_are_not_missed() -> None:
    assert wrong(accounted(OPENED, [*LOG, logged("meter-1", 100, "resolved")])) == {}


@pytest.mark.parametrize(
    ("took", "log", "expected", "says"),
    [
        (OPENED[:2], LOG, {"missing": 1}, "sub: never took opened of meter-2@100"),
        (OPENED[:2], LOG[:2], {"missing": 1}, "sub: no alert was opened in the log for meter-2 at 100"),
        ([OPENED[1], OPENED[0], OPENED[2]], LOG, {"out_of_order": 1}, "sub: took opened of meter-1@100"),
        ([*OPENED, OPENED[0]], LOG, {"raised_twice": 1}, "under two webhook-ids"),
        (OPENED, [*LOG, logged("meter-2", 100, alert="again")], {"missing": 1, "raised_twice": 1}, "never took"),
        (
            OPENED,
            [*LOG, Logged("another", OPENED[2], 100)],
            {"raised_twice": 1},
            "events meter-2@100/opened and another",
        ),
        ([*OPENED, told("meter-9", 1)], LOG, {"unexplained": 1}, "which the log does not have"),
        (
            [*OPENED, told("meter-1", 100, "resolved")],
            [*LOG, logged("meter-1", 100, "resolved")],
            {"unexplained": 1},
            "which it did not ask for",
        ),
        ([*OPENED, told("x", 1)], [*LOG, logged("x", 1)], {"unexplained": 1}, "caused by nothing"),
    ],
)
def test_each_wrong_is_counted_and_named(
    took: list[Told], log: list[Logged], expected: dict[str, int], says: str
) -> None:
    found = accounted(took, log)
    assert wrong(found) == expected
    assert any(says in example for example in found.examples)


def test_a_step_that_the_log_lacks_is_missing_to_those_who_asked_for_it() -> None:
    steps = frozenset({"opened", "resolved"})
    ends = [(subject, at_ms, "resolved") for subject, at_ms in CAUSES[:2]]
    log = [LOG[0], logged(*ends[0]), LOG[1], logged(*ends[1]), LOG[2]]
    took = [OPENED[0], told(*ends[0]), OPENED[1], told(*ends[1]), OPENED[2]]
    assert wrong(accounted(took, log, steps)) == {"missing": 1}
    late = [OPENED[0], OPENED[1], told(*ends[0]), told(*ends[1]), OPENED[2]]
    assert wrong(accounted(late, log, steps)) == {"missing": 1, "out_of_order": 1}


def signed(body: bytes, webhook_id: str = "msg_1", at_s: float = NOW_S) -> dict[str, str]:
    content = f"{webhook_id}.{at_s:.0f}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": f"{at_s:.0f}",
        "webhook-signature": f"v1,AAAA v1,{signature}",
    }


def test_a_signature_is_of_this_body_this_secret_and_this_time() -> None:
    headers = signed(b"body")
    assert is_signed(SECRET, headers, b"body", NOW_S)
    assert not is_signed(SECRET, headers, b"Body", NOW_S)
    assert not is_signed("whsec_" + base64.b64encode(b"x" * 32).decode(), headers, b"body", NOW_S)
    assert not is_signed(SECRET, headers, b"body", NOW_S + 301.0)
    assert not is_signed(SECRET, {**headers, "webhook-id": "msg_2"}, b"body", NOW_S)
    assert not is_signed(SECRET, {}, b"body", NOW_S)
    assert not is_signed("", headers, b"body", NOW_S)


def answered(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, webhook_ids: list[str]) -> list[int | None]:
    monkeypatch.setattr("gridpulse.chaos_endpoints.time.time", lambda: NOW_S)
    receivers = Receivers([endpoint])  # not opened: no socket is needed to answer
    endpoint.secret = SECRET
    data = {"alert": "a", "step": "opened", "step_number": 1, "subject": "meter-1"}
    body = orjson.dumps({"type": "alert.opened", "data": data})
    return [receivers.answer(endpoint, signed(body, one), body) for one in webhook_ids]


STORM = [f"storm-{number:02}" for number in range(50)]
STEPS = ("opened", "resolved")
Message = tuple[str, dict[str, object]]
"""What is delivered: a webhook-id, and the data of a step."""


def storm() -> tuple[MemoryLog, list[Message]]:
    """Fifty alerts, opened and resolved, as the log has them; and their deliveries as they should come."""
    log = MemoryLog(lambda: 1)
    log.create_topics(ALL_TOPICS, 2)
    messages: list[Message] = []
    for number, (step, subject) in enumerate(itertools.product(STEPS, STORM), 1):
        alert = Alert.model_validate(
            {
                "alert": f"alert-{subject}", "alert_key": f"noise_limit/night_burst/{subject}", "step": step,
                "detector": "noise_limit", "rule": "night_burst", "subject": subject, "severity": "warning", "count": 1,
                "opened_time_ms": 100, "updated_time_ms": 100, "score": 1.0, "threshold": 1.0, "model_version": "1",
                "reason_zh": "突发", "reason_en": "burst", "step_number": 1 + STEPS.index(step),
            }
        )  # fmt: skip
        event = new_event(
            alert,
            id=f"e{number}",
            source="//gridpulse/incidents",
            scope=f"wuhu/a/b/c{STORM.index(subject) % 7}",
            event_time_ms=100,
        )
        log.append([to_new_record(event, 2, None)])
        messages.append((f"msg_{number}", alert.model_dump(include={"alert", "step", "step_number", "subject"})))
    return log, messages


def taken(messages: list[Message], monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """An endpoint that these were delivered to, signed, over what a connection calls."""
    monkeypatch.setattr("gridpulse.chaos_endpoints.time.time", lambda: NOW_S)
    endpoint = Endpoint(0, "healthy", 7, frozenset(STEPS), secret=SECRET)
    receivers = Receivers([endpoint])
    for name, data in messages:
        body = orjson.dumps({"type": f"alert.{data['step']}", "data": data})
        assert receivers.answer(endpoint, signed(body, name), body) == 200
    return endpoint


def swapped(messages: list[Message]) -> list[Message]:
    """The end of one alert comes before its beginning."""
    return [messages[-1], *messages[:-1]]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda messages: messages, {}),
        (lambda messages: [*messages, messages[3], messages[70]], {}),  # repeats under their own ids
        (lambda messages: [*messages[:17], *messages[18:]], {"missing": 1}),
        (lambda messages: [*messages, ("msg_other", messages[17][1])], {"raised_twice": 1}),
        (swapped, {"out_of_order": 1}),
        (lambda messages: [*messages[:-1], ("msg_1", messages[-1][1])], {"missing": 1}),  # under an id that was used
        (lambda messages: [*messages, ("msg_x", {**messages[0][1], "alert": "another"})], {"unexplained": 1}),
    ],
)
def test_a_delivery_that_is_broken_on_purpose_is_counted(
    broken: Callable[[list[Message]], list[Message]], expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, messages = storm()
    endpoint = taken(broken(messages), monkeypatch)
    subscriber = Subscriber(endpoint.name, endpoint.steps, [*endpoint.took.values()])
    found = account([(subject, 100) for subject in STORM], read_back(log), [subscriber])
    assert (found.alerts, wrong(found)) == (50, expected)
    assert is_wrong({**dict.fromkeys(_ZERO, 0), **wrong(found)}) is bool(expected)


def test_a_healthy_endpoint_takes_each_once_and_a_hanging_one_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(1, "healthy", 7, frozenset({"opened"}))
    assert answered(endpoint, monkeypatch, ["m1", "m2", "m1"]) == [200, 200, 200]
    assert list(endpoint.took) == ["m1", "m2"]
    assert (endpoint.requests, endpoint.repeats, endpoint.bad_signatures) == (3, 1, 0)
    endpoint.hangs = True
    assert answered(endpoint, monkeypatch, ["m3"]) == [None]
    assert "m3" not in endpoint.took


def test_a_failing_endpoint_fails_in_every_way_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"m{number}" for number in range(400)]
    endpoint, again = (Endpoint(1, "failing", 7, frozenset({"opened"})) for _ in range(2))
    statuses = answered(endpoint, monkeypatch, names)
    assert statuses == answered(again, monkeypatch, names)
    how = Counter(statuses)
    assert how.keys() == {200, 500, 503, 0}
    assert 60 < how[500] + how[503] + how[0] < 160
    lost_answers = len(endpoint.took) - how[200]  # taken, and the connection broke
    assert 0 < lost_answers < how[0]


def test_fifty_endpoints_are_ten_that_fail_and_five_that_hang() -> None:
    made = endpoints(50, 7)
    assert Counter(one.kind for one in made) == {"failing": 10, "hanging": 5, "healthy": 35}
    assert {one.kind for one in made if "resolved" in one.steps} == {"failing", "hanging", "healthy"}
    assert {one.kind for one in endpoints(4, 7)} == {"failing", "hanging", "healthy"}


@pytest.mark.parametrize("kafka", [False, True])
def test_everyone_is_killed_once_a_round(kafka: bool) -> None:
    everyone = {*KILLED, BROKER} if kafka else {*KILLED}
    assert {"api", "pipeline", "store", "rollup", "webhooks"} <= everyone
    order = turns(3, 7, kafka)
    assert order == turns(3, 7, kafka) != turns(3, 8, kafka)
    assert [{*order[n : n + len(everyone)]} for n in range(0, len(order), len(everyone))] == [everyone] * 3
