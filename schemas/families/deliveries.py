"""What became of telling people: every attempt to deliver an alert step, and orders to deliver again.

An attempt's id is derived from the delivery and the number of the attempt, so that saying it again after a crash is
harmless. Attempts are of the machine's own time: no operator reads them, and no replay makes any.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import EventData, EventType, with_lateness
from schemas.families.fields import Ref, ShortText

DeliveryOutcome = Literal["delivered", "failed", "abandoned"]


class DeliveryAttempt(EventData):
    """One attempt to deliver one alert step to one subscription, and what came of it."""

    type_name: ClassVar[str] = "cn.gridpulse.deliveries.attempt"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "deliveries"

    subscription: Ref = Field(description="the subscription")
    webhook_id: Ref = Field(description="id of the message, the same at every attempt; receivers drop repeats by it")
    alert_event: str = Field(max_length=128, description="id of the alert step (or ping) that is delivered")
    alert_recorded_time_ms: int = Field(description="when the alert step was recorded, epoch ms")
    alert: Ref | None = Field(None, description="the alert; null for a ping")
    subject: str = Field(max_length=128, description="what the alert is about; steps of one subject go in order")
    attempt: int = Field(ge=1, le=10_000, description="number of the attempt, from 1")
    outcome: DeliveryOutcome = Field(
        description="delivered: taken; failed: not taken, tried again; abandoned: not taken, not tried again"
    )
    status_code: int | None = Field(None, ge=100, le=999, description="status of the HTTP response, if there was one")
    error: str | None = Field(None, max_length=500, description="why it was not taken")
    latency_ms: int | None = Field(None, ge=0, description="time from connecting to the answer; null: not sent")
    response_start: str | None = Field(None, max_length=200, description="how the response's body begins")
    next_attempt_time_ms: int | None = Field(None, description="when it is tried again, epoch ms")
    attempted_time_ms: int = Field(description="when the attempt began, epoch ms")


class Redelivery(EventData):
    """Somebody wants alert steps delivered again to a subscription."""

    type_name: ClassVar[str] = "cn.gridpulse.control.redelivery"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"

    redelivery: Ref = Field(description="the order")
    subscription: Ref = Field(description="the subscription that they are delivered to")
    what: Literal["one", "failed", "span"] = Field(
        description="one: one alert step; failed: all that were abandoned; span: all recorded in a span of time"
    )
    alert_event: str | None = Field(None, max_length=128, description="id of the alert step, at one")
    from_time_ms: int | None = Field(None, description="recorded from then on, epoch ms; at one and span")
    to_time_ms: int | None = Field(None, description="recorded before then, epoch ms; at one and span")
    actor: ShortText = Field(description="who wants it: the id of a key")


EVENT_TYPES = with_lateness(
    None,
    EventType(
        DeliveryAttempt.type_name,
        "deliveries",
        "推送记录",
        "delivery attempts",
        "delivery_attempts",
        (DeliveryAttempt,),
    ),
    EventType(Redelivery.type_name, "control", "重新推送", "redeliveries", "redeliveries", (Redelivery,)),
)
