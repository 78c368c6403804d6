"""What becomes of an open alert: severity, clearing, flapping, people, reminders. See test_incidents for the plain."""

from __future__ import annotations

import pytest

from detectors.incident_params import IncidentParams
from schemas.families.system import Alert
from tests.detectors.batches import DAY, HOUR, MINUTE, SCOPE, Say, tick
from tests.detectors.incident_world import act, in_short, noticed, run
from tests.detectors.streams import START_MS

T = START_MS
CALM = IncidentParams(remind_after_min=(), escalate_after_min=())
COMMUNITY = SCOPE.rsplit("/", 1)[0]


def steps(rows: list[Say], params: IncidentParams = CALM) -> list[Alert]:
    return run([*rows, tick(max(row.recorded_ms for row in rows) + 1)], params)


def opened(rule: str = "over_limit", severity: str = "warning") -> tuple[Say, str]:
    """A detection, and the alert that it opens."""
    row = noticed(T, rule=rule, severity=severity, id="first")
    return row, run([row], CALM)[0].alert


# -- severity --------------------------------------------------------------------------------------------------------
def test_severity_falls_to_the_gravest_of_the_last_minutes() -> None:
    rows = [noticed(T, severity="critical")]
    rows += [noticed(T + MINUTE, severity="info"), noticed(T + 2 * MINUTE), noticed(T + 3 * MINUTE, severity="info")]
    found = steps([*rows, tick(T + 11 * MINUTE)])
    assert [(one.step, one.severity, one.count) for one in found] == [
        ("opened", "critical", 1), ("updated", "critical", 2), ("updated", "critical", 4), ("updated", "warning", 4),
    ]  # fmt: skip
    assert found[-1].detected_time_ms == T + 11 * MINUTE
    assert found[-1].comment is not None
    assert "级别降为 warning" in found[-1].comment


def test_its_end_has_the_gravest_severity_so_that_whoever_heard_of_it_hears_the_end() -> None:
    rows = [noticed(T, severity="critical"), noticed(T + MINUTE), tick(T + 12 * MINUTE)]
    found = steps([*rows, noticed(T + 13 * MINUTE, active=False)])
    assert [(one.step, one.severity) for one in found[-2:]] == [("updated", "warning"), ("resolved", "critical")]


def test_severity_that_is_heard_again_does_not_fall() -> None:
    rows = [noticed(T, severity="critical"), noticed(T + MINUTE), noticed(T + 9 * MINUTE, severity="critical")]
    found = steps([*rows, tick(T + 60 * MINUTE)])
    assert {one.severity for one in found} == {"critical"}


# -- clear and flap --------------------------------------------------------------------------------------------------
def test_it_clears_only_when_that_holds() -> None:
    params = IncidentParams(clear_after_min=(("over_limit", 5.0),), remind_after_min=(), escalate_after_min=())
    rows = [noticed(T), noticed(T + MINUTE, active=False), noticed(T + 4 * MINUTE)]
    rows += [noticed(T + 6 * MINUTE, active=False), noticed(T + 8 * MINUTE, active=False), tick(T + 11 * MINUTE)]
    found = steps(rows, params)
    assert [(one.step, one.detected_time_ms) for one in found] == [
        ("opened", T), ("updated", T + 4 * MINUTE), ("resolved", T + 11 * MINUTE),
    ]  # fmt: skip
    assert found[-1].resolved_time_ms == T + 6 * MINUTE  # when it was said to be over, not when that was believed


def flaps(times: int) -> list[Say]:
    """On for a minute, off for a minute."""
    return [noticed(T + minute * MINUTE, active=minute % 2 == 0) for minute in range(2 * times)]


def test_flapping_folds_into_one_unstable_alert() -> None:
    found = steps([*flaps(10), tick(T + 19 * MINUTE + HOUR)])
    assert [one.step for one in found[:8]] == ["opened", "resolved"] * 4
    assert [(one.step, one.unstable, one.count) for one in found[8:]] == [
        ("opened", True, 1), ("updated", True, 2), ("updated", True, 4), ("resolved", True, 6),
    ]  # fmt: skip
    assert found[-1].detected_time_ms == T + 19 * MINUTE + HOUR
    assert found[-1].resolved_time_ms == T + 19 * MINUTE


def test_cycles_that_are_far_apart_are_not_flapping() -> None:
    rows = [noticed(T + n * 10 * MINUTE, active=n % 2 == 0) for n in range(12)]
    assert not any(one.unstable for one in steps(rows))


def test_what_stays_after_flapping_is_no_longer_unstable() -> None:
    rows = [*flaps(5)[:-1], tick(T + 8 * MINUTE + HOUR)]
    found = steps(rows)
    assert [(one.step, one.unstable) for one in found[8:]] == [("opened", True), ("updated", False)]
    over = steps([*rows, noticed(T + 2 * HOUR, active=False)])
    assert over[-1].step == "resolved"


