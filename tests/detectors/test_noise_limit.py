"""Noise: energy averages, limits by zone and period, bursts, and louder than usual."""

from __future__ import annotations

import numpy as np
import pytest
from river import stats

from detectors.contract import Emitted
from detectors.gb3096 import LIMITS_DB, energy, level_db, limit_db, period_of
from detectors.local_time import HOUR_MS, LocalClock
from detectors.noise_baseline import BaselineParams, NoiseBaselines
from detectors.noise_limit import NoiseLimit
from schemas.families.system import Detection
from tests.detectors.batches import DAY, HOUR, MINUTE, SECOND, Say, cut, device_entry, laeq, tick, utc_ms
from tests.detectors.streams import START_MS, louder, noise_rows


def run(rows: list[Say], size: int = 1000) -> list[Emitted]:
    detector = NoiseLimit()
    return [emitted for batch in cut(rows, size) for emitted in detector.process(batch)]


def detections(out: list[Emitted], rule: str | None = None) -> list[Detection]:
    found = [emitted.data for emitted in out if isinstance(emitted.data, Detection)]
    return [data for data in found if rule is None or data.rule == rule]


def steady(meter: str, start_ms: int, minutes: int, value: float, quantity: str = "laeq") -> list[Say]:
    return [laeq(start_ms + n * MINUTE, meter, value, quantity=quantity) for n in range(1, minutes + 1)]


def zoned(zone: str | None, meter: str = "m1") -> Say:
    return device_entry(START_MS - DAY, meter, "noise", noise_zone=zone)


def test_levels_are_averaged_by_energy() -> None:
    assert level_db((energy(60.0) + energy(80.0)) / 2) == pytest.approx(77.0, abs=0.05)


def test_half_an_hour_of_60_and_of_80_db_is_judged_as_77() -> None:
    start = START_MS + 10 * HOUR
    rows = [zoned("3")]  # 65 dB by day
    rows += [laeq(start + n * MINUTE, "m1", 60.0 if n % 2 else 80.0) for n in range(1, 21)]
    out = detections(run([*rows, tick(start + HOUR)]), "over_limit")
    assert out[0].observed == pytest.approx(77.0, abs=1.0)
    assert out[1].observed == pytest.approx(77.0, abs=0.1)  # 20 minutes
    assert out[0].baseline == 65.0


@pytest.mark.parametrize("zone", sorted(LIMITS_DB))
@pytest.mark.parametrize("period", ["day", "night"])
def test_each_zone_has_its_limit_by_day_and_night(zone: str, period: str) -> None:
    start = START_MS + (12 if period == "day" else 23) * HOUR
    limit = limit_db(zone, "day" if period == "day" else "night")
    assert limit is not None
    assert detections(run([zoned(zone), *steady("m1", start, 40, limit + 0.9), tick(start + HOUR)])) == []
    over = detections(run([zoned(zone), *steady("m1", start, 40, limit + 1.1), tick(start + HOUR)]), "over_limit")
    assert over[0].baseline == limit


def test_the_night_begins_at_22_and_ends_at_6_local_time() -> None:
    clock = LocalClock("Asia/Shanghai")
    edges = {"05:59": "night", "06:00": "day", "21:59": "day", "22:00": "night"}
    for text, period in edges.items():
        hour = clock.hour_index(utc_ms(f"2026-07-01T{text}:00+08:00")) % 24
        assert period_of(hour) == period


@pytest.mark.parametrize(("start_h", "first", "last"), [(20, "22:10", "22:10"), (3, None, None)])
def test_limits_change_at_the_edges_of_the_night(start_h: int, first: str | None, last: str | None) -> None:
    """55 dB in class 2 (60/50): over from 22:00 on, after two night windows; over until 06:00."""
    start = START_MS + start_h * HOUR
    out = detections(run([zoned("2"), *steady("m1", start, 240, 55.0), tick(start + 5 * HOUR)]), "over_limit")
    ons = [data for data in out if data.active]
    assert {data.baseline for data in ons} == {50.0}
    ends = [data.detected_time_ms - MINUTE for data in ons]
    clock = LocalClock("Asia/Shanghai")
    if start_h == 20:
        assert clock.hhmm(ends[0]) == "22:15"  # half of 20 min is there at 22:10, the second close at 22:15
    else:
        assert clock.hhmm(ends[-1]) == "06:00"
        over = next(data for data in out if not data.active)
        assert clock.hhmm(over.detected_time_ms - MINUTE) == "06:20"  # three closes below, from 06:10 on


def test_over_limit_ends_with_hysteresis() -> None:
    start = START_MS + 10 * HOUR
    rows = [zoned("2"), *steady("m1", start, 60, 70.0), *steady("m1", start + HOUR, 60, 59.5)]
    out = detections(run([*rows, tick(start + 2 * HOUR)]), "over_limit")
    assert out[-1].active  # 59.5 is below 60, but not by 1 dB
    rows += steady("m1", start + 2 * HOUR, 60, 55.0)
    out = detections(run([*rows, tick(start + 4 * HOUR)]), "over_limit")
    assert not out[-1].active


