"""Brings a database up to date: an empty one is made as it is declared, any other goes through numbered migrations.

Migrations go forward only: ``projections/migrations/NNNN_name.sql``. A file holds statements that end with ``;`` at the
end of a line; each is idempotent, so a migration that broke off is run again as a whole. Applied files are recorded
with their SHA-256 in ``schema_migrations`` and must not change afterwards. Statements name no database: they act on the
client's.

Both ways lead to the same database, which a test proves, and an empty one is there in three quarters of the time. Until
it is whole, the comment of its ``schema_migrations`` names the declaration that it is being made by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from projections.client import Client
from projections.ddl import Declared, quoted
from projections.tables import DATABASE, SCHEMA_MIGRATIONS

MIGRATIONS = Path(__file__).parent / "migrations"
_MAKING = "being made by "
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

    With ``migrations`` these are run, also where the database is empty.

    :raises MigrationError: an applied file has changed, or the database is newer than this code, or another version
        began to make it and broke off. Nothing was done.
    :raises StoreError: a statement failed; it and what follows is tried again by the next call.
    """
    known = list(load() if migrations is None else migrations)
    there = _tables(client)
    missing = _missing(known, _applied(client) if SCHEMA_MIGRATIONS.name in there else {})
    begun_by = there.get(SCHEMA_MIGRATIONS.name, "")
    if begun_by.startswith(_MAKING) and begun_by != _making() and missing == known:
        raise MigrationError(
            "Another version of GridPulse began to make the database and did not end: remove it with "
            f"DROP DATABASE {client.database}, and try again."
        )
    if dry_run:
        return missing
    if migrations is None and (not there or begun_by == _making()):
        _make(client, known)
        return missing
    for migration in missing:
        for statement in migration.statements():
            client.command(statement)
        _record(client, [migration])
    return missing


def create(client: Client, wanted: Iterable[Declared]) -> None:
    """Make these, in their order, where they are missing. :raises StoreError:"""
    for declared in wanted:
        client.command(declared.ddl())


def _make(client: Client, known: Sequence[Migration]) -> None:
    """The declared database, with every migration as applied; breaking off anywhere, it can be gone on with."""
    client.command(replace(SCHEMA_MIGRATIONS, comment=_making()).ddl())
    create(client, DATABASE)
    _record(client, known)
    client.command(f"ALTER TABLE {SCHEMA_MIGRATIONS.name} MODIFY COMMENT {quoted(SCHEMA_MIGRATIONS.comment)}")


def _making() -> str:
    digest = hashlib.sha256("".join(declared.ddl() for declared in DATABASE).encode()).hexdigest()
    return f"{_MAKING}{digest}"


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


def _tables(client: Client) -> dict[str, str]:
    """Comments of the tables and views by name."""
    rows = client.query("SELECT name, comment FROM system.tables WHERE database = currentDatabase()").rows
    return {str(name): str(comment) for name, comment in rows}


def _applied(client: Client) -> dict[int, tuple[str, str]]:
    rows = client.query(f"SELECT number, name, sha256 FROM {SCHEMA_MIGRATIONS.name} FINAL").rows
    return {int(number): (str(name), str(sha256)) for number, name, sha256 in rows}


def _record(client: Client, migrations: Sequence[Migration]) -> None:
    client.command(
        f"INSERT INTO {SCHEMA_MIGRATIONS.name} (number, name, sha256, applied_time) "
        "SELECT number, name, sha256, now64(3, 'UTC') FROM (SELECT 1) ARRAY JOIN "
        "{numbers:Array(UInt32)} AS number, {names:Array(String)} AS name, {digests:Array(String)} AS sha256",
        {
            "numbers": [migration.number for migration in migrations],
            "names": [migration.name for migration in migrations],
            "digests": [migration.sha256 for migration in migrations],
        },
    )