# -- people ----------------------------------------------------------------------------------------------------------
def test_a_whole_life_with_who_when_and_why() -> None:
    first, alert = opened()
    rows = [
        first,
        act(T + 1 * MINUTE, alert, "acknowledge", comment="我来看"),
        act(T + 2 * MINUTE, alert, "assign", assignee="warden-li"),
        act(T + 3 * MINUTE, alert, "comment", "warden-li", comment="已到现场"),
        act(T + 4 * MINUTE, alert, "report_case", case="case-7"),
        noticed(T + 5 * MINUTE, active=False),
        act(T + 6 * MINUTE, alert, "verdict", verdict="true"),
        act(T + 7 * MINUTE, alert, "close", comment="已劝离", scope=COMMUNITY),
    ]
    found = steps(rows)
    assert [one.step for one in found] == [
        "opened", "acknowledged", "assigned", "commented", "reported", "resolved", "verdict", "closed",
    ]  # fmt: skip
    assert [one.step_number for one in found] == list(range(1, 9))
    last = found[-1]
    assert (last.acknowledged_by, last.acknowledged_time_ms) == ("duty-zhang", T + MINUTE)
    assert (last.assignee, last.case, last.verdict) == ("warden-li", "case-7", "true")
    assert (last.resolved_time_ms, last.closed_time_ms) == (T + 5 * MINUTE, T + 7 * MINUTE)
    assert (last.actor, last.comment) == ("duty-zhang", "已劝离")
    assert [one.actor for one in found] == [
        None, "duty-zhang", "duty-zhang", "warden-li", "duty-zhang", None, "duty-zhang", "duty-zhang",
    ]  # fmt: skip


@pytest.mark.parametrize(("word", "ends"), [("resolve", ["resolved"]), ("close", ["resolved", "closed"])])
def test_a_person_ends_it_and_the_next_detection_opens_another(word: str, ends: list[str]) -> None:
    first, alert = opened()
    found = steps([first, act(T + MINUTE, alert, word), noticed(T + 2 * MINUTE)])
    assert [one.step for one in found] == ["opened", *ends, "opened"]
    assert found[-1].alert != alert
    assert (found[1].actor, found[1].resolved_time_ms) == ("duty-zhang", T + MINUTE)


def test_what_makes_no_sense_is_not_answered() -> None:
    first, alert = opened()
    more = [
        act(T + 1, "unheard-of", "acknowledge"),
        act(T + 2, alert, "assign"),
        act(T + 3, alert, "comment"),
        act(T + 4, alert, "verdict"),
        act(T + 5, alert, "report_case"),
        act(T + 6, alert, "acknowledge", scope=f"{SCOPE}9"),
        act(T + 7, alert, "acknowledge", scope="wuhu/yijiang"),
    ]
    assert in_short(steps([first, *more])) == [("m1", "opened")]
    over = [first, noticed(T + 10, active=False)]
    more = [act(T + 11, alert, "acknowledge"), act(T + 12, alert, "resolve")]
    assert [one.step for one in steps([*over, *more])] == ["opened", "resolved"]
    closed = [act(T + 20, alert, "close"), act(T + 21, alert, "close"), act(T + 22, alert, "assign", assignee="li")]
    assert [one.step for one in steps([*over, *closed])] == ["opened", "resolved", "closed"]


def test_an_action_that_comes_again_is_taken_once() -> None:
    first, alert = opened()
    seen = [act(T + n, alert, "comment", comment="看过", id="the-same") for n in range(1, 4)]
    assert [one.step for one in steps([first, *seen])] == ["opened", "commented"]


def test_what_ended_can_be_judged_for_a_week_and_not_for_ever() -> None:
    first, alert = opened()
    rows = [first, noticed(T + MINUTE, active=False)]
    found = steps([*rows, act(T + 7 * DAY, alert, "verdict", verdict="false")])
    assert found[-1].verdict == "false"
    assert steps([*rows, act(T + 8 * DAY, alert, "verdict", verdict="false")])[-1].step == "resolved"


def test_only_so_many_ended_alerts_are_kept() -> None:
    params = IncidentParams(keep_ended_max=2, remind_after_min=(), escalate_after_min=())
    rows = [noticed(T + n, f"m{n % 3}", active=n < 3) for n in range(6)]
    names = [one.alert for one in run(rows, params) if one.step == "opened"]
    judged = steps([*rows, *(act(T + 10, name, "verdict", verdict="true") for name in names)], params)
    assert [one.alert for one in judged if one.step == "verdict"] == names[1:]


# -- reminders -------------------------------------------------------------------------------------------------------
def test_critical_alerts_are_reminded_of_and_escalated_until_acknowledged() -> None:
    first, alert = opened(severity="critical")
    found = run([first, tick(T + DAY)])
    at_min = [(one.step, one.escalation, ((one.detected_time_ms or 0) - T) / MINUTE) for one in found]
    assert at_min == [
        ("opened", 0, 0), ("reminded", 1, 15), ("escalated", 2, 30), ("escalated", 3, 90), ("escalated", 4, 150),
    ]  # fmt: skip
    found = run([first, act(T + 20 * MINUTE, alert, "acknowledge"), tick(T + DAY)])
    assert [one.step for one in found] == ["opened", "reminded", "acknowledged"]
    found = run([first, noticed(T + 20 * MINUTE, active=False), tick(T + DAY)])
    assert [one.step for one in found] == ["opened", "reminded", "resolved"]


def test_it_is_waited_for_anew_when_the_severity_rises() -> None:
    found = run([noticed(T), noticed(T + HOUR, severity="critical"), tick(T + HOUR + 15 * MINUTE + 1)])
    assert [(one.step, one.detected_time_ms) for one in found[1:]] == [
        ("updated", T + HOUR), ("reminded", T + HOUR + 15 * MINUTE),
    ]  # fmt: skip
