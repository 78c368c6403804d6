"""``gridpulse bench``: each benchmark on the same simulated district, several runs, the median counted.

Every answer says how many events of how many bytes, on how many cores, with which versions. Ratios are measured in the
same run. Nothing here judges; the figures do.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import parts, whole

Result = dict[str, Any]
LIBRARIES = ("bytewax", "chdb", "confluent-kafka", "pyarrow", "river")


def run_benchmark(what: str, *, events: int, runs: int, kafka: bool) -> Result:
    """``what``: decode, detect, log or throughput. :returns: one flat JSON-able object."""
    with tempfile.TemporaryDirectory(prefix="gridpulse-bench-") as scratch:
        measure: dict[str, Callable[[], Result]] = {
            "decode": lambda: _median(runs, lambda: parts.decode(events)),
            "detect": lambda: _median(runs, lambda: parts.detect(events)),
            "log": lambda: _median(runs, lambda: parts.log(Path(scratch), events, kafka)),
            "throughput": lambda: whole.throughput(Path(scratch), events, kafka),
        }
        figures = measure[what]()
    return {
        "benchmark": what,
        "log": "kafka" if kafka else "sqlite",
        **figures,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _median(runs: int, measure: Callable[[], Result]) -> Result:
    """Run several times; the median of every number."""
    results = [measure() for _ in range(runs)]
    medians: Result = {"runs": runs}
    for name, value in results[0].items():
        same = [result[name] for result in results]
        medians[name] = round(statistics.median(same), 3) if isinstance(value, float) else value
    return medians
