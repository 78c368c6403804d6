"""The file of the embedded log: made, recognised, opened; SQLite's errors turned into the log's.

Guarantees: a file that is not an event log of this schema version is never changed; every connection is in WAL mode
            with ``synchronous=FULL``, so what is committed outlives a crash of the machine.
Immutable:  triggers refuse every update and delete, so offsets stay dense from 0.
Source:     https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streams.log import LogConfigError, LogError, LogUnavailableError

APPLICATION_ID: Final = 0x47504C47  # "GPLG"
SCHEMA_VERSION: Final = 1
# Records of a few hundred bytes stay whole within a page up to about a quarter of it; larger ones spill over.
PAGE_BYTES: Final = 16_384
_CHECKPOINT_PAGES: Final = 4_000  # 64 MB of WAL: few checkpoints while appending fast
_CACHE_KB: Final = 32_768
_MMAP_BYTES: Final = 1 << 32  # address space, not memory
_RETRY_S: Final = 0.02

_SCHEMA: Final = (
    "CREATE TABLE topics (topic_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL)",
    """CREATE TABLE records (
        topic_id INTEGER NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
        recorded_time_ms INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB,
        PRIMARY KEY (topic_id, partition, "offset")) WITHOUT ROWID""",
    "CREATE TRIGGER records_stay BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END",
    "CREATE TRIGGER records_same BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END",
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)


def prepare_file(path: Path, busy_timeout_s: float) -> str:
    """Make ``path`` an event log if there is nothing yet; its identity, which stays with the file and its copies.

    :raises LogConfigError: it is something else, of another version, damaged, or can't be opened.
    :raises LogUnavailableError: another process kept it locked for ``busy_timeout_s``.
    """
    if not path.parent.is_dir():
        raise LogConfigError(f"the directory {path.parent} of the event log does not exist: create it first")
    with sqlite_errors(path):
        connection = _plain_connection(path, busy_timeout_s)
        try:
            if not _is_log(connection, path):
                _create(connection, path)
            _switch_to_wal(connection, busy_timeout_s)
            return _identity(connection)
        finally:
            connection.close()


def open_connection(path: Path, busy_timeout_s: float, max_bytes: int | None = None) -> sqlite3.Connection:
    """A connection for reading or appending. May move between threads, but serves one at a time."""
    with sqlite_errors(path):
        connection = _plain_connection(path, busy_timeout_s)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size={-_CACHE_KB}")
        connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit={_CHECKPOINT_PAGES * PAGE_BYTES}")
        if max_bytes is not None:
            connection.execute(f"PRAGMA max_page_count={max(1, max_bytes // PAGE_BYTES)}")
        return connection


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the log. Errors of our own making (wrong SQL) pass unchanged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        translated = _translate(error, path)
        if translated is None:
            raise
        raise translated from error


def _plain_connection(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # takes effect in a new file only
    return connection


def _is_log(connection: sqlite3.Connection, path: Path) -> bool:
    """True: a log of this version; False: an empty file."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (things,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id == 0 and version == 0 and things == 0:
        return False
    if application_id != APPLICATION_ID:
        raise LogConfigError(f"{path} is an SQLite database but not an event log of GridPulse: choose another path")
    if version != SCHEMA_VERSION:
        raise LogConfigError(
            f"the event log {path} has schema version {version}, and this GridPulse knows version {SCHEMA_VERSION}: "
            "use the GridPulse that wrote it, or import its events into a new log"
        )
    return True


def _create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    try:
        if not _is_log(connection, path):  # another process may have been faster
            for statement in _SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _identity(connection: sqlite3.Connection) -> str:
    """Made when first asked for: logs of earlier releases have none. Earlier releases do not mind it."""
    (there,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'identity'").fetchone()
    if not there:
        connection.execute("CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), log_id TEXT)")
    found = connection.execute("SELECT log_id FROM identity").fetchone()
    if found is None:  # of several processes the first one's stays
        connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (uuid.uuid4().hex,))
        found = connection.execute("SELECT log_id FROM identity").fetchone()
    return str(found[0])


def _switch_to_wal(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    # SQLite does not call its busy handler here, so that several processes starting together would fail.
    deadline_s = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
        time.sleep(_RETRY_S)


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)  # absent where the Python module itself complains
    return code & 0xFF


def _translate(error: sqlite3.DatabaseError, path: Path) -> LogError | None:
    match _primary_code(error):
        case sqlite3.SQLITE_FULL:
            return LogUnavailableError(
                f"the event log {path} can't grow, disk full: free some space; nothing of this append was written"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LogUnavailableError(f"the event log {path} is locked by another process that does not let go of it")
        case sqlite3.SQLITE_IOERR:
            return LogUnavailableError(f"the disk failed under the event log {path} ({error})")
        case sqlite3.SQLITE_NOTADB:
            return LogConfigError(f"{path} is not an event log (not even an SQLite database): choose another path")
        case sqlite3.SQLITE_CORRUPT:
            return LogConfigError(f"the event log {path} is damaged ({error}): put back a copy of it")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return LogConfigError(f"the event log {path} can't be opened for writing ({error}): check path and rights")
    return None
