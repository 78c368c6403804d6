"""``gridpulse live``: alerts as they come."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import StartError, sentences

if TYPE_CHECKING:
    from gridpulse.settings import Settings


def register(app: typer.Typer) -> None:
    app.command(help="实时查看告警 · Show alerts as they come, until Ctrl-C.")(live)


def live(
    scope: Annotated[str | None, typer.Option(help="范围及其下级 · Subtree; default: the key's own.")] = None,
    detector: Annotated[str | None, typer.Option(help="检测器,逗号分隔 · Detectors, with commas.")] = None,
    rule: Annotated[str | None, typer.Option(help="规则,逗号分隔 · Rules, with commas.")] = None,
    min_severity: Annotated[str | None, typer.Option(help="最低严重程度 · info, warning or critical.")] = None,
    steps: Annotated[str | None, typer.Option(help="步骤,逗号分隔 · Steps, with commas: opened,resolved.")] = None,
    metrics: Annotated[str | None, typer.Option(help="指标,逗号分隔 · Metrics to show too, with commas.")] = None,
    url: Annotated[str | None, typer.Option(help="接口地址 · The API; default: as the settings say.")] = None,
    key: Annotated[
        str | None, typer.Option(help="接口密钥;默认临时签发一个 · API key; default: one for the time being.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        settings = settings_for({"data_dir": data_dir})
        params = {
            "scope": scope, "detector": detector, "rule": rule, "min_severity": min_severity, "steps": steps,
            "metrics": metrics,
        }  # fmt: skip
        asked = {name: value for name, value in params.items() if value is not None}
        if key is not None:
            _follow(settings, url or settings.api_url, key, asked, json)
            return
        from gridpulse.adapters import issue_api_key, revoke_api_key
        from streams.keys import KeyScopeError

        try:
            key_id, issued = issue_api_key(settings, "reader", scope or "", "gridpulse live")
        except KeyScopeError as error:
            raise StartError(str(error)) from None
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # the key is revoked then, too
        try:
            _follow(settings, url or settings.api_url, issued, asked, json)
        finally:
            revoke_api_key(settings, key_id)


def _follow(settings: Settings, url: str, key: str, params: dict[str, str], json: bool) -> None:
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from gridpulse.cli.output import stderr_console
    from gridpulse.following import Follower
    from gridpulse.live_view import line_of, reset_line

    notes, lines = stderr_console(), Console(soft_wrap=True, highlight=False)
    follower = Follower(url, key, params, lambda text: notes.print(text, style="dim"))
    zone = ZoneInfo(settings.site_timezone)
    for message in follower.messages():
        if message.event == "reset":
            notes.print(reset_line(message), style="yellow")
        if json:
            _emit_line(message.event, message.data)
        elif (line := line_of(message, zone)) is not None:
            lines.print(line)


def _emit_line(event: str, data: bytes) -> None:
    import orjson

    from gridpulse.cli.output import emit

    value: dict[str, Any] = {"event": event, "data": orjson.loads(data)}
    emit(value, "", as_json=True)
