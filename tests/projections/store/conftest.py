"""A real store process for the tests of this package, one per test session."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client

from projections.store import StoreConfig, StoreUser, password_hash
from projections.store.process import StoreProcess

WRITER = ("writer", "writer-secret")
READER = ("reader", "reader-secret")


@pytest.fixture(scope="session")
def new_config() -> Callable[..., StoreConfig]:
    """Makes configurations with a free port and the two users of these tests."""

    def make(data_dir: Path, **changes: Any) -> StoreConfig:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        users = {
            WRITER[0]: StoreUser(password_hash(WRITER[1])),
            READER[0]: StoreUser(password_hash(READER[1]), readonly=True, settings={"max_execution_time": "30"}),
        }
        return StoreConfig(
            **{"max_body_bytes": 64 << 20, "data_dir": data_dir, "port": port, "users": users, **changes}
        )

    return make


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, new_config: Callable[..., StoreConfig]) -> Iterator[StoreProcess]:
    with StoreProcess.start(new_config(tmp_path_factory.mktemp("store"))) as running:
        yield running


def _poster(user: tuple[str, str], url: str) -> Callable[..., httpx.Response]:
    def send(sql: str | bytes, _headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        headers = {"X-ClickHouse-User": user[0], "X-ClickHouse-Key": user[1], **(_headers or {})}
        return httpx.post(url, params=params, content=sql, headers=headers, timeout=60)

    return send


@pytest.fixture(scope="session")
def post(store: StoreProcess) -> Callable[..., httpx.Response]:
    """Sends SQL as the writer."""
    return _poster(WRITER, store.url)


@pytest.fixture(scope="session")
def read(store: StoreProcess) -> Callable[..., httpx.Response]:
    """Sends SQL as the read-only user."""
    return _poster(READER, store.url)


@pytest.fixture(scope="session")
def new_client(store: StoreProcess) -> Iterator[Callable[..., Client]]:
    """Opens clickhouse-connect clients, the writer's unless told otherwise."""
    opened: list[Client] = []

    def make(user: tuple[str, str] = WRITER, **options: Any) -> Client:
        options = {"autogenerate_session_id": False, "tz_mode": "aware", **options}
        config = store.config
        client = clickhouse_connect.get_client(
            host=config.host, port=config.port, username=user[0], password=user[1], **options
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture(scope="session")
def writer(new_client: Callable[..., Client]) -> Client:
    return new_client()


@pytest.fixture(scope="session")
def reader(new_client: Callable[..., Client]) -> Client:
    return new_client(READER)


@pytest.fixture
def table(writer: Client, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Creates tables that live as long as the test; answers their names."""
    made: list[str] = []

    def create(columns: str = "a UInt64, b String", engine: str = "MergeTree ORDER BY a") -> str:
        name = f"t_{request.node.name.split('[')[0]}_{len(made)}"
        writer.command(f"CREATE OR REPLACE TABLE {name} ({columns}) ENGINE = {engine}")
        made.append(name)
        return name

    yield create
    for name in made:
        writer.command(f"DROP TABLE IF EXISTS {name} SYNC")
