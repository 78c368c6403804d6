"""Metrics on the live stream: each is asked for once, for all clients that want it of the same scope.

What is asked is what ``/v1/metrics/{metric}`` answers for the last minutes, through the same cache. One question at a
time: when there are many, each comes less often, and the store has its peace. Figures that did not change are not sent
again. While the store is away the alerts go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import structlog

from api.live.fan_out import LiveClient
from api.live.steps import message
from projections.client import StoreUnavailableError
from projections.queries.ports import QueryTimeoutError

log = structlog.get_logger(__name__)


class Figure(NamedTuple):
    """One metric of one subtree."""

    metric: str
    scope: str


Ask = Callable[[Figure], Awaitable[bytes]]
"""The JSON answer about a figure. Raises what the store raises."""


@dataclass(slots=True)
class _Watched:
    clients: dict[LiveClient, None] = field(default_factory=dict)
    asked_s: float | None = None
    series: Any = None
    message: bytes | None = None


class Figures:
    """For the event loop. Asks every ``interval_s`` while somebody watches."""

    def __init__(self, ask: Ask, interval_s: float, monotonic_s: Callable[[], float]) -> None:
        self._ask, self._interval_s, self._monotonic_s = ask, interval_s, monotonic_s
        self._watched: dict[Figure, _Watched] = {}
        self._wanted = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    def watch(self, client: LiveClient, scope: str, metrics: tuple[str, ...]) -> None:
        """What is known is shown at once, the rest as soon as it has been asked."""
        for metric in metrics:
            watched = self._watched.setdefault(Figure(metric, scope), _Watched())
            watched.clients[client] = None
            if watched.message is not None:
                client.show(metric, watched.message)
        if metrics:
            self._wanted.set()
            if self._asking is None:
                self._asking = asyncio.get_running_loop().create_task(self._run())

    def leave(self, client: LiveClient, scope: str, metrics: tuple[str, ...]) -> None:
        for metric in metrics:
            watched = self._watched.get(Figure(metric, scope))
            if watched is not None:
                watched.clients.pop(client, None)
                if not watched.clients:
                    del self._watched[Figure(metric, scope)]

    async def _run(self) -> None:
        try:
            while self._watched:
                self._wanted.clear()
                await self.look()
                try:
                    await asyncio.wait_for(self._wanted.wait(), self._interval_s / 5)
                except TimeoutError:
                    continue
        finally:
            self._asking = None

    async def look(self) -> None:
        """Ask for everything that is due."""
        for figure, watched in tuple(self._watched.items()):
            now_s = self._monotonic_s()
            if watched.clients and (watched.asked_s is None or now_s - watched.asked_s >= self._interval_s):
                watched.asked_s = now_s
                await self._look_at(figure, watched)

    async def _look_at(self, figure: Figure, watched: _Watched) -> None:
        try:
            body = await self._ask(figure)
        except (StoreUnavailableError, QueryTimeoutError) as fault:
            log.warning("live_metric_not_asked", metric=figure.metric, scope=figure.scope, fault=str(fault))
            return
        series = orjson.loads(body)["series"]
        if series == watched.series:
            return
        watched.series, watched.message = series, message("metric", body)
        for client in watched.clients:
            client.show(figure.metric, watched.message)
