"""Who is told of alerts, and where: subscriptions, each event the whole state, and test pings.

Nothing in them lets a reader of the log speak in somebody's name: addresses (a group robot's address is its password)
and robots' signing secrets are sealed, and of a signing secret of ours only the id is told, from which the holder of
the installation's key derives it (:mod:`streams.webhooks.vault`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import EventData, EventType, with_lateness
from schemas.families.fields import Ref, ShortText
from schemas.families.system import Severity

SubscriptionKind = Literal["standard", "wecom", "dingtalk", "feishu", "email"]
SubscriptionStatus = Literal["active", "paused", "disabled", "deleted"]


class SubscriptionState(EventData):
    """A subscription as it is from now on: made, changed, paused, resumed, disabled or deleted."""

    type_name: ClassVar[str] = "cn.gridpulse.control.subscription"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"

    subscription: Ref = Field(description="the subscription")
    revision: int = Field(ge=1, description="number of this state, from 1; of two with one number the first counts")
    subscription_scope: str = Field(max_length=200, description="alerts of this subtree; empty for all")
    kind: SubscriptionKind = Field(
        description="standard: Standard Webhooks; wecom, dingtalk, feishu: group robots; email: SMTP"
    )
    shown_url: str = Field(max_length=300, description="where to, without what is secret in it")
    sealed_url: str = Field(max_length=4_000, description="where to, sealed with the installation's key")
    sealed_sign_secret: str | None = Field(
        None, max_length=600, description="the signing secret that a group robot's platform gave, sealed"
    )
    detectors: str | None = Field(None, max_length=1_000, description="only these, separated by commas; null: all")
    rules: str | None = Field(None, max_length=2_000, description="only these, separated by commas; null: all")
    steps: str | None = Field(None, max_length=500, description="only these, separated by commas; null: all")
    min_severity: Severity = Field(description="alerts at least so grave at the step")
    silenced: bool = Field(description="true: silenced alerts too")
    secret_id: Ref = Field(description="id of the secret that signs; the secret is derived from it")
    previous_secret_id: Ref | None = Field(None, description="id of the secret before, which signs beside it")
    previous_secret_expires_time_ms: int | None = Field(None, description="until when it does, epoch ms")
    status: SubscriptionStatus = Field(description="active: delivered to; the others are not; deleted is for ever")
    status_reason: str | None = Field(None, max_length=500, description="why it is paused or disabled")
    note: ShortText | None = Field(None, description="whom it is for")
    key_id: Ref = Field(description="the API key that made it")
    actor: ShortText = Field(description="who made this change: the id of a key, or gridpulse itself")


class SubscriptionPing(EventData):
    """Somebody wants to see that a subscription arrives: a ping is delivered like an alert."""

    type_name: ClassVar[str] = "cn.gridpulse.control.subscription_ping"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"

    ping: Ref = Field(description="the ping")
    subscription: Ref = Field(description="the subscription that it is delivered to")
    actor: ShortText = Field(description="who wants it: the id of a key")


EVENT_TYPES = with_lateness(
    None,
    EventType(
        SubscriptionState.type_name, "control", "告警订阅", "alert subscriptions", "subscriptions", (SubscriptionState,)
    ),
    EventType(
        SubscriptionPing.type_name,
        "control",
        "订阅测试",
        "subscription pings",
        "subscription_pings",
        (SubscriptionPing,),
    ),
)
