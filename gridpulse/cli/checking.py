"""Commands that hold projections against the log: ``verify``, ``rebuild``."""

from __future__ import annotations

from typing import Annotated

import typer

from gridpulse.cli.output import emit, progress_bar
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import EXIT_FAILED, sentences


def register(app: typer.Typer) -> None:
    app.command(help="核对投影与日志 · Compare every projection with the log, row by row.")(verify)


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
