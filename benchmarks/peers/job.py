"""The job that every peer does, its input and what must come out: deterministic, reckoned by numpy alone.

Input: ``devices`` noise meters over :data:`SPAN_MINUTES` minutes, a reading every 5 s each, as CloudEvents that are
valid for GridPulse. A meter's readings are in order; over all of them event times are up to 2 s out of order, as
networks leave them. One meter in twenty is too loud for a while. Readings go on for 15 s after the last minute, so that
event time alone closes every window.

Output: a row per reading; count, mean and max per meter and minute; an alarm for each minute whose mean is over the
limit of the meter's zone. The partial minute at the end is left out of all checks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.gb3096 import limit_db
from schemas.event import new_event, to_new_record
from schemas.families.readings import Measured
from schemas.families.registry import Device
from schemas.records import NewRecord
from schemas.topics import partition_key, partition_of, topic_of

TOPIC: Final = topic_of("readings")
SPAN_MINUTES: Final = 60
START_MS: Final = 1_772_416_800_000  # 2026-03-02T02:00:00Z, ten in the morning in Shanghai
INTERVAL_MS: Final = 5_000
PER_MINUTE: Final = 60_000 // INTERVAL_MS
READINGS: Final = SPAN_MINUTES * PER_MINUTE + 3  # of each meter; the last three only move event time on
END_MS: Final = START_MS + SPAN_MINUTES * 60_000
OUT_OF_ORDER_MS: Final = 2_000  # at most; every peer waits GRACE_S
GRACE_S: Final = 5
LOUD_EVERY: Final = 20
LOUD_MINUTES: Final = (20, 55)
DEVICES_PER_COMMUNITY: Final = 20
ZONES: Final = ("0", "1", "2", "3", "4a", "4b")
LIMITS_DB: Final[dict[str, float]] = {zone: limit_db(zone, "day") or math.nan for zone in ZONES}
CHUNK: Final = 20_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """What must be found in the store."""

    rows_raw: int
    rows_minute: int
    counted: int  # sum of the minutes' counts
    sum_of_means: float
    sum_of_maxima: float
    alarms: int
    loud_devices: int  # what GridPulse's noise detector must find, once each


@dataclass(frozen=True)
class Job:
    """So many meters, over so many partitions."""

    devices: int
    partitions: int = 2
    seed: int = 1

    @staticmethod
    def of_about(events: int, partitions: int = 2) -> Job:
        """The job whose number of events is nearest to ``events``, not below two communities."""
        return Job(max(2 * DEVICES_PER_COMMUNITY, round(events / READINGS)), partitions)

    @property
    def events(self) -> int:
        return self.devices * READINGS

    def scope(self, device: int) -> str:
        """The grid that a meter stands in; its last segment begins with the zone, as in ``z4a-017``."""
        community = self._communities[device // DEVICES_PER_COMMUNITY]
        return f"{community}/z{self.zone(device)}-{device % 97:03d}"

    @staticmethod
    def zone(device: int) -> str:
        return ZONES[device % len(ZONES)]

    @staticmethod
    def name(device: int) -> str:
        return f"n{device:06d}"

    def records(self, topic: str = TOPIC) -> Iterator[list[NewRecord]]:
        """All readings in recorded order, in chunks.

        In the partition of their community, as GridPulse wants it, but keyed by device: whoever aggregates by the
        record's key need not send everything through a second topic first. GridPulse does not look at keys.
        """
        places, keys, partitions = self._places
        for start in range(0, self.events, CHUNK):
            order = self._order[start : start + CHUNK]
            device, number = np.divmod(order, READINGS)
            event_ms = self._event_ms.ravel()[order]
            recorded_ms = self._recorded_ms.ravel()[order]
            columns = zip(
                device.tolist(),
                number.tolist(),
                np.datetime_as_string(event_ms.view("M8[ms]"), timezone="UTC").tolist(),
                recorded_ms.tolist(),
                np.datetime_as_string(recorded_ms.view("M8[ms]"), timezone="UTC").tolist(),
                self._values.ravel()[order].tolist(),
                strict=True,
            )
            yield [
                NewRecord(
                    topic,
                    partitions[one],
                    keys[one],
                    _value(places[one], one, count, event_time, recorded_time, value),
                    recorded_time_ms=recorded,
                )
                for one, count, event_time, recorded, recorded_time, value in columns
            ]

    def registry(self) -> list[NewRecord]:
        """The meters' entries: GridPulse looks zones up in its registry, the peers cut them out of the scope."""
        return [
            to_new_record(
                new_event(
                    Device(
                        change="registered",
                        device=self.name(device),
                        kind="noise",
                        site=None,
                        gateway=None,
                        noise_zone=self.zone(device),  # type: ignore[arg-type]
                        person=None,
                        model=None,
                    ),
                    id=f"{self.name(device)}-entry",
                    source="/bench/registry",
                    scope=self.scope(device),
                    event_time_ms=START_MS - 60_000,
                ),
                self.partitions,
                START_MS - 60_000,
            )
            for device in range(self.devices)
        ]

    @cached_property
    def last_recorded_ms(self) -> int:
        return int(self._recorded_ms.max())

    @cached_property
    def expected(self) -> Expected:
        """Reckoned from the columns alone, by no code that any peer runs."""
        minute = (self._event_ms - START_MS) // 60_000
        inside = minute < SPAN_MINUTES
        window = (np.arange(self.devices)[:, None] * SPAN_MINUTES + minute)[inside]
        values = self._values[inside]
        counts = np.bincount(window, minlength=self.devices * SPAN_MINUTES)
        sums = np.bincount(window, weights=values, minlength=len(counts))
        maxima = np.full(len(counts), -np.inf)
        np.maximum.at(maxima, window, values)
        there = counts > 0
        means = sums[there] / counts[there]
        limits = np.repeat(self._limits, SPAN_MINUTES)[there]
        return Expected(
            rows_raw=self.events,
            rows_minute=int(there.sum()),
            counted=int(counts.sum()),
            sum_of_means=float(means.sum()),
            sum_of_maxima=float(maxima[there].sum()),
            alarms=int((means > limits).sum()),
            loud_devices=int(self._loud.sum()),
        )

    # -- columns: [device, number of the reading] --------------------------------------------------------------------
    @cached_property
    def _event_ms(self) -> Ints:
        phase = self._random(1).integers(0, INTERVAL_MS - 1000, self.devices)
        jitter = self._random(2).integers(0, 1000, (self.devices, READINGS))
        return START_MS + phase[:, None] + np.arange(READINGS)[None, :] * INTERVAL_MS + jitter

    @cached_property
    def _recorded_ms(self) -> Ints:
        return self._event_ms + self._random(3).integers(100, OUT_OF_ORDER_MS, (self.devices, READINGS))

    @cached_property
    def _order(self) -> Ints:
        return np.argsort(self._recorded_ms, axis=None, kind="stable")

    @cached_property
    def _values(self) -> Floats:
        minute = np.arange(READINGS) // PER_MINUTE
        loud = (minute >= LOUD_MINUTES[0]) & (minute < LOUD_MINUTES[1])
        level = self._limits[:, None] + np.where(self._loud[:, None] & loud[None, :], 8.0, -8.0)
        noise = np.clip(self._random(4).normal(0.0, 1.5, (self.devices, READINGS)), -4.0, 4.0)
        return np.round(level + noise, 2)

    @cached_property
    def _loud(self) -> npt.NDArray[np.bool_]:
        return np.equal(np.arange(self.devices) % LOUD_EVERY, 7)

    @cached_property
    def _limits(self) -> Floats:
        return np.array([LIMITS_DB[self.zone(device)] for device in range(self.devices)])

    @cached_property
    def _places(self) -> tuple[list[tuple[str, str]], list[bytes], list[int]]:
        scopes = [self.scope(device) for device in range(self.devices)]
        communities = [partition_key(scope) for scope in scopes]
        partitions = [partition_of(community.encode(), self.partitions) for community in communities]
        keys = [self.name(device).encode() for device in range(self.devices)]
        return list(zip(scopes, communities, strict=True)), keys, partitions

    @cached_property
    def _communities(self) -> list[str]:
        """One for every 20 meters, named so that each partition gets as many as the others."""
        wanted = -(-self.devices // DEVICES_PER_COMMUNITY)
        found: list[str] = []
        names = (f"bench/east/s{number % 7:02d}/c{number:05d}" for number in itertools.count())
        while len(found) < wanted:
            partition = len(found) % self.partitions
            found.append(next(name for name in names if partition_of(name.encode(), self.partitions) == partition))
        return found

    def _random(self, stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, stream))


def _value(
    place: tuple[str, str], device: int, number: int, event_time: str, recorded_time: str, value: float
) -> bytes:
    name = Job.name(device)
    return (
        f'{{"specversion":"1.0","id":"{name}-{number}","source":"/bench/{name}",'
        f'"type":"{Measured.type_name}.v{Measured.version}","time":"{event_time}","recordedtime":"{recorded_time}",'
        f'"scope":"{place[0]}","partitionkey":"{place[1]}",'
        f'"data":{{"device":"{name}","quantity":"laeq","value":{value!r},"unit":"dB(A)","interval_s":5.0}}}}'
    ).encode()
