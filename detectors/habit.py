"""What is usual for persons: hours out of home, length of absences, gaps between signs of life, places.

Everything forgets: hours by fading (a day-old hour counts 0.97 of today's), lengths by keeping the latest few, places
by keeping those seen last. An outing that was flagged teaches a twentieth; a flagged length is learned as the
length that was allowed. Hours and days are local and come from event times; lengths are minutes. Size: about
1 kB a person in packed columns, and some 40 bytes for each place. The 0.95 quantile of so few lengths is an order
statistic; ``river.stats.RollingQuantile`` gives the same (a test compares), at 400 bytes for each of the 17 rings.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import BoolArray, Column, Columns, FloatArray
from detectors.local_time import DAY_MS, HOUR_MS, MINUTE_MS, is_weekend
from schemas.records import IntArray

_HOURS = 48  # 24 of weekdays, then 24 of weekends
_QUARTERS = 4
_BLOCKS = 12  # two hours each
_KERNEL = ((0, 1.0), (-1, 0.6), (1, 0.6), (-2, 0.3), (2, 0.3))
_MAX_MINUTES = 65_535
_NO_DAY = 65_535
_MONDAY_SHIFT = 3  # 1970-01-01 was a Thursday

Places = dict[str, tuple[int, int, bool]]  # visits, event time last seen, known; seen longest ago first


@dataclass(frozen=True, slots=True)
class HabitParams:
    """How habits are learned and what they allow."""

    hour_decay: float = 0.97  # per day of the same kind
    other_days_weight: float = 0.5  # weekdays tell about weekends, and the other way round
    prior_out: float = 0.2  # days, added to days out
    prior_all: float = 0.4  # days, added to all days
    flagged_weight: float = 0.05
    max_skip_h: int = 168  # after a longer silence the hours between are not learned
    absences_kept: int = 12  # for each quarter of the day
    min_absences: int = 5
    absence_quantile: float = 0.95
    absence_factor: float = 1.5
    absence_margin_min: float = 45.0
    absence_least_min: float = 180.0
    gap_days_kept: int = 14  # for each two hours of the day
    min_gap_days: int = 5
    gap_quantile: float = 0.95
    gap_factor: float = 1.3
    gap_margin_min: float = 45.0
    gap_least_min: float = 120.0
    min_signs_per_day: float = 5.0
    evening_h: int = 20  # a gap begun between these hours is sleep: it ends with the usual first sign of the day
    morning_h: int = 5
    wake_quantile: float = 0.95
    wake_margin_min: float = 90.0
    places_kept: int = 32
    known_visits: int = 1  # occasions, from which a place is known
    known_visits_frail: int = 2
    place_forgotten_days: float = 90.0
    visit_apart_min: float = 120.0
    new_place_limit: float = 0.05  # chance of a new place from which new places are this person's habit
    new_place_limit_frail: float = 0.15


def quantile(values: Iterable[int], share: float) -> float:
    """Linear between the order statistics, as ``river.stats.RollingQuantile`` has it; ``values`` not empty."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


class Ring(NamedTuple):
    """The latest ``size`` lengths in minutes, ``rings`` of them for each person: where they lie."""

    rings: int
    size: int
    values_at: memoryview[int]
    count_at: memoryview[int]
    next_at: memoryview[int]  # where the next is put


