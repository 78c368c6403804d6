"""Keys that were good a moment ago, and keys that nobody has heard of yet.

Good keys are remembered, by their hash, for ``KNOWN_S``: that saves most requests the way to a thread and to the log.
So a revocation counts at most that much later than the key ring itself learns of it (``streams.keys``; within a second
in all). Bounded; those checked longest ago go first.

A key that is not good may have been issued just now, elsewhere. So before it is refused the ring reads on, to what was
the log's end when the request came: a key counts from the first request that comes after it was issued. All who wait
share a read, and between two there are ``READ_EVERY_S``; they wait on the event loop and hold no thread. So a flood
of wrong keys delays its own answers and costs nobody else anything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from streams.ports import KeyRing, Principal

KNOWN_S = 0.5
MAX_KNOWN = 1_024
READ_EVERY_S = 0.1


class KnownKeys:
    """For the event loop; the key ring, which may read the log, is asked in a thread."""

    def __init__(self, keys: KeyRing, monotonic_s: Callable[[], float]) -> None:
        self._keys = keys
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._next_read: asyncio.Task[None] | None = None  # one that has not begun
        self._reading = asyncio.Lock()
        self._may_read_s = monotonic_s()

    def __len__(self) -> int:
        return len(self._known)

    async def verify(self, presented: str) -> Principal | None:
        """See :class:`streams.ports.KeyRing`."""
        digest = hashlib.sha256(presented.encode()).digest()
        asked_s = self._monotonic_s()
        found = self._known.get(digest)
        if found is not None and asked_s - found[0] < KNOWN_S:
            return found[1]
        principal = await run_in_threadpool(self._keys.verify, presented)
        if principal is None:
            await self._read_on()
            principal = await run_in_threadpool(self._keys.verify, presented)
        self._remember(digest, asked_s, principal)
        return principal

    async def _read_on(self) -> None:
        """Until a read is over that began after this was called."""
        if self._next_read is None:
            self._next_read = asyncio.create_task(self._read_when_due())
        await asyncio.shield(self._next_read)  # a client that goes away takes it from nobody

    async def _read_when_due(self) -> None:
        async with self._reading:
            await asyncio.sleep(self._may_read_s - self._monotonic_s())
            self._next_read = None
            try:
                await run_in_threadpool(self._keys.read_on)
            finally:
                self._may_read_s = self._monotonic_s() + READ_EVERY_S

    def _remember(self, digest: bytes, asked_s: float, principal: Principal | None) -> None:
        self._known.pop(digest, None)
        if principal is None:
            return
        self._known[digest] = (asked_s, principal)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
