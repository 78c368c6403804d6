"""Engine connections between two requests: one that nobody could have changed is used again.

Opening a connection, naming its database, setting its settings and running a first statement on it cost 2 ms, as much
as a small insert. So a connection on which nothing but queries and inserts ran waits here for the next request with the
same database and the same settings; whatever else it may have run, it is closed. A request never sees what another
one left behind, as if each had a connection of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from projections.store.engine import Engine, EngineConnection

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Lease:
    """A connection in use by one request."""

    connection: EngineConnection
    key: Key
    generation: int


class Connections:
    """Safe for threads. ``max_idle`` connections wait at most; the one that waited longest gives way."""

    def __init__(self, engine: Engine, max_idle: int) -> None:
        self._engine = engine
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._idle: list[Lease] = []  # given back last stands last
        self._generation = 0

    def take(self, database: str, settings: Mapping[str, str]) -> Lease:
        """A connection that uses ``database`` (empty: the engine's default) and has exactly these settings.

        :raises StoreError: there is no such database (81), no such setting (115), or no such value.
        """
        key = (database, tuple(settings.items()))
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index].key == key:
                    return self._idle.pop(index)
            generation = self._generation
        connection = self._engine.open()
        try:
            if database:
                connection.use(database)
            connection.configure(settings)
        except BaseException:
            connection.close()
            raise
        return Lease(connection, key, generation)

    def give_back(self, lease: Lease) -> None:
        """For who ran nothing but queries and inserts on it, all to their end."""
        surplus: Lease | None = lease
        with self._lock:
            if lease.generation == self._generation:
                self._idle.append(lease)
                surplus = self._idle.pop(0) if len(self._idle) > self._max_idle else None
        if surplus is not None:
            surplus.connection.close()

    def forget(self) -> None:
        """Close what is idle now, and what is in use when it comes back: a database may be gone or another one."""
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
        for lease in idle:
            lease.connection.close()
