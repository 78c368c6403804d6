"""The delivery worker alone: many alerts in the log, many endpoints, of which some take requests and never answer.

Counted is what the healthy endpoints got, each message once, from the first arrival to the last: how fast the worker is
while others hang. The worker is a process of its own on a log of its own; everything it stores and says is in the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.webhook_endpoints import HOST, Arrived, Endpoints
from benchmarks.world import wait_until
from gridpulse import adapters
from gridpulse.serving import allow_files
from gridpulse.settings import Settings, load_settings
from gridpulse.up import child
from schemas.event import new_event, to_new_record
from schemas.families.system import Alert
from schemas.records import NewRecord
from streams.clocks import wall_clock
from streams.log import EventLog
from streams.ports import Principal
from streams.supervise import Supervisor
from streams.webhooks.registrar import Registrar, Wish

SCOPE: Final = "wuhu/jinghu/tingtang/jianyang/g03"
LOOPBACK: Final[dict[str, object]] = {"webhook_allow_http": True, "webhook_allow_private": f"{HOST}/32"}
"""Settings with which webhooks may go to endpoints of this benchmark."""
_OWNER: Final = Principal("bench", "admin", "")
_TIMEOUT_S: Final = 600.0
_LOOK_S: Final = 0.05
_SUBJECTS: Final = 100


@dataclass(slots=True)
class _Got:
    """What arrived at endpoints that answer."""

    messages: set[tuple[int, bytes]] = field(default_factory=set)
    repeats: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    def heard(self, arrived: Arrived) -> None:
        message = arrived.endpoint, arrived.webhook_id
        if message in self.messages:
            self.repeats += 1
            return
        self.first_s = self.first_s if self.messages else arrived.at_s
        self.last_s = arrived.at_s
        self.messages.add(message)


def deliveries(scratch: Path, url: str | None, *, alerts: int, endpoints: int, hanging: int) -> dict[str, Any]:
    """``alerts`` to each of ``endpoints``, of which ``hanging`` never answer."""
    allow_files(1_024)
    settings = load_settings({"data_dir": scratch / "data", "log_url": url, **LOOPBACK})
    got, healthy = _Got(), endpoints - hanging
    supervisor = Supervisor(settings.data_dir / "logs")
    with adapters.the_log(settings) as log, Endpoints(healthy, hanging, got.heard) as receivers:
        subscribe(settings, log, receivers.urls)
        log.append(alert_records(alerts, settings.partitions, wall_clock()))
        try:
            supervisor.start(child(settings, "webhooks"))
            worker = psutil.Process(supervisor.pids()["webhooks"])
            wait_until(
                lambda: len(got.messages) >= alerts * healthy, "everything at the healthy endpoints", supervisor,
                timeout_s=_TIMEOUT_S, look_s=_LOOK_S,
            )  # fmt: skip
            times = worker.cpu_times()
        finally:
            supervisor.stop()
    return {
        "endpoints": endpoints, "endpoints_hanging": hanging, "deliveries": len(got.messages),
        "deliveries_repeated": got.repeats,
        "deliveries_per_s": round((len(got.messages) - 1) / max(got.last_s - got.first_s, 1e-9)),
        "worker_cpu_ms_per_delivery": round((times.user + times.system) * 1000.0 / len(got.messages), 3),
    }  # fmt: skip


def subscribe(settings: Settings, log: EventLog, urls: Sequence[str]) -> list[str]:
    """A subscription to all alerts for each URL."""
    registrar = registrar_of(settings, log)
    return [registrar.create(_OWNER, "standard", "", Wish(url=url))[0].subscription for url in urls]


def ping(settings: Settings, log: EventLog, subscription: str) -> str:
    """Order a test delivery; the message's id."""
    return registrar_of(settings, log).ping(_OWNER, subscription)


def registrar_of(settings: Settings, log: EventLog) -> Registrar:
    return Registrar(log, adapters.the_vault(settings), adapters.address_rule(settings), wall_clock)


def alert_records(count: int, partitions: int, now_ms: int) -> list[NewRecord]:
    """Alert steps of so many subjects in turn, all said just now."""
    return [
        alert_record(f"bench-{number}", number % _SUBJECTS, number // _SUBJECTS + 1, partitions, now_ms)
        for number in range(count)
    ]


def alert_record(name: str, number: int, count: int, partitions: int, now_ms: int) -> NewRecord:
    """Step ``count`` of an alert about a numbered subject, as the pipeline writes it. ``name``: the event's id."""
    subject = f"noise-{number:04}"
    data = Alert(
        alert=f"al-{number:012x}", alert_key=f"noise_limit/night_burst/{subject}",
        step="opened" if count == 1 else "updated", detector="noise_limit", rule="night_burst", subject=subject,
        severity="warning", count=count, opened_time_ms=now_ms, updated_time_ms=now_ms, score=1.4, threshold=1.0,
        baseline=50.0, observed=70.1, unit="dB(A)", model_version="noise_limit/1",
        reason_zh="夜间突发噪声 70.1 dB(A),超过 2 类区限值 50 dB(A) 15 dB(A) 以上。",
        reason_en="A burst of 70.1 dB(A) at night exceeds the class 2 limit of 50 dB(A) by more than 15 dB(A).",
        detected_time_ms=now_ms,
    )  # fmt: skip
    event = new_event(data, id=name, source="/gridpulse/incidents", scope=SCOPE, event_time_ms=now_ms)
    return to_new_record(event, partitions, None)
