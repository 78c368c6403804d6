"""The Bytewax dataflows: writer, detection, or both in one pipeline that decodes once. The only door to Bytewax.

    feed (log, merged), decoded ─┬─▶ writer ─▶ ClickHouse
                                 ├─▶ dead letters ─▶ log
                                 └─▶ detectors (state per lane) ─▶ log

Delivery    at least once; every sink is idempotent by key (see docs/architecture.md).
Recovery    positions and detector state are snapshots of the same epoch. The writer's buffer is flushed before its
            snapshot is taken, so an epoch is only ever committed when its rows are in ClickHouse.
Limit       too many dead letters stop it with a :class:`DeadLetterLimitError`; see :mod:`streams.guarded_feed`.
Order       each lane goes through one worker, in log order. Micro-batches travel as single items.
Time        the wall clock paces reading and stamps ``processed_time``; no result depends on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from detectors.contract import Emitted, StateVersionError
from schemas.codec import Dead, Decoded
from schemas.columns import EventBatch
from schemas.records import NewRecord, RawBatch, TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.dead_letter_limit import DeadLetterLimits
from streams.feeds import Ends, FeedName
from streams.gathering import GatheringWriter
from streams.guarded_feed import FEED_STATE_VERSION, GuardedFeed
from streams.lane_position import PositionError
from streams.log import EventLog
from streams.partition_watch import PartitionWatch
from streams.progress import Progress
from streams.state_tag import StateTag, ready_state, state_tag, unreadable_is_said


class BatchWriter(Protocol):
    """Writes decoded batches where they can be queried; returns when they can be."""

    def write(self, batches: Sequence[WriterItem]) -> None: ...
    def close(self) -> None: ...


class LaneLogic(Protocol):
    """The detectors of one lane (:class:`detectors.lane.LaneOperator`)."""

    @property
    def versions(self) -> Mapping[str, str]: ...
    def process(self, batch: EventBatch) -> list[Emitted]: ...
    def snapshot(self) -> bytes: ...
    def restore(self, saved: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class WriterItem:
    """A decoded batch and the positions that are reached with it."""

    events: EventBatch
    progress: tuple[Progress, ...]


@dataclass(frozen=True, slots=True)
class FlowPorts:
    """What the dataflow needs from outside; built per process by the composition root."""

    log: EventLog
    decode: Callable[[RawBatch], Decoded]
    new_writer: Callable[[], BatchWriter]
    new_lane: Callable[[], LaneLogic]
    detection_record: Callable[[Emitted], NewRecord]
    dead_letter_record: Callable[[Dead], NewRecord]


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """Which parts run, and the pace.

    ``linger_ms``: rows wait at most so long to be written together. ``stop_at_end``: read up to where the log ends when
    the flow starts, then stop; otherwise run for ever. ``letters_grace_s``: when there are too many dead letters, so
    long is left for the last of them to reach their table. ``partitions_checked_s``: so often the log is asked whether
    it still has the partitions that are read.
    """

    name: str
    lanes: int
    write: bool
    detect: bool
    linger_ms: int
    max_batch_records: int
    snapshot_interval_s: float
    poll_ms: int = 200
    max_flush_rows: int = 60_000
    stop_at_end: bool = False
    dead_letters: DeadLetterLimits = field(default_factory=DeadLetterLimits)
    letters_grace_s: float = 3.0
    partitions_checked_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _DecodedItem:
    feed: str
    decoded: Decoded
    progress: tuple[Progress, ...]


class _FeedPartition(StatefulSourcePartition[_DecodedItem, bytes]):
    def __init__(self, ports: FlowPorts, config: FlowConfig, name: str, saved: bytes | None, ends: Ends | None) -> None:
        self._name, self._config = name, config
        self._feed = GuardedFeed(
            FeedName.parse(name), ports.log, ports.decode, config.dead_letters, saved, ends,
            grace_s=config.letters_grace_s,
        )  # fmt: skip
        self._idle = False

    def next_batch(self) -> Iterable[_DecodedItem]:
        piece = self._feed.poll(self._config.max_batch_records)
        if piece is None and self._feed.ended:
            raise StopIteration
        self._idle = piece is None or piece.records < self._config.max_batch_records
        return [] if piece is None else [_DecodedItem(self._name, piece.decoded, piece.progress)]

    def next_awake(self) -> datetime | None:
        """At once while there is a backlog; else after the poll interval, so that batches stay worth their cost."""
        return datetime.now(UTC) + timedelta(milliseconds=self._config.poll_ms) if self._idle else None

    def snapshot(self) -> bytes:
        return self._feed.position()

    def close(self) -> None:
        self._feed.close()


class _WatchfulPartition(_FeedPartition):
    """The one of a flow that also sees to it that the log's partitions are still those that the flow reads."""

    def __init__(self, ports: FlowPorts, config: FlowConfig, name: str, saved: bytes | None, ends: Ends | None) -> None:
        super().__init__(ports, config, name, saved, ends)
        self._watch = PartitionWatch(ports.log, ALL_TOPICS, config.lanes, interval_s=config.partitions_checked_s)

    def next_batch(self) -> Iterable[_DecodedItem]:
        self._watch.check()
        return super().next_batch()


