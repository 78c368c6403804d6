"""Databases on the real embedded store of the test run: shared, or emptied."""

from __future__ import annotations

import pytest

from projections.client import Client
from tests.conftest import NewDatabase


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
