"""What the worker says in the log: attempts, endpoints that it disabled, and the alerts about these. Pure.

All ids are derived from what is reported, so that saying it again after a crash is harmless.
"""

from __future__ import annotations

from typing import Final

from detectors.contract import derived_id
from schemas.event import NO_SCOPE, new_event, to_new_record
from schemas.families.deliveries import DeliveryAttempt
from schemas.families.subscriptions import SubscriptionState
from schemas.families.system import Alert
from schemas.records import NewRecord
from schemas.rules import WEBHOOKS_DETECTOR, WEBHOOKS_RULE
from streams.webhooks.deliveries import Answer, Delivery, Settled
from streams.webhooks.notices import AlertNotice, Notice

SOURCE: Final = "//gridpulse/webhooks"
ACTOR: Final = "gridpulse"
MODEL_VERSION: Final = "webhooks-1"


def attempt_record(
    state: SubscriptionState, delivery: Delivery, notice: Notice, settled: Settled, answer: Answer, partitions: int
) -> NewRecord:
    """One attempt, or the end of a delivery that is not attempted any more."""
    data = DeliveryAttempt(
        subscription=delivery.subscription,
        webhook_id=delivery.webhook_id,
        alert_event=delivery.event_id,
        alert_recorded_time_ms=delivery.recorded_ms,
        alert=notice.alert.alert if isinstance(notice, AlertNotice) else None,
        subject=delivery.subject,
        attempt=settled.attempt,
        outcome=settled.outcome,
        status_code=answer.status_code,
        error=answer.error,
        latency_ms=answer.latency_ms,
        response_start=answer.response_start,
        next_attempt_time_ms=settled.next_attempt_ms,
        attempted_time_ms=settled.attempted_ms,
    )
    event = new_event(
        data,
        id=derived_id("attempt", delivery.webhook_id, delivery.round, settled.attempt),
        source=SOURCE,
        scope=state.subscription_scope or NO_SCOPE,
        event_time_ms=settled.attempted_ms,
    )
    return to_new_record(event, partitions, None)


def disabled_state(state: SubscriptionState, why: str) -> SubscriptionState:
    """The subscription's next state."""
    return state.model_copy(
        update={"revision": state.revision + 1, "status": "disabled", "status_reason": why[:500], "actor": ACTOR}
    )


def disabled_alert(disabled: SubscriptionState, why_zh: str, why_en: str, now_ms: int) -> Alert:
    """The alert that a subscription was disabled; ``disabled`` is its new state."""
    key = f"{WEBHOOKS_DETECTOR}/{WEBHOOKS_RULE}/{disabled.subscription}"
    return Alert(
        alert=derived_id("alert", key, disabled.revision),
        alert_key=key,
        step="opened",
        detector=WEBHOOKS_DETECTOR,
        rule=WEBHOOKS_RULE,
        subject=disabled.subscription,
        severity="warning",
        count=1,
        opened_time_ms=now_ms,
        updated_time_ms=now_ms,
        score=1.0,
        threshold=1.0,
        model_version=MODEL_VERSION,
        reason_zh=f"订阅 {disabled.subscription}({disabled.shown_url})已停用:{why_zh}"[:500],
        reason_en=f"Subscription {disabled.subscription} ({disabled.shown_url}) was disabled: {why_en}"[:500],
        detected_time_ms=now_ms,
        step_number=1,
    )


def resolved_alert(opened: Alert, now_ms: int) -> Alert:
    """The same, over: somebody has resumed or deleted the subscription."""
    return opened.model_copy(
        update={
            "step": "resolved", "step_number": 2, "updated_time_ms": now_ms, "resolved_time_ms": now_ms,
            "detected_time_ms": now_ms,
            "reason_zh": f"订阅 {opened.subject} 已恢复或删除。",
            "reason_en": f"Subscription {opened.subject} was resumed or deleted.",
        }
    )  # fmt: skip


def alert_record(alert: Alert, scope: str, partitions: int) -> NewRecord:
    """The record of a step of such an alert."""
    event = new_event(
        alert,
        id=derived_id("alert", alert.alert, alert.step),
        source=SOURCE,
        scope=scope or NO_SCOPE,
        event_time_ms=alert.updated_time_ms,
    )
    return to_new_record(event, partitions, None)
