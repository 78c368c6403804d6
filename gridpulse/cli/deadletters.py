"""``gridpulse deadletters``: list, show and retry what could not be accepted."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridpulse.cli.output import emit, stderr_console
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import sentences

if TYPE_CHECKING:
    from projections.queries.letters import Choice, Letter
    from streams.dead_letters import Retried

app = typer.Typer(no_args_is_help=True)


class Stage(StrEnum):
    """Where a letter failed."""

    ingest = "ingest"
    import_ = "import"
    bridge = "bridge"
    decode = "decode"


Where = Annotated[
    str | None,
    typer.Option(help="对 dead_letters 表的 SQL 条件 · Condition on table dead_letters, e.g. \"detail LIKE '%dB%'\"."),
]
ReasonCode = Annotated[str | None, typer.Option(help="原因代码 · Reason code, see docs/events.md.")]
StageName = Annotated[Stage | None, typer.Option(help="环节 · Where it failed.")]
Since = Annotated[str | None, typer.Option(help="自何时起,如 2h、7d · Recorded since: 2h, 7d or an RFC 3339 time.")]


@app.command("list", help="列出死信,新者在前 · List dead letters, newest first.")
def list_dead_letters(
    where: Where = None,
    reason: ReasonCode = None,
    stage: StageName = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="最多条数 · At most so many.")] = 50,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.deadletters import as_document, list_letters

        settings = settings_for({"data_dir": data_dir})
        found = list_letters(settings, _choice(where, reason, stage, since), limit)
        text = "\n".join(_line(letter) for letter in found) if found else "没有死信 · No dead letters."
        emit([as_document(letter) for letter in found], text, json)


@app.command(help="显示一条死信的全部内容 · Show everything about one dead letter.")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="死信编号 · Id of the dead letter.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.deadletters import as_document, show_letter

        document = as_document(show_letter(settings_for({"data_dir": data_dir}), letter_id))
        emit(document, _page(document), json)


@app.command(help="重新提交死信 · Send dead letters in again, mended or as they are.")
def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="死信编号 · Ids.")] = None,
    where: Where = None,
    reason: ReasonCode = None,
    stage: StageName = None,
    since: Since = None,
    transform: Annotated[
        str | None,
        typer.Option(
            help="JSON 合并补丁,或含 transform(event) 的 .py 文件 · "
            "JSON merge patch, or a .py file with transform(event) -> dict | None."
        ),
    ] = None,
    actor: Annotated[str | None, typer.Option(help="经办人 · Who does it; kept with the link.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只显示,不改变 · Only say what would happen.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from dataclasses import asdict

        from gridpulse.deadletters import RetryOptions, retry_letters

        options = RetryOptions(_choice(where, reason, stage, since), tuple(ids or ()), transform, actor, dry_run)
        outcomes: list[dict[str, Any]] = []

        def told(letter: Letter, one: Retried) -> None:
            if json:
                outcomes.append(asdict(one))
            else:
                stderr_console().print(_outcome(letter, one), markup=False, highlight=False, soft_wrap=True)

        counts = retry_letters(settings_for({"data_dir": data_dir}), options, told)
        text = (
            "接受 accepted {accepted}, 重复 duplicate {duplicate}, 拒收 rejected {rejected}, "
            "未动 left {left}, 截断 cut {cut}"
        ).format(**counts)
        note = "试运行,未作任何改变 · Dry run, nothing was changed: " if dry_run else ""
        emit({**counts, "dry_run": dry_run, "letters": outcomes}, note + text, json)


def _choice(where: str | None, reason: str | None, stage: Stage | None, since: str | None) -> Choice:
    from gridpulse.deadletters import since_ms
    from projections.queries.letters import Choice
    from projections.queries.running import BEGIN_OF_TIME_MS
    from streams.clocks import wall_clock

    from_ms = BEGIN_OF_TIME_MS if since is None else since_ms(since, wall_clock())
    return Choice(where, reason, None if stage is None else stage.value, from_ms)


_STATES = {"open": "未处理 open", "retried": "已重试 retried", "rejected": "再次拒收 rejected again"}


def _line(letter: Letter) -> str:
    when = letter.recorded_time.isoformat(sep=" ", timespec="seconds")
    return (
        f"{letter.id}  {when}  {letter.stage:6}  {letter.reason:20}  {_STATES[letter.state]}  {letter.origin}  "
        f"{letter.detail}"
    )


def _page(document: dict[str, Any]) -> str:
    import orjson

    lines = [f"{name:14} {value}" for name, value in document.items() if name not in ("raw", "retries", "state")]
    lines.insert(1, f"{'state':14} {_STATES[document['state']]}")
    raw = document["raw"]
    lines += ["raw", raw if isinstance(raw, str) else orjson.dumps(raw, option=orjson.OPT_INDENT_2).decode()]
    for retry in document["retries"]:
        lines.append(
            "重试 retry     " + "  ".join(f"{name}={value}" for name, value in retry.items() if value is not None)
        )
    return "\n".join(lines)


def _outcome(letter: Letter, one: Retried) -> str:
    identity = f"{one.retried_source} {one.retried_id}" if one.retried_id else ""
    why = ": ".join(part for part in (one.reason, one.detail) if part)
    return f"{letter.id}  {one.outcome:9}  {why or identity}".rstrip()
