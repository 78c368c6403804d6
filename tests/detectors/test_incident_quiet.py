"""What nobody is told: silences, causes that are open themselves, groups. And a gateway's loss, as people see it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from detectors.incident_params import IncidentParams
from detectors.lane import build_lane
from schemas.families.system import Alert
from tests.detectors.batches import DAY, HOUR, MINUTE, SCOPE, SECOND, Say, cut, tick
from tests.detectors.incident_world import act, in_short, noticed, run, silence, steps_of
from tests.detectors.streams import START_MS, gateway_district, in_order

T = START_MS
COMMUNITY = SCOPE.rsplit("/", 1)[0]


def quiet(step: Alert) -> tuple[str, bool | None, str | None]:
    return step.step, step.silenced, step.silenced_by


# -- silences --------------------------------------------------------------------------------------------------------
def test_alerts_in_a_maintenance_window_are_tracked_and_speak_up_after_it() -> None:
    rows = [
        noticed(T, "m0"),
        silence(T + 1, T + MINUTE, T + 10 * MINUTE, kind="maintenance"),
        noticed(T + 2 * MINUTE, "m1"),
        noticed(T + 3 * MINUTE, "m1"),
        noticed(T + 4 * MINUTE, "m1", active=False),
        noticed(T + 5 * MINUTE, "m2"),
        tick(T + 10 * MINUTE + 1),
    ]
    found = run(rows)
    assert [(one.subject, *quiet(one), ((one.detected_time_ms or 0) - T) / MINUTE) for one in found] == [
        ("m0", "opened", False, None, 0), ("m0", "silenced", True, "sil-1", 1),
        ("m1", "opened", True, "sil-1", 2), ("m1", "updated", True, "sil-1", 3), ("m1", "resolved", True, "sil-1", 4),
        ("m2", "opened", True, "sil-1", 5),
        ("m0", "unsilenced", False, None, 10), ("m2", "unsilenced", False, None, 10),
    ]  # fmt: skip
    assert found[1].silenced_as == "maintenance"
    assert found[1].comment is not None
    assert "检修 sil-1" in found[1].comment


def test_a_silence_that_is_lifted_or_shortened_ends_and_does_not_come_back() -> None:
    begun = silence(T, T, T + HOUR, id="a")
    lifted = silence(T + MINUTE, T, T + HOUR, status="lifted")
    found = run([begun, noticed(T + 1), lifted, silence(T + 2 * MINUTE, T, T + HOUR, event_ms=T)])
    assert [quiet(one)[:2] for one in found] == [("opened", True), ("unsilenced", False)]
    found = run([begun, noticed(T + 1), silence(T + MINUTE, T, T + 2 * MINUTE), tick(T + 2 * MINUTE + 1)])
    assert found[-1].detected_time_ms == T + 2 * MINUTE


@pytest.mark.parametrize(
    ("matcher", "is_silenced"),
    [
        ({}, True),
        ({"detector": "noise_limit", "rule": "over_limit", "subject": "m1"}, True),
        ({"detector": "device_offline"}, False),
        ({"rule": "silent"}, False),
        ({"subject": "m2"}, False),
        ({"silenced_scope": COMMUNITY, "scope": COMMUNITY}, True),
        ({"silenced_scope": f"{SCOPE}9", "scope": COMMUNITY}, False),
        ({"silenced_scope": COMMUNITY, "scope": SCOPE}, False),  # more than the speaker may say
        ({"starts_time_ms": T + 2, "ends_time_ms": T + 1}, False),
    ],
)
def test_a_silence_holds_for_what_it_matches(matcher: dict[str, Any], is_silenced: bool) -> None:
    row = silence(T, T, T + HOUR)
    envelope = {"scope": matcher.get("scope", SCOPE)}
    data = {**row.data, **{name: value for name, value in matcher.items() if name != "scope"}}
    found = run([Say(T, row.kind, data, **envelope), noticed(T + MINUTE)])
    assert [one.silenced for one in found] == [is_silenced]


def test_nobody_is_reminded_of_what_is_silenced() -> None:
    rows = [silence(T, T, T + HOUR), noticed(T + 1, severity="critical"), tick(T + HOUR + 16 * MINUTE)]
    assert [one.step for one in run(rows)] == ["opened", "unsilenced", "reminded"]


# -- causes ----------------------------------------------------------------------------------------------------------
def test_a_devices_alert_is_quiet_while_its_gateway_s_is_open() -> None:
    rows = [
        noticed(T, "d1", "silent"),
        noticed(T + MINUTE, "gw", "gateway_silent", "critical"),
        noticed(T + 2 * MINUTE, "d2", "silent"),
        noticed(T + 3 * MINUTE, "d1", "silent", active=False),
        noticed(T + 4 * MINUTE, "gw", "gateway_silent", active=False),
    ]
    found = run(rows)
    assert [(one.subject, *quiet(one)[:2]) for one in found] == [
        ("d1", "opened", False), ("gw", "opened", False), ("d1", "silenced", True), ("d2", "opened", True),
        ("d1", "resolved", False), ("gw", "resolved", False), ("d2", "unsilenced", False),
    ]  # fmt: skip
    assert (found[2].silenced_as, found[2].silenced_by) == ("inhibited", found[1].alert)


def losses(order: str) -> list[Say]:
    """A gateway of 300 devices, out for an hour, whose events then come in another order than they were sent."""
    fail, back, end = T + 2 * HOUR, T + 3 * HOUR, T + 4 * HOUR
    rows = gateway_district(300, T, fail, back, end)
    if order == "as sent":
        return [*rows, tick(end + 1)]
    rng = random.Random(7)
    late = [Say(row.recorded_ms + rng.randrange(30 * SECOND), row.kind, row.data, row.recorded_ms) for row in rows]
    again = [late[rng.randrange(len(late))] for _ in range(500)]
    return [*in_order(rows[:301], late[301:], again), tick(end + 31 * SECOND)]


@pytest.mark.parametrize("order", ["as sent", "disordered"])
def test_a_gateway_loss_with_300_devices_gives_one_alert_and_one_resolve(order: str) -> None:
    lane = build_lane()
    found = steps_of(one for batch in cut(losses(order), 5000) for one in lane.process(batch))
    assert [(one.subject, one.step, one.escalation) for one in found] == [
        ("gw-1", "opened", 0), ("gw-1", "reminded", 1), ("gw-1", "escalated", 2), ("gw-1", "resolved", 2),
    ]  # fmt: skip


def test_a_device_that_fell_silent_before_its_gateway_becomes_quiet_with_it() -> None:
    """The device detector names the causes; the gateway's end leaves the device that is still away."""
    fail, back, end = T + 2 * HOUR, T + 3 * HOUR, T + 4 * HOUR
    rows = gateway_district(30, T, fail, back, end)
    rows = [row for row in rows if row.data["device"] != "d004" or row.recorded_ms < T + HOUR]
    lane = build_lane()
    found = steps_of(one for batch in cut([*rows, tick(end + 1)], 500) for one in lane.process(batch))
    assert [(one.subject, one.step) for one in found if one.step not in ("reminded", "escalated")] == [
        ("d004", "opened"), ("gw-1", "opened"), ("d004", "silenced"), ("gw-1", "resolved"), ("d004", "unsilenced"),
    ]  # fmt: skip


