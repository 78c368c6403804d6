"""Days of the district and the random numbers of a day.

Every draw comes from a generator seeded by (seed, what it is for, day): any day can be made without the days before
it, which is what makes the stream resumable. Days are local days of Wuhu (UTC+8, no summer time), counted from
1970-01-01; day 0 was a Thursday.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
ZONE_OFFSET_MS = 8 * HOUR_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def generator(seed: int, purpose: str, day: int = 0, entity: int = 0) -> np.random.Generator:
    """The random numbers for one purpose on one day."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(purpose.encode()), day, entity]))


def day_of(time_ms: int) -> int:
    """The local day of a moment."""
    return (time_ms + ZONE_OFFSET_MS) // DAY_MS


def day_start_ms(day: int) -> int:
    """Local midnight at which a day begins."""
    return day * DAY_MS - ZONE_OFFSET_MS


def weekday(day: int) -> int:
    """0 Monday to 6 Sunday."""
    return (day + 3) % 7


def is_weekend(day: int) -> bool:
    return weekday(day) >= 5


def hour_of_day(time_ms: IntArray) -> FloatArray:
    """Local hour of day, 0.0 to 24.0."""
    hours: FloatArray = ((time_ms + ZONE_OFFSET_MS) % DAY_MS) / HOUR_MS
    return hours


def arrivals(rng: np.random.Generator, day: int, mean: float, hourly: Sequence[float]) -> IntArray:
    """Moments of a Poisson number of arrivals in a day, by 24 hourly weights; not sorted."""
    count = int(rng.poisson(mean))
    weights = np.asarray(hourly, dtype=np.float64)
    edges = np.concatenate(([0.0], np.cumsum(weights) / weights.sum()))
    hours = np.interp(rng.random(count), edges, np.arange(25.0))
    moments: IntArray = day_start_ms(day) + (hours * HOUR_MS).astype(np.int64)
    return moments


def regular(interval_ms: IntArray, phase_ms: IntArray, day: int) -> tuple[IntArray, IntArray]:
    """Moments ``phase + n * interval`` of several entities within a day: (entity index, moment), by entity."""
    start, end = day_start_ms(day), day_start_ms(day + 1)
    first = -((phase_ms - start) // interval_ms)  # ceil((start - phase) / interval)
    count = -((phase_ms - end) // interval_ms) - first
    entity = np.repeat(np.arange(len(interval_ms)), count)
    nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return entity, phase_ms[entity] + (first[entity] + nth) * interval_ms[entity]


def lognormal_ms(rng: np.random.Generator, count: int, median_ms: float, sigma: float) -> IntArray:
    """Positive delays with a long tail."""
    return np.exp(rng.normal(np.log(median_ms), sigma, count)).astype(np.int64)
