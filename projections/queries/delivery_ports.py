"""What may be asked of deliveries: the attempts for one subscription, and where an alert step lies in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.families.deliveries import DeliveryOutcome


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """``scope``: the subscription's own."""

    scope: str
    subscription: str
    outcome: DeliveryOutcome | None
    from_time: datetime | None  # of the attempt, half-open
    to_time: datetime | None
    before: tuple[datetime, str] | None  # (attempted_time, attempt) of the last row seen
    limit: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One attempt; ``attempt_id`` is the id of its event."""

    attempt_id: str
    attempted_time: datetime
    webhook_id: str
    alert_event: str
    alert: str | None
    subject: str
    attempt: int
    outcome: DeliveryOutcome
    status_code: int | None
    error: str | None
    latency_ms: int | None
    response_start: str | None
    next_attempt_time: datetime | None


@dataclass(frozen=True, slots=True)
class DeliverableStep:
    """An alert step that can be delivered again, and when it was recorded."""

    alert_event: str
    recorded_time: datetime


class DeliveryQueries(Protocol):
    """Part of :class:`projections.queries.ports.QueryPort`."""

    def deliveries(self, query: DeliveryQuery) -> list[DeliveryRow]:
        """Newest attempt first, at most ``limit``."""
        ...

    def deliverable(self, scope: str, subscription: str, name: str) -> DeliverableStep | None:
        """The alert step of a message's id, of this subscription, or of its own event's id within ``scope``."""
        ...
