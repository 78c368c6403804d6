"""Commands that hold projections against the log: ``verify``, ``rebuild``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gridpulse.cli.output import emit, progress_bar
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import EXIT_FAILED, sentences


def register(app: typer.Typer) -> None:
    app.command(help="核对投影与日志 · Compare every projection with the log, row by row.")(verify)
    app.command(help="重建投影并替换 · Build a projection anew from the log and swap it in while queries go on.")(
        rebuild
    )


def verify(
    projection: Annotated[
        list[str] | None, typer.Option(help="只核对该投影,可重复 · Only this projection; repeatable.")
    ] = None,
    wait_s: Annotated[float, typer.Option(min=0, help="等待汇总的秒数 · Wait so long for rollups.")] = 10.0,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.checking import run_verify, verified_json, verified_text

        with progress_bar(quiet=json) as bar:
            found = run_verify(settings_for({"data_dir": data_dir}), projection or [], wait_s, bar)
        emit(verified_json(found), verified_text(found), json)
        if found.differences:
            raise SystemExit(EXIT_FAILED)


def rebuild(
    projection: Annotated[
        str,
        typer.Argument(
            help="事件表、视图、指标(metrics)或 all · An event table, a view, metrics (or one metric), or all."
        ),
    ],
    rollback: Annotated[bool, typer.Option("--rollback", help="换回旧表 · Go back to the one before.")] = False,
    from_what_is_left: Annotated[
        bool,
        typer.Option(
            "--from-what-is-left", help="日志已过期的部分取自事件表 · Take what the log has lost from the event tables."
        ),
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.checking import RebuildOptions, rebuilt_json, rebuilt_text, run_rebuild

        started_s = time.monotonic()
        with progress_bar(quiet=json) as bar:
            options = RebuildOptions(projection, rollback, from_what_is_left)
            rebuilt = run_rebuild(settings_for({"data_dir": data_dir}), options, bar)
        seconds = time.monotonic() - started_s
        emit(rebuilt_json(rebuilt, seconds), rebuilt_text(rebuilt, seconds), json)
