"""Whatever is noticed, done and silenced: the steps do not depend on how the lane is cut, and make sense."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.contract import Emitted
from detectors.incident_params import IncidentParams
from detectors.outputs import event_id
from schemas.families.system import Alert, AlertStep, SilencedAs
from tests.detectors.batches import DAY, HOUR, MINUTE, SCOPE, SECOND, Say, batch_of, tick
from tests.detectors.incident_world import act, lane_of, noticed, said_by, silence, steps_of
from tests.detectors.streams import START_MS

PARAMS = IncidentParams(
    clear_after_min=(("over_limit", 2.0),), severity_fall_min=5.0, flap_cycles=2,
    group_wait_s=(("silent", 120.0), ("over_limit", 120.0), ("unusual_hour", 120.0)), group_interval_min=1.0,
    remind_after_min=(("critical", 5.0), ("warning", 20.0)), escalate_after_min=(("critical", 10.0),),
    keep_ended_days=0.5, keep_ended_max=3,
)  # fmt: skip
GAPS_MS = (0, 0, SECOND, SECOND, MINUTE, 3 * MINUTE, 11 * MINUTE, 40 * MINUTE, 13 * HOUR)
RULES = ("over_limit", "silent", "unusual_hour", "gateway_silent")
ACTIONS = ("acknowledge", "assign", "comment", "resolve", "close", "verdict", "report_case")
SCOPES = (SCOPE, SCOPE.rsplit("/", 1)[0], f"{SCOPE}9", "wuhu")

detect = st.tuples(
    st.just("detect"), st.sampled_from(("m1", "m2", "gw")), st.sampled_from(RULES),
    st.sampled_from(("info", "warning", "critical")), st.booleans(),
)  # fmt: skip
action = st.tuples(st.just("act"), st.integers(0, 5), st.sampled_from(ACTIONS), st.booleans())
quiet = st.tuples(
    st.just("silence"), st.sampled_from(("s1", "s2")), st.sampled_from(("silence", "maintenance", "power_cut")),
    st.sampled_from(SCOPES), st.sampled_from((None, "m1")), st.sampled_from((-1, 0, 2, 30)),
    st.sampled_from((1, 10, 60)), st.sampled_from(("active", "active", "lifted")),
)  # fmt: skip
moves = st.lists(st.tuples(st.sampled_from(GAPS_MS), st.one_of(detect, detect, action, quiet)), max_size=40)


def row_of(move: tuple, now_ms: int, alerts: list[str]) -> Say:  # type: ignore[type-arg]
    if move[0] == "detect":
        return noticed(now_ms, *move[1:])
    if move[0] == "act":
        _, back, name, has_all = move
        more = {"assignee": "li", "comment": "seen", "verdict": "true", "case": "c-1"} if has_all else {}
        return act(now_ms, alerts[-1 - back % len(alerts)] if alerts else "nothing", name, **more)
    _, name, kind, scope, subject, start_min, length_min, status = move
    start_ms = now_ms + start_min * MINUTE
    return silence(
        now_ms, start_ms, start_ms + length_min * MINUTE, name, kind=kind, silenced_scope=scope, subject=subject,
        status=status, scope="wuhu",
    )  # fmt: skip


def told(made: list[tuple[int, tuple]]) -> tuple[list[Say], list[Emitted]]:  # type: ignore[type-arg]
    """The rows of the moves, and what they lead to one by one; actions name alerts that were said before."""
    lane, now_ms = lane_of(PARAMS), START_MS
    rows: list[Say] = []
    out: list[Emitted] = []
    alerts: list[str] = []
    for gap_ms, move in [*made, (DAY, None)]:
        now_ms += gap_ms
        row = tick(now_ms) if move is None else row_of(move, now_ms, alerts)
        new = said_by(lane, batch_of([row], len(rows)))
        alerts += [one.alert for one in steps_of(new) if one.step == "opened"]
        rows.append(row)
        out += new
    return rows, out


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(made=moves, cuts=st.lists(st.integers(0, 41), max_size=6), resume=st.booleans())
def test_steps_do_not_depend_on_cuts_or_snapshots(made: list, cuts: list[int], resume: bool) -> None:  # type: ignore[type-arg]
    rows, expected = told(made)
    lane, out = lane_of(PARAMS), []
    places = [0, *sorted({place for place in cuts if 0 < place < len(rows)}), len(rows)]
    for begin, end in pairwise(places):
        out += said_by(lane, batch_of(rows[begin:end], begin))
        if resume:
            saved, lane = lane.snapshot(), lane_of(PARAMS)
            lane.restore(saved)
    assert out == expected
    make_sense([one for one in out if isinstance(one.data, Alert)])


def make_sense(out: list[Emitted]) -> None:
    """What holds of any life."""
    latest: dict[str, Alert] = {}
    is_open: dict[str, str] = {}
    ids: dict[str, Alert] = {}
    for emitted in out:
        step = emitted.data
        assert isinstance(step, Alert)
        before = latest.get(step.alert)
        assert step.step_number == (before.step_number or 0) + 1 if before else (step.step, step.step_number)
        if step.step == "opened":
            assert before is None
            assert is_open.setdefault(step.alert_key, step.alert) == step.alert, "two are open"
        if step.step == "resolved":
            assert is_open.pop(step.alert_key) == step.alert
        if step.step in ("reminded", "escalated"):
            assert (step.silenced, step.acknowledged_by, step.group, step.resolved_time_ms) == (False, None, None, None)
            assert before is not None
            assert step.escalation == (before.escalation or 0) + 1
        if step.step == "updated" and before is not None and before.severity != step.severity:
            assert step.count > before.count or step.comment, "it falls for a reason"
        if step.group is not None:
            first = latest[step.group]
            assert first.group is None, "one stands for all"
        latest[step.alert] = step
        same = ids.setdefault(event_id(emitted), step)
        assert replace_number(same, step) == step, "one id for two things"


def replace_number(step: Alert, like: Alert) -> Alert:
    return step.model_copy(update={"step_number": like.step_number})


def random_moves(seed: int, length: int) -> list[tuple[int, tuple]]:  # type: ignore[type-arg]
    """Like :data:`moves`, long and dense enough for the rare things."""
    rng = random.Random(seed)
    found: list[tuple[int, tuple]] = []  # type: ignore[type-arg]
    for _ in range(length):
        gap_ms = rng.choice((0, SECOND, 20 * SECOND, MINUTE, 4 * MINUTE, 12 * MINUTE))
        kind = rng.random()
        move: tuple  # type: ignore[type-arg]
        if kind < 0.7:
            severity = rng.choice(("info", "warning", "critical"))
            move = ("detect", rng.choice(("m1", "m2", "gw")), rng.choice(RULES), severity, rng.random() < 0.6)
        elif kind < 0.9:
            move = ("act", rng.randrange(6), rng.choice(ACTIONS), True)
        else:
            reason, scope = rng.choice(("silence", "maintenance", "power_cut")), rng.choice(SCOPES)
            start_min, length_min = rng.choice((-1, 0, 2)), rng.choice((1, 10))
            status = rng.choice(("active", "active", "lifted"))
            move = ("silence", f"s{rng.randrange(2)}", reason, scope, None, start_min, length_min, status)
        found.append((gap_ms, move))
    return found


def test_long_streams_hold_everything_and_do_not_depend_on_cuts() -> None:
    """Every step, every reason to be silenced, unstable and grouped alerts; resumed at random places."""
    found: set[object] = set()
    for seed in range(6):
        rng = random.Random(seed)
        rows, expected = told(random_moves(seed, 300))
        lane, out, begin = lane_of(PARAMS), [], 0
        while begin < len(rows):
            end = begin + rng.choice((1, 2, 5, 30))
            out += said_by(lane, batch_of(rows[begin:end], begin))
            saved, lane, begin = lane.snapshot(), lane_of(PARAMS), end
            lane.restore(saved)
        assert out == expected
        make_sense([one for one in out if isinstance(one.data, Alert)])
        for one in steps_of(expected):
            found.update({one.step, one.silenced_as, ("unstable", one.unstable), ("grouped", bool(one.grouped))})
    assert found >= {
        *get_args(AlertStep), *get_args(SilencedAs), ("unstable", True), ("unstable", False), ("grouped", True),
    }  # fmt: skip
