"""One lane of a run: read in log order, decoded as live, filtered, and put through the detectors.

Before ``from_ms`` the detectors only learn; with a shortened warm-up nothing but the registry is taken from before it,
so that devices and persons are known. Bounds are exact: of what the detectors say, what was detected in them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from detectors.contract import Emitted
from detectors.lane import LaneOperator
from replay.run_filter import RowFilter
from replay.run_log import PinnedLog
from replay.run_spec import RunSpec
from replay.run_state import LaneState, Manifest
from schemas.codec import Decoded
from schemas.columns import EventBatch, TypedRows
from schemas.families.registry import Device
from schemas.records import RawBatch
from schemas.topics import DOMAIN_TOPICS, topic_of
from streams.log import EventLog, LogUnavailableError
from streams.merge import LanePosition, LaneReader

WAIT_S = 0.05  # a look at whether the pinned ends have been reached, between waits for a slow log
GIVE_UP_S = 30.0
_NEVER_MS, _ENDLESS_MS = -(2**62), 2**62
_REGISTRY_TOPIC = topic_of(Device.family)
Decode = Callable[[RawBatch], Decoded]


@dataclass(frozen=True, slots=True)
class Step:
    """One batch of the lane. ``said``: within the bounds; ``events``: filtered rows recorded within them."""

    raw: RawBatch
    said: list[Emitted]
    events: EventBatch


class LaneRun:
    """Goes through one lane from its state; the state follows with every step."""

    def __init__(self, log: EventLog, manifest: Manifest, lane: int, state: LaneState, operator: LaneOperator) -> None:
        self.lane, self.state, self._operator = lane, state, operator
        if state.detectors is not None:
            operator.restore(state.detectors)
        position = None if state.position is None else LanePosition.from_bytes(state.position)
        self._log = PinnedLog(log, manifest.ends)
        self._reader = LaneReader(self._log, DOMAIN_TOPICS, lane, position)
        spec = manifest.spec
        self._filter = RowFilter(spec)
        self._from_ms, self._to_ms, self._learn_from_ms = _bounds(spec)

    def read(self, max_records: int, monotonic_s: Callable[[], float]) -> RawBatch | None:
        """The next records; None when nothing is left that is settled, or in bounds: then the lane is finished.

        :raises LogUnavailableError: the log gives nothing although there is more.
        """
        give_up_s = monotonic_s() + GIVE_UP_S
        while not self._is_past_the_end():
            raw = self._reader.poll(max_records, 0.0 if self._log.exhausted else WAIT_S)
            if raw is not None:
                return raw
            if self._log.exhausted:
                break
            if monotonic_s() > give_up_s:
                raise LogUnavailableError(
                    f"lane {self.lane} gave nothing for {GIVE_UP_S:.0f} s although it goes on: see that the log is up, "
                    "and go on with --resume"
                )
        self.state.is_finished = True
        return None

    def process(self, raw: RawBatch, decode: Decode) -> Step:
        """Take the records in; what they give rise to within the bounds."""
        said: list[Emitted] = []
        events = EventBatch(raw.partition, raw.recorded_time_ms)
        for part in self._parts(raw):
            events = self._filter(decode(part).events)
            self.state.events += sum(len(rows) for rows in events.types.values())
            said += self._operator.process(events)
        self.state.records += len(raw)
        self.state.clock_ms = int(raw.recorded_time_ms[-1])
        within = [emitted for emitted in said if self._from_ms <= emitted.detected_ms < self._to_ms]
        return Step(raw, within, self._recorded_within(events))

    def saved(self) -> LaneState:
        """The state as it is after the last step, to be kept."""
        self.state.position = self._reader.position().to_bytes()
        self.state.detectors = self._operator.snapshot()
        return self.state

    def close(self) -> None:
        self._reader.close()

    def _is_past_the_end(self) -> bool:
        return self.state.clock_ms is not None and self.state.clock_ms >= self._to_ms

    def _parts(self, raw: RawBatch) -> Iterator[RawBatch]:
        """What the detectors get of a batch: the registry alone before the warm-up, everything from there on."""
        start = int(np.searchsorted(raw.recorded_time_ms, self._learn_from_ms))
        if start and _REGISTRY_TOPIC in raw.topics:
            early = raw.slice(0, start)
            at = np.flatnonzero(early.topic_index == raw.topics.index(_REGISTRY_TOPIC))
            if len(at):
                yield _taken(early, at)
        if start < len(raw):
            yield raw.slice(start, len(raw)) if start else raw

    def _recorded_within(self, events: EventBatch) -> EventBatch:
        times_ms = events.recorded_time_ms
        if len(times_ms) and self._from_ms <= times_ms[0] and times_ms[-1] < self._to_ms:
            return events
        kept = {name: _between(typed, self._from_ms, self._to_ms) for name, typed in events.types.items()}
        return replace(events, types={name: typed for name, typed in kept.items() if len(typed)})


def _bounds(spec: RunSpec) -> tuple[int, int, int]:
    from_ms = _NEVER_MS if spec.from_ms is None else spec.from_ms
    to_ms = _ENDLESS_MS if spec.to_ms is None else spec.to_ms
    return from_ms, to_ms, _NEVER_MS if spec.warm_up_ms is None else from_ms - spec.warm_up_ms


def _between(typed: TypedRows, from_ms: int, to_ms: int) -> TypedRows:
    start, stop = np.searchsorted(typed.ints("recorded_time_ms"), (from_ms, to_ms)).tolist()
    count = stop - start
    return TypedRows(
        typed.type_name, typed.positions[start:stop], typed.envelope.slice(start, count), typed.data.slice(start, count)
    )


def _taken(raw: RawBatch, at: np.ndarray[tuple[int], np.dtype[np.int64]]) -> RawBatch:
    places = at.tolist()
    return RawBatch(
        raw.partition, raw.topics, raw.topic_index[at], raw.offsets[at], raw.recorded_time_ms[at],
        [raw.values[place] for place in places],
        None if raw.headers is None else [raw.headers[place] for place in places],
    )  # fmt: skip
