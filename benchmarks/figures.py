"""What several benchmarks reckon alike: CPU of a process, percentiles, the size of events."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import psutil

from schemas.records import NewRecord


def cpu_seconds(process: psutil.Process) -> float:
    """CPU of a process so far, without what its children took."""
    times = process.cpu_times()
    return float(times.user + times.system)


def percentile(values: Sequence[float], percent: int) -> float:
    """Linear between the order statistics of two values or more."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def nearest_rank(values: Sequence[float], ratio: float) -> float:
    """The value that stands at ``ratio`` of all when they are sorted: one that was measured."""
    return sorted(values)[min(len(values) - 1, int(ratio * len(values)))]


def bytes_per_event(records: Sequence[NewRecord]) -> int:
    """How many bytes a record's value has, on average."""
    return round(sum(len(record.value) for record in records) / len(records))
