"""Commands that replay history: ``replay``, ``runs``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gridpulse.cli.output import emit, progress_bar
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import sentences

RunId = Annotated[str, typer.Argument(help="回放号 · Id of a run.")]
runs = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command(help="回放历史并与实时结果比较 · Replay history into a database of its own and compare it.")(replay)
    app.add_typer(runs, name="runs", help="回放结果:列出、查看、比较、删除 · Replay runs: list, show, diff, drop.")


def replay(
    from_: Annotated[
        str | None, typer.Option("--from", help="起(含),RFC 3339 或日期 · From this recorded time on, or date.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="止(不含) · Before this recorded time, or date.")] = None,
    warm_up: Annotated[
        str | None, typer.Option(help="预热时长,如 14d 或 0;缺省为全部 · Learn from so much before --from; else all.")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="范围子树,可重复 · Subtree; repeatable.")] = None,
    types: Annotated[
        list[str] | None, typer.Option(help="事件类型,如 readings.measured,可重复 · Event type; repeatable.")
    ] = None,
    keys: Annotated[
        list[str] | None, typer.Option(help="设备、人员、网关、场所等,可重复 · Device, person, gateway, site …")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="检测器参数,可重复 · detector.param=value; repeatable.")
    ] = None,
    speed: Annotated[str, typer.Option(help="max 或倍速 · max, or times real time.")] = "max",
    tables: Annotated[
        bool, typer.Option("--tables", help="同时写入事件与汇总 · Also write events and rollups.")
    ] = False,
    against: Annotated[str, typer.Option(help="对照:live 或回放号 · Compare with live or another run.")] = "live",
    resume: Annotated[str | None, typer.Option(help="继续一次回放 · Go on with a run.")] = None,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="列出可设参数 · List what --set takes, and do nothing.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.replaying import ReplayOptions, list_parameters
        from gridpulse.replaying import replay as replay_now

        settings = settings_for({"data_dir": data_dir})
        if parameters:
            known = list_parameters(settings)
            emit(known, "\n".join(f"{one['name']:55} {one['value']}" for one in known), json)
            return
        options = ReplayOptions(from_, to, warm_up, scope or (), types or (), keys or (), set_ or (), speed, tables)
        spec, config = options.spec(settings.site_timezone), options.config()
        with progress_bar(quiet=json) as bar:
            task = bar.add_task("回放 · records", total=None)

            def progress(records: int, total: int) -> None:
                bar.update(task, advance=records, total=total)

            result = replay_now(settings, spec, config, against, resume, progress)
        emit(result, _text(result), json)


@runs.command("list", help="列出 · List runs.")
def list_(data_dir: DataDir = None, json: Json = False) -> None:
    with sentences():
        from gridpulse.replaying import list_runs

        found = list_runs(settings_for({"data_dir": data_dir}))
        emit(found, "\n".join(_line(one) for one in found) or "尚无回放 · There are no runs.", json)


@runs.command(help="查看 · Show one run and the first differences.")
def show(run: RunId, data_dir: DataDir = None, json: Json = False) -> None:
    with sentences():
        from gridpulse.replaying import show_run

        result = show_run(settings_for({"data_dir": data_dir}), run)
        emit(result, _text(result), json)


@runs.command(help="比较 · Compare a run with another, or with live.")
def diff(
    run: RunId,
    base: Annotated[str, typer.Argument(help="对照:live 或回放号 · live, or another run.")] = "live",
    limit: Annotated[int, typer.Option(min=0, help="显示条数 · How many differences to show.")] = 20,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.replaying import diff_runs

        result = diff_runs(settings_for({"data_dir": data_dir}), run, base, limit)
        emit(result, "\n".join(_comparison(result)), json)


@runs.command(help="删除 · Remove runs with their databases.")
def drop(
    run: Annotated[list[str], typer.Argument(help="回放号 · Ids of runs.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.replaying import drop_runs

        dropped = drop_runs(settings_for({"data_dir": data_dir}), run)
        emit({"dropped": dropped}, f"已删除 · dropped {', '.join(dropped)}", json)


def _line(one: dict[str, Any]) -> str:
    differs = one["difference"]
    same = {True: "= ", False: "≠ ", None: "  "}[one["same"]]
    return (
        f"{one['run']}  {one['status']:8}  {one['from'] or '…'} – {one['to'] or '…'}  {same}{one['base']}  "
        f"+{differs['added']} −{differs['gone']} ~{differs['moved']}  {' '.join(one['parameters'])}"
    )


def _text(result: dict[str, Any]) -> str:
    """A run for people."""
    asked = [*result["scopes"], *result["types"], *result["keys"], *result["parameters"]]
    lines = [
        f"回放 · run          {result['run']}  {result['status']}",
        f"数据库 · database   {result['database']}",
        f"时段 · bounds       {result['from'] or '…'} – {result['to'] or '…'}",
        *([f"筛选与参数 · asked  {' '.join(asked)}"] if asked else []),
        f"事件 · events       {result['events']:,}  ({result['events_per_s']:,}/s)",
        f"检测 · detections   {result['detections']:,}",
        f"告警 · alert steps  {result['alerts']:,}",
        f"状态 · statuses     {result['statuses']:,}",
        *([f"错误 · error        {result['error']}"] if result["error"] else []),
    ]
    return "\n".join([*lines, *(_comparison(result) if result["same"] is not None else [])])


def _comparison(result: dict[str, Any]) -> list[str]:
    counted = result["difference"]
    said = "相同 · the same" if result["same"] else "不同 · different"
    return [
        f"摘要 · hash         {result['hash']}",
        f"对照 · {result['base']:12} {result['base_hash']}  {said}",
        f"差异 · difference   新增 added {counted['added']:,}  消失 gone {counted['gone']:,}  变动 moved "
        f"{counted['moved']:,}  仅模型名 relabelled {counted['relabelled']:,}",
        *(f"说明 · note: {note}" for note in result["notes"]),
        *(_difference_line(one) for one in result["first_differences"]),
    ]


def _difference_line(one: dict[str, Any]) -> str:
    sign = {"added": "+", "gone": "−", "moved": "~"}[one["kind"]]
    at = one["detected_time"] or one["base_detected_time"]
    return (
        f"{sign} {at} {one['source_table']} {one['rule']} {one['subject']} {one['step']}\n"
        f"    {one['reason_zh']}\n    {one['reason_en']}"
    )