def test_a_condition_ends_when_the_meter_falls_silent() -> None:
    start = START_MS + 10 * HOUR
    out = detections(run([zoned("2"), *steady("m1", start, 30, 70.0), tick(start + 3 * HOUR)]), "over_limit")
    assert not out[-1].active
    assert "无数据" in out[-1].reason_zh


def test_a_night_burst_is_said_once_a_minute_and_lamax_counts_where_it_is_sent() -> None:
    night = START_MS + 23 * HOUR
    quiet = steady("m1", night, 30, 40.0)
    bang = [laeq(night + 31 * MINUTE + n * SECOND, "m1", 66.0, 1.0) for n in range(5)]
    out = detections(run([zoned("2"), *quiet, *bang]), "night_burst")
    assert [(data.observed, data.baseline, data.threshold) for data in out] == [(66.0, 50.0, 15.0)]
    maxima = steady("m1", night, 30, 60.0, "lamax")
    both = sorted([*quiet, *maxima, *bang], key=lambda row: row.recorded_ms)
    assert detections(run([zoned("2"), *both]), "night_burst") == []
    by_day = [laeq(row.recorded_ms + 12 * HOUR, "m1", 90.0, 1.0) for row in bang]
    assert detections(run([zoned("2"), *by_day]), "night_burst") == []


def test_without_a_zone_only_louder_than_usual_is_said() -> None:
    rows = noise_rows("m1", START_MS, START_MS + 5 * DAY)
    loud = louder(rows, START_MS + 4 * DAY + 3 * HOUR, START_MS + 4 * DAY + 4 * HOUR, 72.0)
    assert {data.rule for data in detections(run([zoned(None), *loud]))} == {"louder_than_usual"}


def test_louder_than_usual_is_flagged_soon_and_ends() -> None:
    begin = START_MS + 3 * DAY + 2 * HOUR
    rows = louder(noise_rows("m1", START_MS, START_MS + 4 * DAY), begin, begin + HOUR, 55.0)
    out = detections(run(rows), "louder_than_usual")
    assert begin < out[0].detected_time_ms <= begin + 25 * MINUTE
    assert out[0].observed is not None
    assert out[0].baseline is not None
    assert out[0].observed - out[0].baseline == pytest.approx(out[0].score)
    assert not out[-1].active
    assert out[-1].detected_time_ms <= begin + HOUR + 25 * MINUTE


def test_nothing_is_louder_than_usual_in_the_first_two_days() -> None:
    begin = START_MS + 2 * DAY - HOUR
    rows = louder(noise_rows("m1", START_MS, START_MS + 2 * DAY), begin, begin + HOUR, 80.0)
    assert detections(run(rows)) == []


def test_ordinary_noise_is_hardly_ever_flagged_in_60_days() -> None:
    """Rush hours, weekends, weather, lorries. A fixed 6 dB above the mean of the place would flag every morning."""
    rows = noise_rows("m1", START_MS, START_MS + 60 * DAY)
    out = detections(run(rows, 20_000), "louder_than_usual")
    assert len({data.detected_time_ms // HOUR for data in out if data.active}) <= 2


def test_late_and_repeated_readings_are_not_used() -> None:
    start = START_MS + 10 * HOUR
    detector = NoiseLimit()
    rows = steady("m1", start, 10, 50.0)
    late = [laeq(start + HOUR, "m1", 90.0, event_ms=start + n * MINUTE) for n in range(1, 40)]
    for batch in cut([zoned("2"), *rows, *rows, *late, tick(start + 2 * HOUR)], 7):
        assert detector.process(batch) == []
    assert detector.unused_readings == 10 + 39


def test_the_baseline_has_the_recurrence_of_rivers_ewmean() -> None:
    """Exactly, but for the packed columns' single precision after every step."""
    params = BaselineParams()
    baselines, river_mean = NoiseBaselines(), stats.EWMean(params.fading_factor)
    for row in range(3):
        baselines.begin(row)
    monday_noon = LocalClock("Asia/Shanghai").hour_index(START_MS + 12 * HOUR_MS)
    levels = [50.0 + (n * 7 % 5) for n in range(400)]
    one, ordinary = np.array([1]), np.array([False])
    for n, level in enumerate(levels):
        day = n // 12
        if day % 7 < 5:
            baselines.learn(one, monday_noon + 24 * day, np.array([level]), ordinary, params)
            river_mean.update(level)
    usual = baselines.usual(np.array([0, 1, 2]), monday_noon + 24 * 35, 30, params)
    assert usual.known.tolist() == [False, True, False]
    assert usual.level_db[1] == pytest.approx(river_mean.get(), abs=0.01)
