"""One day in the making: what every behaviour is given, and how its events get from the device into the log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from replay.simulator.block import Block, Column, Rows
from replay.simulator.chance import FloatArray, IntArray, day_start_ms, generator, is_weekend, lognormal_ms, weekday
from replay.simulator.outages import Outage, through_outages
from replay.simulator.weather import Weather, weather_of
from replay.simulator.world import World

REPEATED_RATIO = 0.0006  # sent twice by an impatient sender
PACKET_LOSS_RATIO = 0.001


def rounded(values: FloatArray, digits: int) -> Column:
    """A column of numbers as a device prints them."""
    return Column(np.round(values, digits))


class Told:
    """Rows collected one by one: who (device or sender number), when, and the JSON inside the braces of ``data``."""

    def __init__(self) -> None:
        self.who: list[int] = []
        self.time_ms: list[int] = []
        self.data: list[str] = []

    def add(self, who: int, time_ms: int, data: str) -> None:
        self.who.append(who)
        self.time_ms.append(time_ms)
        self.data.append(data)

    def columns(self) -> tuple[IntArray, IntArray, list[Column]]:
        """What a block wants, for the template ``%s``."""
        numbers = np.arange(len(self.who), dtype=np.int64)
        who, time_ms = np.asarray(self.who, dtype=np.int64), np.asarray(self.time_ms, dtype=np.int64)
        return who, time_ms, [Column(numbers, self.data)]


class Day:
    """A day of a world. Behaviours draw from :meth:`rng`, each for its own purpose."""

    def __init__(self, world: World, day: int, outages: list[Outage]) -> None:
        self.world = world
        self.number = day
        self.start_ms = day_start_ms(day)
        self.end_ms = day_start_ms(day + 1)
        self.weekday = weekday(day)
        self.weekend = is_weekend(day)
        self.outages = outages
        self.weather: Weather = weather_of(world.config.seed, day)

    def rng(self, purpose: str, entity: int = 0) -> np.random.Generator:
        return generator(self.world.config.seed, purpose, self.number, entity)

    def prefix(self, code: str) -> str:
        """Beginning of the ids of one kind of event of this day."""
        return f"{self.world.config.tag}-{code}-{self.number}-"

    def device_block(
        self,
        type_name: str,
        code: str,
        template: str,
        device: IntArray,
        true_ms: IntArray,
        columns: Sequence[Column],
        *,
        loss_ratio: float = PACKET_LOSS_RATIO,
        version: int | None = None,
    ) -> Block:
        """What devices say: only while they exist, with their clocks' error, through loss, outages and delay."""
        world, rng = self.world, self.rng("network " + code)
        true_ms = np.maximum(true_ms, self.start_ms)
        recorded_ms = true_ms + lognormal_ms(rng, len(device), 350.0, 0.6)
        alive = (true_ms >= world.born_ms[device]) & (true_ms < world.retired_ms[device])
        alive &= rng.random(len(device)) >= loss_ratio
        arrives, recorded_ms = through_outages(self.outages, device, true_ms, recorded_ms)
        block = Block(
            type_name,
            self.prefix(code),
            template,
            world.device_sender[device],
            true_ms + world.skew_ms[device],
            recorded_ms,
            list(columns),
            version,
        )
        return block.take(alive & arrives).with_repeats(rng, REPEATED_RATIO).ordered()

    def block(
        self, type_name: str, code: str, template: str, sender: IntArray, time_ms: IntArray, columns: Sequence[Column]
    ) -> Block:
        """What applications and platforms say: nothing is lost, little is late."""
        rng = self.rng("network " + code)
        time_ms = np.maximum(time_ms, self.start_ms)
        recorded_ms = time_ms + lognormal_ms(rng, len(time_ms), 120.0, 0.7)
        block = Block(type_name, self.prefix(code), template, sender, time_ms, recorded_ms, list(columns))
        return block.with_repeats(rng, REPEATED_RATIO / 2).ordered()

    def rows(self, type_name: str, code: str, rows: Rows) -> Block:
        """As :meth:`block`, of rows collected one by one; only those of this day are kept."""
        rng = self.rng("network " + code)
        block = rows.block(type_name, self.prefix(code), lognormal_ms(rng, len(rows.serial), 150.0, 0.7))
        return block.take((block.event_ms >= self.start_ms) & (block.event_ms < self.end_ms)).ordered()