class _LogSource(FixedPartitionedSource[_DecodedItem, bytes]):
    def __init__(self, ports: FlowPorts, config: FlowConfig) -> None:
        self._ports, self._config = ports, config
        self._ends = ports.log.end_offsets(ALL_TOPICS) if config.stop_at_end else None

    def list_parts(self) -> list[str]:
        kinds = ["lane", "system"] if self._config.write else ["lane"]
        return [str(FeedName(kind, partition)) for kind in kinds for partition in range(self._config.lanes)]

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _FeedPartition:
        kind = _WatchfulPartition if for_part == self.list_parts()[0] else _FeedPartition
        return kind(self._ports, self._config, for_part, resume_state, self._ends)


class _WorkersWriter:
    """The one writer of a worker; its parts hand their micro-batches to it, to be written together."""

    def __init__(self, ports: FlowPorts, config: FlowConfig) -> None:
        self._writer = ports.new_writer()
        self.gathering = GatheringWriter[WriterItem](
            self._writer.write, linger_s=config.linger_ms / 1000.0, max_rows=config.max_flush_rows
        )
        self.parts = 0

    def close_part(self) -> None:
        self.parts -= 1
        if not self.parts:
            self.gathering.close()
            self._writer.close()


class _WriterPartition(StatefulSinkPartition[_DecodedItem, bytes]):
    """The micro-batches of one lane and its system topics; nothing of them is unwritten at any snapshot.

    A write that failed fails the dataflow at the next batch or snapshot, before its epoch can be committed.
    """

    def __init__(self, writer: _WorkersWriter) -> None:
        self._writer = writer
        writer.parts += 1

    def write_batch(self, values: list[_DecodedItem]) -> None:
        for value in values:
            events = value.decoded.events
            self._writer.gathering.add(WriterItem(events, value.progress), len(events.recorded_time_ms))

    def snapshot(self) -> bytes:
        self._writer.gathering.flush()
        return b""

    def close(self) -> None:
        self._writer.close_part()


class _WriterSink(FixedPartitionedSink[_DecodedItem, bytes]):
    """One part per lane, so that any number of workers can go on from any other's snapshots."""

    def __init__(self, ports: FlowPorts, config: FlowConfig) -> None:
        self._ports, self._config = ports, config
        self._of_worker = threading.local()  # a worker is a thread

    def list_parts(self) -> list[str]:
        return [f"writer/{part:04d}" for part in range(self._config.lanes)]

    def part_fn(self, item_key: str) -> int:
        return FeedName.parse(item_key).partition

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _WriterPartition:
        writer: _WorkersWriter | None = getattr(self._of_worker, "writer", None)
        if writer is None or not writer.parts:
            writer = self._of_worker.writer = _WorkersWriter(self._ports, self._config)
        return _WriterPartition(writer)


class _LogSinkPartition(StatelessSinkPartition[list[NewRecord]]):
    def __init__(self, log: EventLog) -> None:
        self._log = log

    def write_batch(self, items: list[list[NewRecord]]) -> None:
        records = [record for item in items for record in item]
        if records:
            self._log.append(records)


