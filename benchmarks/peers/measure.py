"""Measures one run alike for everybody: from outside, by what the store can be asked, and by the processes' CPU.

The topic is full before the start. ``seconds_cold`` is from the start of the processes until every row can be queried.
Figures per second count from the moment the first rows can be queried (imports, the JVM and joining the consumer group
are over then) and leave those first rows out; CPU is of the peer's processes and the store over the same time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import psutil

from benchmarks.peers.job import Expected
from benchmarks.peers.tables import Found, Seen

POLL_S: Final = 0.05
STALL_S: Final = 45.0  # nothing new for so long: it will not come any more
START_S: Final = 180.0  # and this long for the first rows
SHORT_RATIO: Final = 0.5  # first rows that are more than this of all leave nothing to measure: cold figures then


@dataclass(frozen=True)
class Moment:
    """What a poll saw."""

    at_s: float
    cpu_s: float
    raw: int


@dataclass(frozen=True)
class Measured:
    """Figures of one run; ``whole`` is False where it stalled."""

    started: Moment
    first: Moment
    last: Moment
    rss_mb: int
    whole: bool

    def figures(self, events: int) -> dict[str, Any]:
        """Rates from the first rows on; from the cold start where those were most of all."""
        short = self.first.raw > SHORT_RATIO * events
        start = self.started if short else self.first
        counted = max(1, self.last.raw - start.raw)
        seconds = max(1e-9, self.last.at_s - start.at_s)
        figures = {
            "events": events,
            "events_per_s": round(counted / seconds, 1),
            "cpu_s_per_million": round((self.last.cpu_s - start.cpu_s) / counted * 1e6, 2),
            "rss_mb": self.rss_mb,
            "seconds": round(seconds, 2),
            "seconds_cold": round(self.last.at_s - self.started.at_s, 2),
        }
        return {**figures, "note": "too short: counted from the cold start"} if short else figures


def watch(
    look: Callable[[], Seen], pids: Callable[[], list[int]], check: Callable[[], None], expected: Expected
) -> Measured:
    """Poll until everything expected is there or nothing new comes. ``check`` raises where a process has ended.

    Call it at once after the processes were started; ``pids`` are the peer's and the store's.
    """
    started = first = last = _moment(pids(), 0)
    rss_mb = 0
    before, moved_s = Seen(0), started.at_s
    while True:
        seen = look()
        last = _moment(pids(), seen.raw)
        rss_mb = max(rss_mb, _rss_mb(pids()))
        if seen != before:
            before, moved_s = seen, last.at_s
        if first is started and seen.raw > 0:
            first = last
        whole = is_whole(seen, expected)
        if whole or last.at_s - moved_s > (START_S if first is started else STALL_S):
            return Measured(started, first, last, rss_mb, whole)
        check()
        time.sleep(POLL_S)


def is_whole(seen: Seen, expected: Expected) -> bool:
    return seen.raw >= expected.rows_raw and seen.counted >= expected.counted and seen.alarms >= expected.alarms


def what_is_wrong(found: Found, expected: Expected) -> str | None:
    """The first figure that is not as reckoned, in words; None where all is right."""
    for name in (field.name for field in fields(Expected)):
        got = getattr(found, name, None)
        wanted = getattr(expected, name)
        if got is not None and not math.isclose(got, wanted, rel_tol=1e-9):
            return f"wrong: {name} is {got}, not {wanted}"
    return None


def tree_cpu_s(pids: list[int]) -> float:
    """CPU of processes and everything that they started."""
    return sum(_cpu_s(process) for process in _trees(pids))


def _moment(pids: list[int], raw: int) -> Moment:
    return Moment(time.monotonic(), tree_cpu_s(pids), raw)


def _rss_mb(pids: list[int]) -> int:
    total = 0
    for process in _trees(pids):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return round(total / 1e6)


def _trees(pids: list[int]) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            found.update({one.pid: one for one in (process, *process.children(recursive=True))})
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
