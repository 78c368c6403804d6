"""``gridpulse bench``: every benchmark by name, several runs, the median counted.

Every answer says how many events of how many bytes, on how many cores, with which versions. Ratios are measured in the
same run. Nothing here judges; the figures do.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import alerts, ingest, latency, parts, query, replay, scale, state, store, throughput

Result = dict[str, Any]
Note = Callable[[str], None]
LIBRARIES = ("bytewax", "chdb", "clickhouse-connect", "confluent-kafka", "pyarrow", "river")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure with. None: the benchmark's own default."""

    events: int | None = None
    devices: int | None = None
    rate: int | None = None
    seconds: int | None = None
    partitions: int = 1
    runs: int | None = None
    kafka: bool = False
    clients: int | None = None
    machine_ratio: float = 1.0  # rates that are not said are multiplied by it

    def usual_rate(self, rate: int) -> int:
        """As asked, or the usual one for a machine of that size."""
        return round(rate * self.machine_ratio) if self.rate is None else self.rate


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One thing to measure. ``repeated``: by us, a run at a time; else it repeats within, or once is enough."""

    title: str
    measure: Callable[[Asked, Path, Note], Result]
    repeated: int | None = None  # runs unless asked otherwise


def _or(asked: int | None, usual: int) -> int:
    return usual if asked is None else asked


def _alert_sizes(asked: Asked) -> alerts.Sizes:
    usual = alerts.Sizes()
    return alerts.Sizes(
        rate=_or(asked.rate, usual.rate), seconds=_or(asked.seconds, usual.seconds),
        devices=_or(asked.devices, usual.devices), partitions=asked.partitions,
        clients=_or(asked.clients, usual.clients),
    )  # fmt: skip


BENCHMARKS: Mapping[str, Benchmark] = {
    "throughput": Benchmark(
        "整条流水线 whole pipeline: validate, detect, write, roll up",
        lambda a, scratch, note: throughput.throughput(
            scratch, events=_or(a.events, 1_000_000), devices=_or(a.devices, 50_000), kafka=a.kafka,
            partitions=a.partitions, note=note,
        ), 3,
    ),
    "latency": Benchmark(
        "延迟 from event to query and to alert",
        lambda a, scratch, note: latency.latency(
            scratch, rate=a.usual_rate(20_000), seconds=_or(a.seconds, 20), devices=_or(a.devices, 100_000),
            kafka=a.kafka, partitions=a.partitions, note=note,
        ), 1,
    ),
    "alerts": Benchmark(
        "告警送达 from event to webhook, deliveries while endpoints hang, live clients",
        lambda a, scratch, note: alerts.alerts(scratch, _alert_sizes(a), kafka=a.kafka, note=note), 1,
    ),
    "state": Benchmark(
        "检测器状态 memory and cost of what detectors remember",
        lambda a, _scratch, note: state.state(devices=_or(a.devices, 1_000_000), runs=_or(a.runs, 3), note=note),
    ),
    "query": Benchmark(
        "查询 dashboards while events flow in",
        lambda a, scratch, note: query.query(
            scratch=scratch, rate=a.usual_rate(100), seconds=_or(a.seconds, 20),
            feed_rate=round(20_000 * a.machine_ratio), note=note,
        ), 1,
    ),
    "replay": Benchmark(
        "回放 replay for tuning, detectors only",
        lambda a, scratch, note: replay.replay(
            scratch, events=_or(a.events, 1_000_000), devices=_or(a.devices, 50_000), kafka=a.kafka, note=note
        ), 1,
    ),
    "scale": Benchmark(
        "扩展 one detection process and two",
        lambda a, scratch, _note: scale.scale(
            events=_or(a.events, 400_000), kafka=a.kafka, scratch=scratch, runs=_or(a.runs, 3)
        ),
    ),
    "ingest": Benchmark(
        "接入 ingest by HTTP batches",
        lambda a, scratch, _note: ingest.ingest(
            events=_or(a.events, 200_000), kafka=a.kafka, scratch=scratch, runs=_or(a.runs, 3)
        ),
    ),
    "store": Benchmark(
        "存储 the embedded store",
        lambda a, scratch, _note: store.store(rows=_or(a.events, 1_000_000), scratch=scratch, runs=_or(a.runs, 3)),
    ),
    "decode": Benchmark("解码 bytes to columns", lambda a, _s, _n: parts.decode(_or(a.events, 200_000)), 3),
    "detect": Benchmark("检测 all detectors", lambda a, _s, _n: parts.detect(_or(a.events, 200_000)), 3),
    "log": Benchmark(
        "日志 append and read", lambda a, scratch, _n: parts.log(scratch, _or(a.events, 200_000), a.kafka), 3
    ),
}  # fmt: skip


def run_benchmark(what: str, asked: Asked, note: Note = lambda _: None) -> Result:
    """:returns: one JSON-able object; every number of several runs is their median."""
    chosen = BENCHMARKS[what]
    runs = 1 if chosen.repeated is None else _or(asked.runs, chosen.repeated)
    results = []
    for number in range(runs):
        if runs > 1:
            note(f"run {number + 1} of {runs}")
        with tempfile.TemporaryDirectory(prefix="gridpulse-bench-") as scratch:
            results.append(chosen.measure(asked, Path(scratch), note))
    return {
        "benchmark": what,
        "log": "kafka" if asked.kafka else "sqlite",
        "runs": runs,
        "rates_ratio": round(asked.machine_ratio, 3),  # of the rates that were not asked for, to the usual ones
        **medians(results),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def medians(results: list[Result]) -> Result:
    """Every number's median, in dicts within dicts too; of anything else the first."""
    return {name: _median([result[name] for result in results]) for name in results[0]}


def _median(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return medians(values)
    if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in values):
        return first
    middle = statistics.median(values)
    return round(middle, 3) if isinstance(first, float) else round(middle)
