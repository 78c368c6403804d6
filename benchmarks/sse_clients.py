"""Many clients on one API's live stream: how long an alert takes from its append to each, and what that costs.

The API is a process of its own on a log of its own. The clients are bare sockets in this one: the measuring must not
cost what is measured. Times count from just before the append, so the commit is in them.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.deliveries import alert_record
from benchmarks.figures import cpu_seconds, percentile
from gridpulse import adapters
from gridpulse.free_ports import free_ports
from gridpulse.serving import allow_files
from gridpulse.settings import load_settings
from gridpulse.up import api_child
from streams.log import EventLog
from streams.supervise import Supervisor

_NUMBER: Final = re.compile(rb'"id":"sse-(\d+)"')
_CONNECTED_TOGETHER: Final = 100
_FIRST_MS: Final = 1_772_337_600_000
_START_S: Final = 60.0
_DRAIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ApiUnderTest:
    """Where it listens, a key that may read everything, and its process."""

    host: str
    port: int
    key: str
    process: psutil.Process


@dataclass(slots=True)
class _Seen:
    """What all clients have seen."""

    appended_s: dict[int, float] = field(default_factory=dict)
    latency_s: list[float] = field(default_factory=list)
    greeted: int = 0
    lost: int = 0
    is_over: bool = False


class _Client(asyncio.Protocol):
    """Reads one stream; messages are numbered, and come in one piece each."""

    def __init__(self, request: bytes, seen: _Seen) -> None:
        self._request, self._seen = request, seen
        self._rest = b""
        self._is_greeted = False
        self.received: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        text = self._rest + data
        if not self._is_greeted and text.startswith(b"HTTP/1.1 503"):
            self._transport.close()
        if not self._is_greeted and b"event: hello" in text:
            self._is_greeted = True
            self._seen.greeted += 1
        done = 0
        for found in _NUMBER.finditer(text):
            number, done = int(found[1]), found.end()
            self.received.append(number)
            self._seen.latency_s.append(now_s - self._seen.appended_s[number])
        self._rest = text[max(done, len(text) - 64) :]

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._seen.is_over:
            self._seen.lost += 1


def sse_clients(clients: int = 1_000, alerts_per_s: float = 20.0, seconds: float = 30.0) -> dict[str, Any]:
    """Opens so many clients on one API and appends alerts at a rate; everything ends with it."""
    allow_files(clients + 256)
    with tempfile.TemporaryDirectory() as scratch:
        api_port, store_port = free_ports(2)
        settings = load_settings(
            {
                "data_dir": Path(scratch) / "data", "api_port": api_port, "store_port": store_port, "ticker": False,
                "live_clients": clients,
            }
        )  # fmt: skip
        supervisor = Supervisor(settings.data_dir / "logs")
        with adapters.the_log(settings) as log:
            _, key = adapters.issue_api_key(settings, "reader", "", "sse clients")
            try:
                supervisor.start(api_child(settings))
                api = psutil.Process(supervisor.pids()["api"])
                where = ApiUnderTest(settings.api_host, settings.api_port, key, api)
                return asyncio.run(measure(where, log, clients, alerts_per_s, seconds))
            finally:
                supervisor.stop()


async def measure(
    where: ApiUnderTest, log: EventLog, clients: int, alerts_per_s: float, seconds: float
) -> dict[str, Any]:
    """Of an API that runs on ``log``."""
    seen, api = _Seen(), where.process
    request = f"GET /v1/live HTTP/1.1\r\nHost: {where.host}\r\nX-API-Key: {where.key}\r\n\r\n".encode()
    before_mb, began_s = _rss_mb(api), time.perf_counter()
    opened = await _open(where.host, where.port, request, seen, clients)
    connect_s, connected_mb = time.perf_counter() - began_s, _rss_mb(api)
    cpu_s, began_s = cpu_seconds(api), time.perf_counter()
    appending = threading.Thread(target=_append, args=(log, seen, alerts_per_s, seconds))
    appending.start()
    expected = round(alerts_per_s * seconds)
    while appending.is_alive() or any(len(client.received) < expected for client in opened):
        await asyncio.sleep(0.1)
        if seen.lost or time.perf_counter() - began_s > seconds + _DRAIN_S:
            break
    spent_s, took_s = cpu_seconds(api) - cpu_s, time.perf_counter() - began_s
    await asyncio.to_thread(appending.join)
    seen.is_over = True
    p50, p99 = (
        round(percentile(seen.latency_s, percent) * 1000.0, 1) if len(seen.latency_s) > 1 else None
        for percent in (50, 99)
    )
    return {
        "sse_clients": clients,
        "alerts": expected,
        "received": len(seen.latency_s),
        "all_received": all(client.received == list(range(expected)) for client in opened),
        "clients_served": sum(client.received == list(range(expected)) for client in opened),
        "clients_lost": seen.lost,
        "append_to_received_ms": {"p50": p50, "p99": p99},
        "connect_s": round(connect_s, 2),
        "api_cpu_ratio": round(spent_s / took_s, 3),
        "api_rss_mb": {"before": before_mb, "connected": connected_mb, "after": _rss_mb(api)},
    }


async def _open(host: str, port: int, request: bytes, seen: _Seen, clients: int) -> list[_Client]:
    loop = asyncio.get_running_loop()
    opened: list[_Client] = []
    while len(opened) < clients:
        wanted = min(_CONNECTED_TOGETHER, clients - len(opened))
        pairs = await asyncio.gather(
            *(loop.create_connection(lambda: _Client(request, seen), host, port) for _ in range(wanted))
        )
        opened += [client for _, client in pairs]
        give_up_s = time.monotonic() + _START_S
        while seen.greeted < len(opened):  # all are let in, or it is known how many are not
            await asyncio.sleep(0.01)
            if (seen.lost and seen.greeted + seen.lost == len(opened)) or time.monotonic() > give_up_s:
                raise TimeoutError(f"{seen.greeted} of {len(opened)} clients were let in, {seen.lost} were turned away")
    return opened


def _append(log: EventLog, seen: _Seen, alerts_per_s: float, seconds: float) -> None:
    began_s = time.perf_counter()
    for number in range(round(alerts_per_s * seconds)):
        time.sleep(max(0.0, began_s + number / alerts_per_s - time.perf_counter()))
        record = alert_record(f"sse-{number}", number, 1, 1, _FIRST_MS + number)
        seen.appended_s[number] = time.perf_counter()
        log.append([record])


def _rss_mb(process: psutil.Process) -> int:
    return round(process.memory_info().rss / 1e6)
