"""Who falls silent when: single devices for hours, gateways with all behind them, whole sites; and harmless blips.

Labelled outages begin after the learning time, at most every second day per subject, never two over each other.
Blips are not labelled: a gateway's line drops for up to two minutes and it sends afterwards what it kept.
Every day can be drawn on its own; an outage ends within 24 h of its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from replay.simulator.chance import DAY_MS, HOUR_MS, MINUTE_MS, BoolArray, IntArray, day_start_ms, generator
from replay.simulator.truth import Label
from replay.simulator.world import World

SINGLE_PER_DAY = 0.016  # per device and eligible day (every second one)
GATEWAY_PER_DAY = 0.08
SITE_PER_DAY = 0.10
BLIPS_PER_GATEWAY_DAY = 0.35
LONGEST_MS = 20 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Outage:
    """Devices silent in ``[start_ms, end_ms)``; ``kept``: what they said is sent afterwards, in a burst."""

    start_ms: int
    end_ms: int
    devices: tuple[int, ...]
    kept: bool
    rule: str | None = None  # None: a blip, not labelled
    subject: str = ""
    scope: str = ""
    detectable_ms: int = 0

    def touches(self, device: int, start_ms: int, end_ms: int) -> bool:
        """Whether it silences a device at some moment of a span."""
        return self.start_ms < end_ms and start_ms < self.end_ms and device in self.devices


class Outages:
    """The outages of a world, day by day."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rate = world.config.anomaly_rate
        self._learning_until_ms = world.config.learning_until_ms
        self._groups = lru_cache(maxsize=16)(self._draw_groups)
        self.of_day = lru_cache(maxsize=16)(self._draw_day)

    def around(self, day: int) -> list[Outage]:
        """All outages that can touch a day."""
        return [*self.of_day(day - 1), *self.of_day(day)]

    def labels(self, day: int) -> list[Label]:
        """The labelled outages that begin on a day."""
        names = self._world.device_names
        return [
            Label(
                outage.start_ms,
                "device_offline",
                outage.rule,
                outage.subject,
                outage.scope,
                outage.end_ms,
                min(outage.end_ms, outage.start_ms + outage.detectable_ms),
                () if outage.rule == "silent" else tuple(names[i] for i in outage.devices),
            )
            for outage in self.of_day(day)
            if outage.rule is not None
        ]

    def _draw_groups(self, day: int) -> tuple[Outage, ...]:
        """Sites and gateways; a gateway whose site goes down too does not fail by itself."""
        world = self._world
        rng = generator(world.config.seed, "group outages", day)
        taken: set[str] = set()
        found: list[Outage] = []
        for number, names in enumerate(world.gateways.values()):
            site_draw, length_h, start_h = rng.random(), rng.uniform(1.0, 5.0), rng.uniform(0.5, 17.5)
            if len(names) > 1 and (day + number) % 2 == 0 and site_draw < SITE_PER_DAY * self._rate:
                taken.update(names)
                found.append(self._group(day, names, "site_silent", start_h, length_h, kept=False))
        for number, name in enumerate(name for names in world.gateways.values() for name in names):
            draw, length_h, start_h = rng.random(), rng.uniform(0.7, 5.0), rng.uniform(0.5, 17.5)
            kept = bool(rng.random() < 0.3)
            if (day + number) % 2 == 0 and draw < GATEWAY_PER_DAY * self._rate and name not in taken:
                found.append(self._group(day, [name], "gateway_silent", start_h, length_h, kept))
        return tuple(outage for outage in found if outage.start_ms >= self._learning_until_ms)

    def _group(self, day: int, names: list[str], rule: str, start_h: float, length_h: float, kept: bool) -> Outage:
        world = self._world
        gateways = [world.device_number[name] for name in names]
        devices = tuple(i for name in names for i in (world.device_number[name], *world.members.get(name, ())))
        start_ms = day_start_ms(day) + int(start_h * HOUR_MS)
        first = world.devices[gateways[0]]
        subject = first.name if rule == "gateway_silent" else first.site
        end_ms = start_ms + int(length_h * HOUR_MS)
        return Outage(start_ms, end_ms, devices, kept, rule, subject, first.scope, 35 * MINUTE_MS)

    def _draw_day(self, day: int) -> tuple[Outage, ...]:
        groups = self._groups(day)
        near = [*self._groups(day - 1), *groups, *self._groups(day + 1)]
        return (*groups, *self._singles(day, near), *self._blips(day, near))

    def _singles(self, day: int, groups: list[Outage]) -> list[Outage]:
        world = self._world
        rng = generator(world.config.seed, "single outages", day)
        found: list[Outage] = []
        for device in world.devices:
            draw, length, start_h = rng.random(), rng.uniform(0.0, 1.0), rng.uniform(0.0, 23.5)
            eligible = device.kind != "gateway" and (day + device.index) % 2 == 0
            if not eligible or draw >= SINGLE_PER_DAY * self._rate or self._sole_witness(device.index):
                continue
            interval_ms = round(device.shortest_interval_s * 1000)
            shortest_ms = max(HOUR_MS, 9 * interval_ms)
            start_ms = day_start_ms(day) + int(start_h * HOUR_MS)
            end_ms = start_ms + min(LONGEST_MS, shortest_ms + int(length * max(6 * HOUR_MS, 6 * interval_ms)))
            alive = device.born_ms + DAY_MS < start_ms and end_ms + DAY_MS < device.retired_ms
            clear = not any(group.touches(device.index, start_ms - HOUR_MS, end_ms + HOUR_MS) for group in groups)
            if alive and clear and start_ms >= self._learning_until_ms:
                # never kept: single devices have no memory worth speaking of
                found.append(
                    Outage(
                        start_ms, end_ms, (device.index,), False, "silent", device.name, device.scope,
                        8 * interval_ms + 5 * MINUTE_MS,
                    )
                )  # fmt: skip
        return found

    def _sole_witness(self, device: int) -> bool:
        """The only sensor that watches over someone: its silence would look like theirs, and is not labelled so."""
        person = self._world.devices[device].person
        return person is not None and any(
            p.name == person and (p.bracelet is None or p.infrared is None) for p in self._world.people
        )

    def _blips(self, day: int, groups: list[Outage]) -> list[Outage]:
        world = self._world
        rng = generator(world.config.seed, "blips", day)
        found: list[Outage] = []
        for name in (name for names in world.gateways.values() for name in names):
            count, number = int(rng.poisson(BLIPS_PER_GATEWAY_DAY)), world.device_number[name]
            for start_h, length_s in zip(rng.uniform(0.0, 23.9, count), rng.uniform(20.0, 110.0, count), strict=True):
                start_ms = day_start_ms(day) + int(start_h * HOUR_MS)
                end_ms = start_ms + int(length_s * 1000)
                if not any(group.touches(number, start_ms - HOUR_MS, end_ms + HOUR_MS) for group in groups):
                    found.append(Outage(start_ms, end_ms, (number, *world.members.get(name, ())), True))
        return found


def through_outages(
    outages: list[Outage], device: IntArray, true_ms: IntArray, recorded_ms: IntArray
) -> tuple[BoolArray, IntArray]:
    """Which messages ever arrive, and when: lost ones are dropped, kept ones come in a burst after the outage."""
    arrives = np.ones(len(device), dtype=np.bool_)
    recorded_ms = recorded_ms.copy()
    for outage in outages:
        hit = (true_ms >= outage.start_ms) & (true_ms < outage.end_ms)
        if not hit.any():
            continue
        hit &= np.isin(device, outage.devices)
        if outage.kept:
            backlog_ms = (true_ms[hit] - outage.start_ms) // 100  # sent a hundred times faster than it came
            recorded_ms[hit] = np.maximum(recorded_ms[hit], outage.end_ms + 1_500 + backlog_ms)
        else:
            arrives[hit] = False
    return arrives, recorded_ms
