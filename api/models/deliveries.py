"""The delivery log of a subscription, and orders to deliver again."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.models.common import Out, Page
from schemas.families.deliveries import DeliveryOutcome


class DeliveryOut(Out):
    attempt_id: str
    attempted_time: datetime
    webhook_id: str = Field(description="消息编号,每次尝试相同 the message's id, the same at every attempt")
    alert_event: str = Field(description="告警步骤的事件号 id of the alert step")
    alert: str | None = Field(description="告警;测试消息为 null the alert; null for a test")
    subject: str
    attempt: int = Field(description="第几次尝试 number of the attempt")
    outcome: DeliveryOutcome = Field(
        description="已送达、失败将重试、已放弃 delivered; failed: tried again; abandoned: not tried again"
    )
    status_code: int | None
    error: str | None
    latency_ms: int | None
    response_start: str | None = Field(description="响应开头 how the response begins")
    next_attempt_time: datetime | None


class DeliveriesOut(Page):
    subscription: str
    timezone: str
    deliveries: list[DeliveryOut] = Field(description="新者在前 newest first")


class RedeliverIn(BaseModel):
    """Exactly one of: one message, all that were abandoned, all recorded in a span of time."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"event_id": "msg_4be1f05d7a2c93e86d10b7f4a5c28e91"}, {"failed": True}]},
    )

    event_id: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="消息编号 webhook-id,或告警步骤的事件号 a webhook-id, or the id of an alert step",
    )
    failed: Literal[True] | None = Field(
        None, description="全部已放弃的;失败待重试的立即重试 all that were abandoned; those that wait are tried at once"
    )
    from_: str | None = Field(
        None, alias="from", max_length=40, description="记录时间从 recorded from then on; RFC 3339, or -2h"
    )
    to: str | None = Field(None, max_length=40, description="至(不含),默认现在 before then; default: now")


class RedeliveryOut(Out):
    """It was ordered; what comes of it is in the delivery log."""

    subscription: str
    redelivery: str
    what: Literal["one", "failed", "span"]
