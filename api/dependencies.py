"""What the API needs to live: ports, clock, limits. Built by the composition root, passed to ``create_app``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from api.answer_cache import OFF, CacheLimits
from api.answering import Answering
from api.freshness import Freshness
from api.known_keys import KnownKeys
from api.live.limits import LIVE, LiveLimits
from api.live.service import Live
from api.telemetry import Telemetry
from projections.queries.ports import QueryPort
from streams.log import EventLog
from streams.ports import IngestPort, KeyRing, LogStatePort
from streams.webhooks.network import Resolve
from streams.webhooks.registrar import Registrar

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """How much one request may ask for."""

    body_bytes: int = 16 * MIB  # as sent
    decompressed_bytes: int = 16 * MIB  # after gzip
    events: int = 20_000  # per request
    points: int = 10_000  # per metric answer
    board_windows: int = 800  # a month of hours
    board_gates: int = 50
    timeline_days: int = 31


@dataclass(frozen=True, slots=True)
class ApiDependencies:
    """The ports behind the routes. ``now``: the present, aware; what relative times and defaults start from."""

    queries: QueryPort
    ingest: IngestPort
    keys: KeyRing
    log_state: LogStatePort
    now: Callable[[], datetime]
    site_timezone: str = "Asia/Shanghai"
    limits: ApiLimits = ApiLimits()
    cache: CacheLimits = OFF  # of answers
    query_threads: int = 8  # questions to the store at a time
    live_log: EventLog | None = None  # whose alerts are streamed live
    live: LiveLimits = LIVE
    subscriptions: Registrar | None = None
    resolve: Resolve | None = None  # names in URLs to addresses, so that a private one is refused at once


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The dependencies and what the app makes of them; one per app."""

    deps: ApiDependencies
    freshness: Freshness
    telemetry: Telemetry
    keys: KnownKeys
    answering: Answering
    live: Live


async def _context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(_context)]
