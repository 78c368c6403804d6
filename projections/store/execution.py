"""Running one vetted request on the engine: blocking code, called from worker threads.

A :class:`Run` is used like this: ``start`` (vets, configures, runs or begins to stream), ``next_chunk`` until None,
``close`` always. Nothing here knows HTTP answers.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from projections.store import vetting
from projections.store.auth import Account
from projections.store.config import StoreConfig
from projections.store.connections import Connections, Lease
from projections.store.engine import Counts, Engine, EngineConnection, EngineStream, running_condition
from projections.store.errors import StoreError, readonly_refusal
from projections.store.http_request import QueryRequest
from projections.store.lexer import Kind, unquote
from projections.store.remembered import VettedQueries
from projections.store.running import RunningQueries
from projections.store.sessions import Session, Sessions
from projections.store.statements import Shape, Statement
from projections.store.vetting_names import names

STREAMED_FORMATS = names(
    """
    native rowbinary tabseparated tsv tabseparatedraw tsvraw csv jsoneachrow jsonlines ndjson jsonstringseachrow
    jsoncompacteachrow jsoncompactstringseachrow
    """
)
"""Formats whose chunks, put one after the other, are again that format."""
_REPLACING_VERBS = frozenset({"DROP", "DETACH", "RENAME", "EXCHANGE", "UNDROP", "ATTACH"})
"""After these a name may mean nothing, or something else, to a connection that has looked it up before."""


@dataclass(frozen=True)
class StoreParts:
    config: StoreConfig
    engine: Engine
    connections: Connections
    sessions: Sessions
    running: RunningQueries
    vetted: VettedQueries


@dataclass
class Run:
    """One request on its way through the engine."""

    parts: StoreParts
    account: Account
    request: QueryRequest
    query_id: str
    marker: str = field(default_factory=lambda: f"gp-run-{uuid.uuid4().hex}")
    format_name: str | None = None  # of the answer; None for statements without one
    counts: Counts = field(default_factory=Counts)
    readonly_query: bool = False
    closed: bool = False
    _payload: bytes | None = None
    _stream: EngineStream | None = None
    _session: Session | None = None
    _connection: EngineConnection | None = None
    _lease: Lease | None = None
    _clean: bool = False  # only a query or an insert ran on the connection, to its end
    _applied: tuple[str, ...] = ()

    def start(self) -> None:
        """:raises StoreError: refused by the rules, or failed in the engine."""
        is_view = self.parts.engine.is_view if self.account.readonly else None
        statement = self.parts.vetted.read(self.request.text, self.request.body, is_view)
        self.readonly_query = statement.shape in (Shape.SELECT, Shape.REPORT)
        if self.account.readonly:
            self._vet_reader_request()
        elif self.request.is_get:
            _refuse_write_by_get(statement)
        statement = self._kill_by_our_id(statement)
        self._open(statement)
        if statement.shape is Shape.INSERT_DATA:
            self._insert(statement)
        else:
            self._query(statement)
        self._clean = self._stream is None and _leaves_no_trace(statement)
        if statement.verb in _REPLACING_VERBS:
            self.parts.connections.forget()

    def next_chunk(self) -> bytes | None:
        """The next part of the answer; None at its end."""
        if self._payload is not None:
            payload, self._payload = self._payload, None
            return payload or None
        if self._stream is None:
            return None
        chunk = self._stream.next_chunk()
        self.counts = self._stream.counts
        if chunk is None:
            self._stream = None
            self._clean = True
        return chunk

    def close(self) -> None:
        """Give everything back, whatever happened; the rest of a stream is cancelled. Once is enough."""
        self.closed = True
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None
        if self._session is not None:
            self._restore_session(self._session)
            self._session = None
        elif self._lease is not None and self._clean:
            self.parts.connections.give_back(self._lease)
        elif self._connection is not None:
            self._connection.close()
        self._connection = self._lease = None

    def _vet_reader_request(self) -> None:
        """What came with the statement."""
        vetting.check_reader_database(self.request.database)
        for name in self.request.settings:
            if name == "readonly":
                continue
            vetting.vet_reader_setting(name)
            if name in self.account.user.settings:
                raise StoreError(452, "SETTING_CONSTRAINT_VIOLATION", f"Setting {name} should not be changed.")

    def _open(self, statement: Statement) -> None:
        keeps_session = bool(self.request.session_id) and not self.account.readonly
        database = self.request.database or self.parts.config.default_database
        settings = self._settings(statement)
        if not keeps_session and not self.request.external:
            self._lease = self.parts.connections.take("" if database == "default" else database, settings)
            self._connection = self._lease.connection
            return
        if keeps_session:
            self._session = self.parts.sessions.take(self.account.name, self.request.session_id)
            self._connection = self._session.connection
            if not self.request.database and not self._session.fresh:
                database = ""  # the session has one
        else:
            self._connection = self.parts.engine.open()
        self._applied = tuple(settings)
        if database and not (database == "default" and self._session is None):
            self._connection.use(database)
        for table in self.request.external:
            self._connection.run(f"CREATE TEMPORARY TABLE {table.name} ({table.structure}) ENGINE = Memory")
            self._connection.insert(f"INSERT INTO {table.name}", table.format_name, [table.data])
        self._connection.configure(settings)

    def _settings(self, statement: Statement) -> dict[str, str]:
        config = self.parts.config
        settings: dict[str, str] = {}
        if config.max_threads is not None:
            settings["max_threads"] = str(config.max_threads)
        if statement.shape is Shape.SELECT and not self._is_streamed(statement):
            settings["max_result_bytes"] = str(config.max_buffered_result_bytes)
        settings.update(self.account.user.settings)
        settings.update({name: value for name, value in self.request.settings.items() if name != "readonly"})
        if self.account.readonly:
            settings["readonly"] = "1"  # last: nothing can be set after it
        return settings

    def _is_streamed(self, statement: Statement) -> bool:
        format_name = statement.format_name or self.request.default_format
        return statement.shape is Shape.SELECT and format_name.lower() in STREAMED_FORMATS

    def _query(self, statement: Statement) -> None:
        assert self._connection is not None
        sql = statement.sql + f"\n/* {self.marker} */".encode()
        answers = statement.shape in (Shape.SELECT, Shape.REPORT)
        if self._is_streamed(statement):
            self._stream = self._connection.stream(sql, self.request.default_format, self.request.params)
        else:
            finished = self._connection.run(sql, self.request.default_format, self.request.params)
            self._payload, self.counts = finished.payload, finished.counts
        if answers:
            self.format_name = statement.format_name or self.request.default_format
        if self._session is not None and statement.verb in ("SET", "USE"):
            self._session.set_statements.append(statement.sql)

    def _insert(self, statement: Statement) -> None:
        assert self._connection is not None
        if self.request.params and statement.format_name == "Values":
            sql = statement.sql + b" VALUES " + statement.data
            self.counts = self._connection.run(sql, params=self.request.params).counts
            return
        head = statement.sql.decode("utf-8", "surrogateescape")
        self.counts = self._connection.insert(head, statement.format_name or "Values", [statement.data])

    def _kill_by_our_id(self, statement: Statement) -> Statement:
        """``KILL QUERY WHERE query_id = '..'``: the client's id is known here, not to the engine."""
        words = statement.words
        if (
            statement.verb != "KILL"
            or len(words) < 6
            or words[3].name != "query_id"
            or words[5].kind is not Kind.STRING
        ):
            return statement
        marker = self.parts.running.marker(unquote(words[5].text))
        if marker is None:
            return statement
        tail = statement.sql[words[5].end :]
        return replace(statement, sql=f"KILL QUERY WHERE {running_condition(marker)} ".encode() + tail)

    def _restore_session(self, session: Session) -> None:
        """Take the request's own settings out of the session again, and put the session's SETs back."""
        try:
            if self._applied:
                session.connection.run("SET " + ", ".join(f"{name} = DEFAULT" for name in self._applied))
                for statement in session.set_statements:
                    session.connection.run(statement)
        except StoreError:  # the request named a setting that does not exist: a clean session is not certain any more
            self.parts.sessions.drop(session)
            return
        timeout_s = self.request.session_timeout_s or self.parts.config.session_timeout_s
        self.parts.sessions.give_back(session, timeout_s)


def _leaves_no_trace(statement: Statement) -> bool:
    """Whether a connection is afterwards as it was before: no SET, USE, temporary table or the like."""
    return statement.shape is not Shape.COMMAND or statement.verb == "INSERT"


def _refuse_write_by_get(statement: Statement) -> None:
    if statement.shape is Shape.INSERT_DATA or (
        statement.shape is Shape.COMMAND and statement.verb not in ("SET", "USE")
    ):
        raise readonly_refusal(
            "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
            "You should use method POST for modifying queries."
        )


def summary(counts: Counts) -> Mapping[str, str]:
    return {
        "read_rows": str(counts.read_rows),
        "read_bytes": str(counts.read_bytes),
        "written_rows": str(counts.written_rows),
        "written_bytes": str(counts.written_bytes),
        "total_rows_to_read": "0",
        "result_rows": str(counts.result_rows or counts.written_rows),
        "result_bytes": str(counts.result_bytes or counts.written_bytes),
        "elapsed_ns": str(int(counts.elapsed_s * 1e9)),
    }