def aloud(steps: list[Alert]) -> list[tuple[str, str, float]]:
    """What people are told: who, what, and how many hours after the beginning; but for reminders."""
    return [
        (one.subject, one.step, ((one.detected_time_ms or 0) - T) / HOUR)
        for one in steps
        if not one.silenced and one.group is None and one.step not in ("reminded", "escalated")
    ]


@pytest.mark.parametrize("kind", ["maintenance", "power_cut"])
@pytest.mark.parametrize("back_h", [3, 5])
def test_what_is_still_out_after_a_window_or_a_power_cut_is_told_once_then(kind: str, back_h: int) -> None:
    """A gateway and its 30 devices are off from 2 h on; two windows, one in the other, cover 1 to 4 h."""
    rows = gateway_district(30, T, T + 2 * HOUR, T + back_h * HOUR, T + 6 * HOUR)
    windows = [
        silence(T + 1, T + HOUR, T + 4 * HOUR, "long", kind=kind, scope=COMMUNITY, silenced_scope=COMMUNITY),
        silence(T + 2, T + HOUR, T + 150 * MINUTE, "short", kind="silence", scope=COMMUNITY, silenced_scope=COMMUNITY),
    ]
    lane = build_lane()
    said = in_order(rows, windows)
    found = steps_of(one for batch in cut([*said, tick(T + 6 * HOUR + 1)], 5000) for one in lane.process(batch))
    assert {one.subject for one in found} == {"gw-1"}, "one alert for all of them"
    assert (found[0].step, found[0].silenced_as) == ("opened", kind)
    assert [one.step for one in found].count("unsilenced") == (back_h == 5), "not at the end of the shorter one"
    told = aloud(found)
    if back_h == 3:
        assert told == [], "over before the window's end: nobody is told of anything"
    else:
        assert [(step, hours) for _, step, hours in told[:1]] == [("unsilenced", 4.0)]
        assert [step for _, step, _ in told[1:]] == ["resolved"]
        assert any(one.step == "reminded" for one in found), "from then on people are waited for"


