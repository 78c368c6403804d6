"""Persons in columns: exactly what the plain objects said that they replaced (``reference/``), bit for bit.

Streams are drawn from a seed: few persons and many, with signs late, repeated, out of order and ahead of time, consent
given and withdrawn, homes moved, sensors given to others; cut anywhere, resumed anywhere.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from detectors import irregular_movement
from detectors.habit import HabitParams
from detectors.irregular_movement import IrregularMovement, IrregularMovementParams
from tests.detectors.as_before import run, run_resumed, snapshots_by_many, some_cuts
from tests.detectors.batches import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Say,
    device_entry,
    passage,
    person_entry,
    presence,
    sighting,
    tick,
)  # fmt: skip
from tests.detectors.reference import irregular_movement_objects
from tests.detectors.streams import START_MS

RULES = ("unusual_hour", "absent_too_long", "no_sign_of_life", "unknown_place")
QUICK = {"learn_days": 1.5, "learn_observations": 12, "night_share": 0.2, "day_share": 0.15}
QUICK_HABIT = {"min_gap_days": 2, "min_absences": 2, "min_signs_per_day": 2.0, "absence_least_min": 40.0}
CATEGORIES = ("living_alone", "dementia", "child")


def both(
    habit: dict[str, Any], **params: Any
) -> tuple[IrregularMovement, irregular_movement_objects.IrregularMovement]:
    """The detector and its forerunner, both quick to learn."""
    chosen = {**QUICK, **params}
    both_params = IrregularMovementParams(habit=HabitParams(**{**QUICK_HABIT, **habit}), **chosen)
    return IrregularMovement(both_params), irregular_movement_objects.IrregularMovement(both_params)


def stream(seed: int, persons: int, days: int) -> list[Say]:
    """Some days of some persons, with everything that goes wrong; ends long after the last sign."""
    rng = random.Random(seed)
    timed: list[tuple[int, Say]] = []
    for number in range(persons):
        timed += _life(rng, f"p{number}", days)
    end = START_MS + days * DAY
    timed += [(end + hours * HOUR, tick(end + hours * HOUR)) for hours in (1, 5, 30)]
    timed.sort(key=lambda one: one[0])
    return [replace(row, recorded_ms=at_ms, id=f"e{place}") for place, (at_ms, row) in enumerate(timed)]


def _life(rng: random.Random, person: str, days: int) -> list[tuple[int, Say]]:
    """Mostly at home with many signs, out by day, now and then at night; entries that change in between."""
    home, timed = f"home-{person}", []
    for at in [START_MS - MINUTE, *(START_MS + rng.randrange(days * DAY) for _ in range(rng.choice([0, 0, 1, 2])))]:
        consent, change = rng.random() < 0.85, rng.choice(["registered", "changed", "changed", "retired"])
        row = person_entry(at, person, rng.choice([home, home, home, "elsewhere"]), consent, rng.choice(CATEGORIES))
        entry = replace(row, data={**row.data, "change": change if at > START_MS else "registered"})
        timed.append((at, replace(entry, event_ms=at - rng.choice([0, 0, DAY]))))
    if rng.random() < 0.4:
        owner = rng.choice([person, person, "p0", None])
        at = START_MS + rng.randrange(days * DAY // 2)
        timed.append(
            (at, device_entry(at, f"pir-{person}", "presence", rng.choice(["changed", "retired"]), person=owner))
        )
    at = START_MS
    out_until, silent_until = 0, 0
    while at < START_MS + days * DAY:
        at += rng.choice([MINUTE, 9 * MINUTE, 35 * MINUTE, rng.randrange(1, 100 * MINUTE)])
        hour = (at - START_MS) % DAY // HOUR
        if rng.random() < 0.01:
            silent_until = at + rng.randrange(12) * HOUR
        if at < silent_until or (hour < 6 and rng.random() < 0.8):
            continue
        if at < out_until:
            place = rng.choice(["park", "market", "park", f"corner-{rng.randrange(40)}", home])
            row = sighting(at, person, place, rng.choice([None, 0.9, 0.5, 0.3]))
        elif rng.random() < (0.08 if hour >= 6 else 0.1):
            out_until = at + rng.choice([20, 60, 90, 700]) * MINUTE
            row = passage(at, person, "out")
        elif out_until:
            out_until, row = 0, passage(at, person, "in")
        else:
            row = presence(at, person, rng.choice(["infrared", "infrared", "water", "power"]))
            if rng.random() < 0.1:
                row = replace(row, data={**row.data, "person": None})
        timed += _sent(rng, at, replace(row, event_ms=at))
    return timed


def _sent(rng: random.Random, at: int, row: Say) -> list[tuple[int, Say]]:
    dice = rng.random()
    if dice < 0.03:
        return [(at + rng.randrange(12 * MINUTE), row)]
    if dice < 0.06:
        return [(at, row), (at + rng.choice([0, SECOND, rng.randrange(3 * HOUR)]), row)]
    if dice < 0.08:
        return [(at, replace(row, event_ms=at + rng.choice([1, 14, 16, -3, -6]) * MINUTE))]
    return [(at + rng.randrange(3 * SECOND), row)]


@pytest.mark.parametrize(
    ("seed", "persons", "days", "cuts", "params", "habit"),
    [
        (1, 8, 10, 60, {}, {}),
        (2, 70, 4, 250, {}, {}),
        (3, 40, 5, 100, {"reorder_min": 0.0, "timezone": "America/New_York"}, {"gap_least_min": 20.0, "max_skip_h": 3}),
        (4, 40, 5, 150, {"learn_days": 0.3}, {"gap_days_kept": 3, "absences_kept": 2, "places_kept": 3}),
    ],
)
def test_they_say_what_the_objects_said(
    seed: int, persons: int, days: int, cuts: int, params: dict[str, Any], habit: dict[str, Any]
) -> None:
    rows = stream(seed, persons, days)
    ours, theirs = both(habit, **params)
    expected = run(theirs, rows, [])
    missing = [rule for rule in RULES if not any(f"rule='{rule}'" in one[4] for one in expected)]
    assert not missing, "a stream in which nothing happens shows nothing"
    assert run(ours, rows, some_cuts(seed, rows, cuts)) == expected
    assert run(both(habit, **params)[0], rows, []) == expected


@pytest.mark.parametrize(("seed", "persons", "days", "cuts"), [(5, 4, 7, 40), (6, 60, 3, 60)])
def test_resumed_anywhere_they_go_on_as_the_objects_do(seed: int, persons: int, days: int, cuts: int) -> None:
    rows = stream(seed, persons, days)
    expected = run(both({})[1], rows, [])
    out = run_resumed(lambda: both({})[0], rows, some_cuts(seed, rows, cuts))
    assert [one[:4] for one in out] == [one[:4] for one in expected]
    assert out == expected


def test_many_at_once_leave_the_same_state_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what shows in outputs only much later."""
    rows = stream(7, 50, 4)
    saved = snapshots_by_many(monkeypatch, irregular_movement, lambda: both({})[0], rows, 97)
    assert saved[1] == saved[10**9]
