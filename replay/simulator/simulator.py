"""The simulator: a world, its days one after the other, cut into slices of records in recorded order.

Same config, same bytes: the data records do not depend on how the stream is cut or where it is entered, only the
ticks at the slices' ends do. Memory: two days' columns and an hour of encoded records.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

import numpy as np

from replay.simulator.behaviour.care import Care
from replay.simulator.behaviour.civic import civic
from replay.simulator.behaviour.devices import heartbeats
from replay.simulator.behaviour.noise import Noise
from replay.simulator.behaviour.residents import online, parking, passages, waste
from replay.simulator.behaviour.sensors import readings
from replay.simulator.behaviour.signs import signs
from replay.simulator.behaviour.venues import venues
from replay.simulator.block import Block
from replay.simulator.chance import DAY_MS, MINUTE_MS, IntArray, day_of, day_start_ms
from replay.simulator.config import DistrictConfig
from replay.simulator.day import Day
from replay.simulator.faults import bad_records
from replay.simulator.outages import Outages
from replay.simulator.registry import changes, first_entries
from replay.simulator.truth import Label
from replay.simulator.world import World
from schemas.event import tick_record
from schemas.records import NewRecord
from schemas.topics import DOMAIN_TOPICS

CHUNK_MS = 60 * MINUTE_MS  # encoded at a time; divides the day
_recorded_time = attrgetter("recorded_time_ms")


@dataclass(frozen=True, slots=True)
class Slice:
    """The records with recorded time in ``[previous end_ms, end_ms)``, in order; then a tick per partition."""

    end_ms: int
    records: list[NewRecord]


class Simulator:
    """A simulated district. Not thread-safe."""

    def __init__(self, config: DistrictConfig, partitions: int = 1) -> None:
        """:param partitions: of every topic of the log that the records are meant for."""
        self.config = config
        self.world = World(config)
        self._partitions = partitions
        self._outages = Outages(self.world)
        self._noise = Noise(self.world, self._outages)
        self._care = Care(self.world, self._outages)
        self._plan = lru_cache(maxsize=2)(self._make_plan)

    @property
    def ticks_per_slice(self) -> int:
        """How many tick records end every slice."""
        return len(DOMAIN_TOPICS) * self._partitions

    def registry_events(self) -> list[NewRecord]:
        """The register at the first moment; to be appended before anything else, once."""
        return first_entries(self.world, self._partitions)

    def slices(self, from_ms: int, until_ms: int, slice_ms: int) -> Iterator[Slice]:
        """Slices of ``slice_ms`` of recorded time from ``from_ms`` up to ``until_ms``; the last may be shorter.

        Entered anywhere, it goes on with the same world. Register entries of the start are not among them.
        """
        if slice_ms <= 0:
            raise ValueError(f"slice_ms is {slice_ms}; it must be above 0")
        start_ms, chunk_at, chunk = from_ms, -1, list[NewRecord]()
        while start_ms < until_ms:
            end_ms = min(start_ms + slice_ms, until_ms)
            records: list[NewRecord] = []
            for at in range(start_ms // CHUNK_MS, -(-end_ms // CHUNK_MS)):
                if at != chunk_at:
                    chunk_at, chunk = at, self._chunk(at * CHUNK_MS)
                first = bisect_left(chunk, start_ms, key=_recorded_time)
                records += chunk[first : bisect_left(chunk, end_ms, key=_recorded_time)]
            records += self._ticks(end_ms)
            yield Slice(end_ms, records)
            start_ms = end_ms

    def labels(self, from_ms: int, until_ms: int) -> list[Label]:
        """The truth: every labelled anomaly that begins in ``[from_ms, until_ms)``, by beginning."""
        found: list[Label] = []
        for day in range(day_of(from_ms) - 1, day_of(until_ms - 1) + 1):
            found += [*self._outages.labels(day), *self._noise.labels(day), *self._care.labels(day)]
        earliest_ms = max(from_ms, self.config.learning_until_ms)
        return sorted(label for label in found if earliest_ms <= label.start_ms < until_ms)

    def _ticks(self, time_ms: int) -> list[NewRecord]:
        return [tick_record(topic, p, time_ms) for topic in DOMAIN_TOPICS for p in range(self._partitions)]

    def _chunk(self, start_ms: int) -> list[NewRecord]:
        """All data records with recorded time in ``[start_ms, start_ms + CHUNK_MS)``, in order."""
        day, end_ms = day_of(start_ms), start_ms + CHUNK_MS
        records: list[NewRecord] = []
        for plan in (self._plan(day - 1), self._plan(day)):  # what is late is late by less than a day
            for block in plan.blocks:
                first, last = np.searchsorted(block.recorded_ms, (start_ms, end_ms))
                if first < last:
                    records += block.encode(int(first), int(last), self.world.senders, plan.partition_of_sender)
            records += [bad for bad in plan.bad if start_ms <= int(bad.recorded_time_ms or 0) < end_ms]
        records.sort(key=_recorded_time)
        return records

    def _make_plan(self, number: int) -> DayPlan:
        """Everything that happens on a day, whenever it is recorded; nothing before the world begins."""
        world, config = self.world, self.config
        if day_start_ms(number + 1) <= config.start_ms:
            return DayPlan([], [], [])
        day = Day(world, number, self._outages.around(number))
        made = [
            *changes(day),
            *heartbeats(day),
            *self._noise.blocks(day),
            *readings(day),
            *signs(day, self._care.of_day(number)),
            *passages(day),
            *online(day),
            *venues(day),
            *civic(day),
            waste(day),
            parking(day),
        ]
        blocks = [block.since(config.start_ms) for block in made]
        count = sum(map(len, blocks))
        return DayPlan(blocks, self._bad(day, count), world.senders.partitions(self._partitions))

    def _bad(self, day: Day, count: int) -> list[NewRecord]:
        rng = day.rng("bad")
        moments: IntArray = day.start_ms + rng.integers(0, DAY_MS, int(rng.poisson(count * self.config.bad_ratio)))
        scopes = [community.scope for community in self.world.communities]
        moments = moments[moments >= self.config.start_ms]
        return bad_records(rng, day.prefix("x"), moments, scopes, self._partitions)


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A day's events as columns, ordered by recorded time within each block."""

    blocks: list[Block]
    bad: list[NewRecord]
    partition_of_sender: list[int]
