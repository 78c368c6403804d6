"""The demo's live table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from gridpulse.demo_feed import Feeder
from gridpulse.demo_receiver import Receiver
from gridpulse.demo_watch import Watcher
from gridpulse.demo_webhooks import line
from streams.supervise import Supervisor

KINDS = {
    "irregular_movement": "轨迹异常 · irregular movement",
    "device_offline": "设备离线 · device offline",
    "noise_limit": "噪声超限 · noise over limit",
}


@dataclass(slots=True)
class View:
    """Figures of the moment; rates are over the last second or so."""

    events: int = 0
    queryable: int = 0
    events_per_s: float = 0.0
    lag_events: int = 0
    lag_s: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    simulated: str = ""
    alerts: dict[str, dict[str, int]] = field(default_factory=dict)
    dead_letters: int = 0
    restarts: int = 0
    received: int = 0
    verified: int = 0
    latest: str = ""
    _at_s: float | None = None
    _next_s: float = 0.0
    _next_line_s: float = 0.0
    _now_s: float = 0.0

    def due(self, now_s: float) -> bool:
        self._now_s = now_s
        if now_s < self._next_s:
            return False
        self._next_s = now_s + 1.0
        return True

    def due_line(self, now_s: float) -> bool:
        """A line every five seconds where there is no terminal to draw on."""
        if now_s < self._next_line_s:
            return False
        self._next_line_s = now_s + 5.0
        return True

    def update(self, feeder: Feeder, watcher: Watcher, supervisor: Supervisor, receiver: Receiver) -> None:
        queryable = watcher.meter.events
        if self._at_s is not None and self._now_s > self._at_s:
            self.events_per_s = (queryable - self.queryable) / (self._now_s - self._at_s)
        self._at_s, self.queryable, self.events = self._now_s, queryable, feeder.events
        oldest_s = watcher.meter.oldest_waiting_s
        self.lag_events = watcher.meter.waiting_events
        self.lag_s = 0.0 if oldest_s is None else max(0.0, self._now_s - oldest_s)
        self.p50_ms, self.p99_ms = watcher.meter.percentile_ms(0.5), watcher.meter.percentile_ms(0.99)
        local = datetime.fromtimestamp(feeder.now_ms / 1000.0, UTC).astimezone(ZoneInfo("Asia/Shanghai"))
        self.simulated = local.strftime("%Y-%m-%d %H:%M")
        self.alerts, self.dead_letters, self.restarts = watcher.alert_counts, watcher.dead_letters, supervisor.restarts
        self.received, self.verified = receiver.received, receiver.verified
        self.latest = "" if receiver.latest is None else line(receiver.latest)

    def line(self) -> str:
        alerts = "  ".join(f"{kind} {self.alerts.get(kind, {}).get('all', 0)}" for kind in KINDS)
        return (
            f"{self.simulated}  {self.events_per_s:,.0f} events/s  lag {self.lag_events:,} events {self.lag_s:.2f} s"
            f"  alerts: {alerts}  webhooks {self.received:,}  dead letters {self.dead_letters}"
        )


def render(view: View) -> Table:
    """Two columns: what, how much."""
    table = Table(title="GridPulse · 模拟城区 simulated district", show_header=False, min_width=70)
    table.add_row("模拟时间 · simulated time", view.simulated)
    table.add_row("事件 · events", f"{view.events:,}")
    table.add_row("可查询速率 · queryable per second", f"{view.events_per_s:,.0f} events/s")
    table.add_row("滞后 · lag", f"{view.lag_events:,} events, {view.lag_s:.2f} s")
    latency = "–" if view.p99_ms is None else f"{view.p50_ms:,.0f} / {view.p99_ms:,.0f} ms"
    table.add_row("入库到可查 p50/p99 · event to queryable", latency)
    for kind, title in KINDS.items():
        counts = view.alerts.get(kind, {"all": 0, "open": 0})
        table.add_row(f"告警 {title}", f"{counts['all']:,} ({counts['open']:,} 未恢复 open)")
    table.add_row("送达 · webhooks", f"{view.received:,} ({view.verified:,} 已验签 verified)")
    if view.latest:
        table.add_row("最近送达 · latest", Text(view.latest))
    table.add_row("死信 · dead letters", f"{view.dead_letters:,}")
    if view.restarts:
        table.add_row("进程重启 · restarts", str(view.restarts))
    return table
