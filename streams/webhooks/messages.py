"""What is sent for a delivery: the event's notice, in the words and with the signature of the subscription's kind.

An alert step goes to many subscriptions and is tried many times: its record is read once for all that follow soon.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from schemas.event import Event
from schemas.families.subscriptions import SubscriptionKind, SubscriptionPing
from schemas.families.system import Alert
from schemas.strict import Limits, Rejected, parse_strict
from streams.log import MAX_RECORD_BYTES
from streams.webhooks.deliveries import Delivery
from streams.webhooks.notices import AlertNotice, Notice, PingNotice
from streams.webhooks.payloads import Payload, payload_of
from streams.webhooks.robots import refusal_of, signed
from streams.webhooks.sending import Message
from streams.webhooks.signing import signed_headers
from streams.webhooks.subscriptions import Subscription
from streams.webhooks.vault import SealBrokenError, Vault

USER_AGENT: Final = "GridPulse-Webhooks/1.0"
_LIMITS: Final = Limits(max_event_bytes=MAX_RECORD_BYTES, max_ahead_ms=2**62)
_KEPT: Final = 512


def event_of(value: bytes, recorded_ms: int) -> Event | None:
    """The event in a record of ours, in its type's latest version; None where it is none."""
    event = parse_strict(value, None, recorded_ms, _LIMITS)
    return None if isinstance(event, Rejected) else event


def notice_of(event: Event) -> Notice | None:
    """What there is to tell; None for events that nobody is told of."""
    if isinstance(event.data, Alert):
        return AlertNotice(event.id, event.scope, event.event_time_ms, event.data)
    if isinstance(event.data, SubscriptionPing):
        return PingNotice(event.id, event.data.subscription, event.event_time_ms)
    return None


class Composer:
    """Makes messages. ``zone``: the site's, for people."""

    def __init__(self, vault: Vault, zone: ZoneInfo) -> None:
        self._vault, self._zone = vault, zone
        self._notices: OrderedDict[str, Notice] = OrderedDict()
        self._payloads: OrderedDict[tuple[str, str], Payload] = OrderedDict()
        self._opened: dict[str, tuple[int, str, str | None]] = {}  # revision, URL and robot's secret by subscription

    def notice(self, delivery: Delivery) -> Notice:
        """What a delivery tells."""
        known = self._notices.get(delivery.event_id)
        if known is None:
            event = event_of(delivery.value, delivery.recorded_ms)
            known = None if event is None else notice_of(event)
            assert known is not None  # it was read when it was taken in
            self._notices[delivery.event_id] = known
            if len(self._notices) > _KEPT:
                self._notices.popitem(last=False)
        return known

    def host(self, subscription: Subscription) -> str:
        """Which connections a subscription's deliveries share with others."""
        try:
            return urlsplit(self._secrets(subscription)[0]).netloc or subscription.state.kind
        except (SealBrokenError, ValueError):
            return ""

    def message(self, subscription: Subscription, delivery: Delivery, now_ms: int) -> Message:
        """The request of an attempt made now. :raises SealBrokenError: the address was sealed with another key."""
        kind = subscription.state.kind
        plain_url, secret = self._secrets(subscription)
        payload = self._payload(kind, delivery)
        url, body = signed(kind, plain_url, payload.body, secret, now_ms)
        keys = subscription.signing_keys(self._vault, now_ms)
        headers = {
            "content-type": payload.content_type,
            "user-agent": USER_AGENT,
            **signed_headers(delivery.webhook_id, now_ms, body, keys),
        }
        return Message(url, headers, body, partial(refusal_of, kind), payload.subject)

    def _payload(self, kind: SubscriptionKind, delivery: Delivery) -> Payload:
        key = delivery.event_id, kind
        known = self._payloads.get(key)
        if known is None:
            known = self._payloads[key] = payload_of(kind, self.notice(delivery), self._zone)
            if len(self._payloads) > _KEPT:
                self._payloads.popitem(last=False)
        return known

    def _secrets(self, subscription: Subscription) -> tuple[str, str | None]:
        name, revision = subscription.subscription, subscription.state.revision
        known = self._opened.get(name)
        if known is None or known[0] != revision:
            known = revision, subscription.url(self._vault), subscription.sign_secret(self._vault)
            self._opened[name] = known
        return known[1], known[2]
