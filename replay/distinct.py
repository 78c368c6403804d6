"""Counts the different events of a log without the help of the database that is to be checked.

Exact up to ``capacity`` events; above that on a sample chosen by the event's id, halved whenever it grows too large,
so memory is bounded. ClickHouse can say which rows are in the sample (:meth:`DistinctEvents.chosen_sql`), so what is
compared is exact in any case.
"""

from __future__ import annotations

import zlib
from collections import Counter

from schemas.columns import EventBatch

CAPACITY = 500_000


class DistinctEvents:
    """Different events by type, over all batches that were shown."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._mask = 0
        self._seen: dict[int, tuple[str, int]] = {}  # hash of the identity -> type, checksum of the id

    def take(self, events: EventBatch) -> None:
        """Look at a batch; repetitions are known again."""
        for name, typed in events.types.items():
            ids, columns = (
                typed.texts("id"),
                (typed.texts("scope"), typed.ints("event_time_ms").tolist(), typed.texts("source")),
            )
            for event_id, scope, event_time_ms, source in zip(ids, *columns, strict=True):
                checksum = zlib.crc32(event_id.encode())
                if not checksum & self._mask:
                    self._seen[hash((name, scope, event_time_ms, source, event_id))] = (name, checksum)
            while len(self._seen) > self._capacity:
                self._halve()

    def counts(self) -> dict[str, int]:
        """Different events in the sample, by type."""
        return dict(Counter(name for name, _ in self._seen.values()))

    def chosen_sql(self) -> str:
        """SQL of the rows that are in the sample."""
        return f"bitAnd(CRC32(event_id), {self._mask}) = 0"

    def _halve(self) -> None:
        self._mask = self._mask << 1 | 1
        self._seen = {key: value for key, value in self._seen.items() if not value[1] & self._mask}
