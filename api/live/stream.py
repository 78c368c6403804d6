"""One stream as an HTTP response: sends what its client has, until either side ends it.

Whoever takes nothing is not waited for: the connection is cut. Ended otherwise, the response is closed as it must be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi import Response
from starlette.types import Receive, Scope, Send

from api.live.fan_out import LiveClient
from api.live.signals import Signals

HEADERS = {"X-Accel-Buffering": "no"}  # nginx would keep messages back; no-store is on every answer
_CLOSING_S = 1.0


class EventStream(Response):
    """What the route declares."""

    media_type = "text/event-stream"


class LiveResponse(EventStream):
    """Sends ``first``, then what ``client`` gives; calls ``leave`` when it is over, whatever happened."""

    def __init__(
        self,
        client: LiveClient,
        signals: Signals,
        first: bytes,
        leave: Callable[[], None],
        monotonic_s: Callable[[], float],
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._client, self._signals, self._first = client, signals, first
        self._leave, self._monotonic_s = leave, monotonic_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send_all(send))
        watching = asyncio.ensure_future(self._watch(receive))
        try:
            # Looked for beside: a piece that can't be sent must not hide the end.
            await asyncio.wait({sending, self._signals.over}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({sending}, timeout=0.0 if self._client.ending == "slow" else _CLOSING_S)
            if not sending.done():
                _cut(receive)
                await asyncio.wait({watching}, timeout=_CLOSING_S)
        finally:
            self._leave()
            for task in (sending, watching):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._client.end("gone")

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._send(send, self._first)
        while self._client.ending is None:
            piece = self._client.take()
            if piece:
                await self._send(send, piece)
            else:
                await self._signals.something.wait()
                self._signals.something.clear()
        await self._send(send, b"", more=False)

    async def _send(self, send: Send, piece: bytes, more: bool = True) -> None:
        client = self._client
        client.sending_since_s = self._monotonic_s()
        await send({"type": "http.response.body", "body": piece, "more_body": more})
        client.last_sent_s, client.sending_since_s = self._monotonic_s(), None


def _cut(receive: Receive) -> None:
    """Drop the connection with what it has not taken. Closing it would wait until it has.

    ASGI has no word for this; uvicorn's ``receive`` belongs to an object that has the connection.
    """
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
