"""``gridpulse``: the index of everything that can be run."""

from __future__ import annotations

import typer

from gridpulse.cli import breaking, checking, data, deadletters, inspect, keys, live, replaying, running

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
checking.register(app)
replaying.register(app)
breaking.register(app)
live.register(app)
app.add_typer(keys.app, name="keys", help="管理接口密钥 · Issue, list and revoke API keys.")
app.add_typer(deadletters.app, name="deadletters", help="死信:查询与重试 · Dead letters: list, show, retry.")
