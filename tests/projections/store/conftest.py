"""A real store process for the tests of this package, one per test session."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client

from projections.store import StoreConfig, StoreUser, password_hash, wait_until_ready

WRITER, WRITER_PASSWORD = "writer", "writer-secret"
READER, READER_PASSWORD = "reader", "reader-secret"
START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RunningStore:
    host: str
    port: int
    data_dir: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def client(self, user: str = WRITER, password: str = WRITER_PASSWORD, **options: Any) -> Client:
        options.setdefault("autogenerate_session_id", False)
        return clickhouse_connect.get_client(
            host=self.host, port=self.port, username=user, password=password, **options
        )

    def reader(self, **options: Any) -> Client:
        return self.client(READER, READER_PASSWORD, **options)

    def post(
        self, sql: str | bytes, user: str = WRITER, password: str = WRITER_PASSWORD, **params: Any
    ) -> httpx.Response:
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
        return httpx.post(self.url, params=params, content=sql, headers=headers, timeout=60)

    def read(self, sql: str | bytes, **params: Any) -> httpx.Response:
        return self.post(sql, READER, READER_PASSWORD, **params)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def store_config(data_dir: Path, **changes: Any) -> StoreConfig:
    users = {
        WRITER: StoreUser(password_hash(WRITER_PASSWORD)),
        READER: StoreUser(password_hash(READER_PASSWORD), readonly=True, settings={"max_execution_time": "30"}),
    }
    return StoreConfig(**{"data_dir": data_dir, "port": free_port(), "users": users, **changes})


def spawn(config: StoreConfig) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "projections.store"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(config.to_json().encode())
    process.stdin.close()
    process.stdin = None  # communicate() must not flush it again
    return process


@contextmanager
def running(config: StoreConfig) -> Iterator[RunningStore]:
    process = spawn(config)
    store = RunningStore(config.host, config.port, config.data_dir, process)
    try:
        wait_until_ready(store.url, START_TIMEOUT_S, still_alive=lambda: process.poll() is None)
        yield store
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with running(store_config(tmp_path_factory.mktemp("store"))) as store:
        yield store


@pytest.fixture(scope="session")
def writer(store: RunningStore) -> Iterator[Client]:
    client = store.client()
    yield client
    client.close()


@pytest.fixture()
def table(writer: Client, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Creates tables that live as long as the test; answers their names."""
    made: list[str] = []

    def create(columns: str = "a UInt64, b String", engine: str = "MergeTree ORDER BY a") -> str:
        name = f"t_{abs(hash(request.node.nodeid)) % 10**9}_{len(made)}"
        writer.command(f"CREATE OR REPLACE TABLE {name} ({columns}) ENGINE = {engine}")
        made.append(name)
        return name

    yield create
    for name in made:
        writer.command(f"DROP TABLE IF EXISTS {name} SYNC")
