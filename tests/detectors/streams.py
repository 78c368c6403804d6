"""Realistic synthetic streams for the detectors: seeded, in log order, with the noise that real ones have."""

from __future__ import annotations

import math
import random

from tests.detectors.batches import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Say,
    device_entry,
    heartbeat,
    laeq,
    passage,
    person_entry,
    presence,
    sighting,
    utc_ms,
)  # fmt: skip

START_MS = utc_ms("2026-03-02T00:00:00+08:00")  # a Monday, midnight in Shanghai


def beats(
    device: str, start_ms: int, end_ms: int, interval_s: float, seed: int, loss: float = 0.0, jitter_s: float = 1.0
) -> list[Say]:
    """Heartbeats with jitter and loss."""
    rng = random.Random(f"{device}{seed}")
    rows: list[Say] = []
    at = start_ms + rng.random() * interval_s * SECOND
    while at < end_ms:
        if rng.random() >= loss:
            delay_s = abs(rng.gauss(0.0, jitter_s))
            rows.append(heartbeat(int(at + delay_s * SECOND), device, event_ms=int(at)))
        at += interval_s * SECOND
    return rows


def in_order(*parts: list[Say]) -> list[Say]:
    """All rows by recorded time."""
    return sorted((row for part in parts for row in part), key=lambda row: row.recorded_ms)


def gateway_district(devices: int, start_ms: int, fail_ms: int, back_ms: int, end_ms: int) -> list[Say]:
    """A gateway with devices of one and five minutes, dead from ``fail_ms`` to ``back_ms``."""
    parts = [[device_entry(start_ms, "gw-1", "gateway", site="compound-1")]]
    parts.append([device_entry(start_ms, f"d{n:03d}", gateway="gw-1", site=f"home-{n}") for n in range(devices)])
    for n in range(devices):
        interval_s = 60.0 if n % 3 else 300.0
        rows = beats(f"d{n:03d}", start_ms, end_ms, interval_s, n, loss=0.01)
        parts.append([row for row in rows if not fail_ms <= row.recorded_ms < back_ms])
    return in_order(*parts)


def noise_day_level(hour: float, weekend: bool) -> float:
    """Usual LAeq of a class 2 street, dB: quiet nights, two rush hours."""
    rush = 6.0 * math.exp(-((hour - 8.0) ** 2) / 3.0) + 5.0 * math.exp(-((hour - 18.0) ** 2) / 4.0)
    base = 42.0 + 8.0 / (1.0 + math.exp(-(hour - 6.0) * 2.0)) - 8.0 / (1.0 + math.exp(-(hour - 22.0) * 2.0))
    return base + (0.5 if weekend else 1.0) * rush


def noise_rows(meter: str, start_ms: int, end_ms: int, seed: int = 1, sigma_db: float = 2.0) -> list[Say]:
    """A reading a minute around the usual level, with slow weather and single loud minutes (a passing lorry)."""
    rng = random.Random(f"{meter}{seed}")
    rows: list[Say] = []
    weather = 0.0
    for at in range(start_ms + MINUTE, end_ms, MINUTE):
        local_h = (at - START_MS) % DAY / HOUR
        weekend = (at - START_MS) // DAY % 7 >= 5
        weather += -0.002 * weather + rng.gauss(0.0, 0.05)
        level = noise_day_level(local_h, weekend) + weather + rng.gauss(0.0, sigma_db)
        if rng.random() < 0.003:
            level += rng.uniform(5.0, 12.0)
        rows.append(laeq(at + rng.randrange(3 * SECOND), meter, round(level, 1), event_ms=at))
    return rows


def louder(rows: list[Say], start_ms: int, end_ms: int, level_db: float) -> list[Say]:
    """The same readings with a source of ``level_db`` added by energy from ``start_ms`` to ``end_ms``."""
    out: list[Say] = []
    for row in rows:
        assert row.event_ms is not None
        if start_ms < row.event_ms <= end_ms:
            total = 10.0 * math.log10(10 ** (row.data["value"] / 10) + 10 ** (level_db / 10))
            row = laeq(row.recorded_ms, row.data["device"], total, event_ms=row.event_ms)
        out.append(row)
    return out


class Life:
    """One person's days: sleep, a walk in the morning most days, shopping or friends some afternoons."""

    def __init__(self, person: str, seed: int = 0) -> None:
        self.person = person
        self.home = f"home-{person}"
        self.rng = random.Random(f"{person}{seed}")
        self.rows: list[Say] = [person_entry(START_MS, person, self.home)]

    def days(self, first: int, last: int) -> list[Say]:
        """Rows of days ``first`` to ``last - 1``, sorted."""
        for day in range(first, last):
            self._day(START_MS + day * DAY, day % 7 >= 5)
        self.rows.sort(key=lambda row: row.recorded_ms)
        return self.rows

    def _day(self, midnight_ms: int, weekend: bool) -> None:
        rng = self.rng
        rain = rng.random() < 0.2
        wake_h = rng.gauss(7.2 if weekend else 6.4, 0.4)
        sleep_h = rng.gauss(22.2, 0.5)
        outings: list[tuple[float, float, str]] = []
        if not rain and rng.random() < 0.85:
            start = max(rng.gauss(8.5, 0.6), wake_h + 0.5)
            outings.append((start, start + max(rng.gauss(1.3, 0.4), 0.3), "park"))
        if rng.random() < (0.7 if weekend else 0.4):
            start = rng.gauss(15.0, 0.9)
            place = "market" if rng.random() < 0.7 else rng.choice(["clinic", "son", "club"])
            outings.append((start, start + max(rng.gauss(1.6, 0.6), 0.3), place))
        if rng.random() < 0.4:  # up at night
            self._sign(midnight_ms, rng.uniform(1.0, 5.0))
        at = wake_h
        while at < sleep_h:
            if not any(start - 0.05 < at < end + 0.05 for start, end, _ in outings):
                self._sign(midnight_ms, at)
            at += min(rng.expovariate(1 / 0.3), 2.2)
        for start, end, place in outings:
            self._outing(midnight_ms, start, end, place)

    def _outing(self, midnight_ms: int, start_h: float, end_h: float, place: str) -> None:
        out, back = midnight_ms + int(start_h * HOUR), midnight_ms + int(end_h * HOUR)
        self.rows.append(passage(out + SECOND, self.person, "out", event_ms=out))
        for share in (0.2, 0.5, 0.8):
            seen = out + int((back - out) * share)
            self.rows.append(sighting(seen + SECOND, self.person, place, event_ms=seen))
        self.rows.append(passage(back + SECOND, self.person, "in", event_ms=back))
        self._sign(midnight_ms, end_h + 0.03)

    def _sign(self, midnight_ms: int, hour: float) -> None:
        at = midnight_ms + int(hour * HOUR)
        signal = self.rng.choice(["infrared", "infrared", "water", "door_open"])
        self.rows.append(presence(at + self.rng.randrange(2 * SECOND), self.person, signal, event_ms=at))
