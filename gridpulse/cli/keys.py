"""``gridpulse keys``: issue, list and revoke API keys. They are events in the log; the log is all that is needed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gridpulse.cli.output import emit
from gridpulse.cli.running import DataDir, Json
from gridpulse.cli.starting import settings_for
from gridpulse.exit import sentences

app = typer.Typer(no_args_is_help=True)


class Role(StrEnum):
    """What a key may do."""

    reader = "reader"
    writer = "writer"
    operator = "operator"
    admin = "admin"


@app.command(help="签发密钥(只显示一次) · Issue a key; it is shown once.")
def issue(
    role: Annotated[
        Role,
        typer.Option(help="角色 · reader: query; writer: send events; operator: query, act on alerts; admin: all."),
    ] = Role.reader,
    scope: Annotated[str, typer.Option(help="范围,空为全部 · Subtree it is good for; empty: all.")] = "",
    note: Annotated[str | None, typer.Option(help="用途 · Who it is for.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with sentences():
        from gridpulse.adapters import issue_api_key

        key_id, key = issue_api_key(settings_for({"data_dir": data_dir}), role.value, scope, note)
        emit({"key_id": key_id, "key": key, "role": role.value, "scope": scope}, key, json)


@app.command("list", help="列出密钥 · List keys; secrets are not kept anywhere.")
def list_keys(data_dir: DataDir = None, json: Json = False) -> None:
    with sentences():
        from gridpulse.adapters import list_api_keys

        keys = list_api_keys(settings_for({"data_dir": data_dir}))
        lines = [f"{k['key_id']}  {k['role']:8}  {k['status']:7}  {k['scope'] or '*'}  {k['note'] or ''}" for k in keys]
        emit(keys, "\n".join(lines), json)


@app.command(help="吊销密钥 · Revoke a key.")
def revoke(key_id: str, data_dir: DataDir = None, json: Json = False) -> None:
    with sentences():
        from gridpulse.adapters import revoke_api_key

        revoke_api_key(settings_for({"data_dir": data_dir}), key_id)
        emit({"revoked": key_id}, f"已吊销 · revoked {key_id}", json)
