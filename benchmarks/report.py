"""``make bench``: all benchmarks in one go, and a page that shows them.

Writes ``benchmarks/results/<date>-<machine>.json`` with every figure, and beside it a Markdown page with plots. The
yardstick is the bare loop of the same run (see :mod:`benchmarks.bare_loop`): machines differ by two and more.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.run import BENCHMARKS, Asked, Result, run_benchmark

RESULTS = Path(__file__).parent / "results"
AIMS_BARE_LOOP_EVENTS_PER_S = 450_000  # of the machine that absolute aims are for


@dataclass(frozen=True, slots=True)
class Planned:
    """One benchmark of the plan. ``scaled``: at rates for a machine of this size, by the bare loop measured before."""

    name: str
    kafka: bool = False
    scaled: bool = False


PLAN: tuple[Planned, ...] = (
    Planned("throughput", kafka=True), Planned("throughput"), Planned("latency", kafka=True), Planned("latency"),
    Planned("latency", scaled=True), Planned("alerts"), Planned("query"), Planned("query", scaled=True),
    Planned("state"), Planned("replay", kafka=True), Planned("scale", kafka=True), Planned("ingest"),
    Planned("ingest", kafka=True), Planned("store"), Planned("log"), Planned("log", kafka=True), Planned("decode"),
    Planned("detect"),
)  # fmt: skip
TARGETS: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "throughput": (("ratio_to_bare_loop", "≥", 0.5), ("cpu_ratio_to_bare_loop", "≤", 2.5)),
    "latency": (("event_to_queryable_ms.p99", "≤", 1000), ("event_to_alert_ms.p99", "≤", 500)),
    "alerts": (("event_to_webhook_ms.p99", "≤", 1000), ("deliveries_per_s", "≥", 500), ("sse_clients", "≥", 1000)),
    "state": (("bytes_per_device", "≤", 500), ("bytes_per_person", "≤", 4096), ("flatness_ratio", "≤", 1.3)),
    "query": (("board_p99_ms", "≤", 100), ("metric_p99_ms", "≤", 50)),
    "replay": (("ratio_to_bare_loop", "≥", 0.5),),
    "scale": (("ratio", "≥", 1.7),),
    "ingest": (("events_per_s", "≥", 30_000),),
    "store": (("arrow_rows_per_s_plain", "≥", 500_000),),
}
"""Figure, direction and aim, for two cores."""
RATES = frozenset({("ingest", "events_per_s")})
TIMES_OF_WORK = frozenset({("query", "board_p99_ms"), ("query", "metric_p99_ms")})
"""Aims for a machine of that size only: in proportion a rate is less, and what has to be worked out takes longer."""


def main() -> None:
    options = _options()
    console = Console(stderr=True)
    results: list[Result] = []
    wanted = [one for one in PLAN if not options.only or one.name in options.only]
    page = options.out
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
    ) as bar:
        whole = bar.add_task("基准 benchmarks", total=len(wanted))
        for one in wanted:
            ratio = machine_ratio(results) if one.scaled else 1.0
            if ratio is not None:
                task = bar.add_task(f"{one.name} ({'kafka' if one.kafka else 'sqlite'})", total=None)
                tell = partial(_tell, bar, task, one.name)
                results.append(
                    run_benchmark(one.name, Asked(runs=options.runs, kafka=one.kafka, machine_ratio=ratio), tell)
                )
                page = write(results, options.out, datetime.now(UTC).date())  # what is measured is kept
                bar.update(task, total=1, completed=1, description=f"{one.name} ✓")
            bar.advance(whole)
    console.print(str(page))


def machine_ratio(results: Sequence[Result]) -> float | None:
    """How much of the machine that absolute aims are for this one is; None: no bare loop was measured."""
    bare = [result["bare_loop_events_per_s"] for result in results if result["benchmark"] == "throughput"]
    return min(1.0, bare[0] / AIMS_BARE_LOOP_EVENTS_PER_S) if bare else None


def write(results: Sequence[Result], out: Path, day: date) -> Path:
    """The JSON, the plots and the page; the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    stem = f"{day:%Y-%m-%d}-{machine()}"
    document = {"date": f"{day}", "machine": facts(), "results": list(results)}
    (out / f"{stem}.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    plots = _plots(results, out, stem)
    page = out / f"{stem}.md"
    page.write_text(markdown(results, day, plots), encoding="utf-8")
    return page


def machine() -> str:
    """Kind and cores, nothing that names the one it was."""
    return f"{re.sub(r'[^a-z0-9]+', '', platform.machine().lower())}-{os.cpu_count()}cores"


def facts() -> dict[str, Any]:
    return {"architecture": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}


def markdown(results: Sequence[Result], day: date, plots: Sequence[tuple[str, str]]) -> str:
    """The page: one table of targets, then every benchmark with all of its figures."""
    parts = [
        f"# 基准结果 Benchmark results, {day}, {machine()}\n",
        "`make bench` 生成 writes this page. 比值均在同一次运行中测得 Ratios are of the same run: 机器之间可差一倍以上 "
        "machines differ by two and more.\n",
        f"绝对目标针对裸循环 {AIMS_BARE_LOOP_EVENTS_PER_S:,}/s 的机器,另按本机比例的速率再测 Absolute aims are for "
        "a machine whose bare loop does so many; latency and queries are also measured at rates in proportion to this "
        "one. 标“按本机比例”者,目标也按比例 Where it says so the aim is in proportion, too: less per second, and "
        "longer for what has to be worked out.\n",
        "| 项 benchmark | 日志 log | 指标 figure | 目标 aim | 实测 measured |\n|---|---|---|---|---|",
        *(row for result in results for row in _target_rows(result, machine_ratio(results))),
        "",
        *(f"![{title}]({name})\n" for title, name in plots),
        *(_section(result) for result in results),
    ]
    return "\n".join(parts)


_IN_PROPORTION = " 按本机比例 in proportion"


def _target_rows(result: Result, ratio: float | None) -> list[str]:
    rows = []
    for figure, direction, aim in TARGETS.get(result["benchmark"], ()):
        rows.append(_target_row(result, figure, direction, aim, ""))
        which = result["benchmark"], figure
        if ratio is not None and which in RATES:
            rows.append(_target_row(result, figure, direction, round(aim * ratio), _IN_PROPORTION))
        if which in TIMES_OF_WORK and result["rates_ratio"] < 1.0:
            rows.append(_target_row(result, figure, direction, round(aim / result["rates_ratio"]), _IN_PROPORTION))
    return rows


def _target_row(result: Result, figure: str, direction: str, aim: float, kind: str) -> str:
    value, said = _value(result, figure), f"{direction} {aim:,g}{kind}"
    if value is None:
        return f"| {_name(result)} | {result['log']} | {figure} | {said} | – |"
    mark = "✓" if (value >= aim if direction == "≥" else value <= aim) else "✗"
    return f"| {_name(result)} | {result['log']} | {figure} | {said} | {value:,g} {mark} |"


def _name(result: Result) -> str:
    """With its rate, where it has one."""
    return f"{result['benchmark']}, {result['rate']:,}/s" if "rate" in result else str(result["benchmark"])


def _section(result: Result) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in _flat(result) if name not in ("benchmark", "log"))
    title = BENCHMARKS[result["benchmark"]].title
    return f"## {_name(result)} ({result['log']})\n\n{title}\n\n| 指标 figure | 值 value |\n|---|---|\n{rows}\n"


