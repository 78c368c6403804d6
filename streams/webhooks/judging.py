"""What an answer means for a delivery and for its subscription. Pure.

An endpoint that says 410, or that used up all attempts of a delivery without having taken anything meanwhile, is
disabled. One that takes other deliveries is not: there it is the one delivery that is at fault, and it is abandoned.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.families.deliveries import DeliveryOutcome
from streams.webhooks.deliveries import Answer, Delivery, Settled
from streams.webhooks.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Why:
    """Why a subscription is disabled."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} · {self.en}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``disable``: the subscription is to be disabled for that reason."""

    settled: Settled
    disable: Why | None = None


def judge(
    delivery: Delivery,
    answer: Answer,
    attempted_ms: int,
    now_ms: int,
    schedule: Schedule,
    last_success_ms: int | None,
    is_active: bool,
) -> Judgement:
    """``last_success_ms``: when the subscription took something last; ``is_active``: it is delivered to at all."""
    attempt = delivery.attempts + 1
    if answer.error is None:
        return Judgement(_settled(delivery, "delivered", attempt, attempted_ms, None))
    if answer.is_gone:
        gone = Why("对方返回 410:地址已停用", "the endpoint answered 410: it is gone")
        return Judgement(_settled(delivery, "abandoned", attempt, attempted_ms, None), gone)
    pause_ms = schedule.pause_ms(delivery.webhook_id, attempt, answer.retry_after_s)
    if pause_ms is not None and is_active:
        return Judgement(_settled(delivery, "failed", attempt, attempted_ms, now_ms + pause_ms))
    disable = None
    began_ms = delivery.first_attempt_ms
    if pause_ms is None and (last_success_ms is None or (began_ms is not None and last_success_ms < began_ms)):
        disable = Why(
            f"连续 {attempt} 次投递失败,最近一次:{answer.error}",
            f"{attempt} attempts failed and nothing was taken meanwhile; the last one: {answer.error}",
        )
    return Judgement(_settled(delivery, "abandoned", attempt, attempted_ms, None), disable)


def _settled(
    delivery: Delivery, outcome: DeliveryOutcome, attempt: int, attempted_ms: int, next_attempt_ms: int | None
) -> Settled:
    return Settled(
        delivery.seq, delivery.subscription, delivery.subject, delivery.event_id, attempt, outcome, attempted_ms,
        next_attempt_ms,
    )  # fmt: skip
