"""What people say about alerts, out of a batch in its place in the log's order, and what an action does to an alert.

An action that makes no sense (an alert that is over acknowledged, a verdict without one, a second acknowledgement,
the same event again) does nothing and is not answered. Whoever speaks must speak at the alert's scope or above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detectors.incident_alert import AlertState
from schemas.columns import EventBatch
from schemas.families.civic import AlertAction, AlertSilence
from schemas.families.system import AlertStep
from schemas.topics import covers

_KEPT_IDS = 8


@dataclass(frozen=True, slots=True)
class PersonSaid:
    """An action or a silence, as it stands in the log."""

    detected_ms: int  # log time
    position: int
    scope: str
    event_ms: int
    event_id: str  # with its source
    data: AlertAction | AlertSilence

    @property
    def order(self) -> tuple[int, bool, int, str, str]:
        """Its place among what detectors emit: that of its row."""
        return (self.detected_ms, False, self.position, type(self.data).type_name, "")


def said_by_people(batch: EventBatch) -> list[PersonSaid]:
    """Actions and silences of the batch. They are rare: an object each."""
    found: list[PersonSaid] = []
    for model in (AlertAction, AlertSilence):
        rows = batch.of(model.type_name)
        if rows is None or not len(rows):
            continue
        columns = {name: rows.values(name) for name in model.model_fields}
        values: list[dict[str, Any]] = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        ids = [f"{source} {name}" for source, name in zip(rows.texts("source"), rows.texts("id"), strict=True)]
        places = (rows.ints("recorded_time_ms"), rows.positions, rows.ints("event_time_ms"))
        for now_ms, position, event_ms, scope, event_id, value in zip(
            *(one.tolist() for one in places), rows.texts("scope"), ids, values, strict=True
        ):
            found.append(PersonSaid(now_ms, position, scope, event_ms, event_id, model(**value)))
    return found


def may_be_taken(alert: AlertState, spoken: PersonSaid) -> bool:
    """Whether it was said where it may be said, and for the first time; then it is remembered."""
    if spoken.event_id in alert.heeded or not (covers(spoken.scope, alert.scope) or covers(spoken.scope, alert.home)):
        return False
    alert.heeded = (*alert.heeded, spoken.event_id)[-_KEPT_IDS:]
    return True


def taken(alert: AlertState, action: AlertAction, event_ms: int) -> AlertStep | None:
    """What an action changes in the alert; the step it is, None when it makes no sense.

    Ending an open alert (``resolve``, ``close``) is more than that: the caller does it first.
    """
    is_open, is_closed = alert.resolved_ms is None, alert.closed_ms is not None
    match action.action:
        case "acknowledge" if is_open and alert.acknowledged_by is None:
            alert.acknowledged_by, alert.acknowledged_ms = action.actor, event_ms
            return "acknowledged"
        case "assign" if action.assignee is not None and not is_closed:
            alert.assignee = action.assignee
            return "assigned"
        case "comment" if action.comment:
            return "commented"
        case "verdict" if action.verdict is not None:
            alert.verdict = action.verdict
            return "verdict"
        case "report_case" if action.case is not None:
            alert.case = action.case
            return "reported"
        case "close" if not is_open and not is_closed:
            alert.closed_ms = event_ms
            return "closed"
        case _:
            return None
