"""Every detector and the lane against the shared checks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from detectors.contract import StateVersionError
from detectors.device_offline import DeviceOffline
from detectors.irregular_movement import IrregularMovement
from detectors.lane import build_lane
from detectors.noise_limit import NoiseLimit
from detectors.state import pack
from schemas.columns import EventBatch
from tests.detectors import checks
from tests.detectors.batches import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Say,
    cut,
    device_entry,
    heartbeat,
    laeq,
    passage,
    person_entry,
    presence,
    sighting,
    tick,
)  # fmt: skip
from tests.detectors.streams import START_MS, Life, beats, gateway_district, in_order, louder, noise_rows


def device_stream() -> list[Say]:
    rows = gateway_district(12, START_MS, START_MS + 2 * HOUR, START_MS + 3 * HOUR, START_MS + 4 * HOUR)
    lone = [
        row for row in beats("lone", START_MS, START_MS + 4 * HOUR, 30.0, 1) if row.recorded_ms % HOUR < 40 * MINUTE
    ]
    return [*in_order(rows, lone), tick(START_MS + 6 * HOUR)]


def noise_stream() -> list[Say]:
    rows = [device_entry(START_MS - 1, "m1", "noise", noise_zone="2")]
    night = START_MS + 3 * DAY + 2 * HOUR
    rows += louder(noise_rows("m1", START_MS, START_MS + 4 * DAY), night, night + HOUR, 66.0)
    return [*rows, tick(START_MS + 5 * DAY)]


def movement_stream() -> list[Say]:
    night = START_MS + 11 * DAY + 3 * HOUR
    rows = [row for row in Life("p1").days(0, 12) if row.recorded_ms < night - HOUR]
    rows += [passage(night, "p1", "out"), sighting(night + 10 * MINUTE, "p1", "river-bank")]
    rows += [passage(night + 12 * HOUR, "p1", "in"), presence(night + 12 * HOUR + MINUTE, "p1")]
    return [*rows, tick(night + 3 * DAY)]


@dataclass(frozen=True)
class Case:
    name: str
    build: checks.Build
    rows: list[Say]
    exact_order: bool = False


CASES = [
    Case("device_offline", DeviceOffline, device_stream()),
    Case("noise_limit", NoiseLimit, noise_stream()),
    Case("irregular_movement", IrregularMovement, movement_stream()),
    Case("lane", build_lane, in_order(device_stream(), noise_stream(), movement_stream()), exact_order=True),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each
def test_cut_anywhere(case: Case) -> None:
    checks.check_cut_anywhere(case.build, case.rows, case.exact_order)


@each
def test_ticks_say_nothing(case: Case) -> None:
    checks.check_ticks_say_nothing(case.build, case.rows, case.exact_order)


@each
def test_snapshot_anywhere(case: Case) -> None:
    checks.check_snapshot_anywhere(case.build, case.rows, exact_order=case.exact_order)


@each
def test_deterministic(case: Case) -> None:
    checks.check_deterministic(case.build, case.rows, case.exact_order)


@each
def test_input_unmutated(case: Case) -> None:
    checks.check_input_unmutated(case.build, case.rows)


@each
def test_delivered_twice(case: Case) -> None:
    checks.check_delivered_twice(case.build, case.rows)


@each
def test_state_of_another_version_is_refused(case: Case) -> None:
    with pytest.raises(StateVersionError):
        case.build().restore(pack(case.name, 99, ()))
    with pytest.raises(StateVersionError):
        case.build().restore(pack("another", 1, ()))


@each
def test_an_empty_batch_and_ticks_alone_say_nothing(case: Case) -> None:
    operator = case.build()
    assert operator.process(EventBatch(0, np.array([], dtype=np.int64))) == []
    assert checks.run(operator, cut([tick(START_MS + n) for n in range(10)], 3), True) == []


def test_nothing_while_learning() -> None:
    nine = [heartbeat(START_MS + n * MINUTE, "d1") for n in range(9)]
    checks.check_nothing_while_learning(DeviceOffline, [*nine, tick(START_MS + DAY)])
    two_days = louder(
        noise_rows("m1", START_MS, START_MS + 2 * DAY), START_MS + 47 * HOUR, START_MS + 48 * HOUR, 90.0
    )  # fmt: skip
    checks.check_nothing_while_learning(NoiseLimit, two_days)
    six_days = [*Life("p1").days(0, 6), passage(START_MS + 6 * DAY + 3 * HOUR, "p1", "out"), tick(START_MS + 9 * DAY)]
    checks.check_nothing_while_learning(IrregularMovement, six_days)
    checks.check_nothing_while_learning(build_lane, in_order(nine, two_days, six_days)[:-1])


ODD_VALUES = [0.0, -1.0, -1e12, 1e12, 1e308, math.inf, -math.inf, math.nan]


@each
@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_values_survive(case: Case, value: float) -> None:
    rows = [
        device_entry(START_MS, "m1", "noise", noise_zone="2"),
        person_entry(START_MS, "p1", "home-p1"),
        *(laeq(START_MS + n * MINUTE, "m1", value, max(value, 0.1) if value == value else 1.0) for n in range(90)),
        *(sighting(START_MS + 2 * HOUR + n, "p1", "park", value) for n in range(5)),
        *(laeq(START_MS + 3 * HOUR + n * MINUTE, "m1", 50.0) for n in range(90)),
    ]
    checks.check_survives(case.build, rows)


@each
@pytest.mark.parametrize("event_ms", [0, -(2**50), START_MS - 400 * DAY, START_MS + 400 * DAY, 2**50])
def test_odd_times_and_missing_data_survive(case: Case, event_ms: int) -> None:
    rows = [
        device_entry(START_MS, "m1", "noise"),
        person_entry(START_MS, "p1", "home-p1"),
        *(replace(row, event_ms=event_ms + n) for n in range(40) for row in (
            heartbeat(START_MS + n * SECOND, "d1"), laeq(START_MS + n * SECOND, "m1", 50.0),
            presence(START_MS + n * SECOND, "p1"), passage(START_MS + n * SECOND, "p1", "out"),
        )),
        *(heartbeat(START_MS + HOUR + n * SECOND, "d1") for n in range(100)),
        *(presence(START_MS + HOUR + MINUTE * 3 + n * SECOND, "p1") for n in range(100)),
    ]  # fmt: skip
    checks.check_survives(case.build, rows)


def test_a_flat_stream_is_ordinary() -> None:
    rows = [laeq(START_MS + n * MINUTE, "m1", 45.0) for n in range(1, 5 * 1440)]
    checks.check_nothing_while_learning(NoiseLimit, rows)


def test_state_is_small() -> None:
    """Saved bytes per key after a full life: devices, meters, persons."""
    rows: list[Say] = []
    for n in range(1000):
        rows.append(device_entry(START_MS, f"device-{n:04d}", gateway=f"gateway-{n // 100}", site=f"home-{n:04d}"))
        rows += [heartbeat(START_MS + k * MINUTE + n * 37, f"device-{n:04d}") for k in range(14)]
    assert checks.bytes_per_key(DeviceOffline, in_order(rows), 1000) <= 600
    meters = [noise_rows(f"meter-{n}", START_MS, START_MS + 2 * DAY) for n in range(8)]
    assert checks.bytes_per_key(NoiseLimit, in_order(*meters), 8) <= 1000
    persons = [Life(f"p{n}").days(0, 40) for n in range(5)]
    tourist = [sighting(START_MS + 41 * DAY + n * HOUR, "p0", f"place-with-a-long-name-{n}") for n in range(200)]
    assert checks.bytes_per_key(IrregularMovement, [*in_order(*persons), *tourist], 5) <= 4000