def _flat(result: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in result.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


def _value(result: Result, figure: str) -> float | None:
    value = dict(_flat(result)).get(figure)
    return float(value) if isinstance(value, (int, float)) else None


def _plots(results: Sequence[Result], out: Path, stem: str) -> list[tuple[str, str]]:
    """Bars of events per second beside the bare loop, of CPU by process, and the cost of state by size."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "gridpulse"  # the same figures give the same file
    drawn: list[tuple[str, str]] = []
    for title, bars, unit in _charts(results):
        if not bars:
            continue
        figure, axes = plt.subplots(figsize=(7, 0.6 + 0.4 * len(bars)), layout="constrained")
        axes.barh([name for name, _ in bars], [value for _, value in bars])
        axes.bar_label(axes.containers[0], fmt="{:,.4g}", padding=3)
        axes.set_xlabel(unit)
        axes.set_title(title)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        name = f"{stem}-{len(drawn) + 1}.svg"
        figure.savefig(out / name, metadata={"Date": None})
        plt.close(figure)
        drawn.append((title, name))
    return drawn


def _charts(results: Sequence[Result]) -> list[tuple[str, list[tuple[str, float]], str]]:
    speed: list[tuple[str, float]] = []
    cpu: list[tuple[str, float]] = []
    cost: list[tuple[str, float]] = []
    for result in results:
        label = f"{result['benchmark']}, {result['log']}"
        if result["benchmark"] in ("throughput", "replay"):
            speed += [(label, result["events_per_s"]), (f"bare loop of {label}", result["bare_loop_events_per_s"])]
        if result["benchmark"] == "throughput":
            cpu += [(f"{name}, {result['log']}", v) for name, v in result["cpu_s_per_million_by_process"].items()]
            cpu.append((f"bare loop, {result['log']}", result["bare_loop_cpu_s_per_million"]))
        if result["benchmark"] == "state":
            found = [(int(n.rsplit("_", 1)[1]), v) for n, v in _flat(result) if n.startswith("cpu_us_per_event_at_")]
            cost += [(f"{devices:,} devices", value) for devices, value in sorted(found)]
    return [
        ("Events per second", speed, "events/s"),
        ("CPU by process", cpu, "CPU seconds per million events"),
        ("Detection by size of the city", cost, "CPU µs per event"),
    ]


def _tell(bar: Progress, task: TaskID, name: str, text: str) -> None:
    bar.update(task, description=f"{name}: {text}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="All benchmarks, and a page that shows them.")
    parser.add_argument("--only", nargs="*", choices=sorted(BENCHMARKS), default=[], help="only these")
    parser.add_argument("--runs", type=int, default=None, help="runs of each; the median counts")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
