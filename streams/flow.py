"""The Bytewax dataflows: writer, detection, or both in one pipeline that decodes once. The only door to Bytewax.

    feed (log, merged), decoded, with the lane's detectors ─┬─▶ writer ─▶ ClickHouse
                                                            ├─▶ dead letters ─▶ log
                                                            └─▶ what detectors say ─▶ log

Delivery    at least once; every sink is idempotent by key (see docs/architecture.md).
Workers     a lane is read, decoded and looked at by one worker: no event goes from one worker to another for detection.
Recovery    a lane's position and its detectors' state are one snapshot. The writer's buffer is flushed before its
            snapshot is taken, so an epoch is only ever committed when its rows are in ClickHouse.
Limit       too many dead letters stop it with a :class:`DeadLetterLimitError`; see :mod:`streams.guarded_feed`.
Order       each lane in log order. Micro-batches travel as single items.
Time        the wall clock paces reading and stamps ``processed_time``; no result depends on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
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
from streams.cluster import Cluster, PeerLostError, watch_peers
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

    ``linger_ms``: rows wait at most so long to be written together; ``backlog_linger_ms``: while there is a backlog.
    ``stop_at_end``: read up to where the log ends when the flow starts, then stop; otherwise run for ever.
    ``letters_grace_s``: when there are too many dead letters, so long is left for the last of them to reach their
    table. ``partitions_checked_s``: so often the log is asked whether it still has the partitions that are read.
    """

    name: str
    lanes: int
    write: bool
    detect: bool
    linger_ms: int
    max_batch_records: int
    snapshot_interval_s: float
    backlog_linger_ms: int = 3000
    poll_ms: int = 50
    max_flush_rows: int = 150_000
    stop_at_end: bool = False
    dead_letters: DeadLetterLimits = field(default_factory=DeadLetterLimits)
    letters_grace_s: float = 3.0
    partitions_checked_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _DecodedItem:
    feed: str
    decoded: Decoded
    progress: tuple[Progress, ...]
    said: Sequence[Emitted]  # by the lane's detectors
    more_follows: bool  # there is a backlog: the batch was as large as one may be


@dataclass(frozen=True, slots=True)
class _FeedState:
    """What a feed's part keeps, as bytes, so nothing can reach into a snapshot. ``lane``: its detectors', if any."""

    feed: bytes
    lane: bytes | None


class _FeedPartition(StatefulSourcePartition[_DecodedItem, _FeedState]):
    """A feed and, where the flow detects, its lane's detectors.

    They are no step of their own: Bytewax would spread such a step's keys over workers by their hash, so that events
    travel between processes and one worker may have all the lanes.
    """

    def __init__(
        self, ports: FlowPorts, config: FlowConfig, name: str, saved: _FeedState | None, ends: Ends | None
    ) -> None:
        self._name, self._config = name, config
        feed_name = FeedName.parse(name)
        self._feed = GuardedFeed(
            feed_name, ports.log, ports.decode, config.dead_letters, None if saved is None else saved.feed, ends,
            grace_s=config.letters_grace_s,
        )  # fmt: skip
        self._lane = ports.new_lane() if config.detect and feed_name.kind == "lane" else None
        if self._lane is not None and saved is not None and saved.lane is not None:
            with unreadable_is_said("a lane's saved state"):
                self._lane.restore(saved.lane)
        self._idle = False

    def next_batch(self) -> Iterable[_DecodedItem]:
        piece = self._feed.poll(self._config.max_batch_records)
        if piece is None and self._feed.ended:
            raise StopIteration
        more_follows = piece is not None and piece.records >= self._config.max_batch_records
        self._idle = not more_follows
        if piece is None:
            return []
        is_reached = bool(piece.progress)  # not the letters of a flow that stops
        said = self._lane.process(piece.decoded.events) if self._lane is not None and is_reached else []
        return [_DecodedItem(self._name, piece.decoded, piece.progress, said, more_follows)]

    def next_awake(self) -> datetime | None:
        """At once while there is a backlog; else after the poll interval, so that batches stay worth their cost."""
        return datetime.now(UTC) + timedelta(milliseconds=self._config.poll_ms) if self._idle else None

    def snapshot(self) -> _FeedState:
        return _FeedState(self._feed.position(), None if self._lane is None else self._lane.snapshot())

    def close(self) -> None:
        self._feed.close()


class _WatchfulPartition(_FeedPartition):
    """The one of a flow that also sees to it that the log's partitions are still those that the flow reads."""

    def __init__(
        self, ports: FlowPorts, config: FlowConfig, name: str, saved: _FeedState | None, ends: Ends | None
    ) -> None:
        super().__init__(ports, config, name, saved, ends)
        self._watch = PartitionWatch(ports.log, ALL_TOPICS, config.lanes, interval_s=config.partitions_checked_s)

    def next_batch(self) -> Iterable[_DecodedItem]:
        self._watch.check()
        return super().next_batch()


