"""Builds the API's ports from the settings."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import FastAPI

from api.answer_cache import CacheLimits
from api.app import create_app
from api.dependencies import ApiDependencies
from api.live.limits import LiveLimits
from gridpulse import adapters
from gridpulse.settings import Settings
from projections.queries.clickhouse import ClickHouseQueries
from streams.clocks import wall_clock
from streams.keys import LogKeyRing
from streams.log import EventLog
from streams.webhooks.network import SystemResolver
from streams.webhooks.registrar import Registrar


def build_api(settings: Settings, log: EventLog, clock: adapters.Clock, waitless: adapters.Clock) -> FastAPI:
    """The app over the real log and the real store. ``waitless``: the same clock for the event loop."""

    def now() -> datetime:
        return datetime.fromtimestamp(waitless() / 1000.0, UTC)

    return create_app(
        ApiDependencies(
            # Events are taken in whether or not ClickHouse is there: only queries need it.
            queries=ClickHouseQueries(adapters.clickhouse(settings, reader=settings.embedded_store, later=True)),
            ingest=adapters.the_ingest(settings, log, clock),
            keys=LogKeyRing(log),
            log_state=log,
            now=now,
            site_timezone=settings.site_timezone,
            cache=CacheLimits(settings.answers_fresh_s, settings.answers_stale_s, max_bytes=settings.answers_max_bytes),
            query_threads=settings.query_threads,
            live_log=log,
            live=LiveLimits(clients=settings.live_clients),
            subscriptions=Registrar(
                # Deliveries are signed by the wall clock, so secrets expire by it, simulated or not.
                log,
                adapters.the_vault(settings),
                adapters.address_rule(settings),
                wall_clock,
                settings.scope_roots,
                sends_email=bool(settings.webhook_smtp_url),
            ),
            resolve=SystemResolver(),
        )
    )
