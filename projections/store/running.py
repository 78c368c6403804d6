"""What is running, and how much may run: query ids in use, and a gate per kind of request with a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from projections.store.errors import StoreError


class RunningQueries:
    """Query ids of running requests and the markers by which the engine knows them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._markers: dict[str, str] = {}

    def enter(self, query_id: str, marker: str) -> None:
        """:raises StoreError: QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING (216)."""
        with self._lock:
            if query_id in self._markers:
                raise StoreError(
                    216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", f"Query with id = {query_id} is already running."
                )
            self._markers[query_id] = marker

    def leave(self, query_id: str) -> None:
        with self._lock:
            self._markers.pop(query_id, None)

    def marker(self, query_id: str) -> str | None:
        with self._lock:
            return self._markers.get(query_id)


class Gate:
    """Lets ``running`` requests in at a time and ``waiting`` more queue up; refuses the rest at once."""

    def __init__(self, running: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(running)
        self._limit = running + waiting
        self._inside = 0

    async def __aenter__(self) -> None:
        """:raises StoreError: TOO_MANY_SIMULTANEOUS_QUERIES (202)."""
        if self._inside >= self._limit:
            raise StoreError(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                f"Too many simultaneous queries. Maximum: {self._limit}.",
                status=503,
            )
        self._inside += 1
        try:
            await self._places.acquire()
        except BaseException:
            self._inside -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        self._places.release()
