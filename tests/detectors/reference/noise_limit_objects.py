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
comes again is ignored however late; a meter's readings out of order are counted, not used. State: under 1 kB a meter.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from detectors import noise_text as text
from detectors.contract import Emitted
from detectors.gb3096 import NIGHT_BURST_ALLOWANCE_DB, energy, level_db, limit_db, period_of
from detectors.local_time import HOUR_MS, MINUTE_MS, LocalClock
from detectors.noise_params import NoiseLimitParams
from detectors.state import model_version, pack, unpack
from detectors.timers import TimerHeap
from schemas.columns import EventBatch
from schemas.families.readings import Measured
from schemas.families.registry import Device as DeviceEntry
from schemas.families.system import Detection, Severity
from tests.detectors.reference.noise_baseline_objects import NoiseBaseline
from tests.detectors.reference.rows_as_tuples import Row, event_id_at, in_log_order, only, typed_rows

_REGISTRY, _READING = range(2)
_NEVER_MS = -(2**62)
_AHEAD_MS = 15 * MINUTE_MS  # event times further ahead of the log are nonsense
_LOUDEST_DB = 200.0


class _Meter:
    """What is known of one noise meter."""

    __slots__ = (
        "baseline", "burst_ms", "calm", "closed", "entry_ms", "laeq_ms", "lamax_ms", "loud", "louder", "open", "over",
        "over_count", "scope", "under_count", "zone",
    )  # fmt: skip

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.zone: str | None = None
        self.entry_ms = _NEVER_MS
        self.laeq_ms = _NEVER_MS  # event time of the latest reading
        self.lamax_ms = _NEVER_MS
        self.burst_ms = _NEVER_MS
        self.open: dict[int, tuple[float, float]] = {}  # window start -> energy x seconds, seconds
        self.closed: list[tuple[int, float, float]] = []  # the last few closed windows
        self.over = False
        self.over_count = 0
        self.under_count = 0
        self.louder = False
        self.loud = 0
        self.calm = 0
        self.baseline: NoiseBaseline | None = None


