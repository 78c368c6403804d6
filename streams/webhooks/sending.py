"""Sends one message over HTTP, bounded in every way, and says what came of it. Never raises for what a receiver does.

A whole exchange has ``exchange_s``; of the body ``body_bytes`` are read, for ``body_s`` at most; then the status alone
decides (and, for group robots, what the body says). Any 2xx is taken; redirects and everything else are not.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpcore

from streams.webhooks.addresses import AddressRefusedError, AddressRule, check_url
from streams.webhooks.deliveries import Answer
from streams.webhooks.network import Connections
from streams.webhooks.schedule import retry_after_s

_SHOWN_CHARS: Final = 200
_ERROR_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Message:
    """One request. ``complaint``: what a body says is wrong although the status is 2xx; ``subject``: of an email."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    complaint: Callable[[bytes], str | None]
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how large an exchange may be."""

    exchange_s: float = 15.0
    body_s: float = 5.0
    body_bytes: int = 4_096


class Sender(Protocol):
    """Sends a message. Never raises for what the receiver does."""

    async def send(self, message: Message) -> Answer: ...


@dataclass(slots=True)
class _Exchange:
    """What is known so far, also when time runs out."""

    status_code: int | None = None
    retry_after: str | None = None
    location: str | None = None
    body: bytes = b""


class HttpSender:
    """See the module."""

    def __init__(
        self,
        connections: Connections,
        rule: AddressRule,
        bounds: Bounds,
        clock: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections, self._rule, self._bounds = connections, rule, bounds
        self._clock, self._monotonic_s = clock, monotonic_s

    async def send(self, message: Message) -> Answer:
        began_s = self._monotonic_s()
        exchange = _Exchange()
        failure: str | None = None
        try:
            async with asyncio.timeout(self._bounds.exchange_s):
                await self._exchange(message, exchange)
        except TimeoutError:
            if exchange.status_code is None:
                limit = f"{self._bounds.exchange_s:g}"
                failure = f"{limit} 秒内未应答 · no answer within {limit} s"
        except AddressRefusedError as error:
            failure = str(error)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError,
                httpcore.UnsupportedProtocol, OSError, ssl.SSLError, UnicodeError) as error:  # fmt: skip
            if exchange.status_code is None:
                failure = _words(error)
        latency_ms = round((self._monotonic_s() - began_s) * 1000.0)
        return self._answer(message, exchange, failure, latency_ms)

    async def _exchange(self, message: Message, exchange: _Exchange) -> None:
        target = check_url(message.url, self._rule)
        # Every one of them is within the whole's time, which is what bounds it.
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._bounds.exchange_s)
        netloc = urlsplit(message.url).netloc
        request = httpcore.Request(
            "POST",
            message.url,
            headers=[
                (b"host", netloc.encode("ascii")),
                (b"content-length", str(len(message.body)).encode()),
                *((name.encode("ascii"), value.encode("utf-8")) for name, value in message.headers.items()),
            ],
            content=message.body,
            extensions={"timeout": timeouts},
        )
        async with self._connections.to(target.scheme, target.host, target.port) as connection:
            response = await connection.handle_async_request(request)
            try:
                await self._read(response, exchange)
            finally:
                await response.aclose()

    async def _read(self, response: httpcore.Response, exchange: _Exchange) -> None:
        exchange.status_code = response.status
        headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        exchange.retry_after, exchange.location = headers.get(b"retry-after"), headers.get(b"location")
        async with asyncio.timeout(self._bounds.body_s):
            async for part in response.aiter_stream():
                exchange.body += part[: self._bounds.body_bytes - len(exchange.body)]
                if len(exchange.body) >= self._bounds.body_bytes:
                    break  # the rest is not read: the connection is closed

    def _answer(self, message: Message, exchange: _Exchange, failure: str | None, latency_ms: int) -> Answer:
        status, body = exchange.status_code, exchange.body
        error = failure
        if status is not None and error is None:
            error = _complaint_of_status(status, exchange.location)
            if error is None:
                error = message.complaint(body)
        return Answer(
            error=None if error is None else error[:_ERROR_CHARS],
            latency_ms=latency_ms,
            status_code=status,
            response_start=_shown(body),
            retry_after_s=retry_after_s(exchange.retry_after, self._clock()),
        )


def _complaint_of_status(status: int, location: str | None) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        to = f" {location}" if location else ""
        return (
            f"不跟随重定向({status}{to}),请改用最终地址 · redirects are not followed ({status}{to}): use that address"
        )
    return f"对方返回 {status} · the answer was {status}"


def _shown(body: bytes) -> str | None:
    """How a body begins, as text that may stand anywhere."""
    text = body.decode("utf-8", "replace")
    clean = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _SHOWN_CHARS])
    return clean.strip()[:_SHOWN_CHARS] or None


def _words(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
        if isinstance(cause, ssl.SSLError):
            break
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS 证书无效:{cause.verify_message} · the TLS certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS 失败 · TLS failed: {cause.reason or cause}"
    name = type(error).__name__
    text = str(error) or str(cause) or name
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return f"无法连接 · can't connect: {text}"
    return f"连接中断 · the connection broke: {text}"
