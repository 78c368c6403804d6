"""Replay for tuning: detectors only, over a log full of a city's events, by the command that engineers use."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bare_loop import run_bare_loop
from benchmarks.city import city_records, city_registry
from benchmarks.figures import bytes_per_event
from benchmarks.world import Ends, append_all, broker, domain_starts, world
from schemas.topics import DOMAIN_TOPICS
from streams.clocks import wall_clock
from streams.log_url import open_log

Note = Callable[[str], None]


def replay(scratch: Path, *, events: int, devices: int, kafka: bool, note: Note = lambda _: None) -> dict[str, Any]:
    """One run with one process, from the command's own figures; its start is in ``seconds_cold`` only."""
    note("making the city's events")
    records = [*city_registry(devices), *city_records(devices, events)]
    with broker(scratch) as started:
        url = f"kafka://{started.bootstrap}"
        with open_log(url, wall_clock) as log:
            log.create_topics(DOMAIN_TOPICS, 1)
            starts: Ends = domain_starts(log)
            ends = append_all(log, records)
        note("the bare loop")
        run_bare_loop(started.bootstrap, starts, ends)
        bare = run_bare_loop(started.bootstrap, starts, ends)
        with world(scratch, url if kafka else None) as live:
            if not kafka:
                live.append(records)
            note("the replay")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, "-m", "gridpulse", "replay", "--json"],
                env={**os.environ, **live.settings.environment()}, check=True, stdout=subprocess.PIPE,
            )  # fmt: skip
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = orjson.loads(done.stdout.splitlines()[-1])
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {
            "events": said["events"], "devices": devices,
            "bytes_per_event": bytes_per_event(records),
            "events_per_s": said["events_per_s"],
            "cpu_s_per_million_with_start": round(cpu_s / said["events"] * 1e6, 2),
            "bare_loop_events_per_s": round(bare.events_per_s),
            "bare_loop_cpu_s_per_million": round(bare.cpu_s_per_million, 2),
            "ratio_to_bare_loop": round(said["events_per_s"] / bare.events_per_s, 3),
            "detections": said["detections"], "alerts": said["alerts"], "hash": said["hash"],
        }  # fmt: skip
