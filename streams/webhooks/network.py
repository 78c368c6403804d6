"""Connections for deliveries: to addresses that were checked, and to nothing else.

A name is resolved once per connection, every address of it is checked, and the connection goes to an address that was
checked: there is no second look-up that could answer differently (DNS rebinding). TLS is verified against the host of
the URL. No proxy is used, whatever the environment says; redirects are not followed, as httpcore knows none.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpcore
import httpx

from streams.webhooks.addresses import AddressRefusedError, AddressRule, check_addresses

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host. :raises OSError: it has none, or nobody could be asked."""

Origin = tuple[str, str, int]
_RESOLVERS: Final = 16
_MAX_IDLE: Final = 256
_KEEPALIVE_S: Final = 30.0


class SystemResolver:
    """The machine's own resolver, on threads of its own: a name server that hangs holds up no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, "webhook-dns")

    async def __call__(self, host: str) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[4][0]) for address in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore; see the module."""

    def __init__(self, resolve: Resolve, rule: AddressRule) -> None:
        self._resolve, self._rule = resolve, rule
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """:raises AddressRefusedError: an address of the host is not allowed."""
        try:
            found = [host] if _is_address(host) else await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} 无法解析 · {host} can't be resolved ({error})") from error
        failure: Exception | None = None
        for address in check_addresses(found, self._rule):
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None  # check_addresses gives one address at least
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefusedError("不可投递到本机套接字", f"nothing is delivered to the socket {path}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Connections:
    """Connections that are kept for the next message to their origin. How many there may be is not decided here.

    Not httpcore's own pool: that looks at all of its connections for every request that begins or ends.
    """

    def __init__(self, resolve: Resolve, rule: AddressRule, tls: ssl.SSLContext) -> None:
        self._backend, self._tls = CheckedBackend(resolve, rule), tls
        self._idle: OrderedDict[httpcore.AsyncHTTPConnection, None] = OrderedDict()  # the longest idle first
        self._of_origin: dict[Origin, list[httpcore.AsyncHTTPConnection]] = defaultdict(list)

    @asynccontextmanager
    async def to(self, scheme: str, host: str, port: int) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        """A connection for one message; it is kept if the exchange left it fit for another."""
        origin = scheme, host, port
        connection = await self._kept(origin) or httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(scheme.encode(), host.encode(), port),
            ssl_context=self._tls,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=self._backend,
        )
        try:
            yield connection
        finally:
            if connection.is_idle():
                self._idle[connection] = None
                self._of_origin[origin].append(connection)
                await self._drop_oldest()
            else:
                await connection.aclose()

    async def _kept(self, origin: Origin) -> httpcore.AsyncHTTPConnection | None:
        """The one that was used last, if the other side has not closed it."""
        kept = self._of_origin.get(origin)
        while kept:
            connection = kept.pop()
            del self._idle[connection]
            if not connection.has_expired():
                return connection
            await connection.aclose()
        self._of_origin.pop(origin, None)
        return None

    async def _drop_oldest(self) -> None:
        """Keep no more than ``_MAX_IDLE``, and none for long that nobody asks for."""
        while self._idle:
            oldest = next(iter(self._idle))
            if len(self._idle) <= _MAX_IDLE and not oldest.has_expired():
                return
            del self._idle[oldest]
            for origin, kept in self._of_origin.items():
                if oldest in kept:
                    kept.remove(oldest)
                    if not kept:
                        del self._of_origin[origin]
                    break
            await oldest.aclose()

    async def close(self) -> None:
        while self._idle:
            await self._idle.popitem()[0].aclose()
        self._of_origin.clear()


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Certificates of the public authorities, and of those in ``ca_file``. :raises OSError: it can't be read."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
