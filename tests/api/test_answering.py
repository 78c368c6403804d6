"""Kept answers through the app: nobody gets what is not theirs, and what is shared is shared rightly."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.answer_cache import CacheLimits
from api.freshness import CACHED_S
from api.known_keys import KNOWN_S, MAX_KNOWN, KnownKeys
from projections.client import StoreUnavailableError
from projections.queries.ports import DeviceQuery, DeviceRow
from schemas.records import TopicPartition
from streams.fakes import FakeKeyRing
from streams.ports import Principal

SCOPES = ("wuhu", "wuhu/jinghu", "wuhu/jinghu/a", "wuhu/jinghu2", "wuhu/yijiang")
KEYS = {"all": Principal("k0", "reader", ""), "admin": Principal("ka", "admin", "")} | {
    f"of-{scope}": Principal(f"k{number}", "reader", scope) for number, scope in enumerate(SCOPES, 1)
}
LIMITS = CacheLimits(fresh_s=1.0, stale_s=2.0)
PATHS = ("/v1/devices", "/v1/alerts", "/v1/boards/perception", "/v1/metrics/heartbeats", "/v1/devices/d-wuhu-jinghu")


@pytest.fixture
def http(world: Any) -> Iterator[TestClient]:
    """The app with its cache on and a device in every scope."""
    world.cache, world.keys = LIMITS, FakeKeyRing(KEYS)
    world.queries.device_rows = [
        DeviceRow(scope, "d-" + scope.replace("/", "-"), "noise", None, None, None, None, "online", None, None, None)
        for scope in SCOPES
    ]
    with world.client() as client:
        yield client


def get(http: TestClient, key: str, path: str = "/v1/devices", **params: Any) -> Any:
    return http.get(path, params=params, headers={"X-API-Key": key})


def counted(http: TestClient, kind: str, how: str) -> float:
    text = get(http, "all", "/metrics").text
    found = re.search(rf'gridpulse_answers_total{{how="{how}",kind="{kind}"}} ([0-9.]+)', text)
    return float(found[1]) if found else 0.0


asked = st.lists(
    st.tuples(
        st.sampled_from(sorted(KEYS)), st.sampled_from(PATHS), st.sampled_from((None, *SCOPES)),
        st.sampled_from((0.0, 0.4, 1.2, 5.0)), st.sampled_from(("UTC", "Asia/Shanghai")),
    ),
    max_size=12,
)  # fmt: skip


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked)
def test_with_the_cache_everybody_gets_what_they_would_get_without(
    world: Any, http: TestClient, course: list[tuple[str, str, str | None, float, str]]
) -> None:
    """Any readers, wide and narrow, in any order: status and body are those of an app that keeps nothing."""
    without = replace(world, cache=CacheLimits(fresh_s=0.0))
    with without.client() as bare:
        for key, path, scope, wait_s, zone in course:
            world.clock_s += wait_s
            params = {"timezone": zone} | ({"scope": scope} if scope else {})
            kept, fresh = get(http, key, path, **params), get(bare, key, path, **params)
            assert (kept.status_code, kept.json()) == (fresh.status_code, fresh.json())
            if path == "/v1/devices" and kept.status_code == 200:
                assert all(KEYS[key].covers(row["scope"]) for row in kept.json()["devices"])


def test_a_narrower_reader_never_gets_the_wider_ones_answer(http: TestClient) -> None:
    assert len(get(http, "all").json()["devices"]) == len(SCOPES)
    narrow = get(http, "of-wuhu/jinghu/a").json()["devices"]
    assert [row["scope"] for row in narrow] == ["wuhu/jinghu/a"]
    assert get(http, "of-wuhu/jinghu", scope="wuhu").status_code == 403
    assert counted(http, "devices", "hit") == 0.0


def test_readers_of_the_same_scope_share_an_answer_that_says_its_age(world: Any, http: TestClient) -> None:
    assert get(http, "of-wuhu/jinghu").headers["age"] == "0"
    world.clock_s += 0.9
    shared = get(http, "all", scope="wuhu/jinghu")
    assert (shared.headers["age"], shared.headers["cache-control"]) == ("0", "no-store")
    world.clock_s += 0.6
    stale = get(http, "all", scope="wuhu/jinghu")
    assert (stale.status_code, stale.headers["age"]) == (200, "1")
    assert [counted(http, "devices", how) for how in ("miss", "hit", "stale")] == [1.0, 1.0, 1.0]


def test_a_kept_answer_keeps_its_as_of(world: Any, http: TestClient) -> None:
    """What was kept must not pass for as fresh as the log is now."""
    before = get(http, "all").json()
    world.clock_s += CACHED_S
    where = TopicPartition("gridpulse.readings", 0)
    world.log_state.ends, world.log_state.last_ms = {where: 0}, {where: 1_000}
    assert get(http, "all", "/v1/metrics").json()["as_of"] != before["as_of"]
    assert get(http, "all").json() == before


@pytest.mark.parametrize(
    ("kind", "path"), [("perception", "/v1/boards/perception"), ("metric", "/v1/metrics/heartbeats")]
)
def test_an_hour_that_begins_makes_nobody_wait(world: Any, http: TestClient, kind: str, path: str) -> None:
    """All dashboards ask about other windows from one moment on: they get what there is while that is worked out."""
    before = get(http, "all", path).json()["to_time"]
    world.now += timedelta(hours=1)
    world.clock_s += LIMITS.fresh_s + 0.1
    assert get(http, "all", path).json()["to_time"] == before
    assert counted(http, kind, "miss") == 1.0
    for _ in range(500):
        if get(http, "all", path).json()["to_time"] != before:
            return
        time.sleep(0.01)
    pytest.fail("the new windows never came")


def test_failures_are_not_kept(world: Any, http: TestClient) -> None:
    world.queries.fault = StoreUnavailableError("no")
    assert get(http, "all").status_code == 503
    world.queries.fault = None
    assert get(http, "all").status_code == 200
    assert get(http, "all", "/v1/devices/none").status_code == 404
    world.queries.device_rows.append(replace(world.queries.device_rows[0], device="none"))
    assert get(http, "all", "/v1/devices/none").status_code == 200


def test_raw_dead_letters_are_never_kept(world: Any, http: TestClient) -> None:
    for _ in range(2):
        assert "age" not in get(http, "admin", "/v1/deadletters").headers


def test_who_goes_away_takes_nothing_from_those_who_wait(world: Any) -> None:
    """The first asker is cancelled while the store works; the second, with the same question, gets the answer."""
    world.cache, world.keys = LIMITS, FakeKeyRing(KEYS)
    begun, go_on, asked_for = threading.Event(), threading.Event(), []
    inner = world.queries.devices

    def slow(query: DeviceQuery) -> list[DeviceRow]:
        asked_for.append(query)
        begun.set()
        assert go_on.wait(10)
        rows: list[DeviceRow] = inner(query)
        return rows

    world.queries.devices = slow

    async def course() -> list[int]:
        app = world.client().app
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers={"X-API-Key": "all"}) as client:
            first = asyncio.create_task(client.get("/v1/devices"))
            await asyncio.to_thread(begun.wait, 10)
            others = [asyncio.create_task(client.get("/v1/devices")) for _ in range(3)]
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.sleep(0)
            go_on.set()
            return [answer.status_code for answer in await asyncio.gather(*others)]

    assert asyncio.run(course()) == [200, 200, 200]
    assert len(asked_for) == 1


# -- keys that were good a moment ago ---------------------------------------------------------------------------------


class Ring:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.good = True
        self.asked = self.read = 0

    def verify(self, presented: str) -> Principal | None:
        self.asked += 1
        return Principal(presented, "reader", "") if self.good else None

    def read_on(self) -> None:
        self.read += 1


def test_a_good_key_is_remembered_for_half_a_second_and_a_revoked_one_not_longer() -> None:
    ring, now_s = Ring(), [0.0]
    keys = KnownKeys(ring, lambda: now_s[0])

    def verify() -> bool:
        return asyncio.run(keys.verify("k")) is not None

    assert [verify(), verify()] == [True, True]
    assert ring.asked == 1
    ring.good = False
    now_s[0] = KNOWN_S
    assert [verify(), verify()] == [False, False]
    assert (ring.asked, ring.read) == (1 + 2 * 2, 2)  # a bad one is never remembered: it may become good
    ring.good = True
    assert verify()


def test_known_keys_are_bounded_and_told_apart() -> None:
    ring = Ring()
    keys = KnownKeys(ring, lambda: 0.0)

    async def course() -> list[str | None]:
        names = [f"k{number}" for number in range(MAX_KNOWN + 5)]
        found = [await keys.verify(name) for name in (*names, *names[-3:])]
        return [one.key_id if one else None for one in found[-3:]]

    assert asyncio.run(course()) == [f"k{MAX_KNOWN + 2}", f"k{MAX_KNOWN + 3}", f"k{MAX_KNOWN + 4}"]
    assert ring.asked == MAX_KNOWN + 5
    assert len(keys) == MAX_KNOWN
