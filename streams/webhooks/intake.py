"""What comes from the log: alert steps and who wants them, subscriptions, pings, orders to deliver again.

The control topic is always read to its end *after* alerts were read: so a subscription that was made before an alert
is known when that alert is looked at. Alerts that were recorded before a subscription are not for it.

Guarantees
    once        an alert step that is in the log twice is taken in once. One that is said again long after it happened
                (state that is built anew says everything again) is not told to anybody: ``max_age_ms``.
    nothing     is lost: the log's offsets are stored with what was taken from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.event import Event
from schemas.families.deliveries import Redelivery
from schemas.families.subscriptions import SubscriptionPing
from schemas.families.system import Alert
from schemas.records import RawBatch, TopicPartition
from schemas.topics import topic_of
from streams.log import EventLog
from streams.pages import pages
from streams.webhooks.deliveries import Incoming
from streams.webhooks.messages import event_of
from streams.webhooks.subscriptions import CONTROL_TOPIC, Subscription, SubscriptionBook

ALERTS_TOPIC: Final = topic_of("alerts")
TOPICS: Final = (ALERTS_TOPIC, CONTROL_TOPIC)
MAX_RECORDS: Final = 2_000
_PING_SIGN: Final = SubscriptionPing.type_name.encode()
_ORDER_SIGN: Final = Redelivery.type_name.encode()


@dataclass(frozen=True, slots=True)
class Reading:
    """Records that were read; nothing was done with them yet."""

    alerts: Sequence[RawBatch]
    control: Sequence[RawBatch]

    def __bool__(self) -> bool:
        return bool(self.alerts or self.control)


@dataclass(slots=True)
class TakenIn:
    """What is in a reading. ``offsets``: how far it goes."""

    incoming: list[Incoming] = field(default_factory=list)
    orders: list[Redelivery] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    subscriptions_changed: bool = False


class LogFollower:
    """Reads both topics on. Blocks: for a thread of its own."""

    def __init__(self, log: EventLog, offsets: Mapping[TopicPartition, int]) -> None:
        """``offsets``: how far alerts were taken in; the control topic is read whole, since states are in it."""
        earliest = log.earliest_offsets(TOPICS)
        start = {where: offsets.get(where, first) for where, first in earliest.items() if where.topic == ALERTS_TOPIC}
        self._log = log
        self._control = {where: first for where, first in earliest.items() if where.topic == CONTROL_TOPIC}
        self._reader = log.reader(start)

    def read(self, timeout_s: float) -> Reading:
        """What there is, waiting for alerts for so long at most. :raises LogError:"""
        alerts = [batch for batch in self._reader.poll(MAX_RECORDS, timeout_s) if len(batch)]
        return Reading(alerts, list(self._control_to_end()))

    def _control_to_end(self) -> Iterator[RawBatch]:
        for where, end in self._log.end_offsets([CONTROL_TOPIC]).items():
            for batch in pages(self._log, where, self._control[where], end, MAX_RECORDS):
                self._control[where] = int(batch.offsets[-1]) + 1
                yield batch

    def close(self) -> None:
        self._reader.close()


class Intake:
    """Works out what a reading means. Pure, but for what it knows of subscriptions."""

    def __init__(
        self,
        book: SubscriptionBook,
        done: Mapping[TopicPartition, int],
        *,
        max_age_ms: int | None,
        not_before_ms: int = 0,
    ) -> None:
        """``done``: pings and orders below these offsets were carried out. ``not_before_ms``: alerts recorded before
        then are nobody's: a worker that begins without its state does not tell everything since long ago again."""
        self._book, self._done, self._max_age_ms, self._not_before_ms = book, dict(done), max_age_ms, not_before_ms
        self._since_ms: dict[str, int] = {}

    def take(self, reading: Reading) -> TakenIn:
        taken = TakenIn()
        for batch in reading.control:
            self._take_control(batch, taken)
        active = self._book.active() if reading.alerts else []
        for batch in reading.alerts:
            for value, recorded_ms in zip(batch.values, batch.recorded_time_ms.tolist(), strict=True):
                event = event_of(value, recorded_ms)
                if event is not None and isinstance(event.data, Alert):
                    wanted = self._wanted_by(active, event, event.data, recorded_ms)
                    taken.incoming.append(Incoming(event.id, recorded_ms, event.data.subject, value, wanted))
            taken.offsets[TopicPartition(batch.topics[0], batch.partition)] = int(batch.offsets[-1]) + 1
        return taken

    def _wanted_by(
        self, active: Sequence[Subscription], event: Event, alert: Alert, recorded_ms: int
    ) -> tuple[str, ...]:
        old = (
            self._max_age_ms is not None
            and alert.detected_time_ms is not None
            and recorded_ms - alert.detected_time_ms > self._max_age_ms
        )
        if old or recorded_ms < self._not_before_ms:
            return ()
        return tuple(
            one.subscription
            for one in active
            if self._since_ms[one.subscription] <= recorded_ms and one.matches(alert, event.scope)
        )

    def _take_control(self, batch: RawBatch, taken: TakenIn) -> None:
        where = TopicPartition(batch.topics[0], batch.partition)
        done = self._done.get(where, 0)
        columns = zip(batch.values, batch.recorded_time_ms.tolist(), batch.offsets.tolist(), strict=True)
        for value, recorded_ms, offset in columns:
            if (changed := self._book.absorb_value(where.partition, value)) is not None:
                self._since_ms.setdefault(changed, recorded_ms)
                taken.subscriptions_changed = True
            if offset >= done and (_PING_SIGN in value or _ORDER_SIGN in value):
                self._take_wish(value, recorded_ms, taken)
        taken.offsets[where] = max(done, int(batch.offsets[-1]) + 1)

    def _take_wish(self, value: bytes, recorded_ms: int, taken: TakenIn) -> None:
        event = event_of(value, recorded_ms)
        if event is None:
            return
        if isinstance(event.data, Redelivery):
            taken.orders.append(event.data)
        elif isinstance(event.data, SubscriptionPing):
            one = self._book.get(event.data.subscription)
            if one is not None and one.takes_pings:
                line = f"ping:{event.data.ping}"  # a line of its own: a ping waits for nothing
                taken.incoming.append(Incoming(event.id, recorded_ms, line, value, (one.subscription,)))
