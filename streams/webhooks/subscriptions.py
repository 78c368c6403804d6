"""Subscriptions as they stand: rebuilt from the control topic, and the events that change them.

Every event carries the whole state with a revision. Of two changes made at once from the same state, the one that is
first in the log counts and the other is as if it had never been, so nobody's change is lost without their knowing.
A deleted subscription never comes back; its scope, kind and owner never change.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from schemas.families.deliveries import Redelivery
from schemas.families.subscriptions import SubscriptionPing, SubscriptionState
from schemas.families.system import Alert
from schemas.records import NewRecord, RawBatch
from streams.control_state import CONTROL_TOPIC, LatestByKey, control_record
from streams.log import EventLog
from streams.webhooks.filters import AlertFilter
from streams.webhooks.vault import Vault

__all__ = [
    "CONTROL_TOPIC", "EVENT_SOURCE", "Subscription", "SubscriptionBook", "new_id", "ping_record", "redelivery_record",
    "state_record",
]  # fmt: skip

EVENT_SOURCE = "/gridpulse/subscriptions"
URL_FIELD, SIGN_SECRET_FIELD = "url", "sign_secret"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS = 16


@dataclass(frozen=True)
class Subscription:
    """One subscription as of its latest event. Holds nothing secret: that takes the vault."""

    state: SubscriptionState

    @property
    def subscription(self) -> str:
        return self.state.subscription

    @property
    def is_active(self) -> bool:
        return self.state.status == "active"

    @property
    def takes_pings(self) -> bool:
        """Also while it is paused: one tests an address before resuming."""
        return self.state.status in ("active", "paused")

    @cached_property
    def filter(self) -> AlertFilter:
        return AlertFilter.of(self.state)

    def matches(self, alert_event: Alert, scope: str) -> bool:
        """Whether this step of an alert in ``scope`` is to be delivered (if it is active)."""
        return self.filter.matches(alert_event, scope)

    def url(self, vault: Vault) -> str:
        """Where to. :raises SealBrokenError: sealed with another installation's key."""
        return vault.open(self.state.sealed_url, self.subscription, URL_FIELD)

    def sign_secret(self, vault: Vault) -> str | None:
        """What signs for a group robot's platform. :raises SealBrokenError: sealed with another key."""
        sealed = self.state.sealed_sign_secret
        return None if sealed is None else vault.open(sealed, self.subscription, SIGN_SECRET_FIELD)

    def signing_keys(self, vault: Vault, now_ms: int) -> list[bytes]:
        """The keys that sign (Standard Webhooks): the present one first, then the one before until it expires."""
        ids = [self.state.secret_id]
        expires_ms = self.state.previous_secret_expires_time_ms
        if self.state.previous_secret_id is not None and expires_ms is not None and now_ms < expires_ms:
            ids.append(self.state.previous_secret_id)
        return [vault.signing_key(self.subscription, secret_id) for secret_id in ids]


class SubscriptionBook:
    """All subscriptions, from records of the control topic in the order of each partition. Pure."""

    def __init__(self, partitions: int) -> None:
        """``partitions`` of the control topic."""
        self._state = LatestByKey(SubscriptionState, partitions, key_of, follows)
        self._known: dict[str, Subscription] = {}

    def absorb(self, batch: RawBatch) -> None:
        """Take in records of one partition; repeating them is harmless."""
        self._state.absorb(batch)

    def absorb_value(self, partition: int, value: bytes) -> str | None:
        """Take in one record; the subscription that it changed, None where it counts for nothing."""
        return self._state.absorb_value(partition, value)

    def get(self, subscription: str) -> Subscription | None:
        """One subscription, deleted ones too."""
        state = self._state.latest.get(subscription)
        if state is None:
            return None
        known = self._known.get(subscription)
        if known is None or known.state is not state:
            known = self._known[subscription] = Subscription(state)
        return known

    def names(self) -> list[str]:
        """The ids of all that there ever were."""
        return list(self._state.latest)

    def all(self) -> list[Subscription]:
        """Every subscription that is not deleted, by id."""
        found = (self.get(subscription) for subscription in sorted(self._state.latest))
        return [each for each in found if each is not None and each.state.status != "deleted"]

    def active(self) -> list[Subscription]:
        """Those that are delivered to, by id."""
        return [each for each in self.all() if each.is_active]


def key_of(state: SubscriptionState) -> str:
    return state.subscription


def follows(known: SubscriptionState, new: SubscriptionState) -> bool:
    """Whether ``new`` is a next state of ``known``."""
    fixed = ("subscription_scope", "kind", "key_id")
    return (
        known.status != "deleted"
        and new.revision > known.revision
        and all(getattr(new, name) == getattr(known, name) for name in fixed)
    )


def state_record(event_log: EventLog, state: SubscriptionState) -> NewRecord:
    """The record of a state, to be appended."""
    event_id = f"{state.subscription}.{state.revision}"
    return control_record(event_log, state, state.subscription, event_id, EVENT_SOURCE, state.subscription_scope)


def ping_record(event_log: EventLog, ping: SubscriptionPing, scope: str) -> NewRecord:
    """The record of a ping: behind its subscription's states, in the same partition."""
    return control_record(event_log, ping, ping.subscription, ping.ping, EVENT_SOURCE, scope)


def redelivery_record(event_log: EventLog, order: Redelivery, scope: str) -> NewRecord:
    """The record of an order to deliver again, in the same partition too."""
    return control_record(event_log, order, order.subscription, order.redelivery, EVENT_SOURCE, scope)


def new_id(prefix: str, choose: Callable[[str], str] = secrets.choice) -> str:
    """A random name, e.g. ``sub_4Kq9TzXw2mPb81xQ``."""
    return f"{prefix}_" + "".join(choose(_BASE62) for _ in range(_ID_CHARS))
