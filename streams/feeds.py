"""Feeds: where a dataflow's batches come from, one feed per part of the log, each with its own position.

``lane/p``    partition *p* of all domain topics, merged in log order: for detectors and the writer.
``system/p``  partition *p* of the system topics (detections, alerts, dead letters …): for the writer only. They need no
              common order, so they are read one by one and wait for no ticks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import orjson

from schemas.records import RawBatch, TopicPartition
from schemas.topics import DOMAIN_TOPICS, SYSTEM_TOPICS
from streams.log import EventLog
from streams.merge import LanePosition, LaneReader

Ends = Mapping[TopicPartition, int]
"""Where a bounded feed ends: one past the last offset wanted, per partition."""


class Feed(Protocol):
    """A resumable stream of batches."""

    def poll(self, max_records: int) -> RawBatch | None:
        """Further records, or None when there are none now; never blocks."""
        ...

    def position(self) -> bytes:
        """From where a new feed goes on, right after what was returned last."""
        ...

    @property
    def ended(self) -> bool:
        """Whether a bounded feed has given all; an unbounded one never has."""
        ...

    def close(self) -> None: ...


class LaneFeed:
    """One lane, merged."""

    def __init__(self, log: EventLog, partition: int, saved: bytes | None, ends: Ends | None) -> None:
        position = LanePosition.from_bytes(saved) if saved is not None else None
        drain_to = None if ends is None else {topic: ends[TopicPartition(topic, partition)] for topic in DOMAIN_TOPICS}
        self._reader = LaneReader(log, DOMAIN_TOPICS, partition, position, drain_to=drain_to)

    @property
    def ended(self) -> bool:
        return self._reader.drained

    def poll(self, max_records: int) -> RawBatch | None:
        return self._reader.poll(max_records, 0.0)

    def position(self) -> bytes:
        return self._reader.position().to_bytes()

    def close(self) -> None:
        self._reader.close()


class SystemFeed:
    """The system topics of one partition, each in its own order.

    A broker's clock can step back; recorded times are raised to the running maximum of their topic, and the position
    keeps it, so that a resumed feed gives the same rows as one from the beginning.
    """

    def __init__(self, log: EventLog, partition: int, saved: bytes | None, ends: Ends | None) -> None:
        earliest = log.earliest_offsets(SYSTEM_TOPICS)
        self._next = {topic: earliest[TopicPartition(topic, partition)] for topic in SYSTEM_TOPICS}
        self._reached_ms: dict[str, int] = {}
        if saved is not None:
            document = orjson.loads(saved)
            self._next.update(document.get("next_offsets", document))  # older positions are the offsets alone
            self._reached_ms.update(document.get("reached_ms", {}))
        self._reader = log.reader({TopicPartition(topic, partition): offset for topic, offset in self._next.items()})
        self._ready: list[RawBatch] = []
        self._ends = (
            None if ends is None else {topic: ends[TopicPartition(topic, partition)] for topic in SYSTEM_TOPICS}
        )

    @property
    def ended(self) -> bool:
        return self._ends is not None and all(self._next[topic] >= end for topic, end in self._ends.items())

    def poll(self, max_records: int) -> RawBatch | None:
        if not self._ready:
            self._ready = [batch for batch in self._reader.poll(max_records, 0.0) if len(batch)]
        if not self._ready:
            return None
        batch = self._ready.pop(0)
        topic = batch.topics[0]
        times_ms = np.maximum(np.maximum.accumulate(batch.recorded_time_ms), self._reached_ms.get(topic, 0))
        self._reached_ms[topic] = int(times_ms[-1])
        self._next[topic] = int(batch.offsets[-1]) + 1
        return replace(batch, recorded_time_ms=times_ms)

    def position(self) -> bytes:
        return orjson.dumps({"next_offsets": self._next, "reached_ms": self._reached_ms})

    def close(self) -> None:
        self._reader.close()


@dataclass(frozen=True, slots=True)
class FeedName:
    """``kind/partition`` as text, the name of a Bytewax source partition."""

    kind: str
    partition: int

    @classmethod
    def parse(cls, text: str) -> FeedName:
        kind, _, partition = text.partition("/")
        return cls(kind, int(partition))

    def __str__(self) -> str:
        return f"{self.kind}/{self.partition:04d}"

    def open(self, log: EventLog, saved: bytes | None, ends: Ends | None) -> Feed:
        """The feed, from the saved position or the log's beginning, up to ``ends`` (None: for ever)."""
        feed = LaneFeed if self.kind == "lane" else SystemFeed
        return feed(log, self.partition, saved, ends)
