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
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpcore
import httpx

from streams.webhooks.addresses import AddressRefusedError, AddressRule, check_addresses

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host. :raises OSError: it has none, or nobody could be asked."""

_RESOLVERS: Final = 16
_MAX_POOLS: Final = 1_000
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
    """A pool of connections for every origin, so that none waits for another's; kept for ``_KEEPALIVE_S`` when idle."""

    def __init__(self, resolve: Resolve, rule: AddressRule, tls: ssl.SSLContext, per_origin: int) -> None:
        self._backend, self._tls, self._per_origin = CheckedBackend(resolve, rule), tls, per_origin
        self._pools: OrderedDict[tuple[str, str, int], httpcore.AsyncConnectionPool] = OrderedDict()

    async def to(self, scheme: str, host: str, port: int) -> httpcore.AsyncConnectionPool:
        """The pool of an origin."""
        origin = scheme, host, port
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=self._per_origin,
                max_keepalive_connections=self._per_origin,
                keepalive_expiry=_KEEPALIVE_S,
                network_backend=self._backend,
            )
        self._pools.move_to_end(origin)
        while len(self._pools) > _MAX_POOLS:
            _, idle = self._pools.popitem(last=False)
            await idle.aclose()
        return pool

    async def close(self) -> None:
        while self._pools:
            await self._pools.popitem()[1].aclose()


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
