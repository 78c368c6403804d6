"""Numbered migrations, forward only: ``projections/migrations/NNNN_name.sql``.

A file holds statements that end with ``;`` at the end of a line; each is idempotent, so a migration that broke off is
run again as a whole. Applied files are recorded with their SHA-256 in ``schema_migrations`` and must not change
afterwards. Statements name no database: they act on the client's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from projections.client import Client
from projections.tables import SCHEMA_MIGRATIONS

MIGRATIONS = Path(__file__).parent / "migrations"
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The migrations and the database do not fit together; one sentence says how."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return self.name

    def statements(self) -> list[str]:
        """Its statements without comments and closing semicolons."""
        lines = [line for line in self.sql.splitlines() if not line.lstrip().startswith("--")]
        pieces = re.split(r";[ \t]*$", "\n".join(lines), flags=re.MULTILINE)
        return [piece.strip() for piece in pieces if piece.strip()]


def load(directory: Path = MIGRATIONS) -> list[Migration]:
    """The files in order. :raises MigrationError: a name or a number is wrong."""
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"Migration {path.name} must be named like 0001_initial.sql.")
        migrations.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"Migrations must be numbered 0001, 0002, … without gaps; found {numbers}.")
    return migrations


def migrate(client: Client, *, dry_run: bool = False, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is missing, in order, and return it; with ``dry_run`` only return it.

    :raises MigrationError: an applied file has changed, or the database is newer than this code. Nothing was done.
    :raises StoreError: a statement failed; it and what follows is tried again by the next call.
    """
    known = list(load() if migrations is None else migrations)
    missing = _missing(known, _applied(client))
    if dry_run:
        return missing
    for migration in missing:
        for statement in migration.statements():
            client.command(statement)
        _record(client, migration)
    return missing


def _missing(known: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    by_number = {migration.number: migration for migration in known}
    for number, (name, sha256) in sorted(applied.items()):
        if number not in by_number:
            raise MigrationError(
                f"The database has migration {name}, which this version does not know: update GridPulse."
            )
        if by_number[number].sha256 != sha256:
            raise MigrationError(
                f"Migration {name} has changed since it was applied: undo that, and add a new migration."
            )
    return [migration for migration in known if migration.number not in applied]


def _applied(client: Client) -> dict[int, tuple[str, str]]:
    exists = client.query(
        "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": client.database, "table": SCHEMA_MIGRATIONS.name},
    )
    if not exists.rows[0][0]:
        return {}
    rows = client.query(f"SELECT number, name, sha256 FROM {SCHEMA_MIGRATIONS.name} FINAL").rows
    return {int(number): (str(name), str(sha256)) for number, name, sha256 in rows}


def _record(client: Client, migration: Migration) -> None:
    client.command(
        f"INSERT INTO {SCHEMA_MIGRATIONS.name} (number, name, sha256, applied_time) "
        "SELECT {number:UInt32}, {name:String}, {sha256:String}, now64(3, 'UTC')",
        {"number": migration.number, "name": migration.name, "sha256": migration.sha256},
    )
