"""Receivers of webhooks on loopback, each on a port of its own: some answer at once, some take a request and hang.

Bare sockets on a thread of their own: the measuring must not cost what is measured.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

HOST: Final = "127.0.0.1"
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID: Final = re.compile(rb"\r\nwebhook-id: *([^\r\n]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that was answered; ``at_s``: monotonic, when its last byte was there."""

    endpoint: int
    webhook_id: bytes
    body: bytes
    at_s: float


class Endpoints:
    """So many endpoints that answer 204, numbered from 0, and after them so many that never answer."""

    def __init__(self, answering: int, hanging: int, heard: Callable[[Arrived], None]) -> None:
        """``heard`` is called on the endpoints' thread, before the answer."""
        self._hanging_from, self._count, self._heard = answering, answering + hanging, heard
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoints", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Transport] = set()

    @property
    def urls(self) -> list[str]:
        ports = [server.sockets[0].getsockname()[1] for server in self._servers]
        return [f"http://{HOST}:{port}/alerts" for port in ports]

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        for number in range(self._count):
            heard = self._heard if number < self._hanging_from else None
            connection = partial(_Connection, number, heard, self._open)
            self._servers.append(await self._loop.create_server(connection, HOST, 0))

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)  # for the connections to be told


class _Connection(asyncio.Protocol):
    """One request after the other. ``heard`` None: it takes them, and never answers."""

    def __init__(self, number: int, heard: Callable[[Arrived], None] | None, opened: set[asyncio.Transport]) -> None:
        self._number, self._heard, self._opened = number, heard, opened
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._transport is not None:
            self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._heard is None:
            return
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, start = self._buffer[:end], end + 4
            length, webhook_id = _LENGTH.search(head), _ID.search(head)
            assert length is not None  # the worker sends both
            assert webhook_id is not None
            stop = start + int(length[1])
            if len(self._buffer) < stop:
                return
            body, self._buffer = self._buffer[start:stop], self._buffer[stop:]
            self._heard(Arrived(self._number, webhook_id[1], body, time.monotonic()))
            assert self._transport is not None
            self._transport.write(_ANSWER)
