"""A delivery on its way: what is taken in, what is sent, what came of it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.contract import derived_id
from schemas.families.deliveries import DeliveryOutcome

PING_PREFIX: Final = "ping_"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event of the log, and the subscriptions that want it. ``value``: its record, as it lies in the log."""

    event_id: str
    recorded_ms: int
    subject: str
    value: bytes
    subscriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The first delivery of a line, that of one subscription about one subject, and when it is due."""

    subscription: str
    subject: str
    seq: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscription. ``round``: the order to deliver it again, empty at first."""

    seq: int
    subscription: str
    subject: str
    webhook_id: str
    event_id: str
    round: str
    attempts: int  # made before
    first_attempt_ms: int | None
    recorded_ms: int
    value: bytes

    @property
    def is_ping(self) -> bool:
        """A test: also sent while its subscription is paused."""
        return self.webhook_id.startswith(PING_PREFIX)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered. ``error``: why it does not count as taken; None: it was taken."""

    error: str | None
    latency_ms: int | None = None
    status_code: int | None = None
    response_start: str | None = None
    retry_after_s: float | None = None

    @property
    def is_gone(self) -> bool:
        """The endpoint says that it is no more (410)."""
        return self.status_code == 410


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of an attempt, for the outbox."""

    seq: int
    subscription: str
    subject: str
    event_id: str
    attempt: int
    outcome: DeliveryOutcome
    attempted_ms: int
    next_attempt_ms: int | None


def webhook_id(subscription: str, event_id: str) -> str:
    """The message's id: the same at every attempt, after every crash and at every redelivery.

    A ping's is its own: it goes to one subscription only, and who asked for it knows it.
    """
    return event_id if event_id.startswith(PING_PREFIX) else f"msg_{derived_id('delivery', subscription, event_id)}"
