"""Databases on a real embedded store, migrated as in production; and small batches to write into them."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator

import pytest

from projections.client import Client, connect
from projections.migrate import migrate
from projections.store import StoreConfig, StoreUser, password_hash
from projections.store.process import StoreProcess

_USER, _PASSWORD = "projector", "projector-secret"
NewDatabase = Callable[..., Client]


@pytest.fixture(scope="session")
def projection_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """One store process for all tests of tables, writer and rollups."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    users = {_USER: StoreUser(password_hash(_PASSWORD))}
    with StoreProcess.start(StoreConfig(tmp_path_factory.mktemp("projections"), port, users)) as running:
        yield running


@pytest.fixture(scope="session")
def new_database(projection_store: StoreProcess) -> Iterator[NewDatabase]:
    """Makes a database of its own, migrated unless told otherwise; answers a client of it."""
    clients: list[Client] = []
    numbers = itertools.count(1)

    def make(*, migrated: bool = True) -> Client:
        url = f"http://{_USER}@127.0.0.1:{projection_store.config.port}/test_{next(numbers)}"
        client = connect(url, password=_PASSWORD, create_database=True)
        clients.append(client)
        if migrated:
            migrate(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> Client:
    """A migrated database shared by the tests of a module: use scopes or names of your own."""
    return new_database()


@pytest.fixture(scope="session")
def shared_database(new_database: NewDatabase) -> Client:
    return new_database()


@pytest.fixture
def empty_database(shared_database: Client) -> Client:
    """A migrated database with nothing in it; making one anew takes seconds, so it is emptied instead."""
    empty(shared_database)
    return shared_database


def empty(client: Client) -> None:
    """Empty every table but the record of migrations."""
    filled = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 "
        "AND name != 'schema_migrations'"
    ).rows
    for (table,) in filled:
        client.command(f"TRUNCATE TABLE {table}")
