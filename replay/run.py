"""Replays a bounded part of the log through the detectors, into a database of its own. Sequential; no alert sink.

Guarantees
    nothing is appended     the log is seen through :class:`replay.run_log.PinnedLog`, which only reads.
    exact                   what is said depends on the records and parameters alone: neither on speed, nor on where
                            batches are cut, nor on how often the run was ended and resumed.
    resumable               lanes are saved every ``save_every_records``, after their rows are in the database.
Memory: one lane's reader and detectors (all lanes' when paced, since they share one time), and one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from detectors.lane import build_lane
from projections.writer import Writer
from replay.run_lane import Decode, LaneRun, Step
from replay.run_sink import RunSink
from replay.run_state import LaneState, Manifest, RunDirectory
from schemas.topics import DOMAIN_TOPICS
from streams.log import EventLog

BATCH_RECORDS = 20_000
PACED_BATCH_RECORDS = 500
SAVE_EVERY_RECORDS = 500_000


@dataclass(frozen=True, slots=True)
class RunPorts:
    """What a run needs from outside. ``now`` stamps rows of progress only; the other two pace and measure."""

    log: EventLog
    writer: Writer
    decode: Decode
    decode_said: Decode
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """``speed``: times real time by recorded time, from ``from`` on; None: as fast as can be."""

    speed: float | None = None
    save_every_records: int = SAVE_EVERY_RECORDS
    max_batch_records: int = BATCH_RECORDS


def records_to_read(manifest: Manifest, log: EventLog) -> int:
    """At most so many, for a progress bar."""
    earliest = log.earliest_offsets(DOMAIN_TOPICS)
    return sum(max(0, end - earliest[where]) for where, end in manifest.ends.items())


def run_replay(
    manifest: Manifest, directory: RunDirectory, ports: RunPorts, config: RunConfig,
    progress: Callable[[int], None] = lambda _records: None,
) -> list[LaneState]:  # fmt: skip
    """Go on with a run to its end; every lane's final state. ``progress`` hears of records read, ever again from 0.

    :raises OffsetOutOfRangeError: retention was faster. :raises StoreError: the database gave up.
    """
    replay = _Replay(manifest, directory, ports, config, progress)
    try:
        return replay.run()
    finally:
        replay.close()


class _Lane:
    """A lane at work: its run, its sink, and how much was read since it was saved."""

    def __init__(self, manifest: Manifest, lane: int, state: LaneState, ports: RunPorts) -> None:
        self.run = LaneRun(ports.log, manifest, lane, state, build_lane(manifest.spec.params()))
        self.sink = RunSink(ports.writer, ports.decode_said, ports.now, lane, state, manifest.spec.has_tables)
        self.unsaved_records = 0

    @property
    def clock_ms(self) -> int:
        return -(2**62) if self.run.state.clock_ms is None else self.run.state.clock_ms


class _Replay:
    def __init__(
        self, manifest: Manifest, directory: RunDirectory, ports: RunPorts, config: RunConfig,
        progress: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._manifest, self._directory, self._ports, self._config = manifest, directory, ports, config
        self._progress = progress
        self._states = [directory.lane(lane) for lane in range(manifest.lanes)]
        self._open: dict[int, _Lane] = {}
        self._pace = _Pace(config.speed, manifest.spec.from_ms, ports)

    def run(self) -> list[LaneState]:
        self._progress(sum(state.records for state in self._states))
        while (lane := self._next()) is not None:
            began_s = self._ports.monotonic_s()
            step = self._step(self._open[lane].run)
            if step is not None:
                self._open[lane].sink.take(step)
                self._open[lane].unsaved_records += len(step.raw)
                self._progress(len(step.raw))
            self._states[lane].busy_s += self._ports.monotonic_s() - began_s
            if step is None or self._open[lane].unsaved_records >= self._config.save_every_records:
                self._save(lane)
            if step is None:
                self._open.pop(lane).run.close()
        return self._states

    def close(self) -> None:
        for lane in self._open.values():
            lane.run.close()

    def _next(self) -> int | None:
        """The lane to go on with: one after the other; when paced, the one whose time is furthest behind."""
        left = [lane for lane, state in enumerate(self._states) if not state.is_finished]
        if not left:
            return None
        for lane in left if self._config.speed is not None else left[:1]:
            if lane not in self._open:
                self._open[lane] = _Lane(self._manifest, lane, self._states[lane], self._ports)
        return min(self._open, key=lambda lane: (self._open[lane].clock_ms, lane))

    def _step(self, run: LaneRun) -> Step | None:
        size = self._config.max_batch_records if self._config.speed is None else PACED_BATCH_RECORDS
        raw = run.read(size, self._ports.monotonic_s)
        if raw is None:
            return None
        self._pace.wait_for(int(raw.recorded_time_ms[-1]))
        return run.process(raw, self._ports.decode)

    def _save(self, lane: int) -> None:
        at_work = self._open[lane]
        at_work.sink.flush()
        self._directory.save_lane(lane, at_work.run.saved())
        at_work.unsaved_records = 0


class _Pace:
    """Waits until a recorded time is due, from the first one within the bounds on."""

    def __init__(self, speed: float | None, from_ms: int | None, ports: RunPorts) -> None:
        self._speed, self._from_ms, self._ports = speed, from_ms, ports
        self._began: tuple[int, float] | None = None

    def wait_for(self, recorded_ms: int) -> None:
        if self._speed is None or (self._from_ms is not None and recorded_ms < self._from_ms):
            return
        if self._began is None:
            first_ms = recorded_ms if self._from_ms is None else self._from_ms
            self._began = (first_ms, self._ports.monotonic_s())
        first_ms, began_s = self._began
        due_s = began_s + (recorded_ms - first_ms) / 1000.0 / self._speed
        if (wait_s := due_s - self._ports.monotonic_s()) > 0:
            self._ports.sleep(wait_s)
