"""The app over fakes: keys for every role and scope, a log and a store that can be switched off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from api.answer_cache import OFF, CacheLimits
from api.app import create_app
from api.dependencies import ApiDependencies, ApiLimits
from api.live.limits import LiveLimits
from projections.queries.fakes import FakeQueries
from schemas.topics import ALL_TOPICS
from streams.fakes import FakeIngest, FakeKeyRing, FakeLogState
from streams.log_memory import MemoryLog
from streams.ports import Principal
from streams.webhooks.addresses import AddressRule, networks
from streams.webhooks.registrar import Registrar
from streams.webhooks.vault import Vault

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
KEYS = {
    "admin": Principal("k0", "admin", ""),
    "reader": Principal("k1", "reader", ""),
    "writer": Principal("k2", "writer", ""),
    "reader-a": Principal("k3", "reader", "wuhu/jinghu"),
    "writer-a": Principal("k4", "writer", "wuhu/jinghu"),
    "admin-a": Principal("k5", "admin", "wuhu/jinghu"),
    "operator": Principal("k6", "operator", ""),
    "operator-a": Principal("k7", "operator", "wuhu/jinghu"),
}


def empty_log() -> MemoryLog:
    log = MemoryLog(lambda: NOON_MS)
    log.create_topics(ALL_TOPICS, 2)
    return log


@dataclass
class World:
    """The app with everything behind it. ``clock_s`` is what the app takes for monotonic time."""

    queries: FakeQueries = field(default_factory=FakeQueries)
    ingest: FakeIngest = field(default_factory=FakeIngest)
    keys: FakeKeyRing = field(default_factory=lambda: FakeKeyRing(KEYS))
    log_state: FakeLogState = field(default_factory=FakeLogState)
    limits: ApiLimits = field(
        default_factory=lambda: ApiLimits(body_bytes=200_000, decompressed_bytes=300_000, events=50)
    )
    clock_s: float = 0.0
    now: datetime = NOON
    cache: CacheLimits = OFF
    live_log: MemoryLog = field(default_factory=empty_log)
    live: LiveLimits = LiveLimits(lifetime_s=0.0)  # noqa: RUF009 - frozen; streams end after they have begun

    names: dict[str, list[str]] = field(default_factory=lambda: {"hooks.example.org": ["1.1.1.1"]})
    registrar: Registrar = field(init=False)

    def __post_init__(self) -> None:
        rule = AddressRule(allowed=networks(["127.0.0.0/8"]))
        self.registrar = Registrar(
            self.live_log, Vault(b"k" * 32), rule, lambda: NOON_MS, ["wuhu"], 3, lambda: self.clock_s
        )

    async def resolve(self, host: str) -> list[str]:
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    def client(self) -> TestClient:
        deps = ApiDependencies(
            self.queries, self.ingest, self.keys, self.log_state, lambda: self.now, "Asia/Shanghai", self.limits,
            self.cache, live_log=self.live_log, live=self.live, subscriptions=self.registrar, resolve=self.resolve,
        )  # fmt: skip
        return TestClient(create_app(deps, lambda: self.clock_s), raise_server_exceptions=False)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def http(world: World) -> Iterator[TestClient]:
    with world.client() as client:
        client.headers["X-API-Key"] = "admin"
        yield client
