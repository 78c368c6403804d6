"""One alert: its whole state, and its next step as an event that carries all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from detectors.contract import Emitted
from schemas.families.fields import Verdict
from schemas.families.system import GRAVITY, Alert, AlertStep, Detection, Severity, SilencedAs


class Moment(NamedTuple):
    """When and where in the lane's order a step is taken."""

    detected_ms: int  # log time
    from_timer: bool = True
    position: int = 0


class Silencer(NamedTuple):
    """Why nobody is told: a silence, or the alert that is the cause."""

    kind: SilencedAs
    by: str


@dataclass(slots=True)
class AlertState:
    """An alert, open or ended. Times are event times unless they are log times by name."""

    alert: str
    key: str
    scope: str
    home: str  # the scope at its opening
    severity: Severity
    last: Detection
    opened_ms: int
    updated_ms: int
    said_log_ms: int  # the last opened or updated
    count: int = 1
    steps: int = 0
    resolved_ms: int | None = None
    ended_log_ms: int = 0
    causes: tuple[str, ...] = ()  # keys of alerts that make this one moot while they are open
    silencer: Silencer | None = None
    aloud: bool = False  # some step was neither silenced nor under another alert: people know of it
    gravest: Severity = "info"
    lower: Severity | None = None  # the gravest noticed since it was graver
    cleared: tuple[Detection, int] | None = None  # said to be over, not believed yet; and its event time
    unstable: bool = False
    escalation: int = 0
    waiting_log_ms: int = 0  # since when people are waited for
    group: str | None = None
    grouped: int = 0
    acknowledged_by: str | None = None
    acknowledged_ms: int | None = None
    assignee: str | None = None
    verdict: Verdict | None = None
    case: str | None = None
    closed_ms: int | None = None
    heeded: tuple[str, ...] = ()  # the last actions that were taken, so that none is taken twice


def said(
    alert: AlertState, step: AlertStep, at: Moment, event_ms: int, *, actor: str | None = None,
    comment: str | None = None,
) -> Emitted:  # fmt: skip
    """The alert's next step, with its whole state."""
    alert.steps += 1
    alert.aloud |= alert.silencer is None and alert.group is None
    alert.gravest = max(alert.gravest, alert.severity, key=GRAVITY.__getitem__)
    last, silencer = alert.last, alert.silencer
    data = Alert(
        alert=alert.alert, alert_key=alert.key, step=step, detector=last.detector, rule=last.rule,
        subject=last.subject, severity=alert.severity, count=alert.count, opened_time_ms=alert.opened_ms,
        updated_time_ms=alert.updated_ms, resolved_time_ms=alert.resolved_ms, score=last.score,
        threshold=last.threshold, baseline=last.baseline, observed=last.observed, unit=last.unit,
        model_version=last.model_version, reason_zh=last.reason_zh, reason_en=last.reason_en,
        detected_time_ms=at.detected_ms, step_number=alert.steps, actor=actor, comment=comment,
        acknowledged_by=alert.acknowledged_by, acknowledged_time_ms=alert.acknowledged_ms, assignee=alert.assignee,
        verdict=alert.verdict, case=alert.case, closed_time_ms=alert.closed_ms, silenced=silencer is not None,
        silenced_as=silencer.kind if silencer else None, silenced_by=silencer.by if silencer else None,
        unstable=alert.unstable, escalation=alert.escalation, group=alert.group, grouped=alert.grouped,
    )  # fmt: skip
    return Emitted(at.detected_ms, at.from_timer, at.position, alert.scope, event_ms, data)
