"""Many clients on a live stream: every one of them is counted, and so is every alert."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest

from api.app import create_app
from api.dependencies import ApiDependencies
from api.live.limits import LiveLimits
from benchmarks.sse_clients import ApiUnderTest, measure
from gridpulse.free_ports import free_ports
from gridpulse.serving import api_server
from projections.queries.fakes import FakeQueries
from schemas.topics import ALL_TOPICS
from streams.fakes import FakeIngest
from streams.keys import LogKeyRing, issue_key
from streams.log_memory import MemoryLog

CLIENTS = 8


@pytest.fixture
def world() -> Iterator[tuple[ApiUnderTest, MemoryLog]]:
    log = MemoryLog(lambda: 0)
    log.create_topics(ALL_TOPICS, 1)
    key, _ = issue_key(log, "reader", "")
    (port,) = free_ports(1)
    deps = ApiDependencies(
        FakeQueries(), FakeIngest(), LogKeyRing(log), log, lambda: datetime.fromtimestamp(0.0, UTC), live_log=log,
        live=LiveLimits(clients=CLIENTS),
    )  # fmt: skip
    server = api_server(create_app(deps), "127.0.0.1", port)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    yield ApiUnderTest("127.0.0.1", port, key, psutil.Process()), log
    server.should_exit = True
    thread.join()


def test_every_client_gets_every_alert_in_order(world: tuple[ApiUnderTest, MemoryLog]) -> None:
    result = asyncio.run(measure(*world, clients=CLIENTS, alerts_per_s=40.0, seconds=0.5))
    assert (result["sse_clients"], result["alerts"], result["received"]) == (CLIENTS, 20, 20 * CLIENTS)
    assert result["all_received"] is True
    assert result["clients_lost"] == 0
    took = result["append_to_received_ms"]
    assert 0.0 < took["p50"] <= took["p99"]
    assert result["api_cpu_ratio"] > 0.0
    assert result["api_rss_mb"]["connected"] > 20


def test_a_client_that_is_turned_away_is_no_client(world: tuple[ApiUnderTest, MemoryLog]) -> None:
    with pytest.raises(TimeoutError, match="8 of 9 clients were let in, 1 were turned away"):
        asyncio.run(measure(*world, clients=CLIENTS + 1, alerts_per_s=1.0, seconds=0.1))
