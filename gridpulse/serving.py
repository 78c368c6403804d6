"""Serves the API until it is told to stop. Open live streams end first: nothing else waits for them."""

from __future__ import annotations

import resource
import socket
import sys
from contextlib import suppress
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from api.dependencies import ApiContext
from api.live.service import Live

_GRACE_S: Final = 5  # for requests that are under way at a stop
_NOT_STARTED: Final = 3  # as uvicorn's own
_OTHER_FILES: Final = 256  # besides live streams: other requests, the log, the store
log = structlog.get_logger(__name__)


class ApiServer(uvicorn.Server):
    """Uvicorn waits for open responses at a stop, and a live stream stays open by itself."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.stop()
        await super().shutdown(sockets)


def api_server(app: FastAPI, host: str, port: int) -> ApiServer:
    """Not yet listening."""
    context: ApiContext = app.state.context
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S
    )
    return ApiServer(config, context.live)


def serve(app: FastAPI, host: str, port: int, live_clients: int) -> None:
    """Until a signal."""
    allow_files(live_clients + _OTHER_FILES)
    server = api_server(app, host, port)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)


def allow_files(wanted: int) -> None:
    """Each connection is an open file, and many systems allow 1,024: take what is needed, as far as it may be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    may_have = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (may_have, hard))
    if may_have < wanted:
        log.warning("few_open_files", allowed=may_have, wanted=wanted, do="raise ulimit -n, or lower LIVE_CLIENTS")
