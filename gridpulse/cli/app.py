"""``gridpulse``: the index of everything that can be run."""

from __future__ import annotations

import typer

from gridpulse.cli import data, inspect, keys, running

app = typer.Typer(
    name="gridpulse",
    help="社区平台的事件溯源流处理分析核心 · Event-sourced stream-processing analytics core for community platforms.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
running.register(app)
data.register(app)
inspect.register(app)
app.add_typer(keys.app, name="keys", help="管理接口密钥 · Issue, list and revoke API keys.")
