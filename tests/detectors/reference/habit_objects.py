"""What is usual for one person: hours out of home, length of absences, gaps between signs of life, places.

Everything forgets: hours by fading (a day-old hour counts 0.97 of today's), lengths by keeping the latest few, places
by keeping those seen last. An outing that was flagged teaches a twentieth; a flagged length is learned as the
length that was allowed. Hours and days are local and come from event times; lengths are minutes. Size: about
1.5 kB, at most 4. The 0.95 quantile of so few lengths is an order statistic; ``river.stats.RollingQuantile`` gives
the same (a test compares), at 400 bytes for each of the 17 rings.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from detectors.habit import HabitParams
from detectors.local_time import DAY_MS, HOUR_MS, MINUTE_MS, is_weekend

_HOURS = 48  # 24 of weekdays, then 24 of weekends
_QUARTERS = 4
_BLOCKS = 12  # two hours each
_KERNEL = ((0, 1.0), (-1, 0.6), (1, 0.6), (-2, 0.3), (2, 0.3))
_MAX_MINUTES = 65_535
_NO_DAY = 65_535


class Ring:
    """The latest ``size`` lengths in minutes."""

    __slots__ = ("_at", "values")

    def __init__(self) -> None:
        self.values = array("H")
        self._at = 0

    def add(self, minutes: float, size: int) -> None:
        """Keep a length, dropping the oldest beyond ``size``."""
        value = min(max(int(minutes), 0), _MAX_MINUTES)
        if len(self.values) < size:
            self.values.append(value)
        else:
            self.values[self._at] = value
        self._at = (self._at + 1) % size

    def saved(self) -> tuple[bytes, int]:
        """Packed, for the snapshot."""
        return self.values.tobytes(), self._at

    @staticmethod
    def of(saved: tuple[bytes, int]) -> Ring:
        """From :meth:`saved`."""
        ring = Ring()
        ring.values.frombytes(saved[0])
        ring._at = saved[1]
        return ring


def quantile(values: Iterable[int], share: float) -> float:
    """Linear between the order statistics, as ``river.stats.RollingQuantile`` has it; ``values`` not empty."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


class Habit:
    """One person's habits. Times of day are given as local hours since 1970 (see :mod:`detectors.local_time`)."""

    __slots__ = (
        "_absences", "_all", "_day_gaps", "_day_max", "_day_of", "_hour", "_out", "_out_weight", "_wake_day", "_wakes",
        "places", "signs",
    )  # fmt: skip

    def __init__(self) -> None:
        self._out = array("f", bytes(4 * _HOURS))  # days out in this hour
        self._all = array("f", bytes(4 * _HOURS))  # days seen
        self._hour = -1  # the hour being lived; hours before it are learned
        self._out_weight = 0.0  # how much of an outing this hour counts as
        self._absences = [Ring() for _ in range(_QUARTERS)]
        self._day_gaps = [Ring() for _ in range(_BLOCKS)]  # each day's longest
        self._day_of = array("H", [_NO_DAY] * _BLOCKS)  # local day modulo 65535
        self._day_max = array("H", bytes(2 * _BLOCKS))
        self.places: dict[str, tuple[int, int, bool]] = {}  # visits, event time last seen, known
        self._wakes = Ring()  # first sign of each day after morning_h, minutes after midnight
        self._wake_day = -1
        self.signs = 0  # signs of life at home

    # -- hours out of home -------------------------------------------------------------------------------------------
    def live_through(self, hour_index: int, out_weight: float | None, params: HabitParams) -> None:
        """Learn the hours that passed before ``hour_index``; the person was out (weight > 0), in (0) or unknown."""
        passed = hour_index - self._hour
        if passed <= 0:
            return
        if self._hour >= 0 and out_weight is not None and passed <= params.max_skip_h:
            for hour in range(self._hour, hour_index):
                index = hour % 24 + 24 * is_weekend(hour // 24)
                weight = max(out_weight, self._out_weight) if hour == self._hour else out_weight
                self._out[index] = self._out[index] * params.hour_decay + weight
                self._all[index] = self._all[index] * params.hour_decay + 1.0
        self._hour = hour_index
        self._out_weight = out_weight or 0.0

    def out_now(self, weight: float) -> None:
        """The person is out within the hour being lived."""
        self._out_weight = max(self._out_weight, weight)

    def share_out(self, hour_index: int, params: HabitParams) -> float:
        """Share of days on which this person is out around this hour, smoothed over +-2 h and the kinds of day."""
        day, hour = divmod(hour_index, 24)
        own = 24 * is_weekend(day)
        other = 24 - own
        out = params.prior_out
        for shift, weight in _KERNEL:
            near = (hour + shift) % 24
            out += weight * (self._out[own + near] + params.other_days_weight * self._out[other + near])
        days = self._all[own + hour] + params.other_days_weight * self._all[other + hour] + params.prior_all
        return float(out / days)

    # -- absences ----------------------------------------------------------------------------------------------------
    def learn_absence(self, start_hour_index: int, minutes: float, params: HabitParams) -> None:
        """The person was away this long, from this hour on."""
        allowed = self.absence_allowed(start_hour_index, params)
        if allowed is not None:
            minutes = min(minutes, allowed[1])
        self._absences[start_hour_index % 24 // 6].add(minutes, params.absences_kept)

    def absence_allowed(self, start_hour_index: int, params: HabitParams) -> tuple[float, float] | None:
        """(usual longest, allowed) minutes of an absence begun at this hour; None while learning."""
        values = self._absences[start_hour_index % 24 // 6].values
        if len(values) < params.min_absences:
            values = array("H", [value for ring in self._absences for value in ring.values])
        if len(values) < params.min_absences:
            return None
        usual = quantile(values, params.absence_quantile)
        return usual, max(params.absence_factor * usual + params.absence_margin_min, params.absence_least_min)

    # -- gaps between signs of life at home --------------------------------------------------------------------------
    def learn_wake(self, local_ms: int, params: HabitParams) -> None:
        """The person was noticed, at home or leaving it: the day's first time of that is when the night ends."""
        day, of_day_ms = divmod(local_ms, DAY_MS)
        if day == self._wake_day or of_day_ms < params.morning_h * HOUR_MS:
            return
        self._wake_day = day
        minute = of_day_ms / MINUTE_MS
        if len(self._wakes.values) >= params.min_gap_days:
            minute = min(minute, quantile(self._wakes.values, params.wake_quantile) + params.wake_margin_min)
        self._wakes.add(minute, params.gap_days_kept)

    def learn_gap(self, start_local_ms: int, minutes: float, params: HabitParams) -> None:
        """At home without a sign of life for this long, from this time on: only each day's longest is kept."""
        if minutes > params.gap_least_min:  # less is always allowed
            allowed = self.gap_allowed(start_local_ms, 0.0, params)
            if allowed is not None:
                minutes = min(minutes, allowed[1])
        block = start_local_ms % DAY_MS // (2 * HOUR_MS)
        day = start_local_ms // DAY_MS % _NO_DAY
        value = min(max(int(minutes), 0), _MAX_MINUTES)
        if self._day_of[block] == day:
            self._day_max[block] = max(self._day_max[block], value)
            return
        if self._day_of[block] != _NO_DAY:
            self._day_gaps[block].add(self._day_max[block], params.gap_days_kept)
        self._day_of[block] = day
        self._day_max[block] = value

    def gap_allowed(
        self, start_local_ms: int, days: float, params: HabitParams
    ) -> tuple[float, float] | None:  # fmt: skip
        """(usual longest, allowed) minutes without a sign of life from this time on; None while learning.

        ``days``: for how long this person has been watched; with too few signs a day nothing can be said.
        """
        if self.signs < params.min_signs_per_day * days:
            return None
        hour = start_local_ms % DAY_MS // HOUR_MS
        if hour >= params.evening_h or hour < params.morning_h:
            return self._night_allowed(start_local_ms, params)
        block = hour // 2
        usual = -1.0
        for near in (block - 1, block, (block + 1) % _BLOCKS):  # habits come a little early or late
            values = self._day_gaps[near].values
            if len(values) >= params.min_gap_days:
                usual = max(usual, quantile(values, params.gap_quantile))
        if usual < 0.0:  # seldom begun at this hour: allow what any hour allows
            values = array("H", [value for ring in self._day_gaps for value in ring.values])
            if len(values) < params.min_gap_days:
                return None
            usual = quantile(values, params.gap_quantile)
        return usual, max(params.gap_factor * usual + params.gap_margin_min, params.gap_least_min)

    def _night_allowed(self, start_local_ms: int, params: HabitParams) -> tuple[float, float] | None:
        """Until some time after this person's usual first sign of the day."""
        if len(self._wakes.values) < params.min_gap_days:
            return None
        wake = quantile(self._wakes.values, params.wake_quantile)
        minute = start_local_ms % DAY_MS / MINUTE_MS
        if minute >= params.evening_h * 60:
            minute -= 1440.0
        usual = wake - minute
        return usual, max(usual + params.wake_margin_min, params.gap_least_min)

    # -- places ------------------------------------------------------------------------------------------------------
    def visit(
        self, place: str, event_ms: int, learning: bool, frail: bool, params: HabitParams
    ) -> tuple[int, bool]:  # fmt: skip
        """Count a visit; (visits before it, whether it is worth saying).

        The chance that a visit leads to a new place is estimated as Good and Turing did: places visited just once,
        by all visits (Good, Biometrika 1953). For whom it is large, a new place is nothing unusual.
        """
        visits, last_ms, known = self.places.pop(place, (0, 0, False))
        if event_ms - last_ms > params.place_forgotten_days * DAY_MS:
            visits, known = 0, False
        new_visit = visits == 0 or event_ms - last_ms >= params.visit_apart_min * MINUTE_MS
        unknown = new_visit and not learning and not known
        if unknown:
            limit = params.new_place_limit_frail if frail else params.new_place_limit
            counts = [count for count, _, _ in self.places.values()]
            unknown = counts.count(1) < limit * max(sum(counts), 1)
        visits_now = visits + 1 if new_visit else visits
        enough = params.known_visits_frail if frail else params.known_visits
        known = known or learning or visits_now >= enough
        self.places[place] = (visits_now, max(event_ms, last_ms), known)
        if len(self.places) > params.places_kept:
            del self.places[next(iter(self.places))]  # seen longest ago
        return visits, unknown

    # -- snapshot ----------------------------------------------------------------------------------------------------
    def saved(self) -> tuple[Any, ...]:
        """Plain values for the snapshot."""
        return (
            self._out.tobytes(), self._all.tobytes(), self._hour, self._out_weight,
            [ring.saved() for ring in self._absences], [ring.saved() for ring in self._day_gaps],
            self._day_of.tobytes(), self._day_max.tobytes(), self.places.copy(), self.signs,
            self._wakes.saved(), self._wake_day,
        )  # fmt: skip

    @staticmethod
    def of(saved: tuple[Any, ...]) -> Habit:
        """From :meth:`saved`."""
        habit = Habit()
        (out, all_days, habit._hour, habit._out_weight, absences, gaps, day_of, day_max, habit.places,
         habit.signs, wakes, habit._wake_day) = saved  # fmt: skip
        habit._out, habit._all = array("f", out), array("f", all_days)
        habit._absences = [Ring.of(ring) for ring in absences]
        habit._day_gaps = [Ring.of(ring) for ring in gaps]
        habit._wakes = Ring.of(wakes)
        habit._day_of, habit._day_max = array("H", day_of), array("H", day_max)
        return habit
