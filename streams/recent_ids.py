"""The ids accepted lately: answers "duplicate" to a sender who repeats itself.

A courtesy, bounded in memory: what falls out of the window and comes again is appended again and absorbed by key
further on. Only ids whose append was durable are remembered, so "duplicate" always means "it is in the log".
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable

Digest = bytes


def digest_of(source: str, event_id: str) -> Digest:
    """Identity of an event in 16 bytes."""
    return hashlib.blake2b(f"{source}\x1f{event_id}".encode(), digest_size=16).digest()


class RecentIds:
    """A thread-safe set of the latest ``capacity`` digests (about 130 bytes each)."""

    def __init__(self, capacity: int = 200_000) -> None:
        self._capacity = capacity
        self._digests: set[Digest] = set()
        self._in_order: deque[Digest] = deque()  # a dict finds its own oldest key ever more slowly
        self._lock = threading.Lock()

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._digests

    def __len__(self) -> int:
        return len(self._digests)

    def remember(self, digests: Iterable[Digest]) -> None:
        with self._lock:
            fresh = [digest for digest in dict.fromkeys(digests) if digest not in self._digests]
            self._digests.update(fresh)
            self._in_order.extend(fresh)
            while len(self._in_order) > self._capacity:
                self._digests.discard(self._in_order.popleft())