def test_a_power_cut_quiets_its_own_scope_and_no_other() -> None:
    cut_off = silence(T, T, T + HOUR, kind="power_cut", scope=COMMUNITY, silenced_scope=f"{COMMUNITY}/g9")
    there, here = noticed(T + 1, "there", scope=f"{COMMUNITY}/g9"), noticed(T + 2, "here", scope=f"{COMMUNITY}/g8")
    found = run([cut_off, there, here, tick(T + 2 * HOUR)])
    assert [(one.subject, one.step, one.silenced_as) for one in found] == [
        ("there", "opened", "power_cut"), ("here", "opened", None), ("there", "unsilenced", None),
    ]  # fmt: skip


# -- groups ----------------------------------------------------------------------------------------------------------
GROUPED = IncidentParams(group_wait_s=(("over_limit", 60.0),), remind_after_min=(), escalate_after_min=())


def folded(steps: list[Alert]) -> list[tuple[str, str, bool, int | None]]:
    return [(one.subject, one.step, one.group is not None, one.grouped) for one in steps]


def test_alerts_that_open_together_fold_under_the_first() -> None:
    rows = [noticed(T + n * 30 * SECOND, f"m{n}") for n in range(4)]
    found = run([*rows, noticed(T + 10 * MINUTE, "m9"), tick(T + 11 * MINUTE)], GROUPED)
    assert folded(found) == [
        ("m0", "opened", False, 0), ("m1", "opened", True, 0), ("m2", "opened", True, 0), ("m3", "opened", True, 0),
        ("m0", "updated", False, 3), ("m9", "opened", False, 0),
    ]  # fmt: skip
    assert {one.group for one in found[1:4]} == {found[0].alert}
    assert (found[4].detected_time_ms, found[4].step_number) == (T + 30 * SECOND + 5 * MINUTE, 2)


def test_the_next_one_stands_for_the_group_when_the_first_leaves_it() -> None:
    rows = [noticed(T + n, f"m{n}") for n in range(4)]
    found = run([*rows, noticed(T + 10, "m1", active=False), noticed(T + 11, "m0", active=False)], GROUPED)
    assert folded(found[4:]) == [
        ("m1", "resolved", True, 0), ("m0", "resolved", False, 2), ("m2", "updated", False, 1),
    ]  # fmt: skip
    assert "另外 1 条" in (found[-1].comment or "")
    later = run([*rows, noticed(T + 10, "m0", active=False), noticed(T + 11, "m3")], GROUPED)
    assert later[-1].group == later[1].alert, "m1 stands for m3 now"
    silenced = run([*rows, silence(T + 10, T, T + HOUR, subject="m0")], GROUPED)
    assert folded(silenced[4:]) == [("m0", "silenced", False, 0), ("m1", "updated", False, 2)]


def test_what_becomes_graver_than_its_group_speaks_for_itself() -> None:
    rows = [noticed(T, "m0"), noticed(T + 1, "m1"), noticed(T + 2, "m2", severity="critical")]
    found = run([*rows, noticed(T + 3, "m1", severity="critical")], GROUPED)
    assert folded(found) == [
        ("m0", "opened", False, 0), ("m1", "opened", True, 0), ("m2", "opened", False, 0),
        ("m1", "updated", False, 0),
    ]  # fmt: skip


def test_other_rules_and_places_do_not_fold() -> None:
    rows = [noticed(T, "m0"), noticed(T + 1, "m1", "silent"), noticed(T + 2, "m2", scope=f"{COMMUNITY}/g9")]
    assert [one.group for one in run(rows, GROUPED)] == [None] * 3
    assert [one.group for one in run([noticed(T, "m0"), noticed(T + 1, "m1")])] == [None] * 2  # off unless asked for


def test_the_alerts_of_a_group_are_acknowledged_one_by_one() -> None:
    rows = [noticed(T, "m0"), noticed(T + 1, "m1")]
    second = run(rows, GROUPED)[1].alert
    found = run([*rows, act(T + 2, second, "acknowledge"), tick(T + DAY)], GROUPED)
    assert in_short(found[:3]) == [("m0", "opened"), ("m1", "opened"), ("m1", "acknowledged")]
