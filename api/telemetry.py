"""Prometheus metrics of the API, in a registry of their own (one per app, so tests do not share counts)."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.freshness import FreshnessNow
from streams.ports import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Telemetry:
    """Counts and gauges; what is counted is said in each help text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gridpulse_http_requests_total", "requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "gridpulse_http_request_seconds", "time to answer", ("method", "route"), registry=self.registry,
            buckets=LATENCY_BUCKETS_S,
        )  # fmt: skip
        self._events = Counter(
            "gridpulse_ingest_events_total", "events by HTTP: accepted, duplicate, or rejected with reason",
            ("status", "reason"), registry=self.registry,
        )  # fmt: skip
        self._found = Counter(
            "gridpulse_answers_total",
            "query answers: hit, stale (given while a new one is made), miss, coalesced with a miss, or off",
            ("kind", "how"), registry=self.registry,
        )  # fmt: skip
        self._kept = Gauge("gridpulse_answers_kept", "answers in the cache", registry=self.registry)
        self._kept_bytes = Gauge("gridpulse_answers_kept_bytes", "their size", registry=self.registry)
        self._live = Gauge("gridpulse_live_clients", "open live streams", registry=self.registry)
        self._live_ended = Counter(
            "gridpulse_live_ended_total", "live streams that ended: gone, slow, revoked, log, stopping or lifetime",
            ("why",), registry=self.registry,
        )  # fmt: skip
        self._live_resumed = Counter(
            "gridpulse_live_resumed_total", "clients that came back: resumed, or why they were reset",
            ("how",), registry=self.registry,
        )  # fmt: skip
        self._lag_events = Gauge("gridpulse_lag_events", "records not yet queryable", registry=self.registry)
        self._lag_s = Gauge("gridpulse_lag_seconds", "log time not yet queryable", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(seconds)

    def ingested(self, answers: Iterable[Answer]) -> None:
        for (status, reason), count in Tally((answer.status, answer.reason or "") for answer in answers).items():
            self._events.labels(status, reason).inc(count)

    def found(self, kind: str, how: str) -> None:
        """Where an answer came from."""
        self._found.labels(kind, how).inc()

    def watch_cache(self, entries: Callable[[], int], size: Callable[[], int]) -> None:
        """Ask these when scraped."""
        self._kept.set_function(entries)
        self._kept_bytes.set_function(size)

    def watch_live(self, clients: Callable[[], int]) -> None:
        """Ask this when scraped."""
        self._live.set_function(clients)

    def live_ended(self, why: str) -> None:
        self._live_ended.labels(why).inc()

    def live_resumed(self, how: str) -> None:
        self._live_resumed.labels(how).inc()

    def exposition(self, freshness: FreshnessNow | None) -> bytes:
        """The text that Prometheus scrapes; unknown lags are NaN."""
        events = freshness.lag_events if freshness else None
        seconds = freshness.lag_s if freshness else None
        self._lag_events.set(float("nan") if events is None else events)
        self._lag_s.set(float("nan") if seconds is None else seconds)
        return generate_latest(self.registry)


class TelemetryMiddleware:
    """Counts every HTTP request by its route's template, never by the path as sent."""

    def __init__(
        self, app: ASGIApp, telemetry: Telemetry, monotonic_s: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._monotonic_s = monotonic_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began_s = self._monotonic_s()
        answered_s: float | None = None

        async def watch(message: Message) -> None:
            nonlocal status, answered_s
            if message["type"] == "http.response.start":
                status, answered_s = message["status"], self._monotonic_s()  # a live stream goes on for hours
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            ended_s = self._monotonic_s() if answered_s is None else answered_s
            self._telemetry.answered(scope["method"], route, status, ended_s - began_s)
