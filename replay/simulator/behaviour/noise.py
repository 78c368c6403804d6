"""Noise meters: LAeq over 60 or 300 s and LAmax, by zone, hour, weekday, rain and what goes on in front of them.

Ordinary levels keep 5 to 7 dB below the limit by day and 5 to 14 dB at night, but single readings scatter and
fireworks, markets and lorries stand out by many dB: readings over the limit are common, energy averages over it are
not. Labelled: ``over_limit`` (40 minutes and more), ``night_burst`` (LAmax over limit + 15 dB), ``louder_than_usual``
(9 dB above this meter's habit, below its limit). Limits: GB 3096-2008, table 1 and clause 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.gb3096 import LIMITS_DB, NIGHT_BURST_ALLOWANCE_DB
from replay.simulator.block import Block, Column
from replay.simulator.chance import HOUR_MS, MINUTE_MS, FloatArray, IntArray, day_start_ms, generator, regular
from replay.simulator.chance import hour_of_day as local_hour
from replay.simulator.day import Day, rounded
from replay.simulator.outages import Outages
from replay.simulator.truth import Label
from replay.simulator.world import World

MEASURED = "cn.gridpulse.readings.measured"
LAMAX_INTERVAL_MS = 600_000
DANCES_PER_DAY = 0.15  # square dances in front of a meter: louder, nobody's label
PER_DAY = (("over_limit", 0.11), ("night_burst", 0.09), ("louder_than_usual", 0.13))  # per meter, eligible day


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something loud at a meter; ``level_db``: the LAeq it is raised to; ``bursts_ms``: moments of LAmax peaks."""

    rule: str
    meter: int  # number among the meters
    start_ms: int
    end_ms: int
    level_db: float
    bursts_ms: tuple[int, ...] = ()
    peak_db: float = 0.0