class Habits(Columns):
    """All persons' habits, by row. Times of day are local hours since 1970 (see :mod:`detectors.local_time`)."""

    hour: IntArray
    out: NDArray[np.float32]
    all_days: NDArray[np.float32]
    out_weight: FloatArray
    day_of: NDArray[np.uint16]
    day_max: NDArray[np.uint16]
    wake_day: IntArray
    signs: IntArray
    absences: NDArray[np.uint16]
    gaps: NDArray[np.uint16]
    wakes: NDArray[np.uint16]
    out_at: memoryview[float]
    all_days_at: memoryview[float]
    hour_at: memoryview[int]
    out_weight_at: memoryview[float]
    day_of_at: memoryview[int]
    day_max_at: memoryview[int]
    wake_day_at: memoryview[int]
    signs_at: memoryview[int]

    def __init__(self, params: HabitParams) -> None:
        self._params = params
        super().__init__(
            {
                "hour": Column("i8", fill=-1),  # the hour being lived; hours before it are learned
                "out": Column("f4", _HOURS),  # days out in this hour
                "all_days": Column("f4", _HOURS),  # days seen
                "out_weight": Column("f8"),  # how much of an outing this hour counts as
                "absences": Column("u2", _QUARTERS * params.absences_kept),
                "absences_count": Column("u2", _QUARTERS),
                "absences_next": Column("u2", _QUARTERS),
                "gaps": Column("u2", _BLOCKS * params.gap_days_kept),  # each day's longest
                "gaps_count": Column("u2", _BLOCKS),
                "gaps_next": Column("u2", _BLOCKS),
                "day_of": Column("u2", _BLOCKS, fill=_NO_DAY),  # local day modulo 65535
                "day_max": Column("u2", _BLOCKS),
                "wakes": Column("u2", params.gap_days_kept),  # first sign of each day after morning_h, minutes
                "wakes_count": Column("u2", 1),
                "wakes_next": Column("u2", 1),
                "wake_day": Column("i8", fill=-1),
                "signs": Column("i8"),  # signs of life at home
            }
        )
        self.places: list[bytes | None] = []  # pickled :data:`Places`: a dictionary each would be many times the size

    def begin(self, row: int) -> None:
        """Make a row as new, and room for it."""
        super().begin(row)
        if row == len(self.places):
            self.places.append(None)
        else:
            self.places[row] = None

    # -- rings -------------------------------------------------------------------------------------------------------
    def _values(self, ring: Ring, row: int, which: int) -> list[int]:
        place = row * ring.rings + which
        first = place * ring.size
        values: list[int] = ring.values_at[first : first + ring.count_at[place]].tolist()
        return values

    def _every(self, ring: Ring, row: int) -> list[int]:
        return [value for which in range(ring.rings) for value in self._values(ring, row, which)]

    def _keep(self, ring: Ring, row: int, which: int, minutes: float) -> None:
        """Keep a length, dropping the oldest beyond the ring's size."""
        place = row * ring.rings + which
        count, at = ring.count_at[place], ring.next_at[place]
        ring.values_at[place * ring.size + min(count, at)] = min(max(int(minutes), 0), _MAX_MINUTES)
        if count < ring.size:
            ring.count_at[place] = count + 1
        ring.next_at[place] = (at + 1) % ring.size

    def _moved(self) -> None:
        super()._moved()
        params = self._params
        self._absences = self._ring("absences", _QUARTERS, params.absences_kept)
        self._gaps = self._ring("gaps", _BLOCKS, params.gap_days_kept)
        self._wakes = self._ring("wakes", 1, params.gap_days_kept)

    def _ring(self, name: str, rings: int, size: int) -> Ring:
        return Ring(rings, size, *(getattr(self, f"{name}{part}_at") for part in ("", "_count", "_next")))

    # -- hours out of home -------------------------------------------------------------------------------------------
    def live_through(self, row: int, hour_index: int, out_weight: float | None) -> None:
        """Learn the hours that passed before ``hour_index``; the person was out (weight > 0), in (0) or unknown."""
        lived = self.hour_at[row]
        passed = hour_index - lived
        if passed <= 0:
            return
        if lived >= 0 and out_weight is not None and passed <= self._params.max_skip_h:
            decay, out, all_days = self._params.hour_decay, self.out_at, self.all_days_at
            for hour in range(lived, hour_index):
                index = row * _HOURS + hour % 24 + 24 * is_weekend(hour // 24)
                weight = max(out_weight, self.out_weight_at[row]) if hour == lived else out_weight
                out[index] = out[index] * decay + weight
                all_days[index] = all_days[index] * decay + 1.0
        self.hour_at[row] = hour_index
        self.out_weight_at[row] = out_weight or 0.0

    def out_now(self, row: int, weight: float) -> None:
        """The person is out within the hour being lived."""
        self.out_weight_at[row] = max(self.out_weight_at[row], weight)

    def share_out(self, row: int, hour_index: int) -> float:
        """Share of days on which this person is out around this hour, smoothed over +-2 h and the kinds of day."""
        params, first = self._params, row * _HOURS
        day, hour = divmod(hour_index, 24)
        own = first + 24 * is_weekend(day)
        other = 2 * first + 24 - own
        out = params.prior_out
        for shift, weight in _KERNEL:
            near = (hour + shift) % 24
            out += weight * (self.out_at[own + near] + params.other_days_weight * self.out_at[other + near])
        days = (
            self.all_days_at[own + hour] + params.other_days_weight * self.all_days_at[other + hour] + params.prior_all
        )
        return float(out / days)

    # -- absences ----------------------------------------------------------------------------------------------------
    def learn_absence(self, row: int, start_hour_index: int, minutes: float) -> None:
        """The person was away this long, from this hour on."""
        allowed = self.absence_allowed(row, start_hour_index)
        if allowed is not None:
            minutes = min(minutes, allowed[1])
        self._keep(self._absences, row, start_hour_index % 24 // 6, minutes)

    def absence_allowed(self, row: int, start_hour_index: int) -> tuple[float, float] | None:
        """(usual longest, allowed) minutes of an absence begun at this hour; None while learning."""
        params = self._params
        values = self._values(self._absences, row, start_hour_index % 24 // 6)
        if len(values) < params.min_absences:
            values = self._every(self._absences, row)
        if len(values) < params.min_absences:
            return None
        usual = quantile(values, params.absence_quantile)
        return usual, max(params.absence_factor * usual + params.absence_margin_min, params.absence_least_min)

    # -- gaps between signs of life at home --------------------------------------------------------------------------
    def learn_wake(self, row: int, local_ms: int) -> None:
        """The person was noticed, at home or leaving it: the day's first time of that is when the night ends."""
        params = self._params
        day, of_day_ms = divmod(local_ms, DAY_MS)
        if day == self.wake_day_at[row] or of_day_ms < params.morning_h * HOUR_MS:
            return
        self.wake_day_at[row] = day
        minute = of_day_ms / MINUTE_MS
        wakes = self._values(self._wakes, row, 0)
        if len(wakes) >= params.min_gap_days:
            minute = min(minute, quantile(wakes, params.wake_quantile) + params.wake_margin_min)
        self._keep(self._wakes, row, 0, minute)

    def learn_gap(self, row: int, start_local_ms: int, minutes: float) -> None:
        """At home without a sign of life for this long, from this time on: only each day's longest is kept."""
        if minutes > self._params.gap_least_min:  # less is always allowed
            allowed = self.gap_allowed(row, start_local_ms, 0.0)
            if allowed is not None:
                minutes = min(minutes, allowed[1])
        block = start_local_ms % DAY_MS // (2 * HOUR_MS)
        index = row * _BLOCKS + block
        day = start_local_ms // DAY_MS % _NO_DAY
        value = min(max(int(minutes), 0), _MAX_MINUTES)
        if self.day_of_at[index] == day:
            self.day_max_at[index] = max(self.day_max_at[index], value)
            return
        if self.day_of_at[index] != _NO_DAY:
            self._keep(self._gaps, row, block, self.day_max_at[index])
        self.day_of_at[index] = day
        self.day_max_at[index] = value

    def gap_allowed(self, row: int, start_local_ms: int, days: float) -> tuple[float, float] | None:
        """(usual longest, allowed) minutes without a sign of life from this time on; None while learning.

        ``days``: for how long this person has been watched; with too few signs a day nothing can be said.
        """
        params = self._params
        if self.signs_at[row] < params.min_signs_per_day * days:
            return None
        hour = start_local_ms % DAY_MS // HOUR_MS
        if hour >= params.evening_h or hour < params.morning_h:
            return self._night_allowed(row, start_local_ms)
        block = hour // 2
        usual = -1.0
        for near in ((block - 1) % _BLOCKS, block, (block + 1) % _BLOCKS):  # habits come a little early or late
            values = self._values(self._gaps, row, near)
            if len(values) >= params.min_gap_days:
                usual = max(usual, quantile(values, params.gap_quantile))
        if usual < 0.0:  # seldom begun at this hour: allow what any hour allows
            values = self._every(self._gaps, row)
            if len(values) < params.min_gap_days:
                return None
            usual = quantile(values, params.gap_quantile)
        return usual, max(params.gap_factor * usual + params.gap_margin_min, params.gap_least_min)

    def _night_allowed(self, row: int, start_local_ms: int) -> tuple[float, float] | None:
        """Until some time after this person's usual first sign of the day."""
        params = self._params
        wakes = self._values(self._wakes, row, 0)
        if len(wakes) < params.min_gap_days:
            return None
        wake = quantile(wakes, params.wake_quantile)
        minute = start_local_ms % DAY_MS / MINUTE_MS
        if minute >= params.evening_h * 60:
            minute -= 1440.0
        usual = wake - minute
        return usual, max(usual + params.wake_margin_min, params.gap_least_min)

    # -- places ------------------------------------------------------------------------------------------------------
    def places_of(self, row: int) -> Places:
        """A copy of the person's places."""
        packed = self.places[row]
        places: Places = {} if packed is None else pickle.loads(packed)
        return places

    def visit(self, row: int, place: str, event_ms: int, learning: bool, frail: bool) -> tuple[int, bool]:
        """Count a visit; (visits before it, whether it is worth saying).

        The chance that a visit leads to a new place is estimated as Good and Turing did: places visited just once,
        by all visits (Good, Biometrika 1953). For whom it is large, a new place is nothing unusual.
        """
        params, places = self._params, self.places_of(row)
        visits, last_ms, known = places.pop(place, (0, 0, False))
        if event_ms - last_ms > params.place_forgotten_days * DAY_MS:
            visits, known = 0, False
        new_visit = visits == 0 or event_ms - last_ms >= params.visit_apart_min * MINUTE_MS
        unknown = new_visit and not learning and not known
        if unknown:
            limit = params.new_place_limit_frail if frail else params.new_place_limit
            counts = [count for count, _, _ in places.values()]
            unknown = counts.count(1) < limit * max(sum(counts), 1)
        visits_now = visits + 1 if new_visit else visits
        enough = params.known_visits_frail if frail else params.known_visits
        known = known or learning or visits_now >= enough
        places[place] = (visits_now, max(event_ms, last_ms), known)
        if len(places) > params.places_kept:
            del places[next(iter(places))]  # seen longest ago
        self.places[row] = pickle.dumps(places, protocol=5)
        return visits, unknown

    # -- many persons at home ----------------------------------------------------------------------------------------
    def is_ordinary(
        self, rows: IntArray, local_ms: IntArray, sign_local_ms: IntArray, gap_min: FloatArray
    ) -> BoolArray:
        """Whose sign of life at home, after that gap, :meth:`learn_ordinary` can learn."""
        params, hour_index = self._params, local_ms // HOUR_MS
        lived = self.hour[rows]
        awake = (local_ms // DAY_MS == self.wake_day[rows]) | (local_ms % DAY_MS < params.morning_h * HOUR_MS)
        gap_day = self.day_of[rows, sign_local_ms % DAY_MS // (2 * HOUR_MS)]
        same_day = (gap_day == sign_local_ms // DAY_MS % _NO_DAY) | (gap_day == _NO_DAY)
        recent = (hour_index - lived <= 1) & ((lived >= 0) | (hour_index <= lived))
        return np.asarray(recent & awake & same_day & (gap_min <= params.gap_least_min), dtype=bool)

    def learn_ordinary(
        self, rows: IntArray, local_ms: IntArray, sign_local_ms: IntArray, gap_min: FloatArray
    ) -> None:  # fmt: skip
        """:meth:`live_through` at home, :meth:`learn_wake` and :meth:`learn_gap` for each of the rows, none twice."""
        hour_index = local_ms // HOUR_MS
        passed = hour_index > self.hour[rows]
        if passed.any():
            self._live_one_hour(rows[passed], hour_index[passed])
        block, day = sign_local_ms % DAY_MS // (2 * HOUR_MS), sign_local_ms // DAY_MS % _NO_DAY
        value = np.clip(gap_min.astype(np.int64), 0, _MAX_MINUTES)
        longest = np.where(self.day_of[rows, block] == day, self.day_max[rows, block], 0)
        self.day_max[rows, block] = np.maximum(longest, value)
        self.day_of[rows, block] = day
        self.signs[rows] += 1

    def _live_one_hour(self, rows: IntArray, hour_index: IntArray) -> None:
        lived = self.hour[rows]
        index = lived % 24 + 24 * ((lived // 24 + _MONDAY_SHIFT) % 7 >= 5)
        decay = self._params.hour_decay
        out, all_days = self.out[rows, index].astype(np.float64), self.all_days[rows, index].astype(np.float64)
        self.out[rows, index] = out * decay + np.maximum(0.0, self.out_weight[rows])
        self.all_days[rows, index] = all_days * decay + 1.0
        self.hour[rows] = hour_index
        self.out_weight[rows] = 0.0

    # -- snapshot ----------------------------------------------------------------------------------------------------
    def held(self, rows: int) -> dict[str, Any]:
        """The first so many rows, for the snapshot; arrays are views."""
        return {"columns": self.saved(rows), "places": self.places}

    @staticmethod
    def of(held: dict[str, Any], params: HabitParams) -> Habits:
        """From :meth:`held`."""
        habits = Habits(params)
        habits.restore(held["columns"])
        habits.places = list(held["places"])
        return habits
