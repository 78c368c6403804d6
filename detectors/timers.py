"""Timers on log time: a heap of (due, key), at most one timer per key.

Order: :meth:`TimerHeap.due` yields what is due strictly before the clock, by due time and then by key, so firing does
not depend on when it is asked. Timers set while it yields are taken into account.
Cost: moving a timer *later* is one dictionary write (the heap entry moves when its old time comes); moving it earlier
or cancelling leaves a dead entry behind. Dead entries are swept when they outnumber the live ones, so memory stays
proportional to the number of keys. Saved state is the live timers only.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

NEVER_MS = 2**62
_SLACK_ENTRIES = 64  # dead entries that are not worth a sweep


class TimerHeap:
    """Timers by key; see the module's header."""

    __slots__ = ("_due_ms", "_heap", "_queued_ms")

    def __init__(self, saved: dict[str, int] | None = None) -> None:
        self._due_ms: dict[str, int] = dict(saved or {})
        self._queued_ms: dict[str, int] = dict(self._due_ms)
        self._heap: list[tuple[int, str]] = [(due, key) for key, due in self._due_ms.items()]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._due_ms)

    @property
    def next_ms(self) -> int:
        """No timer is due before this time."""
        return self._heap[0][0] if self._heap else NEVER_MS

    def due_of(self, key: str) -> int | None:
        """When the key's timer is due; None when it has none."""
        return self._due_ms.get(key)

    def schedule(self, key: str, due_ms: int) -> None:
        """Set or move the key's timer."""
        self._due_ms[key] = due_ms
        queued = self._queued_ms.get(key)
        if queued is None or due_ms < queued:
            self._queued_ms[key] = due_ms
            heapq.heappush(self._heap, (due_ms, key))
            if len(self._heap) > 2 * len(self._due_ms) + _SLACK_ENTRIES:
                self._sweep()

    def cancel(self, key: str) -> None:
        """Drop the key's timer, if it has one."""
        if self._due_ms.pop(key, None) is not None and len(self._heap) > 2 * len(self._due_ms) + _SLACK_ENTRIES:
            self._sweep()

    def due(self, clock_ms: int) -> Iterator[tuple[int, str]]:
        """Take out and yield (due, key) of every timer due strictly before ``clock_ms``."""
        while self._heap and self._heap[0][0] < clock_ms:
            queued, key = heapq.heappop(self._heap)
            if self._queued_ms.get(key) != queued:
                continue  # a dead entry: an earlier one was queued, or the sweep came
            del self._queued_ms[key]
            due = self._due_ms.get(key)
            if due is None:
                continue  # cancelled
            if due > queued:  # moved later meanwhile
                self._queued_ms[key] = due
                heapq.heappush(self._heap, (due, key))
                continue
            del self._due_ms[key]
            yield due, key

    def saved(self) -> dict[str, int]:
        """The live timers, to build another heap from."""
        return dict(self._due_ms)

    def _sweep(self) -> None:
        self._queued_ms = dict(self._due_ms)
        self._heap = [(due, key) for key, due in self._due_ms.items()]
        heapq.heapify(self._heap)
