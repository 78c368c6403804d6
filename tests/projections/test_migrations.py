"""Migrations lead to exactly the declared database, once, and refuse what does not fit."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from projections.client import Client
from projections.migrate import Migration, MigrationError, load, migrate
from projections.tables import BY_NAME, DATABASE, SCHEMA_MIGRATIONS

COLUMNS = (
    "SELECT table, position, name, type, default_kind, default_expression, compression_codec, comment, "
    "is_in_sorting_key, is_in_partition_key FROM system.columns WHERE database = currentDatabase() ORDER BY ALL"
)
TABLES = (
    "SELECT name, engine, engine_full, sorting_key, partition_key, as_select, comment FROM system.tables "
    "WHERE database = currentDatabase() AND NOT startsWith(name, '.inner') ORDER BY name"
)
INDEXES = (
    "SELECT table, name, type, expr, granularity FROM system.data_skipping_indices "
    "WHERE database = currentDatabase() ORDER BY ALL"
)
RECORDED = "SELECT number, name, sha256 FROM schema_migrations FINAL ORDER BY number"


class KilledError(Exception):
    """Put in on purpose."""


def described(client: Client) -> dict[str, list[tuple[object, ...]]]:
    """What the engine itself says is there, free of the database's name; and what is recorded as applied."""
    return {
        question: [
            tuple(v.replace(f"{client.database}.", "") if isinstance(v, str) else v for v in row)
            for row in client.query(question).rows
        ]
        for question in (COLUMNS, TABLES, INDEXES, RECORDED)
    }


@pytest.fixture(scope="module")
def migrations() -> list[Migration]:
    """All there are; given to ``migrate``, they are run on an empty database too."""
    return load()


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Client], migrations: list[Migration]) -> Client:
    """One that migrations made."""
    client = new_database(migrated=False)
    assert migrate(client, migrations=migrations) == migrations
    return client


@pytest.fixture(scope="module")
def whole(new_database: Callable[..., Client]) -> dict[str, list[tuple[object, ...]]]:
    """One that was empty and is as it is declared."""
    return described(new_database())


def test_the_migrated_database_is_the_declared_one(
    database: Client, whole: dict[str, list[tuple[object, ...]]], migrations: list[Migration]
) -> None:
    assert {str(row[0]) for row in database.query(TABLES).rows} == set(BY_NAME)
    assert described(database) == whole
    assert whole[RECORDED] == [(one.number, one.name, one.sha256) for one in migrations]


def test_making_it_is_gone_on_with_wherever_it_broke_off(
    new_database: Callable[..., Client], whole: dict[str, list[tuple[object, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its first statement, after some tables, after all of them, after the record; it is not migrated instead."""
    client = new_database(migrated=False)
    command = client.command
    monkeypatch.setattr(Migration, "statements", lambda _: pytest.fail("it is migrated"))
    for after in (1, 70, len(DATABASE) + 1, len(DATABASE) + 2):
        left = iter(range(after))

        def die(sql: str, *rest: Any, left: Iterator[int] = left) -> int:
            if next(left, None) is None:
                raise KilledError
            return command(sql, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(client, "command", die)
            with pytest.raises(KilledError):
                migrate(client)
        is_recorded = after == len(DATABASE) + 2
        assert migrate(client, dry_run=True) == ([] if is_recorded else load())
    migrate(client)
    assert described(client) == whole


def test_what_another_version_began_to_make_is_not_touched(new_database: Callable[..., Client]) -> None:
    client = new_database(migrated=False)
    client.command(replace(SCHEMA_MIGRATIONS, comment="being made by another").ddl())
    with pytest.raises(MigrationError, match=rf"DROP DATABASE {client.database}, and try again"):
        migrate(client)
    assert [row[0] for row in client.query(TABLES).rows] == [SCHEMA_MIGRATIONS.name]


def test_a_second_time_nothing_is_done(database: Client) -> None:
    assert migrate(database) == []
    assert [row[0] for row in database.query("SELECT name FROM schema_migrations FINAL ORDER BY number").rows] == [
        migration.name for migration in load()
    ]


def test_a_dry_run_only_tells(new_database: Callable[..., Client]) -> None:
    empty = new_database(migrated=False)
    assert migrate(empty, dry_run=True) == load()
    assert empty.query("SELECT count() FROM system.tables WHERE database = currentDatabase()").rows[0][0] == 0


def test_a_migration_that_broke_off_is_done_again(new_database: Callable[..., Client]) -> None:
    client = new_database(migrated=False)
    first = load()[0]
    for statement in first.statements()[:7]:
        client.command(statement)
    assert migrate(client) == load()


def test_what_was_applied_must_not_change(database: Client) -> None:
    first = load()[0]
    changed = Migration(1, first.name, first.sql + "\n-- afterthought\n")
    with pytest.raises(MigrationError, match=r"0001_initial\.sql has changed since it was applied"):
        migrate(database, migrations=[changed])


def test_a_database_from_the_future_is_refused(database: Client) -> None:
    with pytest.raises(MigrationError, match="does not know"):
        migrate(database, migrations=[])


def test_statements_end_at_the_end_of_a_line() -> None:
    sql = "-- why; because\nSELECT 'a;b';\n\nSELECT 2\n  -- more\n;\n"
    assert Migration(1, "0001_x.sql", sql).statements() == ["SELECT 'a;b'", "SELECT 2"]


def test_numbers_have_no_gaps(tmp_path: Path) -> None:
    (tmp_path / "0002_late.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="without gaps"):
        load(tmp_path)
    (tmp_path / "two.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"two\.sql"):
        load(tmp_path)
