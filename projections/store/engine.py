"""chDB on one data directory: as many connections as are asked for, all of them sharing the one engine of the process.

The default database, which chDB opens as an overlay that also serves files by name, is replaced by a plain Atomic one.
Never fork a process that has imported this module: the engine hangs. Threads are welcome.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chdb._exceptions import ChdbError
from chdb.state.sqlitelike import Connection, StreamingInserter, StreamingResult

from projections.store.engine_config import config_file
from projections.store.errors import StoreError, from_engine

ENGINE_FAILURES = (ChdbError, RuntimeError)
"""What chDB raises for a statement that failed."""


@dataclass(frozen=True)
class Counts:
    """For ``X-ClickHouse-Summary``; rows and bytes."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class Finished:
    """A statement that has run to its end."""

    payload: bytes
    counts: Counts


UNKNOWN_DATABASE_ENGINE = 336
NO_UUID_MAPPING = 49  # LOGICAL_ERROR: Cannot find UUID mapping for …


class EngineConnection:
    """One chDB connection; used by one request at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def configure(self, settings: Mapping[str, str]) -> None:
        """:raises StoreError: an unknown setting (115), or a value it cannot have."""
        if settings:
            self.run("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()))

    def use(self, database: str) -> None:
        """:raises StoreError: UNKNOWN_DATABASE (81)."""
        self.run(f"USE {quoted_name(database)}")

    def run(
        self, sql: str | bytes, format_name: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Finished:
        """Run to the end and hand back the whole result."""
        try:
            result = self._connection.query(sql, format_name, params=dict(params or {}))
        except ENGINE_FAILURES as error:
            raise from_engine(str(error)) from None
        payload: bytes = result.bytes()
        counts = Counts(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            result_bytes=len(payload),
            elapsed_s=result.elapsed(),
        )
        return Finished(payload, counts)

    def stream(self, sql: bytes, format_name: str, params: Mapping[str, str]) -> EngineStream:
        """Start a SELECT; errors of analysis come with the first chunk."""
        try:
            result = self._connection.send_query(sql, format_name, params=dict(params))
        except ENGINE_FAILURES as error:
            raise from_engine(str(error)) from None
        return EngineStream(result)

    def insert(self, head: str, format_name: str, parts: Iterable[bytes]) -> Counts:
        """Insert the rows in ``parts``; a failure leaves what ClickHouse would leave (whole blocks or nothing)."""
        try:
            inserter: StreamingInserter = self._connection.send_insert(head, format_name)
        except ENGINE_FAILURES as error:
            raise from_engine(str(error)) from None
        try:
            for part in parts:
                if part:
                    inserter.append(part)
            result = inserter.finish()
        except ENGINE_FAILURES as error:
            inserter.cancel()
            raise from_engine(str(error)) from None
        return Counts(written_rows=result.rows_written, written_bytes=result.bytes_written, elapsed_s=result.elapsed)

    def close(self) -> None:
        self._connection.close()


class EngineStream:
    """The chunks of a running SELECT; each holds whole rows."""

    def __init__(self, result: StreamingResult) -> None:
        self._result = result
        self.counts = Counts()

    def next_chunk(self) -> bytes | None:
        """:raises StoreError: the query failed at this point."""
        try:
            chunk: Any = self._result.fetch()
        except ENGINE_FAILURES as error:
            raise from_engine(str(error)) from None
        if chunk is None:
            return None
        payload: bytes = chunk.bytes()
        before = self.counts
        self.counts = Counts(
            read_rows=max(before.read_rows, chunk.storage_rows_read()),
            read_bytes=max(before.read_bytes, chunk.storage_bytes_read()),
            result_rows=before.result_rows + chunk.rows_read(),
            result_bytes=before.result_bytes + len(payload),
            elapsed_s=chunk.elapsed(),
        )
        return payload

    def cancel(self) -> None:
        self._result.cancel()


class Engine:
    """Owns the data directory for the life of the process."""

    def __init__(self, data_dir: Path) -> None:
        self._path = str(data_dir)
        self._opening = threading.Lock()
        options = "allow_introspection_functions=0&implicit_select=0"
        with config_file() as config:
            self._anchor = EngineConnection(Connection(f"{self._path}?{options}&config-file={config}"))
        self._plain_default_database()
        version, zone = self._anchor.run("SELECT version(), timezone()").payload.decode().rstrip("\n").split("\t")
        self.version = version
        self.timezone = zone
        self.content_types = self._read_content_types()

    def open(self) -> EngineConnection:
        with self._opening:
            return EngineConnection(Connection(self._path))

    def close(self) -> None:
        self._anchor.close()

    def is_view(self, name: str) -> bool:
        """Whether any database has a plain (possibly parameterised) view of this name."""
        sql = "SELECT count() FROM system.tables WHERE name = {name:String} AND engine = 'View'"
        connection = self.open()
        try:
            return connection.run(sql, params={"name": name}).payload != b"0\n"
        finally:
            connection.close()

    def kill(self, marker: str) -> None:
        """End the statement that carries ``marker`` in a comment; nothing happens if there is none any more."""
        connection = self.open()
        try:
            connection.run(f"KILL QUERY WHERE {running_condition(marker)} ASYNC")
        finally:
            connection.close()

    def _plain_default_database(self) -> None:
        self._anchor.run("DETACH DATABASE IF EXISTS default")
        try:
            self._anchor.run("ATTACH DATABASE default")
        except StoreError as error:
            if error.code == NO_UUID_MAPPING and not self._default_tables():
                # The engine only finds a database's UUID again through its tables: this one has none to lose.
                (Path(self._path) / "metadata" / "default.sql").unlink()
            elif error.code != UNKNOWN_DATABASE_ENGINE:  # there is no definition yet: the directory is new
                raise
            self._anchor.run("CREATE DATABASE default ENGINE = Atomic")

    def _default_tables(self) -> list[Path]:
        """Definitions of tables in the default database as its directory has them."""
        return list((Path(self._path) / "metadata" / "default").glob("*.sql"))

    def _read_content_types(self) -> dict[str, str]:
        rows = self._anchor.run("SELECT name, content_type FROM system.formats WHERE is_output").payload.decode()
        return dict(row.split("\t", 1) for row in rows.splitlines())


def running_condition(marker: str) -> str:
    return f"query LIKE '%{marker}%' AND query NOT LIKE '%KILL %'"


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
