"""Watches from outside what has become queryable: asks ClickHouse, as any reader would."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from gridpulse.latency import LatencyMeter
from projections.client import Client
from projections.progress import queryable
from replay.simulator import ScoredAlert
from schemas.records import TopicPartition

_ALERTS = """
SELECT detector, rule, subject, opened_time_ms, resolved_time_ms
FROM alerts WHERE opened_time_ms >= {from_ms:Int64} ORDER BY opened_time_ms, alert
"""
_COUNTS = "SELECT detector, count(), countIf(resolved_time_ms IS NULL) FROM alerts GROUP BY detector ORDER BY detector"
_DEAD = "SELECT count() FROM dead_letters FINAL"


@dataclass(slots=True)
class Watcher:
    """Polls cheaply; every figure is one that a user could have asked for."""

    client: Client
    meter: LatencyMeter = field(default_factory=LatencyMeter)
    dead_letters: int = 0
    alert_counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def look(self) -> dict[TopicPartition, int]:
        """What can be queried now."""
        reached = queryable(self.client)
        self.meter.looked(reached, time.monotonic())
        return reached

    def count(self) -> None:
        rows = self.client.query(_COUNTS).rows
        self.alert_counts = {str(name): {"all": int(count), "open": int(opened)} for name, count, opened in rows}
        self.dead_letters = int(self.client.query(_DEAD).rows[0][0])

    def alerts(self, from_ms: int) -> list[ScoredAlert]:
        """All alerts opened since."""
        return [ScoredAlert(**row) for row in self.client.query(_ALERTS, {"from_ms": from_ms}).dicts()]
