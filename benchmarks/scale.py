"""The detection stage by one process, by two, and by one with two workers: the same log, each time from its beginning.

A process decodes and detects what :mod:`streams.flow` gives it, as ``gridpulse run detect`` does, up to where the log
ends. Time begins when the first process reads and ends when the last has come to the end, so imports do not count.

Two cores of a machine seldom do twice what one does: they share caches, memory, and often one core's units or a host's
time. So the same run measures what they give to work that shares nothing (:mod:`benchmarks.two_cores`), and says the
ratio to that, too. Ways take turns, run after run, and medians count.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Final

from benchmarks.city import city_records, city_registry, closing_ticks, last_ms
from benchmarks.figures import bytes_per_event
from benchmarks.together import together
from benchmarks.two_cores import two_cores
from benchmarks.world import append_all, settings_on_a_log
from gridpulse import adapters
from gridpulse.free_ports import free_ports
from gridpulse.settings import Settings
from schemas.codec import Decoded
from schemas.records import RawBatch
from schemas.topics import topic_of
from streams.cluster import Cluster
from streams.flow import FlowConfig, run_flow

PARTITIONS: Final = 4
DEVICES: Final = 50_000  # a hundred communities, so that lanes are about equal


@dataclass(frozen=True, slots=True)
class _Stage:
    """What one process did; times are the machine's monotonic clock."""

    began_s: float
    ended_s: float
    cpu_s: float
    records: int


_WAYS: Final = (("one_process", 1, 1), ("two_processes", 2, 1), ("two_workers", 1, 2))


def scale(*, events: int, kafka: bool, scratch: Path, devices: int = DEVICES, runs: int = 3) -> dict[str, Any]:
    """Medians of ``runs``. ``ratio`` is that of two processes to one, on as many cores as there are."""
    with settings_on_a_log(scratch, kafka, partitions=PARTITIONS) as settings:
        with adapters.the_log(settings) as log:
            records = [*city_registry(devices, PARTITIONS), *city_records(devices, events, PARTITIONS)]
            records += closing_ticks(last_ms(records) + 1, PARTITIONS)
            append_all(log, records)
        measured: dict[str, list[Any]] = {}
        said: set[int] = set()
        for run in range(runs):
            figures = two_cores(settings)
            for name, processes, workers in _WAYS:
                before = _detections(settings)
                stages = _run(settings, scratch / f"{name}_{run}", processes, workers)
                said.add(_detections(settings) - before)
                figures |= {f"{name}_{figure}": value for figure, value in _figures(stages).items()}
            for figure, value in figures.items():
                measured.setdefault(figure, []).append(value)
        middle = {figure: statistics.median_low(values) for figure, values in measured.items()}
    one = middle["one_process_events_per_s"]
    ratio = middle["two_processes_events_per_s"] / one
    return {
        "events": len(records),
        "bytes_per_event": bytes_per_event(records),
        "devices": devices,
        "partitions": PARTITIONS,
        "runs": runs,
        **middle,
        "ratio": round(ratio, 3),
        # What two cores without other work would give: nothing of a process waits for another.
        "ratio_by_cpu": round(middle["one_process_busiest_cpu_s"] / middle["two_processes_busiest_cpu_s"], 3),
        "ratio_to_machine": round(ratio / middle["machine_ratio"], 3),
        "ratio_two_workers": round(middle["two_workers_events_per_s"] / one, 3),
        "detections": max(said),
        "same_detections": len(said) == 1,
        "load_before": round(os.getloadavg()[0], 2),
    }


def _figures(stages: list[_Stage]) -> dict[str, Any]:
    records = [stage.records for stage in stages]
    seconds = max(stage.ended_s for stage in stages) - min(stage.began_s for stage in stages)
    return {
        "events_per_s": round(sum(records) / seconds, 1),
        "cpu_us_per_event": round(sum(stage.cpu_s for stage in stages) / sum(records) * 1e6, 2),
        "busiest_cpu_s": round(max(stage.cpu_s for stage in stages), 3),
        "records": sorted(records),
    }


def _run(settings: Settings, state_dir: Path, processes: int, workers: int) -> list[_Stage]:
    """:raises ChildProcessError: one of them failed; it has said why on standard error."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(processes)) if processes > 1 else ()
    clusters = [Cluster(workers, number if addresses else None, addresses) for number in range(processes)]
    return together(_detect, [(settings, state_dir, one) for one in clusters])


def _detect(settings: Settings, state_dir: Path, cluster: Cluster, stages: Queue[_Stage]) -> None:
    """In a process of its own: detect up to the end of the log."""
    began_s: list[float] = []
    records = 0
    with adapters.the_log(settings) as log:
        ports = adapters.flow_ports(settings, log, "detect")

        def decode(batch: RawBatch) -> Decoded:
            nonlocal records
            if not began_s:
                began_s.append(time.monotonic())
            records += len(batch)
            return ports.decode(batch)

        config = FlowConfig(
            name="detect", lanes=settings.partitions, write=False, detect=True, linger_ms=0,
            max_batch_records=settings.max_batch_records, snapshot_interval_s=settings.snapshot_interval_s,
            stop_at_end=True,
        )  # fmt: skip
        cpu_s = time.process_time()
        run_flow(config, replace(ports, decode=decode), state_dir, cluster)
        ended_s = time.monotonic()
        stages.put(_Stage(began_s[0] if began_s else ended_s, ended_s, time.process_time() - cpu_s, records))


def _detections(settings: Settings) -> int:
    """How many have been said so far."""
    with adapters.the_log(settings) as log:
        return sum(log.end_offsets([topic_of("detections")]).values())
