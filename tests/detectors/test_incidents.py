"""Alerts: opened once, counted, said again sparingly, resolved; timers; events and their ids."""

from __future__ import annotations

import random
from typing import Any

import pytest

from detectors.contract import Emitted
from detectors.incidents import Incidents
from detectors.lane import build_lane
from detectors.outputs import SOURCE, event_id, to_event
from detectors.timers import TimerHeap
from schemas.families.system import Alert, Detection, DeviceStatus, Tick
from tests.detectors.batches import HOUR, MINUTE, SCOPE, cut, heartbeat, tick
from tests.detectors.streams import START_MS, beats


def noticed(at_ms: int, rule: str = "over_limit", active: bool = True, **changes: Any) -> Emitted:
    fields: dict[str, Any] = {
        "detector": "noise_limit", "rule": rule, "subject": "m1", "active": active, "severity": "warning",
        "score": 3.0, "threshold": 1.0, "baseline": 60.0, "observed": 63.0, "unit": "dB(A)",
        "model_version": "noise_limit-1-0", "reason_zh": "噪声超限。", "reason_en": "Too loud.",
        "cause_id": f"c{at_ms}", "detected_time_ms": at_ms,
    }  # fmt: skip
    return Emitted(at_ms, True, 0, SCOPE, at_ms - 30_000, Detection(**{**fields, **changes}))


def alerts(out: list[Emitted]) -> list[Alert]:
    return [emitted.data for emitted in out if isinstance(emitted.data, Alert)]


def test_an_open_alert_is_counted_and_said_again_sparingly() -> None:
    incidents = Incidents()
    out = [emitted for n in range(60) for emitted in incidents.take(noticed(n * 60_000))]
    steps = [(alert.step, alert.count) for alert in alerts(out)]
    assert steps == [
        ("opened", 1), ("updated", 2), ("updated", 4), ("updated", 8), ("updated", 16), ("updated", 26),
        ("updated", 32), ("updated", 42), ("updated", 52),
    ]  # fmt: skip
    assert len({alert.alert for alert in alerts(out)}) == 1
    assert len(incidents) == 1


def test_severity_rises_at_once_and_does_not_fall_with_the_end() -> None:
    incidents = Incidents()
    for n in range(4):
        incidents.take(noticed(n))
    (raised,) = alerts(incidents.take(noticed(4, severity="critical")))  # the fifth: no power of two
    assert (raised.step, raised.severity) == ("updated", "critical")
    (over,) = alerts(incidents.take(noticed(5, active=False, severity="info")))
    assert (over.step, over.severity, over.resolved_time_ms) == ("resolved", "critical", 5 - 30_000)


def test_the_end_of_something_that_was_not_open_is_no_news() -> None:
    assert Incidents().take(noticed(0, active=False)) == []


def test_the_same_cause_counts_once() -> None:
    incidents = Incidents()
    incidents.take(noticed(0))
    assert incidents.take(noticed(1, cause_id="c0")) == []


def test_rules_without_an_end_resolve_when_quiet() -> None:
    incidents = Incidents()
    incidents.take(noticed(0, "night_burst"))
    incidents.take(noticed(10 * MINUTE, "night_burst"))
    assert incidents.due(40 * MINUTE) == []
    (resolved,) = incidents.due(40 * MINUTE + 1)
    assert isinstance(resolved.data, Alert)
    assert (resolved.detected_ms, resolved.data.step, resolved.data.count) == (40 * MINUTE, "resolved", 2)
    assert resolved.data.resolved_time_ms == 40 * MINUTE - 30_000
    assert alerts(incidents.take(noticed(41 * MINUTE, "night_burst")))[0].alert != resolved.data.alert
    assert incidents.due(2**60) != []
    assert len(incidents) == 0


def test_open_alerts_survive_a_snapshot() -> None:
    incidents = Incidents()
    incidents.take(noticed(0, "night_burst"))
    other = Incidents()
    other.restore(incidents.snapshot())
    assert other.take(noticed(5, "night_burst")) == incidents.take(noticed(5, "night_burst"))
    assert other.due(2**60) == incidents.due(2**60)


def test_the_lane_puts_each_alert_step_behind_its_detection() -> None:
    rows = [*beats("d1", START_MS, START_MS + HOUR, 60.0, 1), heartbeat(START_MS + 2 * HOUR, "d1")]
    lane = build_lane()
    out = [emitted.data for batch in cut([*rows, tick(START_MS + 2 * HOUR + 1)], 10) for emitted in lane.process(batch)]
    kinds = [type(data).__name__ for data in out]
    assert kinds == ["DeviceStatus", *["Detection", "Alert", "DeviceStatus"] * 2]
    steps = [data for data in out if isinstance(data, Alert)]
    assert [(step.step, step.alert_key) for step in steps] == [
        ("opened", "device_offline/silent/d1"), ("resolved", "device_offline/silent/d1"),
    ]  # fmt: skip


def test_events_have_ids_derived_from_their_cause() -> None:
    emitted = noticed(5)
    event = to_event(emitted)
    assert (event.id, event.source, event.scope) == (event_id(noticed(5)), SOURCE, SCOPE)
    assert event.event_time_ms == emitted.event_time_ms
    over = noticed(5, active=False)
    assert len({event_id(one) for one in (emitted, over, noticed(6))}) == 3
    status = DeviceStatus(device="d1", status="online", cause="first_seen")
    opened = Incidents().take(emitted)[0]
    ids = {event_id(Emitted(at, False, 0, SCOPE, at, status)) for at in (1, 2)} | {event_id(opened)}
    assert len(ids) == 3
    with pytest.raises(TypeError):
        event_id(Emitted(1, False, 0, SCOPE, 1, Tick()))


def test_timers_fire_strictly_after_and_in_order() -> None:
    timers = TimerHeap()
    for due, key in ((5, "b"), (5, "a"), (3, "c"), (9, "d")):
        timers.schedule(key, due)
    assert list(timers.due(5)) == [(3, "c")]
    assert list(timers.due(6)) == [(5, "a"), (5, "b")]
    assert list(timers.due(100)) == [(9, "d")]


def test_timers_set_while_firing_are_seen() -> None:
    timers = TimerHeap({"a": 1})
    fired = []
    for due, key in timers.due(10):
        fired.append((due, key))
        if due < 5:
            timers.schedule("a", due + 2)
    assert fired == [(1, "a"), (3, "a"), (5, "a")]


def test_timers_against_a_plain_dictionary() -> None:
    rng = random.Random(3)
    timers, plain = TimerHeap(), dict[str, int]()
    for step in range(5000):
        key = f"k{rng.randrange(40)}"
        if rng.random() < 0.8:
            due = step + rng.randrange(200)
            timers.schedule(key, due)
            plain[key] = due
        else:
            timers.cancel(key)
            plain.pop(key, None)
        if rng.random() < 0.1:
            expected = sorted((due, key) for key, due in plain.items() if due < step)
            plain = {key: due for key, due in plain.items() if due >= step}
            assert list(timers.due(step)) == expected
            if rng.random() < 0.2:
                timers = TimerHeap(timers.saved())
    assert timers.saved() == plain
    assert len(timers._heap) <= 2 * 40 + 64 + 1