class Noise:
    """The noise meters of a world."""

    def __init__(self, world: World, outages: Outages) -> None:
        self._world, self._outages = world, outages
        self._devices = world.numbers_of("noise")
        meters = [world.devices[i] for i in self._devices.tolist()]
        zones = [LIMITS_DB[meter.noise_zone or "2"] for meter in meters]
        self._day_limit = np.array([zone[0] for zone in zones], dtype=np.float64)
        self._night_limit = np.array([zone[1] for zone in zones], dtype=np.float64)
        rng = generator(world.config.seed, "meters")
        self._quiet = rng.random(len(meters)) < 0.55
        self._day_level = self._day_limit - rng.uniform(5.6, 7.5, len(meters))
        quiet_margin, usual_margin = rng.uniform(13.0, 14.5, len(meters)), rng.uniform(5.6, 9.0, len(meters))
        self._night_level = self._night_limit - np.where(self._quiet, quiet_margin, usual_margin)
        self._interval_ms = np.array([round((meter.report_s or 300.0) * 1000) for meter in meters], dtype=np.int64)
        self.disturbances = lru_cache(maxsize=16)(self._draw)

    def blocks(self, day: Day) -> list[Block]:
        """LAeq in two cadences and LAmax; the event time is the end of the interval."""
        rng = day.rng("noise")
        drift = rng.normal(0.0, 0.5, (len(self._devices), 26))
        found = []
        for code, interval_ms, scatter_db in (("la", 60_000, 2.2), ("lb", 300_000, 1.6)):  # longer ones scatter less
            meters = np.flatnonzero(self._interval_ms == interval_ms)
            meter, time_ms = self._times(day, meters, interval_ms)
            level = self._usual(day, meter, time_ms, drift) + rng.normal(0.0, scatter_db, len(meter))
            spike_db = 8.0 if interval_ms == 60_000 else 2.6
            level = self._spikes(day, rng, meter, time_ms, level, spike_db)
            level = self._disturbed(day, rng, meter, time_ms, level, interval_ms)
            found.append(self._block(day, code, "laeq", interval_ms, meter, time_ms, level))
        meter, time_ms = self._times(day, np.arange(len(self._devices)), LAMAX_INTERVAL_MS)
        peak = self._usual(day, meter, time_ms, drift) + 9.0 + np.abs(rng.normal(0.0, 2.5, len(meter)))
        peak = self._peaks(day, rng, meter, time_ms, peak)
        found.append(self._block(day, "lm", "lamax", LAMAX_INTERVAL_MS, meter, time_ms, peak))
        return found

    def labels(self, day: int) -> list[Label]:
        """The labelled disturbances that begin on a day."""
        found = []
        for noise in self.disturbances(day):
            meter = self._world.devices[int(self._devices[noise.meter])]
            latest = noise.end_ms if noise.rule == "night_burst" else min(noise.end_ms, noise.start_ms + HOUR_MS)
            found.append(
                Label(
                    noise.start_ms, "noise_limit", noise.rule, meter.name, meter.scope, noise.end_ms,
                    latest + 10 * MINUTE_MS,
                )
            )  # fmt: skip
        return found

    def _times(self, day: Day, meters: IntArray, interval_ms: int) -> tuple[IntArray, IntArray]:
        count = len(meters)
        which, time_ms = regular(np.full(count, interval_ms), np.zeros(count, dtype=np.int64), day.number)
        return meters[which], time_ms

    def _block(
        self, day: Day, code: str, quantity: str, every_ms: int, meter: IntArray, time_ms: IntArray, level: FloatArray
    ) -> Block:
        template = f'"device":"%s","quantity":"{quantity}","value":%s,"unit":"dB(A)","interval_s":{every_ms / 1000}'
        device = self._devices[meter]
        columns = [Column(device, self._world.device_names), rounded(np.clip(level, 25.0, 125.0), 1)]
        return day.device_block(MEASURED, code, template, device, time_ms, columns)

    def _usual(self, day: Day, meter: IntArray, time_ms: IntArray, drift: FloatArray) -> FloatArray:
        """The level to be expected: night, morning rise, day, evening fall; an hour later and quieter at weekends."""
        hour = (time_ms - day.start_ms) / HOUR_MS
        rise = 6.2 + (0.8 if day.weekend else 0.0)
        lively = np.interp(hour, (0.0, rise, rise + 1.2, 20.2, 21.6, 24.0), (0.0, 0.0, 1.0, 1.0, 0.0, 0.0))
        day_level = self._day_level[meter] - (1.0 if day.weekend else 0.0)
        rush = np.exp(-((hour - 8.0) ** 2)) + np.exp(-((hour - 18.0) ** 2)) - 1.0  # -1 to 0: quieter between
        level = self._night_level[meter] * (1.0 - lively) + (day_level + 1.2 * rush) * lively
        dances = (day.rng("square dances").random(len(self._devices)) < DANCES_PER_DAY)[meter]
        dancing = level + 3.5 * np.clip(np.minimum(hour - 18.9, 20.3 - hour) / 0.2, 0.0, 1.0) * dances
        level = np.maximum(level, np.minimum(dancing, self._day_limit[meter] - 3.0))
        slot = np.minimum(hour.astype(np.int64), 24)
        part = hour - slot
        level += drift[meter, slot] * (1.0 - part) + drift[meter, slot + 1] * part
        return level + day.weather.rain_db * day.weather.rains(hour)

    def _spikes(
        self, day: Day, rng: np.random.Generator, meter: IntArray, time_ms: IntArray, level: FloatArray, over_db: float
    ) -> FloatArray:
        """Single readings above the limit: horns, markets, fireworks; at most one an hour per meter."""
        hour = (time_ms - day.start_ms) // HOUR_MS
        per_hour = 0.25 + 0.6 * day.weather.fireworks * (hour >= 18) * (hour < 21)
        lot = rng.random((len(self._devices), 25))[meter, hour]
        slots = HOUR_MS // (60_000 if over_db > 4.0 else 300_000)
        chosen = rng.integers(0, slots, (len(self._devices), 25))[meter, hour]
        slot = (time_ms - day.start_ms) % HOUR_MS // (HOUR_MS // slots)
        hit = (lot < per_hour) & (slot == chosen) & (hour >= 7) & (hour < 20)
        spike = self._day_limit[meter] + rng.uniform(1.0, over_db, len(meter))
        return np.where(hit, spike, level)

    def _disturbed(
        self, day: Day, rng: np.random.Generator, meter: IntArray, time_ms: IntArray, level: FloatArray, every_ms: int
    ) -> FloatArray:
        for noise in (*self.disturbances(day.number - 1), *self.disturbances(day.number)):
            hit = (meter == noise.meter) & (time_ms > noise.start_ms) & (time_ms - every_ms < noise.end_ms)
            loud = noise.level_db + rng.normal(0.0, 1.2, int(hit.sum()))
            level[hit] = np.maximum(level[hit], loud)
        return level

    def _peaks(
        self, day: Day, rng: np.random.Generator, meter: IntArray, time_ms: IntArray, peak: FloatArray
    ) -> FloatArray:
        """LAmax: passing motorcycles up to what is allowed at night; more than that only where it is labelled."""
        loud = rng.random(len(meter)) < 0.02
        hour = local_hour(time_ms)
        night = (hour < 6.4) | (hour >= 21.9)
        allowed = np.where(
            night, self._night_limit[meter] + NIGHT_BURST_ALLOWANCE_DB - 1.0, self._day_limit[meter] + 25.0
        )
        peak = np.minimum(np.where(loud, peak + rng.uniform(4.0, 12.0, len(meter)), peak), allowed)
        for noise in (*self.disturbances(day.number - 1), *self.disturbances(day.number)):
            hit = (meter == noise.meter) & (time_ms > noise.start_ms) & (time_ms - LAMAX_INTERVAL_MS < noise.end_ms)
            if not noise.bursts_ms:
                peak[hit] = np.minimum(np.maximum(peak[hit], noise.level_db + 7.0), allowed[hit])
            for burst_ms in noise.bursts_ms:
                within = hit & (time_ms > burst_ms) & (time_ms - LAMAX_INTERVAL_MS <= burst_ms)
                peak[within] = noise.peak_db
        return peak

    def _draw(self, day: int) -> tuple[Disturbance, ...]:
        """The labelled disturbances that begin on a day: each meter at most every second day, none in an outage."""
        world = self._world
        rng = generator(world.config.seed, "disturbances", day)
        found = []
        for meter, device in enumerate(self._devices.tolist()):
            draws = rng.random(8)
            if (day + meter) % 2:
                continue
            rules = [rule for rule, _ in PER_DAY]
            edges = np.cumsum([rate * world.config.anomaly_rate for _, rate in PER_DAY])
            which = int(np.searchsorted(edges, draws[0], side="right"))
            if which == len(rules):
                continue
            noise = self._disturbance(rules[which], meter, day, draws)
            if noise is None or noise.start_ms < world.config.learning_until_ms:
                continue
            span = noise.start_ms - 2 * HOUR_MS, noise.end_ms + HOUR_MS
            outages = [*self._outages.of_day(day - 1), *self._outages.of_day(day), *self._outages.of_day(day + 1)]
            if not any(outage.touches(device, *span) for outage in outages):
                found.append(noise)
        return tuple(found)

    def _disturbance(self, rule: str, meter: int, day: int, draws: FloatArray) -> Disturbance | None:
        at_night = draws[1] < 0.5 or rule != "over_limit"
        night_limit = float(self._night_limit[meter])
        limit = night_limit if at_night else float(self._day_limit[meter])
        # by night 22:30 to 01:30, by day 08:00 to 17:00: the whole of it in one period of the standard
        begin_h = 22.5 + 3.0 * draws[2] if at_night else 8.0 + 9.0 * draws[2]
        start_ms = (day_start_ms(day) + int(begin_h * HOUR_MS)) // MINUTE_MS * MINUTE_MS
        if rule == "over_limit":
            return Disturbance(
                rule, meter, start_ms, start_ms + int((45 + 105 * draws[3]) * MINUTE_MS), limit + 3.0 + 4.5 * draws[4]
            )
        if rule == "louder_than_usual":
            if not self._quiet[meter]:
                return None
            level = float(self._night_level[meter]) + 9.5
            start_ms += int(0.5 * HOUR_MS)
            return Disturbance(rule, meter, start_ms, start_ms + int((80 + 80 * draws[3]) * MINUTE_MS), level)
        moments = np.sort(draws[4:8])[: 2 + int(draws[3] * 3)]
        bursts = tuple(start_ms + int(moment * HOUR_MS) for moment in moments)
        return Disturbance(
            rule, meter, bursts[0] - MINUTE_MS, bursts[-1] + 5 * MINUTE_MS, limit - 3.0, bursts,
            limit + 17.0 + 6.0 * draws[3],
        )  # fmt: skip
