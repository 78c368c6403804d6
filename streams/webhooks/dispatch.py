"""Which delivery is sent next, so that nobody waits for anybody else's endpoint.

Order       of a line (one subscription, one subject) only the head is under way, so its steps arrive in order.
Shares      every subscription takes its turn. One that has just answered well may have several deliveries under way;
            one that fails, or has not answered yet, has one, and all of these together have at most half of the slots;
            one whose delivery has been under way for long gets no further. So endpoints that hang never hold the rest.
Hosts       no host has more than its share of connections, however many subscriptions point at it.
Memory      a few numbers per subscription that something waits for; deliveries are in the outbox, and only those
            under way are here.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streams.webhooks.deliveries import Delivery
from streams.webhooks.outbox import Outbox

_SLOW_MS: Final = 2_000


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
    """See the module. ``host_of``: where a subscription's deliveries go; None: it is not to be delivered to now."""

    def __init__(self, outbox: Outbox, host_of: Callable[[str], str | None], shares: Shares) -> None:
        self._outbox, self._host_of, self._shares = outbox, host_of, shares
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._timers: list[tuple[int, str]] = []
        self._endpoints: dict[str, _Endpoint] = defaultdict(_Endpoint)
        self._under_way = 0
        self._unproven = 0
        self._of_host: dict[str, int] = defaultdict(int)
        self._for_host: dict[str, deque[str]] = defaultdict(deque)  # subscriptions that wait for a host's connections
        self._for_unproven: deque[str] = deque()
        for subscription in outbox.waiting_subscriptions():
            self.wake(subscription)

    @property
    def under_way(self) -> int:
        return self._under_way

    def wake(self, subscription: str) -> None:
        """Something may be due for it."""
        self._turns.setdefault(subscription)

    def take(self, now_ms: int) -> list[Delivery]:
        """What is to be sent now; each is under way until :meth:`finished`."""
        while self._timers and self._timers[0][0] <= now_ms:
            self.wake(heapq.heappop(self._timers)[1])
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
        if self._for_host[host]:
            self.wake(self._for_host[host].popleft())
        elif not self._of_host[host]:
            del self._of_host[host], self._for_host[host]
        if unproven and self._for_unproven:
            self.wake(self._for_unproven.popleft())

    def _take_from(self, subscription: str, now_ms: int) -> list[Delivery]:
        host = self._host_of(subscription)
        endpoint = self._endpoints[subscription]
        if host is None:
            if not endpoint.under_way:
                del self._endpoints[subscription]
            return []
        allowance = self._allowance(endpoint, now_ms)
        if allowance <= 0:
            return []  # the end of one that is under way wakes it
        room = min(allowance, self._shares.total - self._under_way)
        unproven = endpoint.successes == 0
        heads = self._outbox.heads(subscription, room + len(endpoint.under_way) + 1)
        out: list[Delivery] = []
        for head in heads:
            if head.subject in endpoint.under_way:
                continue
            if head.due_ms > now_ms:
                heapq.heappush(self._timers, (head.due_ms, subscription))
                break
            if self._of_host[host] >= self._shares.per_host:
                self._for_host[host].append(subscription)
                break
            if unproven and self._unproven >= self._shares.unproven:
                self._for_unproven.append(subscription)
                break
            if len(out) == room:
                if len(out) < allowance:
                    self.wake(subscription)  # it was the whole that was short
                break
            endpoint.under_way[head.subject] = now_ms, host, unproven
            self._under_way += 1
            self._unproven += unproven
            self._of_host[host] += 1
            out.append(self._outbox.load(head))
        return out

    def _allowance(self, endpoint: _Endpoint, now_ms: int) -> int:
        """How many more may be under way: grows with every success, falls to one with a failure."""
        if any(now_ms - since_ms > _SLOW_MS for since_ms, _, _ in endpoint.under_way.values()):
            return 0
        return min(1 + endpoint.successes, self._shares.per_subscription) - len(endpoint.under_way)
