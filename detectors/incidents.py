"""Detections become alerts: at most one open alert per ``detector/rule/subject``.

The first active detection opens it; further ones are counted, and said (``updated``) when the severity rises, when
the count reaches a power of two, or when 10 min of log time have passed since the last thing said. It resolves with
the detection that says it is over (``active`` false), or, for rules that have no natural end, when long enough
without another detection. Severity never falls while an alert is open. Every alert event carries the whole state.

Times in an alert are event times; waiting is on log time. A detection repeated with the same cause is ignored.
State: the open alerts, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from detectors.contract import Emitted, derived_id
from detectors.state import model_version, pack, unpack
from detectors.timers import TimerHeap
from schemas.families.system import Alert, Detection, Severity

_GRAVITY: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}
_NAME = "incidents"
_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class IncidentParams:
    """When alerts are said again and when they end by themselves."""

    update_every_min: float = 10.0
    quiet_min: tuple[tuple[str, float], ...] = (  # rule -> minutes without a further detection
        ("unusual_hour", 120.0),
        ("unknown_place", 60.0),
        ("night_burst", 30.0),
    )


@dataclass(slots=True)
class _Open:
    alert: str
    scope: str
    severity: Severity
    count: int
    opened_ms: int  # event time
    updated_ms: int  # event time
    said_ms: int  # log time of the last thing said
    last: Detection


class Incidents:
    """Open alerts of one lane. Feed it detections in order; ask for what is due before each."""

    def __init__(self, params: IncidentParams | None = None) -> None:
        self.params = params or IncidentParams()
        self._quiet_ms = {rule: int(minutes * 60_000) for rule, minutes in self.params.quiet_min}
        self._open: dict[str, _Open] = {}
        self._timers = TimerHeap()

    @property
    def version(self) -> str:
        """Of the state, the code and the parameters."""
        return f"state {_STATE_VERSION}, {model_version(_NAME, 1, self.params)}"

    def __len__(self) -> int:
        return len(self._open)

    def take(self, emitted: Emitted) -> list[Emitted]:
        """What a detection does to its alert; nothing for other outputs."""
        detection = emitted.data
        if not isinstance(detection, Detection):
            return []
        key = f"{detection.detector}/{detection.rule}/{detection.subject}"
        open_alert = self._open.get(key)
        if not detection.active:
            return [] if open_alert is None else [self._resolve(key, open_alert, detection, emitted)]
        quiet_ms = self._quiet_ms.get(detection.rule)
        if quiet_ms is not None:
            self._timers.schedule(key, emitted.detected_ms + quiet_ms)
        if open_alert is None:
            opened = _Open(
                derived_id(key, detection.cause_id, emitted.event_time_ms), emitted.scope, detection.severity, 1,
                emitted.event_time_ms, emitted.event_time_ms, emitted.detected_ms, detection,
            )  # fmt: skip
            self._open[key] = opened
            return [_step("opened", key, opened, detection, None, emitted)]
        if detection.cause_id == open_alert.last.cause_id:
            return []
        return self._count(key, open_alert, detection, emitted)

    def _count(self, key: str, alert: _Open, detection: Detection, emitted: Emitted) -> list[Emitted]:
        rose = _GRAVITY[detection.severity] > _GRAVITY[alert.severity]
        if rose:
            alert.severity = detection.severity
        alert.count += 1
        alert.updated_ms = max(alert.updated_ms, emitted.event_time_ms)
        alert.scope = emitted.scope
        alert.last = detection
        power_of_two = alert.count & (alert.count - 1) == 0
        if not (rose or power_of_two or emitted.detected_ms - alert.said_ms >= self.params.update_every_min * 60_000):
            return []
        alert.said_ms = emitted.detected_ms
        return [_step("updated", key, alert, detection, None, emitted)]

    def _resolve(self, key: str, alert: _Open, detection: Detection, emitted: Emitted) -> Emitted:
        del self._open[key]
        self._timers.cancel(key)
        ended_ms = max(alert.updated_ms, emitted.event_time_ms)
        return _step("resolved", key, alert, detection, ended_ms, emitted)

    def due(self, clock_ms: int) -> list[Emitted]:
        """Alerts that end for want of further detections, strictly before ``clock_ms``."""
        if self._timers.next_ms >= clock_ms:
            return []
        out: list[Emitted] = []
        for due_ms, key in self._timers.due(clock_ms):
            alert = self._open.pop(key)
            ended_ms = alert.updated_ms + self._quiet_ms[alert.last.rule]
            at = Emitted(due_ms, True, 0, alert.scope, ended_ms, alert.last)
            out.append(_step("resolved", key, alert, alert.last, ended_ms, at))
        return out

    def snapshot(self) -> bytes:
        """The whole state."""
        return pack(_NAME, _STATE_VERSION, (self._open, self._timers.saved()))

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        self._open, timers = unpack(_NAME, _STATE_VERSION, saved)
        self._timers = TimerHeap(timers)


def _step(
    step: Literal["opened", "updated", "resolved"], key: str, alert: _Open, detection: Detection,
    resolved_ms: int | None, emitted: Emitted,
) -> Emitted:  # fmt: skip
    """An alert event with the whole state; the latest figures are those of ``detection``."""
    data = Alert(
        alert=alert.alert, alert_key=key, step=step, detector=detection.detector, rule=detection.rule,
        subject=detection.subject, severity=alert.severity, count=alert.count, opened_time_ms=alert.opened_ms,
        updated_time_ms=alert.updated_ms, resolved_time_ms=resolved_ms, score=detection.score,
        threshold=detection.threshold, baseline=detection.baseline, observed=detection.observed, unit=detection.unit,
        model_version=detection.model_version, reason_zh=detection.reason_zh, reason_en=detection.reason_en,
        detected_time_ms=emitted.detected_ms,
    )  # fmt: skip
    event_ms = alert.updated_ms if resolved_ms is None else resolved_ms
    return Emitted(emitted.detected_ms, emitted.from_timer, emitted.position, emitted.scope, event_ms, data)
