"""A key counts from its first request on, wherever it was issued; a flood of wrong ones makes few reads of the log."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.dependencies import ApiDependencies
from api.known_keys import READ_EVERY_S, KnownKeys
from projections.queries.fakes import FakeQueries
from schemas.topics import ALL_TOPICS
from streams.fakes import FakeIngest
from streams.keys import LogKeyRing, issue_key, revoke_key
from streams.log_sqlite import SqliteLog
from streams.ports import Principal

NOW_MS = 1_772_337_600_000
WRONG = "gp_" + "a" * 12 + "_" + "b" * 43


class Ring:
    """Learns of what was issued when it reads on; holds the first read until it is let go."""

    def __init__(self) -> None:
        self.issued: set[str] = set()
        self.known: set[str] = set()
        self.reads = 0
        self.reading, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def verify(self, presented: str) -> Principal | None:
        return Principal(presented, "reader", "") if presented in self.known else None

    def read_on(self) -> None:
        self.reads += 1
        found = set(self.issued)
        self.reading.set()
        assert self.go_on.wait(60.0)
        self.known |= found


def test_keys_that_another_process_issued_count_on_their_first_request(tmp_path: Path) -> None:
    """The other process has the log to itself: nothing tells the ring of it but the log."""
    path = tmp_path / "log.sqlite"
    with SqliteLog(path, lambda: NOW_MS) as log, SqliteLog(path, lambda: NOW_MS) as elsewhere:
        log.create_topics(ALL_TOPICS, 2)
        now = datetime.fromtimestamp(NOW_MS / 1000.0, UTC)
        app = create_app(ApiDependencies(FakeQueries(), FakeIngest(), LogKeyRing(log), log, lambda: now))
        with TestClient(app) as client:
            for _ in range(3):  # one right after the other, and after one that is wrong
                assert client.get("/v1/alerts", headers={"X-API-Key": WRONG}).status_code == 401
                text, event = issue_key(elsewhere, "reader", "wuhu")
                assert client.get("/v1/alerts", headers={"X-API-Key": text}).status_code == 200
            revoke_key(elsewhere, event)
            later, _ = issue_key(elsewhere, "reader", "wuhu")
            assert client.get("/v1/alerts", headers={"X-API-Key": later}).status_code == 200


def test_a_read_that_has_begun_is_not_enough() -> None:
    """It may have passed the place where the key was written since."""
    ring = Ring()
    keys = KnownKeys(ring, time.monotonic)

    async def course() -> Principal | None:
        ring.go_on.clear()
        first = asyncio.create_task(keys.verify("wrong"))
        await asyncio.to_thread(ring.reading.wait, 60.0)
        ring.issued.add("new")
        second = asyncio.create_task(keys.verify("new"))
        await asyncio.sleep(0.01)
        ring.go_on.set()
        assert await first is None
        return await second

    assert asyncio.run(course()) == Principal("new", "reader", "")
    assert ring.reads == 2


def test_who_goes_away_takes_the_read_from_nobody() -> None:
    ring = Ring()
    ring.issued.add("new")
    keys = KnownKeys(ring, time.monotonic)

    async def course() -> Principal | None:
        assert await keys.verify("wrong-1") is None  # so that the next read is not due at once
        ring.known.clear()
        first = asyncio.create_task(keys.verify("wrong-2"))
        second = asyncio.create_task(keys.verify("new"))
        await asyncio.sleep(READ_EVERY_S / 4)
        first.cancel()
        return await second

    assert asyncio.run(course()) is not None


@pytest.mark.parametrize("senders", [1, 50])
def test_a_flood_of_wrong_keys_makes_few_reads_and_delays_no_good_key(senders: int) -> None:
    ring = Ring()
    ring.known.add("good")
    keys = KnownKeys(ring, time.monotonic)
    began_s = time.monotonic()

    async def wrong(name: str) -> int:
        asked = 0
        while time.monotonic() < began_s + 3 * READ_EVERY_S:
            assert await keys.verify(f"{name}-{asked}") is None
            asked += 1
        return asked

    async def course() -> int:
        ring.go_on.clear()
        flood = [asyncio.create_task(wrong(str(number))) for number in range(senders)]
        await asyncio.to_thread(ring.reading.wait, 60.0)
        assert await keys.verify("good") is not None  # whoever waits holds no thread
        ring.go_on.set()
        return sum(await asyncio.gather(*flood))

    assert asyncio.run(course()) >= senders
    assert ring.reads <= (time.monotonic() - began_s) / READ_EVERY_S + 1
