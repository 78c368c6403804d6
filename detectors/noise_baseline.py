"""What is usual at noise meters: level by hour of day, weekdays and weekends apart.

Recurrence: that of ``river.stats.EWMean`` (m = a x + (1 - a) m), for many meters at once in packed columns, since 48
River objects would cost a meter 9 kB; the first windows of an hour weigh equally. A single window moves the mean by
its distance cut at ``clip_db``, a tenth of it while something unusual goes on: outliers teach little, a lasting change
is learned in weeks. Spread: the same recurrence on squared distances, by hour of day. Size: 432 bytes a meter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import BoolArray, Column, Columns, FloatArray
from detectors.local_time import is_weekend
from schemas.records import IntArray

_BINS = 48  # 24 hours of weekdays, then 24 of weekends
_DAYS = 65_536  # days are kept modulo this
_LAYOUT = {
    "mean_db": Column("f4", _BINS),
    "seen": Column("u1", _BINS),  # windows, up to 255
    "days": Column("u1", _BINS),
    "last_day": Column("u2", 24),  # by hour of day
    "var_db2": Column("f4", 24),  # by hour of day
}


@dataclass(frozen=True, slots=True)
class BaselineParams:
    """How fast the usual level is learned and how far above it is unusual."""

    fading_factor: float = 0.05  # per window: 20 windows, about two days of an hour
    clip_db: float = 6.0
    unusual_weight: float = 0.1  # of the fading factor, while something unusual goes on
    min_days: int = 2  # earlier days with data in that hour
    min_sigma_db: float = 1.5
    sigmas: float = 3.5
    min_excess_db: float = 6.0
    other_days_margin_db: float = 3.0  # when only the other kind of day is known
    edge_min: int = 20  # this near to the next hour, its level counts as usual too


class Usual(NamedTuple):
    """What is usual at an hour at each of some meters: level and the excess from which it is unusual, dB."""

    known: BoolArray  # False: still being learned, the others mean nothing
    level_db: FloatArray
    excess_db: FloatArray


class NoiseBaselines(Columns):
    """The learned profiles of all meters, by row."""

    mean_db: NDArray[np.float32]
    seen: NDArray[np.uint8]
    days: NDArray[np.uint8]
    last_day: NDArray[np.uint16]
    var_db2: NDArray[np.float32]
    mean_db_at: memoryview[float]
    seen_at: memoryview[int]
    days_at: memoryview[int]
    last_day_at: memoryview[int]
    var_db2_at: memoryview[float]

    def __init__(self) -> None:
        super().__init__(_LAYOUT)

    # -- one meter ---------------------------------------------------------------------------------------------------
    def learn_one(self, row: int, hour_index: int, level_db: float, unusual: bool, params: BaselineParams) -> None:
        """Absorb a window's level. ``hour_index``: local hours since 1970 (see :mod:`detectors.local_time`)."""
        day, hour = divmod(hour_index, 24)
        by_hour = row * 24 + hour
        index = row * _BINS + hour + 24 * is_weekend(day)
        seen = self.seen_at[index]
        if seen == 0 or self.last_day_at[by_hour] != day % _DAYS:
            self.last_day_at[by_hour] = day % _DAYS
            self.days_at[index] = min(self.days_at[index] + 1, 255)
        if seen < 255:
            self.seen_at[index] = seen + 1
        if seen == 0:
            self.mean_db_at[index] = level_db
            return
        weight = max(params.fading_factor, 1.0 / (seen + 1))
        if unusual:
            weight *= params.unusual_weight
        mean, variance = self.mean_db_at[index], self.var_db2_at[by_hour]
        distance = min(max(level_db - mean, -params.clip_db), params.clip_db)
        self.mean_db_at[index] = mean + weight * distance
        self.var_db2_at[by_hour] = variance + weight * (distance * distance - variance)

    def usual_for_one(
        self, row: int, hour_index: int, minute: int, params: BaselineParams
    ) -> tuple[float, float] | None:  # fmt: skip
        """What is usual at this hour, (level, excess); None while it is being learned."""
        here = self._hour_of_one(row, hour_index, params)
        if here is None:
            return None
        neighbour = None
        if minute < params.edge_min:
            neighbour = self._hour_of_one(row, hour_index - 1, params)
        elif minute >= 60 - params.edge_min:
            neighbour = self._hour_of_one(row, hour_index + 1, params)
        if neighbour is not None and neighbour[0] > here[0]:
            return neighbour[0], max(here[1], neighbour[1])
        return here

    def _hour_of_one(self, row: int, hour_index: int, params: BaselineParams) -> tuple[float, float] | None:
        day, hour = divmod(hour_index, 24)
        own = hour + 24 * is_weekend(day)
        by_own, by_other = row * _BINS + own, row * _BINS + (own + 24) % _BINS
        today = self.last_day_at[row * 24 + hour] == day % _DAYS  # what is being judged does not vouch for itself
        own_days, enough = self.days_at[by_own], params.min_days
        if own_days - today < enough and self.days_at[by_other] < enough:
            return None
        sigma = max(self.var_db2_at[row * 24 + hour] ** 0.5, params.min_sigma_db)
        excess = max(params.min_excess_db, params.sigmas * sigma)
        if own_days - today >= enough:
            return self.mean_db_at[by_own], excess
        known = max(self.mean_db_at[by_other], self.mean_db_at[by_own] if own_days else 0.0)
        return known, excess + params.other_days_margin_db

    # -- many meters -------------------------------------------------------------------------------------------------
    def learn(
        self, rows: IntArray, hour_index: int, level_db: FloatArray, unusual: BoolArray, params: BaselineParams
    ) -> None:
        """:meth:`learn_one` for each of the rows (no row twice)."""
        day, hour = divmod(hour_index, 24)
        own = hour + 24 * is_weekend(day)
        seen = self.seen[rows, own].astype(np.int64)
        new_day = rows[(seen == 0) | (self.last_day[rows, hour] != day % _DAYS)]
        self.last_day[new_day, hour] = day % _DAYS
        days = self.days[new_day, own]
        self.days[new_day, own] = days + (days < 255)
        self.seen[rows, own] = np.minimum(seen + 1, 255)
        weight = np.maximum(params.fading_factor, 1.0 / (seen + 1))
        weight[unusual] *= params.unusual_weight
        mean = self.mean_db[rows, own].astype(np.float64)
        distance = np.minimum(np.maximum(level_db - mean, -params.clip_db), params.clip_db)
        self.mean_db[rows, own] = np.where(seen == 0, level_db, mean + weight * distance)
        variance = self.var_db2[rows, hour].astype(np.float64)
        learned = variance + weight * (distance * distance - variance)
        self.var_db2[rows, hour] = np.where(seen == 0, variance, learned)

    def usual(self, rows: IntArray, hour_index: int, minute: int, params: BaselineParams) -> Usual:
        """:meth:`usual_for_one` at each of the rows."""
        here = self._hour(rows, hour_index, params)
        if minute < params.edge_min:
            neighbour = self._hour(rows, hour_index - 1, params)
        elif minute >= 60 - params.edge_min:
            neighbour = self._hour(rows, hour_index + 1, params)
        else:
            return here
        louder = here.known & neighbour.known & (neighbour.level_db > here.level_db)
        excess = np.where(louder, np.maximum(here.excess_db, neighbour.excess_db), here.excess_db)
        return Usual(here.known, np.where(louder, neighbour.level_db, here.level_db), excess)

    def _hour(self, rows: IntArray, hour_index: int, params: BaselineParams) -> Usual:
        day, hour = divmod(hour_index, 24)
        own = hour + 24 * is_weekend(day)
        other = (own + 24) % _BINS
        own_days = self.days[rows, own].astype(np.int64)
        today = self.last_day[rows, hour] == day % _DAYS  # what is being judged does not vouch for itself
        by_own = own_days - today >= params.min_days
        by_other = self.days[rows, other] >= params.min_days
        excess = _excess(self.var_db2[rows, hour].astype(np.float64), params)
        level = self.mean_db[rows, own].astype(np.float64)
        if not by_own.all():
            known = np.maximum(self.mean_db[rows, other].astype(np.float64), np.where(own_days > 0, level, 0.0))
            level = np.where(by_own, level, known)
            excess = np.where(by_own, excess, excess + params.other_days_margin_db)
        return Usual(by_own | by_other, level, excess)


def _excess(var_db2: FloatArray, params: BaselineParams) -> FloatArray:
    """The excess from which a level is unusual: ``max(least, sigmas x spread)``.

    The root is Python's, as numpy's may differ in the last bit from machine to machine; so only where it counts.
    """
    least = max(params.min_excess_db, params.sigmas * params.min_sigma_db)
    excess = np.full(len(var_db2), least)
    wide_from = (least / params.sigmas) ** 2 * (1.0 - 1e-9) if params.sigmas > 0.0 and least > 0.0 else -1.0
    wide = np.flatnonzero(var_db2 > wide_from)
    if len(wide):
        roots = [max(variance**0.5, params.min_sigma_db) for variance in var_db2[wide].tolist()]
        excess[wide] = [max(params.min_excess_db, params.sigmas * sigma) for sigma in roots]
    return excess
