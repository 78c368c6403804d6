"""Sessions of the HTTP interface: a connection that keeps its SETs, its database and its temporary tables for a while.

A session belongs to one user and serves one request at a time, as in ClickHouse (373 SESSION_IS_LOCKED).
Time is a monotonic clock handed in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from projections.store.engine import Engine, EngineConnection
from projections.store.errors import StoreError


@dataclass
class Session:
    connection: EngineConnection
    expires_s: float = 0.0
    busy: bool = False
    fresh: bool = True
    set_statements: list[bytes] = field(default_factory=list)


class Sessions:
    def __init__(self, engine: Engine, now_s: Callable[[], float], max_sessions: int) -> None:
        self._engine = engine
        self._now_s = now_s
        self._max_sessions = max_sessions
        self._lock = threading.Lock()
        self._by_key: dict[tuple[str, str], Session] = {}

    def take(self, user: str, session_id: str) -> Session:
        """:raises StoreError: SESSION_IS_LOCKED (373), or too many sessions (202)."""
        with self._lock:
            self._drop_expired()
            session = self._by_key.get((user, session_id))
            if session is None:
                if len(self._by_key) >= self._max_sessions:
                    raise StoreError(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many sessions: {self._max_sessions}.")
                session = Session(self._engine.open())
                self._by_key[(user, session_id)] = session
            elif session.busy:
                raise StoreError(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client.")
            session.busy = True
            return session

    def give_back(self, session: Session, timeout_s: int) -> None:
        with self._lock:
            session.busy = False
            session.fresh = False
            session.expires_s = self._now_s() + timeout_s

    def drop(self, session: Session) -> None:
        """Forget a session whose state is not certain; the next request with its id begins anew."""
        with self._lock:
            self._by_key = {key: kept for key, kept in self._by_key.items() if kept is not session}
        session.connection.close()

    def close_all(self) -> None:
        with self._lock:
            for session in self._by_key.values():
                session.connection.close()
            self._by_key.clear()

    def _drop_expired(self) -> None:
        now_s = self._now_s()
        for key, session in list(self._by_key.items()):
            if not session.busy and session.expires_s <= now_s:
                session.connection.close()
                del self._by_key[key]
