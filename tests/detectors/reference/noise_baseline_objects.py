"""What is usual at a noise meter: level by hour of day, weekdays and weekends apart.

Recurrence: that of ``river.stats.EWMean`` (m = a x + (1 - a) m), held in packed arrays, since 48 River objects would
cost a meter 9 kB; the first windows of an hour weigh equally. A single window moves the mean by its distance cut at
``clip_db``, a tenth of it while something unusual goes on: outliers teach little, a lasting change is learned in
weeks. Spread: the same recurrence on squared distances, by hour of day. Size: about 600 bytes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from detectors.local_time import is_weekend
from detectors.noise_baseline import BaselineParams

_BINS = 48  # 24 hours of weekdays, then 24 of weekends


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual at an hour: level and the excess from which it is unusual, dB."""

    level_db: float
    excess_db: float


class NoiseBaseline:
    """The learned profile of one meter."""

    __slots__ = ("_days", "_last_day", "_mean_db", "_seen", "_var_db2")

    def __init__(self) -> None:
        self._mean_db = array("f", bytes(4 * _BINS))
        self._seen = array("B", bytes(_BINS))  # windows, up to 255
        self._days = array("B", bytes(_BINS))
        self._last_day = array("H", bytes(48))  # by hour of day, days modulo 65536
        self._var_db2 = array("f", bytes(96))  # by hour of day

    def saved(self) -> tuple[bytes, ...]:
        """Packed bytes for the snapshot."""
        return tuple(getattr(self, name).tobytes() for name in self.__slots__)

    @staticmethod
    def of(saved: tuple[bytes, ...]) -> NoiseBaseline:
        """From :meth:`saved`."""
        baseline = NoiseBaseline()
        for name, values in zip(NoiseBaseline.__slots__, saved, strict=True):
            column = getattr(baseline, name)
            del column[:]
            column.frombytes(values)
        return baseline

    def learn(self, hour_index: int, level_db: float, unusual: bool, params: BaselineParams) -> None:
        """Absorb a window's level. ``hour_index``: local hours since 1970 (see :mod:`detectors.local_time`)."""
        day, hour = divmod(hour_index, 24)
        index = hour + 24 * is_weekend(day)
        seen = self._seen[index]
        if seen == 0 or self._last_day[hour] != day % 65_536:
            self._last_day[hour] = day % 65_536
            self._days[index] = min(self._days[index] + 1, 255)
        if seen < 255:
            self._seen[index] = seen + 1
        if seen == 0:
            self._mean_db[index] = level_db
            return
        weight = max(params.fading_factor, 1.0 / (seen + 1))
        if unusual:
            weight *= params.unusual_weight
        distance = min(max(level_db - self._mean_db[index], -params.clip_db), params.clip_db)
        self._mean_db[index] += weight * distance
        self._var_db2[hour] += weight * (distance * distance - self._var_db2[hour])

    def usual(self, hour_index: int, minute: int, params: BaselineParams) -> Usual | None:
        """What is usual at this hour; None while it is being learned."""
        here = self._hour(hour_index, params)
        if here is None:
            return None
        neighbour = None
        if minute < params.edge_min:
            neighbour = self._hour(hour_index - 1, params)
        elif minute >= 60 - params.edge_min:
            neighbour = self._hour(hour_index + 1, params)
        if neighbour is not None and neighbour.level_db > here.level_db:
            return Usual(neighbour.level_db, max(here.excess_db, neighbour.excess_db))
        return here

    def _hour(self, hour_index: int, params: BaselineParams) -> Usual | None:
        day, hour = divmod(hour_index, 24)
        own = hour + 24 * is_weekend(day)
        other = (own + 24) % _BINS
        sigma = max(self._var_db2[hour] ** 0.5, params.min_sigma_db)
        excess = max(params.min_excess_db, params.sigmas * sigma)
        today = self._last_day[hour] == day % 65_536  # what is being judged does not vouch for itself
        if self._days[own] - today >= params.min_days:
            return Usual(self._mean_db[own], excess)
        if self._days[other] < params.min_days:
            return None
        known = max(self._mean_db[other], self._mean_db[own] if self._days[own] else 0.0)
        return Usual(known, excess + params.other_days_margin_db)
