"""The file of the outbox: made, recognised, opened, by one process at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from streams.log import LogConfigError, LogUnavailableError

SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x47505748  # "GPWH"
_BUSY_TIMEOUT_S: Final = 5.0
_SCHEMA: Final = (
    "CREATE TABLE about (one INTEGER PRIMARY KEY CHECK (one = 1), log_identity TEXT NOT NULL)",
    """CREATE TABLE offsets (topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)) WITHOUT ROWID""",
    """CREATE TABLE events (event_id TEXT PRIMARY KEY, recorded_ms INTEGER NOT NULL, subject TEXT NOT NULL,
        value BLOB NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE seen (event_id TEXT PRIMARY KEY, recorded_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX seen_when ON seen (recorded_ms)",
    """CREATE TABLE deliveries (seq INTEGER PRIMARY KEY AUTOINCREMENT, webhook_id TEXT NOT NULL UNIQUE,
        subscription TEXT NOT NULL, subject TEXT NOT NULL, event_id TEXT NOT NULL, round TEXT NOT NULL,
        state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, first_attempt_ms INTEGER,
        settled_ms INTEGER)""",
    "CREATE INDEX lines ON deliveries (subscription, state, subject, seq)",
    "CREATE INDEX by_event ON deliveries (event_id)",
    """CREATE TABLE heads (subscription TEXT, subject TEXT, seq INTEGER NOT NULL, due_ms INTEGER NOT NULL,
        PRIMARY KEY (subscription, subject)) WITHOUT ROWID""",
    "CREATE INDEX heads_due ON heads (subscription, due_ms, seq)",
    "CREATE TABLE endpoints (subscription TEXT PRIMARY KEY, last_success_ms INTEGER, alert BLOB) WITHOUT ROWID",
    """CREATE TABLE outgoing (number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL,
        partition INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL)""",
    f"PRAGMA application_id={_APPLICATION_ID}",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)


def open_outbox(path: Path) -> sqlite3.Connection:
    """A connection that nobody else has meanwhile; the file is made where there is none.

    :raises LogConfigError: it is something else, or damaged. :raises LogUnavailableError: another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (things,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not things:
            connection.execute("BEGIN EXCLUSIVE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
        elif version != SCHEMA_VERSION:
            raise LogConfigError(f"{path} is of version {version}, not {SCHEMA_VERSION}: move it aside")
    except sqlite3.OperationalError as error:
        raise LogUnavailableError(
            f"the outbox {path} can't be used ({error}): end the other `gridpulse run webhooks`, or free some space"
        ) from error
    except sqlite3.DatabaseError as error:
        raise LogConfigError(f"the outbox {path} is damaged or something else ({error}): move it aside") from error
    return connection
