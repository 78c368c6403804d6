"""Keys that were good a moment ago: what saves most requests the way to a thread and to the log.

Only good keys are remembered, by their hash, for ``KNOWN_S``: so a revocation counts at most that much later than the
key ring itself learns of it (``streams.keys``; within a second in all). Bounded; those checked longest ago go first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from streams.ports import KeyRing, Principal

KNOWN_S = 0.5
MAX_KNOWN = 1_024


class KnownKeys:
    """For the event loop; the key ring, which may read the log, is asked in a thread."""

    def __init__(self, keys: KeyRing, monotonic_s: Callable[[], float]) -> None:
        self._keys = keys
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

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
        self._remember(digest, asked_s, principal)
        return principal

    def _remember(self, digest: bytes, asked_s: float, principal: Principal | None) -> None:
        self._known.pop(digest, None)
        if principal is None:
            return
        self._known[digest] = (asked_s, principal)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
