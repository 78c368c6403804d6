"""Commands that change the ground while everything runs: ``chaos``, ``rescale``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridpulse.cli.output import emit
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import sentences


class ChaosLog(StrEnum):
    """Which log a chaos run breaks."""

    sqlite = "sqlite"
    kafka = "kafka"
    both = "both"


def register(app: typer.Typer) -> None:
    app.command(help="改变分区数:复制日志并核对 · Copy the log into one with other partitions; verify it.")(rescale)
    app.command(help="混沌测试:负载下杀进程再对账 · Kill processes under load, then account for every event.")(chaos)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, help="故障分钟数,各日志平分 · Minutes of faults in all.")] = 5.0,
    log: Annotated[
        ChaosLog | None,
        typer.Option(help="日志种类 · Which log; both: one after the other. Default: both; with --alerts sqlite."),
    ] = None,
    rate: Annotated[float, typer.Option(min=10, help="每秒事件数 · Events per second to send.")] = 1000.0,
    seed: Annotated[int, typer.Option(min=0, help="随机种子 · Seed of district and faults.")] = 7,
    data_dir: Annotated[
        Path | None, typer.Option(help="新数据目录;缺省为临时 · A new one; default: temporary.")
    ] = None,
    alerts: Annotated[
        bool,
        typer.Option("--alerts", help="告警风暴送达 webhook · A storm of alerts to webhooks instead of --minutes."),
    ] = False,
    storm: Annotated[int, typer.Option(min=10, max=100_000, help="告警数 · Alerts of the storm.")] = 10_000,
    endpoints: Annotated[
        int, typer.Option(min=4, max=200, help="接收端数 · Endpoints; a fifth fails at random, a tenth hangs.")
    ] = 50,
    json: Json = False,
) -> None:
    """Load, kills and outages; then nothing may be lost, there twice, or other than the log says."""
    with sentences():
        from gridpulse.chaos import LOGS, ChaosOptions, run_chaos
        from gridpulse.chaos_alerts import AlertChaosOptions, run_alert_chaos

        wanted = log or (ChaosLog.sqlite if alerts else ChaosLog.both)
        logs = tuple(kind for kind in LOGS if wanted.value in (kind, "both"))
        if alerts:
            run_alert_chaos(AlertChaosOptions(storm, endpoints, logs, seed, json, data_dir))
            return
        run_chaos(ChaosOptions(minutes=minutes, logs=logs, rate=rate, seed=seed, json=json, data_dir=data_dir))


def rescale(
    partitions: Annotated[int, typer.Option(min=1, max=1024, help="新分区数 · Partitions of the copy.")],
    to: Annotated[str, typer.Option(help="新日志地址 · The new log: sqlite:///path or kafka://host:port.")],
    resume: Annotated[bool, typer.Option("--resume", help="继续中断的复制 · Go on with a copy cut short.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """While nothing writes to the log. The old log is only read."""
    with sentences():
        settings = settings_for({"data_dir": data_dir})
        from gridpulse.rescaling import next_steps
        from gridpulse.rescaling import rescale as copy

        result = copy(settings, to, partitions, resume=resume, quiet=json)
        lines = [f"{one['topic']:24} {one['records']:>12} {one['digest']}" for one in result["topics"]]
        emit(result, "\n".join([*lines, next_steps(partitions)]), json)
