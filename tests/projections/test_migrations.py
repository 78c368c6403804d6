"""Migrations lead to exactly the declared database, once, and refuse what does not fit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from projections.client import Client
from projections.migrate import Migration, MigrationError, load, migrate
from projections.tables import BY_NAME, DATABASE

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


def described(client: Client) -> dict[str, list[tuple[object, ...]]]:
    """What the engine itself says is there, free of the database's name."""
    return {
        question: [
            tuple(v.replace(f"{client.database}.", "") if isinstance(v, str) else v for v in row)
            for row in client.query(question).rows
        ]
        for question in (COLUMNS, TABLES, INDEXES)
    }


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Client]) -> Client:
    """One that migrations made."""
    return new_database(by_migrations=True)


def test_the_migrated_database_is_the_declared_one(new_database: Callable[..., Client]) -> None:
    migrated, declared = new_database(by_migrations=True), new_database(migrated=False)
    for one in DATABASE:
        declared.command(one.ddl())
    assert {str(row[0]) for row in declared.query(TABLES).rows} == set(BY_NAME)
    assert described(migrated) == described(declared)


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
