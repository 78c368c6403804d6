"""Puts the runs together: ``peers.json`` and a table in Markdown. Ratios are of one run, never of two machines."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.peers.job import GRACE_S, INTERVAL_MS, OUT_OF_ORDER_MS, SPAN_MINUTES, Job
from benchmarks.peers.peer import BY_KEY

Result = dict[str, Any]

HOW: Final = (
    "One broker, one topic full before anybody starts, a fresh embedded store for each, the same cores.",
    "Counted from the first rows that can be queried to the last raw row, minute row and alarm; "
    "seconds_cold counts from the start of the processes.",
    "CPU is of the peer's processes and the store; the broker's is left out.",
    "Peers with fewer events read a topic of the same hour with fewer meters, because they are slow.",
    "Sums over all minutes (counts, means, maxima) and the alarms are compared with what numpy reckons.",
    "A peer's alarm is a minute whose mean is over the limit of its zone; GridPulse's is its detector's, on energy "
    "averages of 20 min with hysteresis, once for each loud meter. GridPulse validates and runs three detectors.",
)


def machine() -> Result:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def assemble(job: Job, bytes_per_event: int, ours: Result | None, peers: Mapping[str, Result]) -> Result:
    """The whole page as one object; a peer that failed has ``error`` and no ratio."""
    right = ours if ours is not None and ours["result"] == "right" else {}
    return {
        "machine": machine(),
        "job": {
            "events": job.events,
            "bytes_per_event": bytes_per_event,
            "devices": job.devices,
            "partitions": job.partitions,
            "minutes": SPAN_MINUTES,
            "interval_s": INTERVAL_MS / 1000,
            "out_of_order_s": OUT_OF_ORDER_MS / 1000,
            "grace_s": GRACE_S,
        },
        "how": list(HOW),
        "gridpulse": ours or {},
        "peers": dict(peers),
        "ratios": _ratios(right, peers, "events_per_s", lambda ours, theirs: ours / theirs),
        "cpu_ratios": _ratios(right, peers, "cpu_s_per_million", lambda ours, theirs: theirs / ours),
    }


def _ratios(
    ours: Result, peers: Mapping[str, Result], name: str, ratio: Callable[[float, float], float]
) -> dict[str, float]:
    """How many times as good as each peer we are; of right results only."""
    right = {key: result for key, result in peers.items() if ours and result.get("result") == "right"}
    return {key: round(ratio(ours[name], result[name]), 2) for key, result in right.items()}


def markdown(page: Result) -> str:
    """The same for people."""
    job, machine_ = page["job"], page["machine"]
    lines = [
        "# Peers, side by side",
        "",
        f"{job['events']:,} events of {job['bytes_per_event']} bytes from {job['devices']:,} devices over "
        f"{job['minutes']} minutes, {job['partitions']} partitions; {machine_['cores']} cores, {machine_['cpu']}, "
        f"Python {machine_['python']}.",
        "",
        "| | events/s | GridPulse is | CPU s per million | GridPulse needs less | RSS MB | events | cold s | result |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
        _row("**GridPulse**", page["gridpulse"], None, None),
    ]
    for key, result in page["peers"].items():
        lines.append(_row(BY_KEY[key].title, result, page["ratios"].get(key), page["cpu_ratios"].get(key)))
    lines += ["", "## How it was measured", "", *(f"* {sentence}" for sentence in page["how"])]
    lines += ["", "## What they cannot do, and how they were set", ""]
    for key, result in page["peers"].items():
        lines += _described(BY_KEY[key].title, result)
    return "\n".join(lines).rstrip() + "\n"


def _row(title: str, result: Result, ratio: float | None, cpu_ratio: float | None) -> str:
    if "error" in result or not result:
        return f"| {title} | – | | | | | | | {result.get('error', 'not run')} |"
    return (
        f"| {title} | {result['events_per_s']:,.0f} | {_times(ratio)} | {result['cpu_s_per_million']:.1f} "
        f"| {_times(cpu_ratio)} | {result['rss_mb']:,} | {result['events']:,} | {result['seconds_cold']:.1f} "
        f"| {result['result']} |"
    )


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} ×"


def _described(title: str, result: Result) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in result.get("versions", {}).items())
    settings = [f"* {name}: {value}" for name, value in result.get("settings", {}).items()]
    cannot = [f"* {sentence}" for sentence in result.get("cannot", [])]
    return [f"### {title}", "", *([versions, ""] if versions else []), *settings, *cannot, ""]


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return models[0] if models else platform.machine()
