"""What detectors say, as events: with ids derived from what caused them, so that saying it again is harmless."""

from __future__ import annotations

from detectors.contract import Emitted, derived_id
from schemas.event import Event, new_event
from schemas.families.system import Alert, Detection, DeviceStatus

SOURCE = "//gridpulse/detectors"


def event_id(emitted: Emitted) -> str:
    """The same for the same thing said about the same cause; see decision 3 in the architecture page.

    :raises TypeError: operators say nothing of this type
    """
    data = emitted.data
    if isinstance(data, Detection):
        active = "on" if data.active else "over"
        return derived_id(
            "detection", data.detector, data.rule, data.subject, active, data.cause_id, emitted.event_time_ms
        )
    if isinstance(data, DeviceStatus):
        return derived_id(
            "status", emitted.scope, data.device, data.status, data.cause, emitted.event_time_ms, emitted.detected_ms
        )
    if isinstance(data, Alert):
        return derived_id("alert", data.alert, data.step, *_of_step(data))
    raise TypeError(f"no id is defined for {type(data).__name__}")


def _of_step(data: Alert) -> tuple[object, ...]:
    """What tells a step from others of its kind in an alert: contents, not its number, so that it stays the same when
    the state is built anew with other parameters."""
    if data.step in ("opened", "resolved") or (data.step == "updated" and data.comment is None):
        return data.count, data.updated_time_ms
    if data.step in ("reminded", "escalated"):
        return (data.escalation,)
    return (
        data.detected_time_ms, data.actor, data.comment, data.assignee, data.verdict, data.case, data.silenced_by,
    )  # fmt: skip


def to_event(emitted: Emitted) -> Event:
    """The event to append to the log."""
    return new_event(
        emitted.data,
        id=event_id(emitted),
        source=SOURCE,
        scope=emitted.scope,
        event_time_ms=emitted.event_time_ms,
    )
