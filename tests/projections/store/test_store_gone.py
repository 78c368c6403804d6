"""A client that goes away in the middle of its request is no defect of the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from projections.store import StoreConfig, StoreUser, password_hash
from projections.store.app import StoreApp
from projections.store.execution import StoreParts


def test_a_request_that_breaks_off_is_dropped_without_a_traceback(tmp_path: Path) -> None:
    config = StoreConfig(tmp_path, 1, {"default": StoreUser(password_hash(""))})
    app = StoreApp(cast(StoreParts, SimpleNamespace(config=config)))
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"INSERT INTO t VAL", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    headers = [(b"x-clickhouse-user", b"default"), (b"x-clickhouse-key", b""), (b"content-length", b"1000")]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers, "root_path": ""}
    try:
        asyncio.run(app.asgi()(scope, receive, send))
    finally:
        app.close()
    assert (messages, sent[0]["status"]) == ([], 499)
