"""Commands that move data: ``simulate``, ``import``, ``sql``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gridpulse.cli.output import emit, progress_bar
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import StartError, sentences

DAY_MS = 86_400_000


def register(app: typer.Typer) -> None:
    app.command(help="生成模拟城区的事件 · Write a simulated district's events to a file or into the log.")(simulate)
    app.command("import", help="导入 NDJSON 或 CSV 文件 · Import events from NDJSON or CSV files.")(import_files)
    app.command(help="执行 SQL 查询 · Run a ClickHouse query as the read-only user.")(sql)


def simulate(
    out: Annotated[Path | None, typer.Option(help="输出 NDJSON 文件;缺省写入日志 · NDJSON file; else the log.")] = None,
    days: Annotated[float, typer.Option(min=0.01, help="模拟天数 · Simulated days.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="随机种子 · Seed.")] = 7,
    size: Annotated[float, typer.Option(min=0.1, help="规模倍数 · Multiplies devices and traffic.")] = 1.0,
    speed: Annotated[
        float, typer.Option(min=0, help="加速倍数,0 为最快 · Speed-up into the log; 0: as fast as can be.")
    ] = 0,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.simulating import simulate_into_log, simulate_to_file
        from replay.simulator import DistrictConfig

        config = DistrictConfig(seed=seed, size=size)
        until_ms = config.start_ms + int(days * DAY_MS)
        with progress_bar(quiet=json) as bar:
            task = bar.add_task("模拟 · simulated minutes", total=int(days * 1440))

            def progress(now_ms: int) -> None:
                bar.update(task, completed=(now_ms - config.start_ms) // 60_000)

            if out is not None:
                result = simulate_to_file(out, config, until_ms, progress)
            else:
                settings = settings_for({"data_dir": data_dir})
                result = simulate_into_log(settings, config, until_ms, speed, progress)
        emit(result, "\n".join(f"{name}: {value}" for name, value in result.items()), json)


def import_files(
    files: Annotated[list[Path], typer.Argument(help="NDJSON (.ndjson, .jsonl, .gz) 或 CSV · Files.")],
    mapping: Annotated[Path | None, typer.Option(help="CSV 映射文件 (YAML) · Mapping file for CSV.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.importing import import_all

        settings = settings_for({"data_dir": data_dir})
        with progress_bar(quiet=json) as bar:
            task = bar.add_task("导入 · rows", total=None)
            result = import_all(settings, files, mapping, lambda rows: bar.advance(task, rows))
        text = "接受 accepted {accepted}, 重复 duplicate {duplicate}, 拒收 rejected {rejected}".format(**result)
        emit(result, text, json)


def sql(
    query: Annotated[str | None, typer.Argument(help="SQL;缺省读标准输入 · SQL; read from stdin when absent.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse import adapters

        text = query if query is not None else sys.stdin.read()
        if not text.strip():
            raise StartError("no SQL given: write it as an argument or on standard input")
        with adapters.clickhouse(settings_for({"data_dir": data_dir}), reader=True) as client:
            answer = client.query_bytes(text, "JSONEachRow" if json else "PrettyCompactMonoBlock")
        sys.stdout.buffer.write(answer)
        sys.stdout.flush()