class _LogSink(DynamicSink[list[NewRecord]]):
    def __init__(self, log: EventLog) -> None:
        self._log = log

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _LogSinkPartition:
        return _LogSinkPartition(self._log)


class _LaneState(op.StatefulBatchLogic[EventBatch, list[Emitted], bytes]):
    """A lane's detectors within Bytewax; their state is kept as bytes, so nothing can reach into a snapshot."""

    def __init__(self, lane: LaneLogic, saved: bytes | None) -> None:
        self._lane = lane
        if saved is not None:
            with unreadable_is_said("a lane's saved state"):
                lane.restore(saved)

    def on_batch(self, values: list[EventBatch]) -> tuple[Iterable[list[Emitted]], bool]:
        return [emitted for batch in values if (emitted := self._lane.process(batch))], False

    def snapshot(self) -> bytes:
        return self._lane.snapshot()


def build_flow(config: FlowConfig, ports: FlowPorts) -> Dataflow:
    """The dataflow of a process; the same for any number of workers."""
    flow = Dataflow(config.name)
    decoded = op.input("log", flow, _LogSource(ports, config))
    reached = op.filter("reached", decoded, lambda item: bool(item.progress))  # not the letters of a flow that stops
    if config.write:
        by_feed = op.key_on("by_feed", reached, lambda item: item.feed)
        op.output("clickhouse", by_feed, _WriterSink(ports, config))
        letters = op.map(
            "dead_letters", decoded, lambda item: [ports.dead_letter_record(dead) for dead in item.decoded.dead]
        )
        op.output("dead_letters_out", letters, _LogSink(ports.log))
    if config.detect:
        lanes = op.filter("lanes", reached, lambda item: item.feed.startswith("lane/"))
        keyed = op.map("by_lane", lanes, lambda item: (item.feed, item.decoded.events))
        detected = op.stateful_batch("detect", keyed, lambda saved: _LaneState(ports.new_lane(), saved))
        records = op.map("to_records", detected, lambda item: [ports.detection_record(emitted) for emitted in item[1]])
        op.output("detections_out", records, _LogSink(ports.log))
    return flow


@dataclass(frozen=True, slots=True)
class Cluster:
    """One Bytewax process of a cluster; ``addresses`` empty when it is the only one."""

    workers_per_process: int = 1
    process_id: int | None = None
    addresses: tuple[str, ...] = ()


def run_flow(config: FlowConfig, ports: FlowPorts, state_dir: Path, cluster: Cluster) -> None:
    """Run until the process ends; goes on from the last snapshot in ``state_dir``, where that fits this code and log.

    Else the state is built anew from the log's beginning (:mod:`streams.state_tag`). What a step raised comes out as
    it was raised, not within Bytewax's own errors.
    """
    tag = _tag(config, ports)

    def earliest() -> dict[TopicPartition, int]:
        return ports.log.earliest_offsets(ALL_TOPICS if config.write else DOMAIN_TOPICS)

    ready_state(state_dir, tag, earliest)
    try:
        _run(config, ports, state_dir, cluster)
    except (StateVersionError, PositionError) as error:  # the tag fits, the state does not: a version not raised
        ready_state(state_dir, tag, earliest, unusable=str(error))
        _run(config, ports, state_dir, cluster)


def _tag(config: FlowConfig, ports: FlowPorts) -> StateTag:
    topics = ALL_TOPICS if config.write else DOMAIN_TOPICS
    operators = {"feeds": f"state {FEED_STATE_VERSION}", **(ports.new_lane().versions if config.detect else {})}
    return state_tag(ports.log, topics, config.lanes, operators)


def _run(config: FlowConfig, ports: FlowPorts, state_dir: Path, cluster: Cluster) -> None:
    try:
        cli_main(
            build_flow(config, ports),
            workers_per_process=cluster.workers_per_process,
            process_id=cluster.process_id,
            addresses=list(cluster.addresses) or None,
            epoch_interval=timedelta(seconds=config.snapshot_interval_s),
            recovery_config=RecoveryConfig(str(state_dir)),
        )
    except BytewaxRuntimeError as error:
        raise _raised_within(error) from None


def _raised_within(error: BaseException) -> BaseException:
    while isinstance(error, BytewaxRuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error
