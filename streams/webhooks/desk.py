"""The delivery worker without its loops: takes in what the log says, hands out what is to be sent, settles answers.

Everything that it decides is one transaction of the outbox; ending between any two of them loses nothing. For one
thread, as the outbox is; the clock is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from schemas.families.system import Alert
from schemas.records import NewRecord
from streams.log import EventLog
from streams.webhooks.deliveries import Answer, Delivery, Settled
from streams.webhooks.dispatch import Dispatcher, Shares, Way
from streams.webhooks.intake import ALERTS_TOPIC, Intake, Reading
from streams.webhooks.judging import Judgement, Why, judge
from streams.webhooks.messages import Composer
from streams.webhooks.outbox import Outbox
from streams.webhooks.redelivery import ordered
from streams.webhooks.reports import alert_record, attempt_record, disabled_alert, disabled_state, resolved_alert
from streams.webhooks.schedule import Schedule
from streams.webhooks.subscriptions import Subscription, SubscriptionBook, state_record
from streams.webhooks.worker_metrics import WorkerMetrics

_ABANDONED_PAGE: Final = 500
_NOT_TRIED: Final = Answer("订阅已停用,不再投递 · the subscription was disabled: not tried any more")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that is over."""

    delivery: Delivery
    answer: Answer
    attempted_ms: int


@dataclass(frozen=True, slots=True)
class DeskPorts:
    """What a desk works with."""

    log: EventLog
    outbox: Outbox
    book: SubscriptionBook
    intake: Intake
    composer: Composer
    clock: Callable[[], int]
    schedule: Schedule
    metrics: WorkerMetrics


