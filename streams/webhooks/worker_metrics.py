"""Prometheus metrics of the delivery worker, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.webhooks.deliveries import Answer, Settled

_LATENCY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
_TOLD_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0, 3600.0, 86_400.0)


class WorkerMetrics:
    """What is counted is said in each help text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._attempts = Counter(
            "gridpulse_webhook_attempts_total",
            "attempts to deliver: delivered, failed (tried again), abandoned (not tried again)",
            ("outcome",), registry=self.registry,
        )  # fmt: skip
        self._failures = Counter(
            "gridpulse_webhook_failures_total", "attempts not taken, by status class; none: no answer", ("status",),
            registry=self.registry,
        )  # fmt: skip
        self._latency = Histogram(
            "gridpulse_webhook_attempt_seconds", "time from connecting to the answer", registry=self.registry,
            buckets=_LATENCY_BUCKETS_S,
        )  # fmt: skip
        self._told = Histogram(
            "gridpulse_webhook_told_seconds", "time from the alert step's record to its being delivered",
            registry=self.registry, buckets=_TOLD_BUCKETS_S,
        )  # fmt: skip
        self._waiting = Gauge("gridpulse_webhook_waiting", "deliveries in the outbox", registry=self.registry)
        self._lines = Gauge("gridpulse_webhook_lines", "lines (subscription and subject) that wait",
                            registry=self.registry)  # fmt: skip
        self._under_way = Gauge("gridpulse_webhook_under_way", "deliveries being sent", registry=self.registry)

    def attempted(self, settled: Settled, answer: Answer, told_ms: int) -> None:
        """An attempt is over; ``told_ms``: how long after its record."""
        self._attempts.labels(settled.outcome).inc()
        if answer.latency_ms is not None:
            self._latency.observe(answer.latency_ms / 1000.0)
        if settled.outcome == "delivered":
            self._told.observe(told_ms / 1000.0)
        else:
            self._failures.labels("none" if answer.status_code is None else f"{answer.status_code // 100}xx").inc()

    def depth(self, deliveries: int, lines: int) -> None:
        """How much waits."""
        self._waiting.set(deliveries)
        self._lines.set(lines)

    def watch(self, under_way: Callable[[], int]) -> None:
        """Ask this when scraped."""
        self._under_way.set_function(under_way)
