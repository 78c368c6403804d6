"""Writes what a run says, and with ``--tables`` the events it read, into the run's database.

What detectors say takes the way it takes live: event, record, decoder, writer. Only the log is left out: a row's
coordinates are its topic, its lane and a running number, and it counts as recorded when it was detected. Running
numbers go on from the lane's state, so what is written again after a resumption is the same row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np

from detectors.contract import Emitted
from detectors.outputs import to_event
from projections.writer import Writer
from replay.run_lane import Decode, Step
from replay.run_state import LaneState
from schemas.columns import EventBatch
from schemas.event import to_record_value
from schemas.records import RawBatch
from schemas.topics import topic_of
from streams.progress import Progress, progress_of

FLUSH_ROWS = 50_000


class RunSink:
    """Gathers one lane's rows; :meth:`flush` returns when all can be queried."""

    def __init__(
        self, writer: Writer, decode_said: Decode, now: Callable[[], datetime], lane: int, state: LaneState,
        has_tables: bool,
    ) -> None:  # fmt: skip
        """``decode_said`` decodes without a limit on how far ahead a time is: live stamps with the wall clock."""
        self._writer, self._decode, self._now = writer, decode_said, now
        self._lane, self._state, self._has_tables = lane, state, has_tables
        self._batches: list[EventBatch] = []
        self._progress: list[Progress] = []
        self._rows = 0

    def take(self, step: Step) -> None:
        """Keep a step's rows until they are worth an insert."""
        self.say(step.said)
        if self._has_tables:
            self._batches.append(step.events)
            self._progress += progress_of(step.raw)
            self._rows += len(step.raw)
        if self._rows >= FLUSH_ROWS:
            self.flush()

    def say(self, said: Sequence[Emitted]) -> None:
        """What the detectors said, in order."""
        by_topic: dict[str, tuple[list[int], list[bytes]]] = {}
        for emitted in said:
            if getattr(emitted.data, "detected_time_ms", None) != emitted.detected_ms:
                raise AssertionError(f"a detector did not take the lane's clock for its own: {emitted}")
            event = to_event(emitted)
            times_ms, values = by_topic.setdefault(topic_of(event.event_type.family), ([], []))
            times_ms.append(emitted.detected_ms)
            values.append(to_record_value(event, emitted.detected_ms))
        for topic, (times_ms, values) in by_topic.items():
            first = self._state.said.get(topic, 0)
            self._state.said[topic] = first + len(values)
            times = np.maximum.accumulate(times_ms).tolist()
            raw = RawBatch.of(topic, self._lane, range(first, first + len(values)), times, values)
            decoded = self._decode(raw)
            if decoded.dead:
                raise AssertionError(f"the detectors said what cannot be read: {decoded.dead[0].detail}")
            self._batches.append(decoded.events)
            self._progress += progress_of(raw)
            self._rows += len(values)

    def flush(self) -> None:
        """:raises StoreError: not written; nothing was forgotten."""
        if self._batches:
            self._writer.write(self._batches, self._progress, self._now())
        self._batches, self._progress, self._rows = [], [], 0
