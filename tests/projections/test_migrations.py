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


CARRIED = (
    "SELECT * FROM device_last_seen ORDER BY device",
    "SELECT device, site FROM device_registry_state FINAL",
    "SELECT metric, scope, sum, finalizeAggregation(uniq_state) FROM metrics_minute FINAL",
)


def test_small_granules_keep_what_there_was(new_database: Callable[..., Client], migrations: list[Migration]) -> None:
    """Readings of a battery whatever came after, the later of two equals, the newer of two runs."""
    client = new_database(migrated=False)
    migrate(client, migrations=migrations[:11])
    event = "'2026-03-0{} 08:00:00', '2026-03-09 00:00:00', 'w/d/s/c/g', '/iot', '{}', 'd1'"
    for day, number, battery in ((1, 1, 0.8), (3, 2, 0.6), (4, 3, "NULL"), (2, 4, 0.7)):
        client.command(
            "INSERT INTO heartbeats (event_time, recorded_time, scope, source, event_id, device, battery_ratio, "
            f"log_offset) VALUES ({event.format(day, number)}, {battery}, {number})"
        )
    for site in ("first", "second"):  # two entries of the same time: two parts, of which the later wins
        client.command(
            "INSERT INTO registry_devices (event_time, recorded_time, scope, source, event_id, device, site) "
            f"VALUES ({event.format(1, site)}, '{site}')"
        )
    for run in (2, 1):
        client.command(
            "INSERT INTO metrics_minute (metric, scope, window_start, sum, uniq_state, version) "
            f"SELECT 'noise', 'w/d/s/c/g', '2026-03-01 08:00:00', {run}, uniqState('a'), {run}"
        )
    before = [client.query(question).rows for question in CARRIED]
    assert (before[1][0][1], before[0][0][4]) == ("second", 0.6)
    assert migrate(client, migrations=migrations) == migrations[11:]
    assert [client.query(question).rows for question in CARRIED] == before
    client.command(
        "INSERT INTO heartbeats (event_time, recorded_time, scope, source, event_id, device, battery_ratio, "
        f"log_offset) VALUES ({event.format(5, 5)}, 0.5, 5)"
    )
    assert client.query("SELECT battery_ratio FROM device_last_seen").rows == [(0.5,)]
