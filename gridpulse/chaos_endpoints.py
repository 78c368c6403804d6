"""Receivers of webhooks for a chaos run: many endpoints on loopback, a port each, on one event loop of a thread.

healthy   takes everything at once.
failing   at random, by its seed: 500, 503, a connection reset before it took anything, or one after it took it, so that
          the sender can't know. The rest it takes.
hanging   takes requests in and never answers, as long as :attr:`Endpoint.hangs` is set; then it is healthy.

Each verifies every request as Standard Webhooks 1.0 says, with the secret that the API gave out, and notes what it took
in order of arrival, once per ``webhook-id``. Written by the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self

import orjson

from gridpulse.chaos_alerts_account import Told
from gridpulse.signatures import is_signed

Kind = Literal["healthy", "failing", "hanging"]
FAILS: Final = ((0.07, "500"), (0.14, "503"), (0.20, "reset"), (0.26, "reset_after"))  # up to this chance
_REASONS: Final = {200: "OK", 401: "Unauthorized", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(slots=True)
class Endpoint:
    """One receiver. ``secret``: as the API showed it; until it is set nothing is taken."""

    number: int
    kind: Kind
    seed: int
    steps: frozenset[str]
    port: int = 0
    secret: str = ""
    hangs: bool = False
    took: dict[str, Told] = field(default_factory=dict)  # by webhook-id, in order of first arrival
    requests: int = 0
    repeats: int = 0
    bad_signatures: int = 0
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.seed}/{self.number}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/{self.number}"

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"


def endpoints(count: int, seed: int) -> list[Endpoint]:
    """A fifth fails at random and a tenth hangs, one of each at least; every fifth also wants to know of the end."""
    failing, hanging = max(1, count // 5), max(1, count // 10)

    def kind_of(number: int) -> Kind:
        return "failing" if number < failing else "hanging" if number < failing + hanging else "healthy"

    return [
        Endpoint(number, kind_of(number), seed, frozenset({"opened"} if number % 5 else {"opened", "resolved"}))
        for number in range(count)
    ]


class Receivers:
    """The endpoints, listening while this context is open."""

    def __init__(self, all_of_them: Sequence[Endpoint]) -> None:
        self.endpoints = all_of_them
        self._known: dict[bytes, Told] = {}  # the same body goes to all
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="receivers", daemon=True)
        self._open: set[asyncio.Transport] = set()
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def taken(self) -> int:
        """Deliveries, each counted once."""
        return sum(len(one.took) for one in self.endpoints)

    async def _listen(self) -> None:
        for one in self.endpoints:
            server = await self._loop.create_server(lambda one=one: _Connection(self, one), "127.0.0.1", 0, backlog=256)  # type: ignore[misc]
            one.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)

    def opened(self, transport: asyncio.Transport) -> None:
        self._open.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)

    def answer(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> int | None:
        """The status to answer; 0: break the connection; None: never answer."""
        endpoint.requests += 1
        if endpoint.hangs:
            return None
        if not is_signed(endpoint.secret, headers, body, time.time()):
            endpoint.bad_signatures += 1
            return 401
        draw = endpoint.chance.random() if endpoint.kind == "failing" else 1.0
        how = next((what for most, what in FAILS if draw < most), "take")
        if how in ("take", "reset_after"):
            self._take(endpoint, headers["webhook-id"], body)
        return {"500": 500, "503": 503, "reset": 0, "reset_after": 0}.get(how, 200)

    def _take(self, endpoint: Endpoint, webhook_id: str, body: bytes) -> None:
        if webhook_id in endpoint.took:
            endpoint.repeats += 1
            return
        told = self._known.get(body)
        if told is None:
            data = orjson.loads(body)["data"]
            told = self._known[body] = Told(data["alert"], data["step"], data["step_number"], data["subject"])
        endpoint.took[webhook_id] = told


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as a sender of webhooks speaks it: requests with a Content-Length, one after the other."""

    def __init__(self, receivers: Receivers, endpoint: Endpoint) -> None:
        self._receivers, self._endpoint = receivers, endpoint
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._receivers.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._receivers.closed(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0 and self._transport is not None:
            lines = self._buffer[:end].decode("latin-1").split("\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._answer(self._transport, self._receivers.answer(self._endpoint, headers, body))

    @staticmethod
    def _answer(transport: asyncio.Transport, status: int | None) -> None:
        if status == 0:
            transport.abort()
        elif status is not None:
            transport.write(f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: 0\r\n\r\n".encode())