class Desk:
    """See the module. ``dispatcher`` says what is sent next."""

    def __init__(self, ports: DeskPorts, shares: Shares) -> None:
        self._ports = ports
        self._outbox, self._book, self._clock = ports.outbox, ports.book, ports.clock
        self._status: dict[str, str] = {}
        self._alerts = {name: orjson.loads(saved) for name, saved in ports.outbox.open_alerts().items()}
        self._to_abandon: dict[str, None] = {}
        self._partitions = ports.log.partitions(ALERTS_TOPIC)  # all topics have the same number
        self.dispatcher = Dispatcher(ports.outbox, self._way_of, shares)

    def subscription(self, name: str, *, for_ping: bool = False) -> Subscription | None:
        """The subscription, if it is delivered to now."""
        one = self._book.get(name)
        if one is None or self._is_disabled_by(one):
            return None
        return one if one.is_active or (for_ping and one.takes_pings) else None

    def _way_of(self, name: str) -> Way | None:
        """Where its deliveries go, for sharing out connections; None: nowhere now."""
        one = self.subscription(name, for_ping=True)
        return None if one is None else Way(self._ports.composer.host(one), only_pings=not one.is_active)

    def take_in(self, reading: Reading) -> None:
        """Store what the log says."""
        taken = self._ports.intake.take(reading)
        for order in taken.orders:
            one = self.subscription(order.subscription)
            if one is None:
                log.warning("redelivery_ignored", subscription=order.subscription, redelivery=order.redelivery)
                continue
            if order.what == "failed":
                self._outbox.retry_abandoned(one.subscription, order.redelivery, self._clock())
            for page in ordered(self._ports.log, order, one):
                self._outbox.take_in(page, {}, self._clock(), redelivery=order.redelivery, seen_again=True)
            self.dispatcher.wake(one.subscription)
        for name in self._outbox.take_in(taken.incoming, taken.offsets, self._clock()):
            self.dispatcher.wake(name)
        if taken.subscriptions_changed:
            self.reconcile()

    def settle(self, attempts: Sequence[Attempted]) -> None:
        """Store what came of attempts, and free their places."""
        now_ms = self._clock()
        judged = [(one, self._judged(one, now_ms)) for one in attempts]
        records = self._reports((one.delivery, judgement.settled, one.answer) for one, judgement in judged)
        alerts: dict[str, bytes] = {}
        for one, judgement in judged:
            name = one.delivery.subscription
            if judgement.disable is not None and (subscription := self.subscription(name)) is not None:
                alerts[name] = self._disable(subscription, judgement.disable, now_ms, records)
        self._outbox.settle([judgement.settled for _, judgement in judged], records, now_ms, alerts)
        for one, judgement in judged:
            self._ports.metrics.attempted(judgement.settled, one.answer, now_ms - one.delivery.recorded_ms)
            self.dispatcher.finished(one.delivery, judgement.settled.outcome == "delivered")

    def reconcile(self) -> None:
        """Bring the outbox in line with subscriptions that have changed, or with all at start."""
        for name in self._book.names():
            one = self._book.get(name)
            assert one is not None
            status = one.state.status
            if name in self._alerts and status != "disabled" and not self._is_disabled_by(one):
                self._resolve(one)
            if self._status.get(name) == status:
                continue
            self._status[name] = status
            self._to_abandon.pop(name, None)
            match status:
                case "active":
                    self.dispatcher.wake(name)
                case "disabled":
                    self._to_abandon[name] = None
                case "deleted":
                    self._outbox.forget(name)

    def tidy(self) -> bool:
        """Give up a page of what waits for disabled subscriptions; whether there may be more."""
        for name in list(self._to_abandon):
            page = self._outbox.waiting(name, _ABANDONED_PAGE)
            left = [one for one in page if not self.dispatcher.is_under_way(name, one.subject)]
            if left:
                self._abandon(left)
                return True
            if not page:
                del self._to_abandon[name]
        return False

    def prune(self, keep_seen_ms: int, keep_abandoned_ms: int) -> None:
        """Forget what is long over."""
        now_ms = self._clock()
        self._outbox.prune(now_ms - keep_seen_ms, now_ms - keep_abandoned_ms)

    def _judged(self, one: Attempted, now_ms: int) -> Judgement:
        name = one.delivery.subscription
        last_success_ms = None if one.answer.error is None else self._outbox.last_success_ms(name)
        status = self._book.get(name)
        is_active = status is not None and (self.subscription(name) is not None or status.state.status == "paused")
        return judge(
            one.delivery, one.answer, one.attempted_ms, now_ms, self._ports.schedule, last_success_ms, is_active
        )

    def _reports(self, settled: Iterable[tuple[Delivery, Settled, Answer]]) -> list[NewRecord]:
        out: list[NewRecord] = []
        for delivery, of_it, answer in settled:
            one = self._book.get(delivery.subscription)
            if one is not None:
                notice = self._ports.composer.notice(delivery)
                out.append(attempt_record(one.state, delivery, notice, of_it, answer, self._partitions))
        return out

    def _is_disabled_by(self, one: Subscription) -> bool:
        """Whether this worker has disabled it, and the log has not given that back yet."""
        return one.subscription in self._alerts and one.state.revision < self._alerts[one.subscription]["revision"]

    def _disable(self, one: Subscription, why: Why, now_ms: int, records: list[NewRecord]) -> bytes:
        """Adds what is to be said; the alert, to be kept until the subscription is resumed."""
        state = disabled_state(one.state, str(why))
        alert = disabled_alert(state, why.zh, why.en, now_ms)
        records.append(state_record(self._ports.log, state))
        records.append(alert_record(alert, state.subscription_scope, self._partitions))
        kept = {"revision": state.revision, "alert": alert.model_dump()}
        self._alerts[one.subscription] = kept
        log.warning("subscription_disabled", subscription=one.subscription, why=why.en)
        return orjson.dumps(kept)

    def _resolve(self, one: Subscription) -> None:
        kept = self._alerts.pop(one.subscription)
        alert = resolved_alert(Alert.model_validate(kept["alert"]), self._clock())
        record = alert_record(alert, one.state.subscription_scope, self._partitions)
        self._outbox.close_alert(one.subscription, [record])

    def _abandon(self, deliveries: Sequence[Delivery]) -> None:
        """What waits for a disabled subscription is not tried any more; it can be ordered again."""
        now_ms = self._clock()
        settled = [
            (one, Settled(one.seq, one.subscription, one.subject, one.event_id, one.attempts + 1, "abandoned", now_ms,
                          None), _NOT_TRIED)
            for one in deliveries
        ]  # fmt: skip
        self._outbox.settle([of_it for _, of_it, _ in settled], self._reports(settled), now_ms)
