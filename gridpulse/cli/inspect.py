"""Commands that look: ``schemas``, ``doctor``, ``bench``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridpulse.cli.output import emit
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import StartError, sentences


class Benchmark(StrEnum):
    """What can be measured; the same names as in :mod:`benchmarks.run`."""

    throughput = "throughput"
    latency = "latency"
    alerts = "alerts"
    state = "state"
    query = "query"
    replay = "replay"
    scale = "scale"
    ingest = "ingest"
    store = "store"
    decode = "decode"
    detect = "detect"
    log = "log"


class LogKind(StrEnum):
    """Which log to measure on."""

    sqlite = "sqlite"
    kafka = "kafka"


def register(app: typer.Typer) -> None:
    app.command(help="事件类型与 JSON Schema · Event types; export their JSON Schemas.")(schemas)
    app.command(help="检查环境与依赖 · Check this machine and the dependencies.")(doctor)
    app.command(help="性能测试 · Measure.")(bench)


def schemas(
    type_name: Annotated[str | None, typer.Argument(help="类型名,如 cn.gridpulse.readings.measured · A type.")] = None,
    export: Annotated[Path | None, typer.Option(help="导出目录 · Write all JSON Schemas into a directory.")] = None,
    json: Json = False,
) -> None:
    with sentences():
        import orjson

        from schemas.catalogue import BY_NAME, EVENT_TYPES
        from schemas.export import export_json_schemas, json_schema

        if export is not None:
            written = export_json_schemas(export)
            emit({"written": [str(path) for path in written]}, f"{len(written)} JSON Schemas → {export}", json)
        elif type_name is not None:
            if type_name not in BY_NAME:
                raise StartError(f"no event type {type_name}; `gridpulse schemas` lists them")
            schema = json_schema(BY_NAME[type_name])
            emit(schema, orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode(), json)
        else:
            rows = [
                {"type": t.wire_name, "table": t.table, "title_zh": t.title_zh, "title_en": t.title_en}
                for t in EVENT_TYPES
            ]
            emit(rows, "\n".join(f"{r['type']:48} {r['title_zh']} · {r['title_en']}" for r in rows), json)


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    with sentences():
        from gridpulse.doctor import examine

        checks = examine(settings_for({"data_dir": data_dir}))
        lines = [f"{'✓' if check.ok else '✗'} {check.name}: {check.detail}" for check in checks]
        emit([{"name": c.name, "ok": c.ok, "detail": c.detail} for c in checks], "\n".join(lines), json)
        if not all(check.ok for check in checks):
            raise SystemExit(1)


def bench(
    what: Annotated[Benchmark, typer.Argument(help="测什么 · What to measure.")],
    log: Annotated[LogKind, typer.Option(help="事件日志 · SQLite, or a real Kafka broker.")] = LogKind.sqlite,
    events: Annotated[int | None, typer.Option(min=1000, help="事件数 · Events.")] = None,
    devices: Annotated[int | None, typer.Option(min=500, help="设备数 · Devices of the city.")] = None,
    rate: Annotated[int | None, typer.Option(min=1, help="每秒事件或请求 · Events, or requests, per second.")] = None,
    seconds: Annotated[int | None, typer.Option(min=1, help="时长 · How long to measure.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="分区数 · Partitions per topic.")] = 1,
    runs: Annotated[int | None, typer.Option(min=1, help="次数,取中位数 · Runs; the median counts.")] = None,
    clients: Annotated[int | None, typer.Option(min=1, help="实时流客户端数 · Clients of the live stream.")] = None,
    json: Json = False,
) -> None:
    with sentences():
        from benchmarks.run import Asked, run_benchmark

        asked = Asked(events, devices, rate, seconds, partitions, runs, log is LogKind.kafka, clients)
        result = run_benchmark(what.value, asked, lambda text: typer.echo(f"· {text}", err=True))
        emit(result, "\n".join(f"{name}: {value}" for name, value in result.items()), json)
