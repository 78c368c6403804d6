"""A small district in a log in memory, and dataflows over it whose writer and detections are kept for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import orjson

from detectors.lane import DetectorParams, build_lane
from detectors.outputs import to_event
from replay.simulator import Simulator
from replay.simulator.config import DistrictConfig
from schemas.codec import Dead, Decoder
from schemas.event import to_new_record
from schemas.records import NewRecord, TopicPartition
from schemas.strict import Limits
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, topic_of
from streams.cluster import Cluster
from streams.dead_letter_limit import DeadLetterLimits
from streams.flow import BatchWriter, FlowConfig, FlowPorts, WriterItem, run_flow
from streams.ingest import dead_letter_record
from streams.log import EventLog
from streams.log_memory import MemoryLog

LANES = 2
DAYS = 10
NOW_MS = 1_900_000_000_000  # of what GridPulse itself says; after everything simulated
CONFIG = DistrictConfig(seed=11, communities=2, size=0.1, anomaly_rate=6.0, bad_ratio=0.001)


class CrashError(Exception):
    """Put in on purpose."""


@cache
def district() -> tuple[NewRecord, ...]:
    """All records of the days, in recorded order."""
    simulator = Simulator(CONFIG, LANES)
    records = list(simulator.registry_events())
    for piece in simulator.slices(CONFIG.start_ms, CONFIG.start_ms + DAYS * 86_400_000, 3_600_000):
        records.extend(piece.records)
    return tuple(records)


@dataclass
class Kept:
    """What a flow has written: rows by identity, and how often."""

    rows: dict[tuple[str, int, int], str] = field(default_factory=dict)
    batches: int = 0

    def take(self, items: Sequence[WriterItem]) -> None:
        self.batches += 1
        for item in items:
            for name, typed in item.events.types.items():
                envelope = typed.envelope.to_pylist()
                for place, data in zip(envelope, typed.data.to_pylist(), strict=True):
                    key = (place["topic"], place["partition"], place["offset"])
                    row = f"{name}|{place}|{data}"
                    assert self.rows.setdefault(key, row) == row  # the same record always gives the same row


class KeepingWriter:
    """A writer that keeps rows, and crashes before or after keeping its n-th batch when told to."""

    def __init__(self, kept: Kept, crash_at: int | None, after: bool, also: BatchWriter | None = None) -> None:
        self._kept, self._crash_at, self._after, self._also = kept, crash_at, after, also

    def write(self, items: Sequence[WriterItem]) -> None:
        crash = self._kept.batches + 1 == self._crash_at
        if crash and not self._after:
            self._kept.batches += 1
            raise CrashError
        self._kept.take(items)
        if self._also is not None:
            self._also.write(items)
        if crash:
            raise CrashError

    def close(self) -> None:
        if self._also is not None:
            self._also.close()


@dataclass
class World:
    """A log with the district in it, or with ``records``, and flows run over it."""

    state_dir: Path
    log: EventLog = field(default_factory=lambda: MemoryLog(lambda: NOW_MS))
    records: Sequence[NewRecord] | None = None
    params: DetectorParams = field(default_factory=DetectorParams)
    new_writer: Callable[[], BatchWriter] | None = None  # beside keeping what is written
    kept: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        self.log.create_topics(ALL_TOPICS, LANES)
        self.log.append(district() if self.records is None else self.records)

    def run(
        self,
        *,
        max_batch_records: int = 5_000,
        workers: int = 1,
        crash_at: int | None = None,
        after: bool = False,
        write: bool = True,
        snapshot_interval_s: float = 0.0,
        stop_at_end: bool = True,
        dead_letters: DeadLetterLimits | None = None,
    ) -> None:
        """Up to the end of the log as it is now. :raises CrashError: when told to crash."""
        config = FlowConfig(
            name="test",
            lanes=LANES,
            write=write,
            detect=True,
            poll_ms=0,
            linger_ms=0,
            max_batch_records=max_batch_records,
            snapshot_interval_s=snapshot_interval_s,
            stop_at_end=stop_at_end,
            dead_letters=dead_letters or DeadLetterLimits(),
            letters_grace_s=0.5,
        )
        try:
            run_flow(config, self._ports(crash_at, after), self.state_dir, Cluster(workers))
        except (CrashError, RuntimeError) as error:
            raise CrashError from error

    def _ports(self, crash_at: int | None, after: bool) -> FlowPorts:
        def dead(one: Dead) -> NewRecord:
            origin = f"{one.topic}/{one.partition}/{one.offset}"
            return dead_letter_record("decode", one.reason, one.detail, origin, one.raw, one.partition, 0)

        return FlowPorts(
            log=self.log,
            decode=Decoder(Limits()).decode,
            new_writer=lambda: KeepingWriter(self.kept, crash_at, after, self.new_writer and self.new_writer()),
            new_lane=lambda: build_lane(self.params),
            detection_record=lambda emitted: to_new_record(to_event(emitted), LANES, None),
            dead_letter_record=dead,
        )

    def said(self, family: str) -> list[bytes]:
        """What a system topic holds, by lane in order, each id once, without the time of its append."""
        out: dict[tuple[int, str], bytes] = {}
        for lane in range(LANES):
            for value in self.log.read(TopicPartition(topic_of(family), lane), 0, 1_000_000).values:
                event = orjson.loads(value)
                event.pop("recordedtime", None)
                out.setdefault((lane, event["id"]), orjson.dumps(event))
        return list(out.values())

    def domain_rows(self) -> dict[tuple[str, int, int], str]:
        return {key: row for key, row in self.kept.rows.items() if key[0] in DOMAIN_TOPICS}