class _LogSource(FixedPartitionedSource[_DecodedItem, _FeedState]):
    def __init__(self, ports: FlowPorts, config: FlowConfig) -> None:
        self._ports, self._config = ports, config
        self._ends = ports.log.end_offsets(ALL_TOPICS) if config.stop_at_end else None

    def list_parts(self) -> list[str]:
        kinds = ["lane", "system"] if self._config.write else ["lane"]
        return [str(FeedName(kind, partition)) for kind in kinds for partition in range(self._config.lanes)]

    def build_part(self, step_id: str, for_part: str, resume_state: _FeedState | None) -> _FeedPartition:
        kind = _WatchfulPartition if for_part == self.list_parts()[0] else _FeedPartition
        return kind(self._ports, self._config, for_part, resume_state, self._ends)


class _WorkersWriter:
    """The one writer of a worker; its parts hand their micro-batches to it, to be written together."""

    def __init__(self, ports: FlowPorts, config: FlowConfig) -> None:
        self._writer = ports.new_writer()
        self.gathering = GatheringWriter[WriterItem](
            self._writer.write, linger_s=config.linger_ms / 1000.0, max_rows=config.max_flush_rows,
            backlog_linger_s=config.backlog_linger_ms / 1000.0,
        )  # fmt: skip
        self.parts = 0
        self._behind: set[str] = set()

    def add(self, item: _DecodedItem) -> None:
        """A feed that has caught up sends nobody's rows off while another has not."""
        (self._behind.add if item.more_follows else self._behind.discard)(item.feed)
        events = item.decoded.events
        self.gathering.add(WriterItem(events, item.progress), len(events.recorded_time_ms), bool(self._behind))

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
            self._writer.add(value)

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


def build_flow(config: FlowConfig, ports: FlowPorts) -> Dataflow:
    """The dataflow of a process; the same for any number of workers."""
    flow = Dataflow(config.name)
    decoded = op.input("log", flow, _LogSource(ports, config))
    if config.write:
        reached = op.filter("reached", decoded, lambda item: bool(item.progress))
        by_feed = op.key_on("by_feed", reached, lambda item: item.feed)
        op.output("clickhouse", by_feed, _WriterSink(ports, config))
        letters = op.map(
            "dead_letters", decoded, lambda item: [ports.dead_letter_record(dead) for dead in item.decoded.dead]
        )
        op.output("dead_letters_out", letters, _LogSink(ports.log))
    if config.detect:
        records = op.map("to_records", decoded, lambda item: [ports.detection_record(one) for one in item.said])
        op.output("detections_out", records, _LogSink(ports.log))
    return flow


def run_flow(
    config: FlowConfig,
    ports: FlowPorts,
    state_dir: Path,
    cluster: Cluster,
    lost: Callable[[str], None] | None = None,
) -> None:
    """Run until the process ends; goes on from the last snapshot in ``state_dir``, where that fits this code and log.

    Else the state is built anew from the log's beginning (:mod:`streams.state_tag`). What a step raised comes out as
    it was raised, not within Bytewax's own errors. ``lost`` is told when another process of the cluster is gone; it is
    to end this one, which would wait for ever.
    """
    tag = _tag(config, ports)

    def earliest() -> dict[TopicPartition, int]:
        return ports.log.earliest_offsets(ALL_TOPICS if config.write else DOMAIN_TOPICS)

    with _watched(cluster, lost):
        if cluster.process_id:
            with TemporaryDirectory(prefix="gridpulse-") as no_state:
                _run(config, ports, Path(no_state), cluster)
            return
        ready_state(state_dir, tag, earliest)
        try:
            _run(config, ports, state_dir, cluster)
        except (StateVersionError, PositionError) as error:  # the tag fits, the state does not: a version not raised
            ready_state(state_dir, tag, earliest, unusable=str(error))
            _run(config, ports, state_dir, cluster)


@contextmanager
def _watched(cluster: Cluster, lost: Callable[[str], None] | None) -> Iterator[None]:
    stop = threading.Event()
    if lost is not None and len(cluster.addresses) > 1:
        threading.Thread(target=watch_peers, args=(cluster, lost, stop), name="cluster", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


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
    except BaseException as panic:
        # Bytewax's panics have a class that can't be imported. A cluster's: the other end of a connection is gone.
        if len(cluster.addresses) < 2 or type(panic).__name__ != "PanicException":
            raise
        raise PeerLostError(
            f"a connection to another process of the cluster broke ({panic}): start all again"
        ) from None


def _raised_within(error: BaseException) -> BaseException:
    while isinstance(error, BytewaxRuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error