class NoiseLimit:
    """The detector of one lane; see the module's header."""

    name: ClassVar[str] = "noise_limit"
    state_version: ClassVar[int] = 1

    def __init__(self, params: NoiseLimitParams | None = None) -> None:
        self.params = params = params or NoiseLimitParams()
        self.model_version = model_version(self.name, 1, params)
        self.unused_readings = 0  # late, out of order, repeated or impossible
        self._clock = LocalClock(params.timezone)
        self._window_ms = params.window_s * 1000
        self._grace_ms = params.grace_s * 1000
        self._out: list[Emitted] = []
        self._batch: EventBatch | None = None
        self._meters: dict[str, _Meter] = {}
        self._timers = TimerHeap()

    # -- the detector's contract -------------------------------------------------------------------------------------
    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed."""
        self._out, self._batch = [], batch
        for row in self._rows(batch):
            if self._timers.next_ms < row[1]:
                self._fire(row[1])
            if row[3] == _READING:
                self._reading(row)
            else:
                self._registered(row)
        clock_ms = batch.clock_ms
        if clock_ms is not None:
            self._fire(clock_ms)
        out, self._out, self._batch = self._out, [], None
        return out

    def snapshot(self) -> bytes:
        """The whole state."""
        meters = {name: _saved(meter) for name, meter in self._meters.items()}
        return pack(self.name, self.state_version, (meters, self._timers.saved(), self.unused_readings))

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        meters, timers, self.unused_readings = unpack(self.name, self.state_version, saved)
        self._meters = {name: _meter_of(values) for name, values in meters.items()}
        self._timers = TimerHeap(timers)

    def _rows(self, batch: EventBatch) -> list[Row]:
        parts: list[list[Row]] = []
        readings = batch.of(Measured.type_name)
        if readings is not None and len(readings):
            noise = only(readings, "quantity", ("laeq", "lamax"))
            parts.append(typed_rows(noise, _READING, ("device", "quantity", "value", "interval_s")))
        entries = batch.of(DeviceEntry.type_name)
        if entries is not None and len(entries):
            parts.append(typed_rows(entries, _REGISTRY, ("device", "change", "kind", "noise_zone")))
        return in_log_order(parts)

    # -- rows --------------------------------------------------------------------------------------------------------
    def _registered(self, row: Row) -> None:
        position, now_ms, event_ms, _tag, scope, name, change, kind, zone = row
        meter = self._meters.get(name)
        if meter is None:
            if kind != "noise" and zone is None:
                return
            if change == "retired":
                return
            meter = self._meters[sys.intern(name)] = _Meter(sys.intern(scope))
        if event_ms <= meter.entry_ms:
            return  # came again, or out of order
        if change == "retired":
            self._end_all(name, meter, now_ms, position)
            self._timers.cancel(name)
            del self._meters[name]
            return
        meter.entry_ms = event_ms
        meter.scope = sys.intern(scope)
        if zone != meter.zone:
            if meter.over:
                self._end(name, meter, "over_limit", now_ms, position)
            meter.over, meter.over_count, meter.under_count = False, 0, 0
            meter.zone = zone

    def _reading(self, row: Row) -> None:
        position, now_ms, event_ms, _tag, scope, name, quantity, value, interval_s = row
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[sys.intern(name)] = _Meter(sys.intern(scope))
        is_laeq = quantity == "laeq"
        start_ms = (event_ms - 1) // self._window_ms * self._window_ms
        close_ms = start_ms + self._window_ms + self._grace_ms
        repeated = event_ms <= (meter.laeq_ms if is_laeq else meter.lamax_ms)
        if repeated or now_ms > close_ms or event_ms > now_ms + _AHEAD_MS or not 0.0 <= value <= _LOUDEST_DB:
            self.unused_readings += 1
            return
        if is_laeq:
            meter.laeq_ms = event_ms
            seconds = interval_s or self.params.default_interval_s
            old_energy, old_seconds = meter.open.get(start_ms, (0.0, 0.0))
            meter.open[start_ms] = (old_energy + energy(value) * seconds, old_seconds + seconds)
            due_ms = self._timers.due_of(name)
            if due_ms is None or close_ms < due_ms:
                self._timers.schedule(name, close_ms)
            if event_ms - meter.lamax_ms <= self.params.lamax_expected_s * 1000:
                return
        else:
            meter.lamax_ms = event_ms
        if meter.zone is not None:
            self._burst(name, meter, value, event_ms, now_ms, position)

    def _burst(self, name: str, meter: _Meter, value: float, event_ms: int, now_ms: int, position: int) -> None:
        assert meter.zone is not None
        limit = limit_db(meter.zone, "night")
        if limit is None or value <= limit + NIGHT_BURST_ALLOWANCE_DB:
            return
        if period_of(self._clock.hour_index(event_ms - 1) % 24) != "night":
            return
        if event_ms - meter.burst_ms < self.params.burst_repeat_s * 1000:
            return
        meter.burst_ms = event_ms
        words = text.night_burst(self._clock, name, meter.zone, value, limit, NIGHT_BURST_ALLOWANCE_DB, event_ms)
        self._say(
            meter.scope, event_ms, now_ms, position, "night_burst", name, True, words, "warning",
            score=value - limit, threshold=NIGHT_BURST_ALLOWANCE_DB, baseline=limit, observed=value,
        )  # fmt: skip

    # -- timers ------------------------------------------------------------------------------------------------------
    def _fire(self, clock_ms: int) -> None:
        for due_ms, name in self._timers.due(clock_ms):
            meter = self._meters[name]
            ripe_ms = due_ms - self._grace_ms - self._window_ms
            ripe = sorted(start for start in meter.open if start <= ripe_ms)
            for start in ripe:
                self._close(name, meter, start, due_ms)
            if meter.open:
                self._timers.schedule(name, min(meter.open) + self._window_ms + self._grace_ms)
            elif not ripe:
                self._end_all(name, meter, due_ms, None)
            elif meter.over or meter.louder:
                self._timers.schedule(name, due_ms + self.params.idle_s * 1000)

    def _close(self, name: str, meter: _Meter, start_ms: int, now_ms: int) -> None:
        """A window is complete: judge it, then learn from it."""
        energy_s, seconds = meter.open.pop(start_ms)
        if seconds < self.params.window_coverage_ratio * self.params.window_s:
            return
        level = level_db(energy_s / seconds)
        if meter.zone is not None:
            self._assess(name, meter, start_ms, energy_s, seconds, now_ms)
        if meter.baseline is None:
            meter.baseline = NoiseBaseline()
        hour_index = self._clock.hour_index(start_ms)
        minute = self._clock.local_ms(start_ms) % HOUR_MS // MINUTE_MS
        usual = meter.baseline.usual(hour_index, minute, self.params.baseline)
        unusual = False
        if usual is not None:
            unusual = level - usual.level_db >= usual.excess_db
            self._compare(name, meter, level, usual.level_db, usual.excess_db, start_ms, now_ms)
        meter.baseline.learn(hour_index, level, unusual or meter.louder, self.params.baseline)

    def _assess(
        self, name: str, meter: _Meter, start_ms: int, energy_s: float, seconds: float, now_ms: int
    ) -> None:  # fmt: skip
        """Compare LAeq over the last windows of this period with the limit."""
        params, zone = self.params, meter.zone or ""
        period = period_of(self._clock.hour_index(start_ms) % 24)
        oldest_ms = start_ms - (params.assess_windows - 1) * self._window_ms
        meter.closed = [
            window
            for window in meter.closed
            if window[0] >= oldest_ms and period_of(self._clock.hour_index(window[0]) % 24) == period
        ]
        meter.closed.append((start_ms, energy_s, seconds))
        limit = limit_db(zone, period)
        total_s = sum(window[2] for window in meter.closed)
        if limit is None or total_s < params.assess_coverage_ratio * params.assess_windows * params.window_s:
            return
        level = level_db(sum(window[1] for window in meter.closed) / total_s)
        excess = level - limit
        meter.over_count = meter.over_count + 1 if excess >= params.over_margin_db else 0
        meter.under_count = meter.under_count + 1 if excess < -params.clear_margin_db else 0
        minutes = len(meter.closed) * params.window_s // 60
        end_ms = start_ms + self._window_ms
        if meter.over_count >= params.over_closes:
            # Said again at every close while it lasts: incidents count them.
            severity: Severity = "critical" if excess >= 10.0 else "warning"
            words = text.over_limit(self._clock, name, zone, period, level, limit, minutes, end_ms)
            meter.over = True
            self._say(
                meter.scope, end_ms, now_ms, None, "over_limit", name, True, words, severity,
                score=excess, threshold=params.over_margin_db, baseline=limit, observed=level,
            )  # fmt: skip
        elif meter.over and meter.under_count >= params.clear_closes:
            meter.over = False
            words = text.within_limit(self._clock, name, level, limit, minutes, end_ms)
            self._say(
                meter.scope, end_ms, now_ms, None, "over_limit", name, False, words, "info",
                score=excess, threshold=params.over_margin_db, baseline=limit, observed=level,
            )  # fmt: skip

    def _compare(
        self, name: str, meter: _Meter, level: float, usual: float, unusual_from_db: float, start_ms: int, now_ms: int
    ) -> None:  # fmt: skip
        """Compare a window with what is usual here at this hour."""
        params = self.params
        excess = level - usual
        meter.loud = min(meter.loud + 1, 255) if excess >= unusual_from_db else 0
        meter.calm = min(meter.calm + 1, 255) if excess < unusual_from_db - params.louder_clear_margin_db else 0
        end_ms = start_ms + self._window_ms
        if meter.loud >= params.louder_closes:
            meter.louder = True
            minutes = meter.loud * params.window_s // 60
            words = text.louder(self._clock, name, level, usual, minutes, end_ms)
            self._say(
                meter.scope, end_ms, now_ms, None, "louder_than_usual", name, True, words, "info",
                score=excess, threshold=unusual_from_db, baseline=usual, observed=level,
            )  # fmt: skip
        elif meter.louder and meter.calm >= params.clear_closes:
            meter.louder = False
            words = text.usual_again(self._clock, name, level, usual, end_ms)
            self._say(
                meter.scope, end_ms, now_ms, None, "louder_than_usual", name, False, words, "info",
                score=excess, threshold=unusual_from_db, baseline=usual, observed=level,
            )  # fmt: skip

    # -- saying it ---------------------------------------------------------------------------------------------------
    def _end_all(self, name: str, meter: _Meter, now_ms: int, position: int | None) -> None:
        if meter.over:
            self._end(name, meter, "over_limit", now_ms, position)
        if meter.louder:
            self._end(name, meter, "louder_than_usual", now_ms, position)
        meter.over = meter.louder = False
        meter.over_count = meter.loud = 0

    def _end(self, name: str, meter: _Meter, rule: str, now_ms: int, position: int | None) -> None:
        """Nothing can be said any more."""
        words = text.no_data(self._clock, name, now_ms)
        self._say(meter.scope, now_ms, now_ms, position, rule, name, False, words, "info", score=0.0, threshold=0.0)

    def _say(
        self, scope: str, event_ms: int, now_ms: int, position: int | None, rule: str, meter: str, active: bool,
        words: tuple[str, str], severity: Severity, *, score: float, threshold: float,
        baseline: float | None = None, observed: float | None = None,
    ) -> None:  # fmt: skip
        """``position`` None: said by a timer."""
        cause = f"timer:{rule}:{meter}@{now_ms}"
        if position is not None and self._batch is not None:
            cause = event_id_at(self._batch, position)
        data = Detection(
            detector="noise_limit", rule=rule, subject=meter, active=active, severity=severity, score=score,
            threshold=threshold, baseline=baseline, observed=observed, unit="dB(A)", model_version=self.model_version,
            reason_zh=words[0], reason_en=words[1], cause_id=cause, detected_time_ms=now_ms,
        )  # fmt: skip
        self._out.append(Emitted(now_ms, position is None, position or 0, scope, event_ms, data))


def _saved(meter: _Meter) -> tuple[Any, ...]:
    values = [getattr(meter, name) for name in _Meter.__slots__ if name != "baseline"]
    return (*values, meter.baseline.saved() if meter.baseline is not None else None)


def _meter_of(values: tuple[Any, ...]) -> _Meter:
    meter = _Meter("")
    names = [name for name in _Meter.__slots__ if name != "baseline"]
    for name, value in zip(names, values, strict=False):
        setattr(meter, name, value)
    meter.baseline = NoiseBaseline.of(values[-1]) if values[-1] is not None else None
    return meter
