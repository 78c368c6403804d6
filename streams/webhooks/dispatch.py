"""Which delivery is sent next, so that nobody waits for anybody else's endpoint.

Order       of a line (one subscription, one subject) only the head is under way, so its steps arrive in order.
Shares      every subscription takes its turn. One that has just answered well may have several deliveries under way;
            one that fails, or has not answered yet, has one, and all of these together have at most half of the slots;
            one whose delivery has been under way for long gets no further. So endpoints that hang never hold the rest.
Hosts       no host has more than its share of connections, however many subscriptions point at it.
Paused      of a subscription that is paused only pings are sent; the rest waits.
Memory      a few numbers per subscription that something waits for; deliveries are in the outbox, and only those
            under way are here.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.webhooks.deliveries import Delivery
from streams.webhooks.outbox import Outbox

_SLOW_MS: Final = 2_000
_WOKEN: Final = 8
_Queue = OrderedDict[str, None]


class Way(NamedTuple):
    """Where a subscription's deliveries go now."""

    host: str
    only_pings: bool = False


@dataclass(frozen=True, slots=True)
class Shares:
    """How many deliveries may be under way at a time."""

    total: int = 256
    per_subscription: int = 8
    per_host: int = 64

    @property
    def unproven(self) -> int:
        """Of all whose endpoint did not answer well the last time."""
        return max(1, self.total // 2)


@dataclass(slots=True)
class _Endpoint:
    """What is known of a subscription's endpoint, since this process began."""

    under_way: dict[str, tuple[int, str, bool]] = field(default_factory=dict)  # subject: since when, host, unproven
    successes: int = 0  # since the last failure


class Dispatcher:
    """See the module. ``way_of``: where a subscription's deliveries go; None: it is not to be delivered to now."""

    def __init__(self, outbox: Outbox, way_of: Callable[[str], Way | None], shares: Shares) -> None:
        self._outbox, self._way_of, self._shares = outbox, way_of, shares
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._timers: list[tuple[int, str]] = []
        self._timer_of: dict[str, int] = {}
        self._endpoints: dict[str, _Endpoint] = defaultdict(_Endpoint)
        self._under_way = 0
        self._unproven = 0
        self._of_host: dict[str, int] = defaultdict(int)
        self._for_host: dict[str, _Queue] = defaultdict(OrderedDict)  # who waits for a connection to that host
        self._for_unproven: _Queue = OrderedDict()
        for subscription in outbox.waiting_subscriptions():
            self.wake(subscription)

    @property
    def under_way(self) -> int:
        return self._under_way

    def is_under_way(self, subscription: str, subject: str) -> bool:
        """Whether the head of that line is being sent."""
        return subscription in self._endpoints and subject in self._endpoints[subscription].under_way

    def wake(self, subscription: str) -> None:
        """Something may be due for it."""
        self._turns.setdefault(subscription)

    def take(self, now_ms: int) -> list[Delivery]:
        """What is to be sent now; each is under way until :meth:`finished`."""
        while self._timers and self._timers[0][0] <= now_ms:
            due_ms, subscription = heapq.heappop(self._timers)
            if self._timer_of.get(subscription) == due_ms:
                del self._timer_of[subscription]
            self.wake(subscription)
        out: list[Delivery] = []
        while self._turns and self._under_way < self._shares.total:
            subscription, _ = self._turns.popitem(last=False)
            out += self._take_from(subscription, now_ms)
        return out

    def next_due_ms(self) -> int | None:
        """When :meth:`take` should be asked again, if nothing happens before."""
        return self._timers[0][0] if self._timers else None

    def finished(self, delivery: Delivery, succeeded: bool) -> None:
        """An attempt is over, and the outbox knows what came of it."""
        endpoint = self._endpoints[delivery.subscription]
        _, host, unproven = endpoint.under_way.pop(delivery.subject)
        endpoint.successes = endpoint.successes + 1 if succeeded else 0
        self._under_way -= 1
        self._unproven -= unproven
        self._of_host[host] -= 1
        self.wake(delivery.subscription)
        self._wake_some(self._for_host[host], every=not self._of_host[host])
        if unproven:
            self._wake_some(self._for_unproven, every=not self._unproven)
        if not self._of_host[host]:
            del self._of_host[host], self._for_host[host]

    def _wake_some(self, queue: _Queue, every: bool) -> None:
        """Those that have waited longest. ``every``: nobody would wake the rest later."""
        for _ in range(len(queue) if every else min(_WOKEN, len(queue))):
            self.wake(queue.popitem(last=False)[0])

    def _take_from(self, subscription: str, now_ms: int) -> list[Delivery]:
        way, endpoint = self._way_of(subscription), self._endpoints[subscription]
        if way is None:
            if not endpoint.under_way:
                del self._endpoints[subscription]
            return []
        allowance = self._allowance(endpoint, now_ms)
        if allowance <= 0:
            return []  # the end of one that is under way wakes it
        host = way.host
        room = min(allowance, self._room(subscription, endpoint, host, allowance))
        if room <= 0:
            return []
        unproven = not endpoint.successes
        out: list[Delivery] = []
        for head in self._outbox.heads(subscription, room + len(endpoint.under_way) + 1, way.only_pings):
            if head.subject in endpoint.under_way:
                continue
            if len(out) == room:
                break
            if head.due_ms > now_ms:
                self._set_timer(subscription, head.due_ms)
                break
            out.append(self._outbox.load(head))
        for delivery in out:
            endpoint.under_way[delivery.subject] = now_ms, host, unproven
        self._under_way += len(out)
        self._unproven += unproven * len(out)
        self._of_host[host] += len(out)
        if out and self._under_way >= self._shares.total:
            self.wake(subscription)  # perhaps it wanted more: its turn comes again when there is room
        return out

    def _room(self, subscription: str, endpoint: _Endpoint, host: str, wanted: int) -> int:
        """How many the others leave; where that is less than wanted the subscription queues for what is short."""
        for_host = self._shares.per_host - self._of_host[host]
        if for_host < wanted:
            self._for_host[host].setdefault(subscription)
        for_unproven = self._shares.unproven - self._unproven if not endpoint.successes else wanted
        if for_unproven < wanted:
            self._for_unproven.setdefault(subscription)
        return min(for_host, for_unproven, self._shares.total - self._under_way)

    def _allowance(self, endpoint: _Endpoint, now_ms: int) -> int:
        """How many more may be under way: grows with every success, falls to one with a failure."""
        if any(now_ms - since_ms > _SLOW_MS for since_ms, _, _ in endpoint.under_way.values()):
            return 0
        return min(1 + endpoint.successes, self._shares.per_subscription) - len(endpoint.under_way)

    def _set_timer(self, subscription: str, due_ms: int) -> None:
        known_ms = self._timer_of.get(subscription)
        if known_ms is None or due_ms < known_ms:
            self._timer_of[subscription] = due_ms
            heapq.heappush(self._timers, (due_ms, subscription))
