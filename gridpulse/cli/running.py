"""Commands that run processes: ``up``, ``demo``, ``run``, ``migrate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridpulse.cli.starting import settings_for
from gridpulse.exit import sentences

DataDir = Annotated[Path | None, typer.Option(help="数据目录 · Data directory.", envvar="GRIDPULSE_DATA_DIR")]
Json = Annotated[bool, typer.Option("--json", help="机器可读输出 · Print JSON for machines.")]


class ProcessName(StrEnum):
    """What ``gridpulse run`` can run; the same names as in :mod:`gridpulse.processes`."""

    store = "store"
    api = "api"
    pipeline = "pipeline"
    writer = "writer"
    detect = "detect"
    rollup = "rollup"
    bridge = "bridge"
    webhooks = "webhooks"


def register(app: typer.Typer) -> None:
    app.command(help="启动全部进程 · Start everything on this machine and keep it running.")(up)
    app.command(help="演示:一个模拟城区 · Demo: a simulated district, live, until Ctrl-C.")(demo)
    app.command(help="运行单个进程 · Run one process in the foreground.")(run)
    app.command(help="建立或升级数据库 · Create or upgrade the ClickHouse database.")(migrate)


def up(data_dir: DataDir = None) -> None:
    """Embedded or not, as the settings say."""
    with sentences():
        settings = settings_for({"data_dir": data_dir})
        from gridpulse.up import run_up

        run_up(settings)


def demo(
    seconds: Annotated[float | None, typer.Option(min=5, help="运行秒数 · End by itself after so long.")] = None,
    rate: Annotated[float, typer.Option(min=10, help="每秒事件数 · Events per second to feed.")] = 10_500.0,
    seed: Annotated[int, typer.Option(help="随机种子 · Seed of the simulated district.")] = 7,
    kafka: Annotated[bool, typer.Option("--kafka", help="使用真实 Kafka · On a real Kafka broker.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """A simulated district in time-lapse."""
    with sentences():
        from gridpulse.demo import DemoOptions, run_demo

        options = DemoOptions(seconds=seconds, rate=rate, seed=seed, kafka=kafka, json=json)
        run_demo(data_dir or Path("data/demo-kafka" if kafka else "data/demo"), options)


def run(
    process: Annotated[ProcessName, typer.Argument(help="进程名 · Process to run.")],
    data_dir: DataDir = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Bytewax 工作线程数 · Bytewax workers.")] = None,
    process_id: Annotated[
        int | None, typer.Option(min=0, help="本进程在集群中的序号 · Number of this process in its cluster, from 0.")
    ] = None,
    addresses: Annotated[
        str | None,
        typer.Option(help="集群全部进程 host:port,逗号分隔 · All processes of the cluster, host:port,host:port."),
    ] = None,
) -> None:
    with sentences():
        settings = settings_for(
            {"data_dir": data_dir, "workers": workers, "process_id": process_id, "addresses": addresses}
        )
        from gridpulse.processes import PROCESSES

        PROCESSES[process.value](settings)


def migrate(
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option(help="只显示 SQL · Only show what would run.")] = False,
    json: Json = False,
) -> None:
    with sentences():
        settings = settings_for({"data_dir": data_dir})
        from gridpulse.adapters import migrate_database
        from gridpulse.cli.output import emit

        applied = migrate_database(settings, dry_run=dry_run)
        text = "\n".join(applied) if applied else "数据库已是最新 · The database is up to date."
        emit({"applied": applied, "dry_run": dry_run}, text, json)
