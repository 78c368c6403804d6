"""Commands that change the ground while everything runs: ``chaos``, ``rescale``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridpulse.cli.running import Json
from gridpulse.exit import sentences


class ChaosLog(StrEnum):
    """Which log a chaos run breaks."""

    sqlite = "sqlite"
    kafka = "kafka"
    both = "both"


def register(app: typer.Typer) -> None:
    app.command(help="混沌测试:负载下杀进程再对账 · Kill processes under load, then account for every event.")(chaos)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, help="故障分钟数,各日志平分 · Minutes of faults in all.")] = 5.0,
    log: Annotated[ChaosLog, typer.Option(help="日志种类 · Which log; both: one after the other.")] = ChaosLog.both,
    rate: Annotated[float, typer.Option(min=10, help="每秒事件数 · Events per second to send.")] = 1000.0,
    seed: Annotated[int, typer.Option(min=0, help="随机种子 · Seed of district and faults.")] = 7,
    data_dir: Annotated[
        Path | None, typer.Option(help="新数据目录;缺省为临时 · A new one; default: temporary.")
    ] = None,
    json: Json = False,
) -> None:
    """Load, kills and outages; then nothing may be lost, there twice, or other than the log says."""
    with sentences():
        from gridpulse.chaos import LOGS, ChaosOptions, run_chaos

        logs = tuple(kind for kind in LOGS if log.value in (kind, "both"))
        run_chaos(ChaosOptions(minutes=minutes, logs=logs, rate=rate, seed=seed, json=json, data_dir=data_dir))
