"""The whole pipeline: a log full of events, and how long until every one of them can be queried."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.parts import district_records
from gridpulse import adapters
from gridpulse.demo_watch import Watcher
from gridpulse.settings import Settings, load_settings
from gridpulse.up import child
from schemas.records import NewRecord, TopicPartition
from schemas.topics import DOMAIN_TOPICS
from streams.supervise import Supervisor

TIMEOUT_S = 900.0


def throughput(scratch: Path, events: int, kafka: bool) -> dict[str, Any]:
    """Events already in the log; store, pipeline and rollup started on them from nothing."""
    with _settings(scratch, kafka) as settings, adapters.the_log(settings) as log:
        records = district_records(events)
        last_ms = max(record.recorded_time_ms or 0 for record in records)
        ends: dict[TopicPartition, int] = {}
        for start in range(0, len(records), 5000):
            piece = records[start : start + 5000]
            for record, offset in zip(piece, log.append(piece), strict=True):
                ends[TopicPartition(record.topic, record.partition)] = offset + 1
        log.append(_closing_ticks(last_ms + 1))
        return _run(settings, ends, len(records), sum(len(record.value) for record in records))


def _closing_ticks(recorded_ms: int) -> list[NewRecord]:
    from schemas.event import tick_record

    return [tick_record(topic, 0, recorded_ms) for topic in DOMAIN_TOPICS]


def _run(settings: Settings, ends: dict[TopicPartition, int], events: int, size: int) -> dict[str, Any]:
    supervisor = Supervisor(settings.data_dir / "logs")
    try:
        supervisor.start(child(settings, "store"))
        adapters.migrate_database(settings)
        client = adapters.clickhouse(settings)
        watcher = Watcher(client)
        cpu_before_s = _cpu_s(supervisor)
        started_s = time.monotonic()
        supervisor.start(child(settings, "pipeline"))
        supervisor.start(child(settings, "rollup"))
        while not _all_in(watcher.look(), ends):
            supervisor.check()
            if time.monotonic() - started_s > TIMEOUT_S:
                raise TimeoutError(f"not all events could be queried within {TIMEOUT_S:.0f} s")
            time.sleep(0.02)
        wall_s = time.monotonic() - started_s
        cpu_s = _cpu_s(supervisor) - cpu_before_s
        rss = {name: round(psutil.Process(pid).memory_info().rss / 1e6) for name, pid in supervisor.pids().items()}
        detections = int(client.query("SELECT count() FROM detections FINAL").rows[0][0])
        return {
            "events": events,
            "bytes_per_event": round(size / events),
            "events_per_s": round(events / wall_s, 1),
            "seconds": round(wall_s, 2),
            "cpu_s_per_million": round(cpu_s / events * 1e6, 2),
            "detections": detections,
            "rss_mb": rss,
            "note": "from cold processes: includes their start",
        }
    finally:
        supervisor.stop()


def _all_in(queryable: dict[TopicPartition, int], ends: dict[TopicPartition, int]) -> bool:
    return all(queryable.get(where, 0) >= end for where, end in ends.items())


def _cpu_s(supervisor: Supervisor) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in supervisor.pids().values()]
    return sum(one.user + one.system for one in times)


@contextlib.contextmanager
def _settings(scratch: Path, kafka: bool) -> Iterator[Settings]:
    given: dict[str, object] = {"data_dir": scratch / "data", "partitions": 1, "store_port": _free_port()}
    if not kafka:
        yield load_settings(given)
        return
    from streams.dev_broker import DevBroker

    with DevBroker.start(scratch / "kafka") as broker:
        yield load_settings({**given, "log_url": f"kafka://{broker.bootstrap}"})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
