"""Noise over limit 噪声超限: GB 3096-2008 limits on energy averages, night bursts, and louder than usual here.

Readings ``laeq`` (and ``lamax``) are summed by energy into event-time windows of 5 min (aligned to the hour), closed
60 s of log time after their end; a window needs 40% of its time covered. Later readings are counted, not used.

``over_limit``: LAeq over the last 20 min (same day/night period, at least half covered) at least 1 dB above the limit
of the meter's ``noise_zone`` at two window closes in a row; over when below limit - 1 dB at three closes in a row.
``night_burst``: 22:00-06:00, one ``lamax`` reading more than 15 dB above the night limit (``laeq`` where the meter
has sent no lamax for an hour), said at most once a minute per meter. Without a zone neither of the two can be said.
``louder_than_usual``: learned per meter and hour of day, weekdays and weekends apart, from at least 2 earlier days
with that hour (see :mod:`detectors.noise_baseline`); 3 windows in a row at least 6 dB (and 3.5 sigma, sigma at least
1.5 dB) above it; over after 3 windows in a row 2 dB below that. Both end, too, after an hour without data.

The standard judges whole days and nights; 20 min is its measuring time beside roads (annex B) and makes a timely
alert. Guarantees: outputs depend on the log alone; per meter and quantity event times must rise, so an event that
comes again is ignored however late; a meter's readings out of order are counted, not used. State: about 600 bytes a
meter, most of it the baseline.

A batch's readings are taken in as columns before its timers fire, which changes nothing: no reading counts in a window
that could have closed before it was recorded, and a window not yet opened at a timer's due time is not seen by it.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import numpy as np

from detectors import noise_text as text
from detectors.columns import FloatArray
from detectors.contract import Emitted
from detectors.gb3096 import LIMITS_DB, NIGHT_BURST_ALLOWANCE_DB, Period, energy, level_db, limit_db, period_of
from detectors.local_time import HOUR_MS, MINUTE_MS, LocalClock
from detectors.noise_meters import NoiseMeters
from detectors.noise_params import NoiseLimitParams as NoiseLimitParams
from detectors.noise_quiet import close_quietly
from detectors.noise_readings import LAEQ, LAMAX, Readings, accepted, entries_of, readings_of
from detectors.noise_windows import Closing, Window, Windows
from detectors.rows import Row, event_id_at
from detectors.state import model_version, pack, unpack
from detectors.timers import NEVER_MS
from schemas.columns import EventBatch
from schemas.families.system import Detection, Severity
from schemas.records import IntArray

_AHEAD_MS = 15 * MINUTE_MS  # event times further ahead of the log are nonsense
_LOUDEST_DB = 200.0
_WINDOWS_AT_A_TIME = 12  # of log time: what a batch's readings are taken in by
_ZONES = (None, *LIMITS_DB)  # by code
_LIMITS_DB: dict[Period, FloatArray] = {  # by zone's code
    "day": np.array([np.nan, *(day for day, _ in LIMITS_DB.values())]),
    "night": np.array([np.nan, *(night for _, night in LIMITS_DB.values())]),
}
_MANY = 24  # meters, from which columns are cheaper than one by one


class NoiseLimit:
    """The detector of one lane; see the module's header."""

    name: ClassVar[str] = "noise_limit"
    state_version: ClassVar[int] = 2

    def __init__(self, params: NoiseLimitParams | None = None) -> None:
        self.params = params = params or NoiseLimitParams()
        self.model_version = model_version(self.name, 1, params)
        self.unused_readings = 0  # late, out of order, repeated or impossible
        self._clock = LocalClock(params.timezone)
        self._window_ms = params.window_s * 1000
        self._grace_ms = params.grace_s * 1000
        self._out: list[Emitted] = []
        self._batch: EventBatch | None = None
        self._meters = NoiseMeters()
        self._windows = Windows()
        self._next_ms = NEVER_MS  # nothing is due before

    # -- the detector's contract -------------------------------------------------------------------------------------
    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed."""
        self._out, self._batch = [], batch
        readings = readings_of(batch)
        done = 0
        for entry in entries_of(batch, self._meters.names, readings):
            if readings is not None:
                until = int(np.searchsorted(readings.position, entry[0]))
                self._take_all(readings.between(done, until))
                done = until
            self._fire(entry[1])
            self._registered(entry)
        if readings is not None:
            self._take_all(readings.between(done, len(readings)))
        clock_ms = batch.clock_ms
        if clock_ms is not None:
            self._fire(clock_ms)
        out, self._out, self._batch = self._out, [], None
        return out

    def held(self) -> dict[str, Any]:
        """The whole state; arrays are views."""
        return {
            "meters": self._meters.held(),
            "windows": self._windows.saved(self._meters.names.rows),
            "unused_readings": self.unused_readings,
        }

    def snapshot(self) -> bytes:
        """The whole state."""
        return pack(self.name, self.state_version, self.held())

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        state = unpack(self.name, self.state_version, saved)
        self._meters = NoiseMeters.of(state["meters"])
        self._windows = Windows()
        self._windows.restore(state["windows"])
        self.unused_readings = state["unused_readings"]
        self._next_ms = self._meters.next_due_ms()

    @property
    def nbytes(self) -> int:
        """Memory held by the columns."""
        return self._meters.nbytes + self._windows.nbytes

    # -- rows --------------------------------------------------------------------------------------------------------
    def _registered(self, entry: Row) -> None:
        position, now_ms, event_ms, _tag, scope, name, change, kind, zone = entry
        meters = self._meters
        row = meters.names.row_of(name)
        if row < 0:
            if (kind != "noise" and zone is None) or change == "retired":
                return
            row = meters.add(name, scope)
        if event_ms <= meters.entry_ms[row]:
            return  # came again, or out of order
        if change == "retired":
            self._end_all(row, now_ms, position)
            self._windows.forget(row)
            meters.remove(row)
            return
        meters.entry_ms[row] = event_ms
        meters.scopes[row] = sys.intern(scope)
        code = _ZONES.index(zone)
        if code != meters.zone[row]:
            if meters.over[row]:
                self._end(row, "over_limit", now_ms, position)
            meters.over[row], meters.over_count[row], meters.under_count[row] = False, 0, 0
            meters.zone[row] = code

    def _take_all(self, readings: Readings) -> None:
        """Readings between two registry entries: in parts, so that few windows are open at a time."""
        done, span_ms = 0, _WINDOWS_AT_A_TIME * self._window_ms
        while done < len(readings):
            part_ms = int(readings.now_ms[done]) // span_ms
            until = int(np.searchsorted(readings.now_ms, (part_ms + 1) * span_ms))
            self._fire(int(readings.now_ms[done]))
            self._take(readings.between(done, until))
            done = until

    def _take(self, readings: Readings) -> None:
        meters = self._meters
        rows = meters.rows_of(readings)
        start_ms = (readings.event_ms - 1) // self._window_ms * self._window_ms
        close_ms = start_ms + (self._window_ms + self._grace_ms)
        value = readings.value
        fit = (readings.now_ms <= close_ms) & (readings.event_ms <= readings.now_ms + _AHEAD_MS)
        fit &= (value >= 0.0) & (value <= _LOUDEST_DB)
        chosen = accepted(rows * 2 + readings.kind, readings.event_ms, fit, meters.latest_ms.reshape(-1))
        self.unused_readings += len(readings) - len(chosen)
        if not len(chosen):
            return
        self._bursts(readings, rows, chosen)
        meters.latest_ms[rows[chosen], readings.kind[chosen]] = readings.event_ms[chosen]  # rising: the last stays
        laeq = chosen[readings.kind[chosen] == LAEQ]
        if len(laeq):
            self._add(readings, laeq, rows[laeq], start_ms[laeq])

    def _add(self, readings: Readings, chosen: IntArray, rows: IntArray, start_ms: IntArray) -> None:
        """Sum up accepted readings in their windows."""
        meters, now_ms, interval_s = self._meters, readings.now_ms[chosen], readings.interval_s[chosen]
        # Python's power, as numpy's may differ in the last bit from machine to machine.
        seconds = np.where(interval_s > 0.0, interval_s, self.params.default_interval_s)
        weighed = np.array([energy(value) for value in readings.value[chosen].tolist()]) * seconds
        first, last = int(start_ms.min()), int(start_ms.max())
        for start in [first] if first == last else np.unique(start_ms).tolist():
            window = self._windows.open_at(start, meters.room)
            these = slice(None) if first == last else start_ms == start
            window.add(rows[these], now_ms[these], weighed[these], seconds[these])
            close_ms = self._close_ms(start)
            meters.due_ms[rows[these]] = np.minimum(meters.due_ms[rows[these]], close_ms)
            self._next_ms = min(self._next_ms, close_ms)

    def _bursts(self, readings: Readings, rows: IntArray, chosen: IntArray) -> None:
        """Look for night bursts among accepted readings, before they are marked as the meters' latest."""
        meters, value = self._meters, readings.value
        loud = chosen[value[chosen] > _LIMITS_DB["night"][meters.zone[rows[chosen]]] + NIGHT_BURST_ALLOWANCE_DB]
        if len(loud):
            hours = self._clock.local_ms_of(readings.event_ms[loud] - 1) // HOUR_MS % 24
            loud = loud[[period_of(hour) == "night" for hour in hours.tolist()]]
        if not len(loud):
            return
        expected_ms = self.params.lamax_expected_s * 1000
        lamax_ms: dict[int, int] = {}
        maxima = chosen[readings.kind[chosen] == LAMAX]
        for at in np.union1d(loud, maxima).tolist():
            row, event_ms = int(rows[at]), int(readings.event_ms[at])
            if readings.kind[at] == LAMAX:
                lamax_ms[row] = event_ms
            elif event_ms - lamax_ms.get(row, int(meters.latest_ms[row, LAMAX])) <= expected_ms:
                continue
            if value[at] > _LIMITS_DB["night"][meters.zone[row]] + NIGHT_BURST_ALLOWANCE_DB:
                self._burst(row, float(value[at]), event_ms, int(readings.now_ms[at]), int(readings.position[at]))

    def _burst(self, row: int, value: float, event_ms: int, now_ms: int, position: int) -> None:
        meters = self._meters
        if period_of(self._clock.hour_index(event_ms - 1) % 24) != "night":
            return
        if event_ms - int(meters.burst_ms[row]) < self.params.burst_repeat_s * 1000:
            return
        meters.burst_ms[row] = event_ms
        name, zone = meters.names.name_of(row), _ZONES[meters.zone[row]] or ""
        limit = float(_LIMITS_DB["night"][meters.zone[row]])
        words = text.night_burst(self._clock, name, zone, value, limit, NIGHT_BURST_ALLOWANCE_DB, event_ms)
        self._say(
            row, event_ms, now_ms, position, "night_burst", True, words, "warning",
            score=value - limit, threshold=NIGHT_BURST_ALLOWANCE_DB, baseline=limit, observed=value,
        )  # fmt: skip

    # -- timers ------------------------------------------------------------------------------------------------------
    def _fire(self, clock_ms: int) -> None:
        """What is due strictly before the clock, one due time after the other."""
        meters = self._meters
        while self._next_ms < clock_ms:
            rows = np.flatnonzero(meters.due_ms[: meters.names.rows] == self._next_ms)
            if len(rows):
                self._due(rows, self._next_ms)
            self._next_ms = meters.next_due_ms()

    def _due(self, rows: IntArray, due_ms: int) -> None:
        """Close the meters' windows that are ripe, and set their next timers."""
        ripe_ms = due_ms - self._grace_ms - self._window_ms
        opened = self._windows.opened(self._meters.room)
        ripe = [window for window in opened if window.start_ms <= ripe_ms]
        later = opened[len(ripe) :]
        # A timer is due when the meter's earliest window is: earlier ones are left over from meters since retired.
        closing = self._closing(ripe[-1]) if ripe and ripe[-1].start_ms == ripe_ms else None
        if closing is not None and len(rows) >= _MANY:
            rows = self._due_quietly(rows, closing, later)
        for row in rows.tolist():
            self._due_one(row, closing, later, due_ms)
        for window in ripe:
            self._windows.close(window, window.start_ms - (self.params.assess_windows - 2) * self._window_ms)

    def _closing(self, window: Window) -> Closing:
        local_ms, period = self._clock.local_ms(window.start_ms), self._period_at(window.start_ms)
        oldest_ms = window.start_ms - (self.params.assess_windows - 1) * self._window_ms
        past = [one for one in self._windows.closed(self._meters.room) if one.start_ms >= oldest_ms]
        same = [one for one in past if self._period_at(one.start_ms) == period]
        other = [one for one in past if self._period_at(one.start_ms) != period]
        return Closing.of(window, same, other, period, local_ms // HOUR_MS, local_ms % HOUR_MS // MINUTE_MS)

    def _due_quietly(self, rows: IntArray, closing: Closing, later: list[Window]) -> IntArray:
        """As :meth:`_due_one`, at those meters where nothing is to be said; the others."""
        done = close_quietly(self._meters, rows, closing, _LIMITS_DB[closing.period], self.params)
        closed = rows[done]
        next_ms = np.full(len(closed), NEVER_MS)
        for following in reversed(later):
            next_ms[following.seconds[closed] > 0.0] = self._close_ms(following.start_ms)
        self._meters.due_ms[closed] = next_ms
        return rows[~done]

    def _due_one(self, row: int, closing: Closing | None, later: list[Window], due_ms: int) -> None:
        meters, is_ripe = self._meters, closing is not None and closing.seconds_at[row] > 0.0
        if closing is not None and is_ripe:
            self._close(row, closing, due_ms)
        next_ms, seen = NEVER_MS, False
        for window in later:
            if window.seconds[row] > 0.0:  # a meter's windows open one after another: the others opened later
                next_ms, seen = self._close_ms(window.start_ms), bool(window.opened_ms[row] <= due_ms)
                break
        if not seen and is_ripe and (meters.over_at[row] or meters.louder_at[row]):
            next_ms = min(next_ms, due_ms + self.params.idle_s * 1000)
        elif not seen and not is_ripe:
            self._end_all(row, due_ms, None)
        meters.due_ms_at[row] = next_ms

    def _close(self, row: int, closing: Closing, now_ms: int) -> None:
        """A window is complete: judge it, then learn from it."""
        params, meters = self.params, self._meters
        energy_s, seconds = closing.energy_at[row], closing.seconds_at[row]
        covered = seconds >= params.window_coverage_ratio * params.window_s
        if not covered or not meters.zone_at[row]:
            closing.window.clear(row)  # only what was judged is looked back on
        if not covered:
            return
        level = level_db(energy_s / seconds)
        if meters.zone_at[row]:
            self._assess(row, closing, now_ms)
        hour_index = closing.hour_index
        usual = meters.baselines.usual_for_one(row, hour_index, closing.minute, params.baseline)
        unusual = False
        if usual is not None:
            unusual = level - usual[0] >= usual[1]
            self._compare(row, level, usual[0], usual[1], closing.window.start_ms, now_ms)
        meters.baselines.learn_one(row, hour_index, level, unusual or meters.louder_at[row], params.baseline)

    def _assess(self, row: int, closing: Closing, now_ms: int) -> None:
        """Compare LAeq over the last windows of this period with the limit."""
        params, meters, period = self.params, self._meters, closing.period
        energy_s = total_s = 0.0
        windows = 0
        for past_energy_at, past_seconds_at in closing.same_at:
            if past_seconds_at[row] > 0.0:
                energy_s, total_s = energy_s + past_energy_at[row], total_s + past_seconds_at[row]
                windows += 1
        for past in closing.other_period:
            past.clear(row)
        zone = _ZONES[meters.zone_at[row]] or ""
        limit = limit_db(zone, period)
        if limit is None or total_s < params.assess_coverage_ratio * params.assess_windows * params.window_s:
            return
        level = level_db(energy_s / total_s)
        excess = level - limit
        meters.over_count_at[row] = meters.over_count_at[row] + 1 if excess >= params.over_margin_db else 0
        meters.under_count_at[row] = meters.under_count_at[row] + 1 if excess < -params.clear_margin_db else 0
        minutes = windows * params.window_s // 60
        end_ms = closing.window.start_ms + self._window_ms
        if meters.over_count_at[row] >= params.over_closes:
            # Said again at every close while it lasts: incidents count them.
            severity: Severity = "critical" if excess >= 10.0 else "warning"
            words = text.over_limit(self._clock, meters.names.name_of(row), zone, period, level, limit, minutes, end_ms)
            meters.over_at[row] = True
            self._say(
                row, end_ms, now_ms, None, "over_limit", True, words, severity,
                score=excess, threshold=params.over_margin_db, baseline=limit, observed=level,
            )  # fmt: skip
        elif meters.over_at[row] and meters.under_count_at[row] >= params.clear_closes:
            meters.over_at[row] = False
            words = text.within_limit(self._clock, meters.names.name_of(row), level, limit, minutes, end_ms)
            self._say(
                row, end_ms, now_ms, None, "over_limit", False, words, "info",
                score=excess, threshold=params.over_margin_db, baseline=limit, observed=level,
            )  # fmt: skip

    def _compare(
        self, row: int, level: float, usual: float, unusual_from_db: float, start_ms: int, now_ms: int
    ) -> None:  # fmt: skip
        """Compare a window with what is usual here at this hour."""
        params, meters = self.params, self._meters
        excess = level - usual
        is_calm = excess < unusual_from_db - params.louder_clear_margin_db
        meters.loud_at[row] = min(meters.loud_at[row] + 1, 255) if excess >= unusual_from_db else 0
        meters.calm_at[row] = min(meters.calm_at[row] + 1, 255) if is_calm else 0
        end_ms = start_ms + self._window_ms
        if meters.loud_at[row] >= params.louder_closes:
            meters.louder_at[row] = True
            minutes = meters.loud_at[row] * params.window_s // 60
            words = text.louder(self._clock, meters.names.name_of(row), level, usual, minutes, end_ms)
            self._say(
                row, end_ms, now_ms, None, "louder_than_usual", True, words, "info",
                score=excess, threshold=unusual_from_db, baseline=usual, observed=level,
            )  # fmt: skip
        elif meters.louder_at[row] and meters.calm_at[row] >= params.clear_closes:
            meters.louder_at[row] = False
            words = text.usual_again(self._clock, meters.names.name_of(row), level, usual, end_ms)
            self._say(
                row, end_ms, now_ms, None, "louder_than_usual", False, words, "info",
                score=excess, threshold=unusual_from_db, baseline=usual, observed=level,
            )  # fmt: skip

    def _close_ms(self, start_ms: int) -> int:
        return start_ms + self._window_ms + self._grace_ms

    def _period_at(self, time_ms: int) -> Period:
        return period_of(self._clock.hour_index(time_ms) % 24)

    # -- saying it ---------------------------------------------------------------------------------------------------
    def _end_all(self, row: int, now_ms: int, position: int | None) -> None:
        meters = self._meters
        if meters.over[row]:
            self._end(row, "over_limit", now_ms, position)
        if meters.louder[row]:
            self._end(row, "louder_than_usual", now_ms, position)
        meters.over[row] = meters.louder[row] = False
        meters.over_count[row] = meters.loud[row] = 0

    def _end(self, row: int, rule: str, now_ms: int, position: int | None) -> None:
        """Nothing can be said any more."""
        words = text.no_data(self._clock, self._meters.names.name_of(row), now_ms)
        self._say(row, now_ms, now_ms, position, rule, False, words, "info", score=0.0, threshold=0.0)

    def _say(
        self, row: int, event_ms: int, now_ms: int, position: int | None, rule: str, active: bool,
        words: tuple[str, str], severity: Severity, *, score: float, threshold: float,
        baseline: float | None = None, observed: float | None = None,
    ) -> None:  # fmt: skip
        """``position`` None: said by a timer."""
        meter, scope = self._meters.names.name_of(row), self._meters.scopes[row]
        cause = f"timer:{rule}:{meter}@{now_ms}"
        if position is not None and self._batch is not None:
            cause = event_id_at(self._batch, position)
        data = Detection(
            detector="noise_limit", rule=rule, subject=meter, active=active, severity=severity, score=score,
            threshold=threshold, baseline=baseline, observed=observed, unit="dB(A)", model_version=self.model_version,
            reason_zh=words[0], reason_en=words[1], cause_id=cause, detected_time_ms=now_ms,
        )  # fmt: skip
        self._out.append(Emitted(now_ms, position is None, position or 0, scope, event_ms, data))
