"""The detector in columns against its frozen predecessor, one Python object per device: the same to the last bit.

The streams have everything that happens: devices behind gateways, of sites, and alone; late, repeated and buffered
messages; bursts, loss, silence of devices, gateways and sites; flapping; devices retired, registered again and moved.
They are cut anywhere, and the detector in columns is saved and restored anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from detectors.contract import Emitted
from detectors.device_interval import IntervalParams
from detectors.device_offline import DeviceOffline, DeviceOfflineParams
from tests.detectors.batches import HOUR, MINUTE, SECOND, Say, batch_of, device_entry, heartbeat, laeq, tick
from tests.detectors.checks import said
from tests.detectors.reference.device_offline_reference import DeviceOffline as OldDeviceOffline
from tests.detectors.streams import START_MS

INTERVALS_S = (7.0, 20.0, 60.0, 61.5, 300.0)
SCOPES = ("a/b/c/d/g1", "a/b/c/d/g2", "a/b/c/e/g1", "z/b/c")


def stream(seed: int, devices: int, hours: float) -> list[Say]:
    """A disordered log of some hours."""
    rng = random.Random(seed)
    end_ms = START_MS + int(hours * HOUR)
    gateways = max(1, devices // 12)
    rows = [_gateway_entry(rng, number) for number in range(gateways) if rng.random() < 0.8]
    outages = [_outage(rng, end_ms) for _ in range(gateways)]
    calm = rng.random() < 0.5
    for number in range(devices):
        behind = rng.randrange(gateways)
        name = f"d{number:03d}" if rng.random() < 0.95 else f"a-long.name:{number}-{'x' * rng.randrange(45)}"
        rows += _entries(rng, name, behind, end_ms)
        rows += _messages(rng, name, end_ms, outages[behind], calm)
    rows += [row for number in range(gateways) for row in _messages(rng, f"gw{number}", end_ms, outages[number], calm)]
    rows += [tick(rng.randrange(START_MS, end_ms)) for _ in range(20)]
    rows = [*sorted(rows, key=lambda row: row.recorded_ms), tick(end_ms + 3 * HOUR)]
    return [replace(row, id=f"e{number}") for number, row in enumerate(rows)]


def _outage(rng: random.Random, end_ms: int) -> tuple[int, int]:
    start_ms = rng.randrange(START_MS + HOUR // 2, end_ms)
    return start_ms, start_ms + rng.choice([0, MINUTE, 10 * MINUTE, HOUR])


def _gateway_entry(rng: random.Random, number: int) -> Say:
    site = rng.choice(["site-1", "site-2", None])
    return device_entry(START_MS + rng.randrange(HOUR), f"gw{number}", "gateway", site=site, scope=rng.choice(SCOPES))


def _entries(rng: random.Random, name: str, behind: int, end_ms: int) -> list[Say]:
    rows: list[Say] = []
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        at_ms = START_MS if not rows and rng.random() < 0.7 else rng.randrange(START_MS, end_ms)
        gateway = rng.choice([f"gw{behind}", f"gw{behind}", f"gw{behind}", None])
        change = "retired" if rows and rng.random() < 0.4 else "registered"
        event_ms = at_ms - rng.choice([0, 0, 0, rng.randrange(HOUR)])
        site, scope = rng.choice(["site-1", "site-2", f"home-{name}", None]), rng.choice(SCOPES)
        kind = "gateway" if rng.random() < 0.03 else "other"
        rows.append(device_entry(at_ms, name, kind, change, gateway=gateway, site=site, scope=scope))
        rows[-1] = replace(rows[-1], event_ms=event_ms)
        if rng.random() < 0.1:
            rows.append(replace(rows[-1], recorded_ms=at_ms + rng.randrange(HOUR)))
    return rows


def _messages(rng: random.Random, name: str, end_ms: int, outage: tuple[int, int], calm: bool) -> list[Say]:
    rows: list[Say] = []
    interval_ms = rng.choice(INTERVALS_S) * SECOND
    loss = 0.01 if calm else rng.choice([0.0, 0.02, 0.3, 0.5])
    flapping, scope = rng.random() < 0.1, rng.choice(SCOPES)
    at = START_MS + rng.random() * interval_ms
    while at < end_ms:
        if rng.random() < 0.0005:
            interval_ms = rng.choice(INTERVALS_S) * SECOND
        event_ms = int(at)
        at += interval_ms * rng.choice([1.0, 1.0, 1.0, rng.uniform(0.9, 1.1)])
        if flapping and event_ms // (6 * MINUTE) % 2:
            continue
        buffered = outage[0] <= event_ms < outage[1]
        if rng.random() < loss or (buffered and rng.random() < 0.8):
            continue
        recorded_ms = (outage[1] if buffered else event_ms) + int(abs(rng.gauss(0.0, 0.5)) * SECOND)
        rows += _said(rng, name, recorded_ms, event_ms, scope)
    return rows


def _said(rng: random.Random, name: str, recorded_ms: int, event_ms: int, scope: str) -> Iterator[Say]:
    if rng.random() < 0.03:
        recorded_ms += rng.choice([0, 300, 20 * SECOND, 20 * MINUTE])
    chance = rng.random()
    row = heartbeat(recorded_ms, name, event_ms=event_ms, scope=scope)
    if chance < 0.1:
        row = Say(recorded_ms, "readings.presence", {"device": name, "signal": "infrared"}, event_ms, scope)
    elif chance < 0.15:
        row = Say(recorded_ms, "vision.finding", {"camera": name, "kind": "fire"}, event_ms, scope)
    elif chance < 0.4:
        row = laeq(recorded_ms, name, 50.0, event_ms=event_ms, scope=scope)
        yield laeq(recorded_ms, name, 60.0, quantity="lamax", event_ms=event_ms, scope=scope)
    yield row
    if rng.random() < 0.03:
        yield replace(row, recorded_ms=recorded_ms + rng.choice([0, SECOND, 5 * MINUTE, HOUR]))
    if rng.random() < 0.005:
        for _ in range(rng.randrange(40)):
            event_ms += rng.randrange(3 * SECOND)
            recorded_ms += rng.randrange(3 * SECOND)
            yield heartbeat(recorded_ms, name, event_ms=event_ms, scope=scope)


def cut_anywhere(rng: random.Random, rows: list[Say]) -> Iterator[list[Say]]:
    """Small and large batches, and single rows."""
    start = 0
    while start < len(rows):
        size = rng.choice([1, rng.randrange(1, 30), rng.randrange(1, 400), rng.randrange(1, 5000)])
        yield rows[start : start + size]
        start += size


def by_order(out: list[Emitted]) -> list[tuple[int, bool, str, int, str]]:
    return said(sorted(out, key=lambda emitted: emitted.order))


@pytest.mark.parametrize(
    ("seed", "devices", "hours", "interval"),
    [
        (1, 40, 3.0, {}),
        (2, 70, 1.5, {}),
        (3, 150, 1.2, {}),
        (4, 60, 3.0, {"quantile": 0.5, "factor": 1.2, "peak_factor": 1.1, "jitter_s": 0.0, "min_timeout_s": 0.0}),
        (5, 70, 2.0, {"min_messages": 3, "min_observed_s": 5.0, "relearn_after": 4}),
        (6, 70, 2.0, {"factor": 2.2, "peak_factor": 1.0}),
    ],
)
def test_the_same_as_one_object_per_device(seed: int, devices: int, hours: float, interval: dict[str, float]) -> None:
    rows, rng = stream(seed, devices, hours), random.Random(seed)
    params = DeviceOfflineParams(interval=IntervalParams(**interval))  # type: ignore[arg-type]
    old, new = OldDeviceOffline(params), DeviceOffline(params)
    rules: set[str] = set()
    for batch in map(batch_of, cut_anywhere(rng, rows)):
        expected = old.process(batch)
        assert by_order(new.process(batch)) == by_order(expected)
        rules |= {getattr(one.data, "rule", "") or getattr(one.data, "cause", "") for one in expected}
        if rng.random() < 0.2:
            saved = new.snapshot()
            new = DeviceOffline(params)
            new.restore(saved)
    assert rules >= {"first_seen", "seen_again", "silent", "flapping", "retired"}
    assert rules & {"gateway_silent", "site_silent"}


def test_the_same_in_one_batch() -> None:
    batch = batch_of(stream(11, 60, 2.0))
    assert by_order(DeviceOffline().process(batch)) == by_order(OldDeviceOffline().process(batch))


def test_a_gateway_heard_for_the_first_time_after_its_devices_fell_silent() -> None:
    """Its scope is not known yet when they are said to be out, also when both are in one batch."""
    rows = [device_entry(START_MS, f"d{n}", gateway="gw", scope="a/b/c/d/g1") for n in range(30)]
    rows += [heartbeat(START_MS + t * MINUTE + n, f"d{n}", scope="a/b/c/d/g1") for t in range(20) for n in range(30)]
    rows += [heartbeat(START_MS + 2 * HOUR + n, f"e{n}") for n in range(30)]
    rows += [heartbeat(START_MS + 2 * HOUR + 60, "gw", scope="z/y/x"), tick(START_MS + 3 * HOUR)]
    for start in (0, 300, 600):
        old, new = OldDeviceOffline(), DeviceOffline()
        for part in (rows[:start], rows[start:]):
            expected = old.process(batch_of(part))
            assert by_order(new.process(batch_of(part))) == by_order(expected)
        assert any(getattr(one.data, "rule", "") == "gateway_silent" for one in expected)
