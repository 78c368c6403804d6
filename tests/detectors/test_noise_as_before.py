"""Noise in columns says exactly what the plain objects said that it replaced (``reference/``), bit for bit.

Streams are drawn from a seed: few meters and many, loud and silent spells, readings late, repeated, out of order and
ahead of time, meters registered, moved to another zone and retired in between; cut anywhere, resumed anywhere.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from detectors import noise_limit
from detectors.noise_baseline import BaselineParams
from detectors.noise_limit import NoiseLimit, NoiseLimitParams
from tests.detectors.as_before import run, run_resumed, snapshots_by_many, some_cuts
from tests.detectors.batches import HOUR, MINUTE, SECOND, Say, device_entry, laeq, tick
from tests.detectors.reference import noise_limit_objects
from tests.detectors.streams import START_MS

QUICK = {"min_days": 1, "fading_factor": 0.2}
ZONES = (None, "0", "1", "2", "3", "4a", "4b")


def both(**params: float) -> tuple[NoiseLimit, noise_limit_objects.NoiseLimit]:
    """The detector and its forerunner, both quick to learn."""
    both_params = NoiseLimitParams(baseline=BaselineParams(**QUICK), **params)  # type: ignore[arg-type]
    return NoiseLimit(both_params), noise_limit_objects.NoiseLimit(both_params)


def stream(seed: int, meters: int, hours: int, interval_s: int) -> list[Say]:
    """Readings of a few nights and days, with everything that goes wrong."""
    rng = random.Random(seed)
    timed: list[tuple[int, Say]] = []
    start = START_MS + 20 * HOUR  # an evening, so that nights are many
    for number in range(meters):
        name, usual_db = f"meter-{number}", rng.choice([38.0, 44.0, 52.0, 61.0])
        if rng.random() < 0.8:
            timed += _entries(rng, name, start, hours)
        spells = [(start + rng.randrange(hours * HOUR), rng.choice([20, 90, 400]) * MINUTE) for _ in range(3)]
        loud, quiet, silent = spells
        at, weather_db = start + rng.randrange(interval_s) * SECOND, 0.0
        while at < start + hours * HOUR:
            at += rng.choice([interval_s, interval_s, interval_s + 7, rng.randrange(1, 2 * interval_s)]) * SECOND
            weather_db += rng.gauss(0.0, 0.1)
            level_db = round(usual_db + weather_db + rng.gauss(0.0, 1.0) + 25.0 * _within(at, loud), 1)
            level_db -= 12.0 * _within(at, quiet)
            if _within(at, silent):
                continue
            timed += _sent(rng, name, at, level_db, interval_s)
    for hour in (hours, hours + 2, hours + 9):
        timed.append((start + hour * HOUR, tick(start + hour * HOUR)))
    timed.sort(key=lambda one: one[0])
    return [replace(row, recorded_ms=at_ms, id=f"e{place}") for place, (at_ms, row) in enumerate(timed)]


def _within(at_ms: int, spell: tuple[int, int]) -> bool:
    return spell[0] <= at_ms < spell[0] + spell[1]


def _entries(rng: random.Random, name: str, start: int, hours: int) -> list[tuple[int, Say]]:
    out = []
    zone = rng.choice(ZONES)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = start + (rng.randrange(hours * HOUR) if rng.random() < 0.5 else -MINUTE)
        zone = rng.choice([zone, zone, rng.choice(ZONES)])
        change, kind = rng.choice(["registered", "changed", "retired"]), rng.choice(["noise", "noise", "other"])
        row = device_entry(at, name, kind, change, noise_zone=zone)
        scope = f"wuhu/jinghu/tingtang/jianyang/g{rng.randrange(3)}"
        out.append((at, replace(row, scope=scope, event_ms=at - rng.choice([0, 0, HOUR]))))
    return out


def _sent(rng: random.Random, name: str, at: int, level_db: float, interval_s: int) -> list[tuple[int, Say]]:
    quantity = "laeq" if rng.random() < 0.93 else "lamax"
    seconds: float | None = rng.choice([None, 0.0, 3.5]) if rng.random() < 0.05 else float(interval_s)
    value = rng.choice([-1.0, 0.0, 130.0, 250.0]) if rng.random() < 0.01 else level_db
    row = laeq(at, name, value, seconds, quantity, event_ms=at)  # type: ignore[arg-type]
    dice = rng.random()
    if dice < 0.03:
        return [(at + rng.randrange(10 * MINUTE), row)]
    if dice < 0.06:
        return [(at, row), (at + rng.choice([0, SECOND, rng.randrange(20 * MINUTE)]), row)]
    if dice < 0.08:
        return [(at, replace(row, event_ms=at + rng.choice([1, 14, 16]) * MINUTE))]
    if dice < 0.09:
        return [(at, tick(at))]
    return [(at + rng.randrange(3 * SECOND), row)]


@pytest.mark.parametrize(
    ("seed", "meters", "hours", "interval_s", "params"),
    [
        (1, 4, 36, 90, {}),
        (2, 40, 32, 290, {}),
        (3, 50, 28, 300, {"over_closes": 1, "louder_closes": 1, "idle_s": 900}),
        (4, 30, 30, 240, {"window_s": 900, "assess_windows": 60, "grace_s": 0, "clear_closes": 1}),
        (
            5,
            28,
            32,
            250,
            {"window_s": 120, "louder_closes": 2, "assess_windows": 1, "idle_s": 777, "over_margin_db": -5.0},
        ),
        (6, 30, 28, 250, {"burst_repeat_s": 3, "lamax_expected_s": 0, "timezone": "Europe/Berlin"}),
    ],
)
def test_it_says_what_the_objects_said(
    seed: int, meters: int, hours: int, interval_s: int, params: dict[str, float]
) -> None:
    rows = stream(seed, meters, hours, interval_s)
    ours, theirs = both(**params)
    expected = run(theirs, rows, [])
    rules = ("over_limit", "night_burst", "louder_than_usual")
    missing = [rule for rule in rules if not any(f"rule='{rule}'" in one[4] for one in expected)]
    assert not missing, "a stream in which nothing happens shows nothing"
    assert run(ours, rows, []) == expected
    assert ours.unused_readings == theirs.unused_readings
    cut, _ = both(**params)
    assert run(cut, rows, some_cuts(seed, rows, 60)) == expected


@pytest.mark.parametrize(("seed", "meters"), [(7, 4), (8, 36)])
def test_resumed_anywhere_it_goes_on_as_the_objects_do(seed: int, meters: int) -> None:
    rows = stream(seed, meters, 27, 290)
    expected = run(both()[1], rows, [])
    out = run_resumed(lambda: both()[0], rows, some_cuts(seed, rows, 40))
    assert [one[:4] for one in out] == [one[:4] for one in expected]
    assert out == expected


def test_many_at_once_leave_the_same_state_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what shows in outputs only much later."""
    rows = stream(9, 30, 30, 290)
    params = {"window_s": 900, "assess_windows": 60}
    saved = snapshots_by_many(monkeypatch, noise_limit, lambda: both(**params)[0], rows, 701)
    assert saved[1] == saved[10**9]
