"""The whole pipeline at full speed: a log full of events, until every row and every minute can be queried.

Warm: all processes run, know every device and have written rows before; then they stand still while the log is filled,
and the bare loop reads the very same records from Kafka; then they go on, and time begins.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bare_loop import BareLoop, run_bare_loop
from benchmarks.city import city_records, city_registry
from benchmarks.figures import bytes_per_event
from benchmarks.world import Ends, World, append_all, broker, domain_starts, world
from schemas.records import NewRecord
from schemas.topics import DOMAIN_TOPICS
from streams.clocks import wall_clock
from streams.log_url import open_log

Note = Callable[[str], None]
WORKING = ("pipeline", "rollup")


def throughput(scratch: Path, *, events: int, devices: int, kafka: bool, partitions: int, note: Note) -> dict[str, Any]:
    """One run; ratios are of this run."""
    note("making the city's events")
    warm = [*city_registry(devices, partitions), *city_records(devices, devices, partitions)]
    records = city_records(devices, events, partitions, first=devices)
    with broker(scratch) as started:
        url = f"kafka://{started.bootstrap}"
        if not kafka:
            with open_log(url, wall_clock) as log:
                log.create_topics(DOMAIN_TOPICS, partitions)
                append_all(log, warm)
                starts = domain_starts(log)
                bare = _bare_loop(started.bootstrap, starts, append_all(log, records), note)
                del log
            measured = _measured(scratch, None, partitions, warm, records, lambda _starts, _ends: bare, note)
        else:
            measured = _measured(
                scratch, url, partitions, warm, records,
                lambda starts, ends: _bare_loop(started.bootstrap, starts, ends, note), note,
            )  # fmt: skip
    return {"events": len(records), "devices": devices, "partitions": partitions, **measured}


def _bare_loop(bootstrap: str, starts: Ends, ends: Ends, note: Note) -> BareLoop:
    note("the bare loop, twice: the first time warms the broker's cache")
    run_bare_loop(bootstrap, starts, ends)
    return run_bare_loop(bootstrap, starts, ends)


def _measured(
    scratch: Path, log_url: str | None, partitions: int, warm: list[NewRecord], records: list[NewRecord],
    bare_loop: Callable[[Ends, Ends], BareLoop], note: Note,
) -> dict[str, Any]:  # fmt: skip
    with world(scratch, log_url, partitions, snapshot_interval_s=60.0) as live:
        note("warming up: every device is registered and heard once")
        warm_ends = live.append_settled(warm, partitions)
        live.start(*WORKING)
        live.wait_until(lambda: live.are_rows_in(warm_ends) and live.are_minutes_in(warm_ends), "warming up")
        with contextlib.ExitStack() as stack:
            stack.enter_context(live.held(*WORKING))
            note("filling the log")
            starts = domain_starts(live.log)
            ends = live.append_settled(records, partitions)
            bare = bare_loop(starts, ends)
            before, rows_before, started_s = live.spent(), _rows(live), time.monotonic()
        note("the pipeline")
        live.wait_until(lambda: live.are_rows_in(ends), "rows")
        rows_s = time.monotonic() - started_s
        live.wait_until(lambda: live.are_minutes_in(ends), "minutes")
        seconds = time.monotonic() - started_s
        spent = live.spent().since(before)
        return {
            "bytes_per_event": bytes_per_event(records),
            "events_per_s": round(len(records) / seconds),
            "seconds": round(seconds, 2),
            "seconds_to_rows": round(rows_s, 2),
            "cpu_s_per_million": round(spent.total_s / len(records) * 1e6, 2),
            "cpu_s_per_million_by_process": {
                name: round(cpu_s / len(records) * 1e6, 2) for name, cpu_s in spent.cpu_s.items()
            },
            "bare_loop_events_per_s": round(bare.events_per_s),
            "bare_loop_cpu_s_per_million": round(bare.cpu_s_per_million, 2),
            "ratio_to_bare_loop": round(len(records) / seconds / bare.events_per_s, 3),
            "cpu_ratio_to_bare_loop": round(spent.total_s / len(records) * 1e6 / bare.cpu_s_per_million, 2),
            "detections": live.count("detections"),
            "rows_in_clickhouse": _rows(live) - rows_before,
            "minute_rows": live.count("metrics_minute"),
            "rss_mb": live.rss_mb(),
        }


def _rows(live: World) -> int:
    return sum(live.count(table) for table in ("readings", "heartbeats", "presence", "sos_calls", "passages"))
