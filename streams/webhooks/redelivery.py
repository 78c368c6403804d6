"""Finds in the log what an order says is to be delivered again: one alert step, or all recorded in a span of time.

Recorded times never go back within a partition, so where a span begins is found by halving.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas.families.deliveries import Redelivery
from schemas.families.system import Alert
from schemas.records import RawBatch, TopicPartition
from schemas.topics import covers
from streams.log import EventLog
from streams.pages import pages
from streams.webhooks.deliveries import Incoming
from streams.webhooks.intake import ALERTS_TOPIC
from streams.webhooks.messages import event_of
from streams.webhooks.subscriptions import Subscription

_PAGE_RECORDS: Final = 2_000


def ordered(log: EventLog, order: Redelivery, subscription: Subscription) -> Iterator[list[Incoming]]:
    """Page by page what is to be delivered again, in the log's order; what a subscription does not want is left out.

    One alert step that is named goes out whatever its filter says, if it is of its scope. :raises LogError:
    """
    from_ms, to_ms = order.from_time_ms, order.to_time_ms
    if order.what == "failed" or from_ms is None or to_ms is None:
        return
    earliest = log.earliest_offsets([ALERTS_TOPIC])
    for where, end in sorted(log.end_offsets([ALERTS_TOPIC]).items()):
        start = first_recorded_from(log, where, earliest[where], end, from_ms)
        for batch in pages(log, where, start, end, _PAGE_RECORDS):
            if found := list(_chosen(batch, order, subscription, to_ms)):
                yield found
            if int(batch.recorded_time_ms[-1]) >= to_ms:
                break


def first_recorded_from(log: EventLog, where: TopicPartition, start: int, end: int, from_ms: int) -> int:
    """The first offset from ``start`` on whose record was recorded at ``from_ms`` or later; ``end`` if none was."""
    low, high = start, end
    while low < high:
        middle = (low + high) // 2
        batch = log.read(where, middle, 1)
        if not len(batch) or int(batch.recorded_time_ms[0]) >= from_ms:
            high = middle
        else:
            low = int(batch.offsets[0]) + 1
    return low


def _chosen(batch: RawBatch, order: Redelivery, subscription: Subscription, to_ms: int) -> Iterator[Incoming]:
    for value, recorded_ms in zip(batch.values, batch.recorded_time_ms.tolist(), strict=True):
        if recorded_ms >= to_ms:
            return
        if order.from_time_ms is not None and recorded_ms < order.from_time_ms:
            continue
        event = event_of(value, recorded_ms)
        if event is None or not isinstance(event.data, Alert):
            continue
        if order.what == "one":
            scope = subscription.state.subscription_scope
            wanted = event.id == order.alert_event and covers(scope, event.scope)
        else:
            wanted = subscription.matches(event.data, event.scope)
        if wanted:
            yield Incoming(event.id, recorded_ms, event.data.subject, value, (subscription.subscription,))
