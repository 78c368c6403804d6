"""One part at a time: decode, detect, log. No process is started but a broker, where Kafka is asked for."""

from __future__ import annotations

import contextlib
import io
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.json

from benchmarks.figures import bytes_per_event
from detectors.lane import DetectorParams, build_lane
from replay.simulator import DistrictConfig, Simulator
from schemas.codec import Decoder
from schemas.records import NewRecord, RawBatch, TopicPartition
from schemas.strict import Limits
from schemas.topics import DOMAIN_TOPICS
from streams.clocks import wall_clock
from streams.log import EventLog
from streams.log_url import open_log

BATCH_RECORDS = 10_000


def district_records(events: int) -> list[NewRecord]:
    """The first so many records of a district in one lane, in recorded order, ticks included."""
    config = DistrictConfig(bad_ratio=0.0)
    simulator = Simulator(config, 1)
    records = simulator.registry_events()
    for piece in simulator.slices(config.start_ms, config.start_ms + 3650 * 86_400_000, 1_800_000):
        records.extend(piece.records)
        if len(records) >= events:
            break
    return records[:events]


def as_batches(records: list[NewRecord]) -> list[RawBatch]:
    """As a lane would deliver them: in recorded order, in micro-batches."""
    topics = tuple(sorted(DOMAIN_TOPICS))
    index = {topic: number for number, topic in enumerate(topics)}
    batches = []
    for start in range(0, len(records), BATCH_RECORDS):
        piece = records[start : start + BATCH_RECORDS]
        batches.append(
            RawBatch(
                0,
                topics,
                np.array([index[r.topic] for r in piece], dtype=np.int64),
                np.arange(start, start + len(piece), dtype=np.int64),
                np.array([r.recorded_time_ms or 0 for r in piece], dtype=np.int64),
                [r.value for r in piece],
            )
        )
    return batches


def decode(events: int) -> dict[str, Any]:
    """Bytes to validated columns, beside Arrow's bare JSON parse of the same bytes."""
    records = district_records(events)
    batches = as_batches(records)
    decoder = Decoder(Limits())
    decoder.decode(batches[0])
    wall_s, cpu_s = _timed(lambda: [decoder.decode(batch) for batch in batches])
    bare_s, _ = _timed(lambda: [_bare_parse(batch.values) for batch in batches])
    return {
        "events": len(records),
        "bytes_per_event": bytes_per_event(records),
        "events_per_s": len(records) / wall_s,
        "cpu_us_per_event": cpu_s / len(records) * 1e6,
        "ratio_to_bare_parse": bare_s / wall_s,
    }


def _bare_parse(values: list[bytes]) -> object:
    options = pyarrow.json.ReadOptions(use_threads=False, block_size=1 << 26)
    return pyarrow.json.read_json(io.BytesIO(b"\n".join(values)), read_options=options)


def detect(events: int) -> dict[str, Any]:
    """All detectors and incidents of one lane over decoded batches; and a snapshot of their state."""
    decoder = Decoder(Limits())
    decoded = [decoder.decode(batch).events for batch in as_batches(district_records(events))]
    lane = build_lane(DetectorParams())
    said = 0

    def run() -> None:
        nonlocal said
        said = sum(len(lane.process(batch)) for batch in decoded)

    wall_s, cpu_s = _timed(run)
    rows = sum(len(batch.recorded_time_ms) for batch in decoded)
    snapshot_s, _ = _timed(lane.snapshot)
    return {
        "events": rows,
        "events_per_s": rows / wall_s,
        "cpu_us_per_event": cpu_s / rows * 1e6,
        "emitted": said,
        "snapshot_bytes": len(lane.snapshot()),
        "snapshot_ms": snapshot_s * 1000.0,
    }


def log(scratch: Path, events: int, kafka: bool) -> dict[str, Any]:
    """Durable appends in batches of 1,000, and reading all of it back."""
    records = [NewRecord("bench", 0, r.key, r.value) for r in district_records(events)]
    with _open(scratch, kafka) as event_log:
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        event_log.create_topics([topic], 1)
        own = [NewRecord(topic, 0, r.key, r.value) for r in records]
        append_s, _ = _timed(lambda: [event_log.append(own[i : i + 1000]) for i in range(0, len(own), 1000)])
        read_s, _ = _timed(lambda: _read_all(event_log, TopicPartition(topic, 0), len(own)))
    return {
        "events": len(own),
        "bytes_per_event": bytes_per_event(own),
        "append_events_per_s": len(own) / append_s,
        "read_events_per_s": len(own) / read_s,
    }


def _read_all(event_log: EventLog, where: TopicPartition, wanted: int) -> None:
    with event_log.reader({where: 0}) as reader:
        seen = 0
        while seen < wanted:
            seen += sum(len(batch) for batch in reader.poll(BATCH_RECORDS, 1.0))


@contextlib.contextmanager
def _open(scratch: Path, kafka: bool) -> Iterator[EventLog]:
    if not kafka:
        with open_log(f"sqlite:///{scratch / 'log.sqlite'}", wall_clock) as event_log:
            yield event_log
        return
    from streams.dev_broker import DevBroker

    with (
        DevBroker.start(scratch / f"kafka-{uuid.uuid4().hex[:8]}") as broker,
        open_log(f"kafka://{broker.bootstrap}", wall_clock) as event_log,
    ):
        yield event_log


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu
