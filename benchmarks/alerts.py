"""From events to people: an alert's way to a webhook, many deliveries while endpoints hang, many clients of the live
stream.

The first is measured as in the field, with every process that ``gridpulse up`` starts and a steady rate of a city's
events; latency counts from when the event was due to when its webhook was whole at the receiver, so nothing hides in
a late append. The other two are measured one after the other, each with what it needs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.city import city_records
from benchmarks.deliveries import LOOPBACK, deliveries, ping, subscribe
from benchmarks.figures import bytes_per_event
from benchmarks.latency import AlertTimes, Slice, ms_of, slices, warm, where_it_is_night
from benchmarks.sse_clients import sse_clients
from benchmarks.webhook_endpoints import Arrived, Endpoints
from benchmarks.world import World, new_log_url, world

Note = Callable[[str], None]
BURST_EVERY: Final = 25  # one meter in so many bursts at a turn: an alert for every 250 events
ALERTS_WITHIN_S: Final = 10.0  # after the last event; what is still missing then is said
LIVE_ALERTS_PER_S: Final = 20.0
LIVE_S: Final = 10.0
_MAKING_US: Final = 40  # an event, on a slow machine


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. ``seconds`` are measured, after ``settling_s``."""

    rate: int = 5_000
    seconds: int = 20
    devices: int = 50_000
    partitions: int = 1
    endpoints: int = 50
    endpoints_hanging: int = 10
    steps: int = 500  # in the log for every endpoint
    clients: int = 1_000
    settling_s: float = 5.0
    live_s: float = LIVE_S


def alerts(scratch: Path, sizes: Sizes, *, kafka: bool, note: Note = lambda _: None) -> dict[str, Any]:
    """All three parts. ``kafka``: the log of the first two; live clients are measured on SQLite."""
    with new_log_url(scratch / "told", kafka) as url:
        told = event_to_webhook(scratch / "told", url, sizes, note)
    note("the delivery worker, while endpoints hang")
    with new_log_url(scratch / "sent", kafka) as url:
        sent = deliveries(
            scratch / "sent", url, alerts=sizes.steps, endpoints=sizes.endpoints, hanging=sizes.endpoints_hanging
        )
    note("the live stream's clients")
    live = sse_clients(sizes.clients, LIVE_ALERTS_PER_S, sizes.live_s)
    return {
        **told, **sent,
        "sse_clients": live["clients_served"], "sse_clients_lost": live["clients_lost"],
        "sse_alerts": live["alerts"], "sse_append_to_received_ms": live["append_to_received_ms"],
    }  # fmt: skip


def event_to_webhook(scratch: Path, url: str | None, sizes: Sizes, note: Note = lambda _: None) -> dict[str, Any]:
    """A city's events with bursts of noise that alarm, everything running, and one subscriber who answers."""
    times, pinged = AlertTimes(), threading.Event()
    with (
        world(scratch, url, sizes.partitions, site_timezone=where_it_is_night(), **LOOPBACK) as live,
        Endpoints(1, 0, lambda arrived: _hear(arrived, times, pinged)) as receiver,
    ):
        note("warming up: every device is registered and heard once")
        warm(live, sizes.devices, sizes.partitions)
        live.start("webhooks")
        (subscription,) = subscribe(live.settings, live.log, receiver.urls)
        ping(live.settings, live.log, subscription)
        live.wait_until(pinged.is_set, "the first ping")
        note("making the events")
        pieces, start_s, size = _events(sizes)
        note("the load")
        before = live.spent()
        took_s = _load(live, pieces, start_s, sizes.settling_s, times)
        spent = live.spent().since(before)
        return {
            "rate": sizes.rate, "seconds": sizes.seconds, "devices": sizes.devices, "partitions": sizes.partitions,
            "events": sum(len(one.records) for one in pieces if one.due_s >= sizes.settling_s),
            "bytes_per_event": size,
            "alerts": len(times.taken_ms), "alerts_missing": len(times.due_s),
            "alerts_per_s": round((len(times.taken_ms) + len(times.due_s)) / sizes.seconds, 1),
            "event_to_webhook_ms": {"p50": times.percentile_ms(0.5), "p99": times.percentile_ms(0.99)},
            "cores_busy": round(spent.total_s / took_s, 2),
            "cores_busy_by_process": {name: round(cpu_s / took_s, 2) for name, cpu_s in spent.cpu_s.items()},
        }  # fmt: skip


def _hear(arrived: Arrived, times: AlertTimes, pinged: threading.Event) -> None:
    message = orjson.loads(arrived.body)
    if message["type"] == "subscription.ping":
        pinged.set()
    elif message["type"] == "alert.opened":
        data = message["data"]
        times.heard(data["subject"], ms_of(data["updated_time"]), arrived.at_s)


def _events(sizes: Sizes) -> tuple[list[Slice], float, int]:
    """What falls due together, when all of it begins, and the bytes of an event."""
    events = int(sizes.rate * (sizes.seconds + sizes.settling_s))
    interval_s = sizes.devices / sizes.rate
    start_ms = int(time.time() * 1000) + 1_000 + events * _MAKING_US // 1_000
    records = city_records(
        sizes.devices, events, sizes.partitions, first=sizes.devices, start_ms=start_ms - int(interval_s * 1000),
        interval_s=interval_s, burst_every=BURST_EVERY,
    )  # fmt: skip
    pieces = list(slices([record for record in records if b"control.tick" not in record.value], sizes.rate))
    return pieces, start_ms / 1000.0, bytes_per_event(records)


def _load(live: World, pieces: list[Slice], start_s: float, settling_s: float, times: AlertTimes) -> float:
    """Append all of it as it falls due, and wait for the webhooks; the seconds that appending took."""
    began_s = start_s + time.monotonic() - time.time()
    for one in pieces:
        due_s = began_s + one.due_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        if one.due_s >= settling_s:
            times.expect(one.records, due_s)
        live.log.append(one.records)
    took_s = time.monotonic() - began_s
    given_up_s = time.monotonic() + ALERTS_WITHIN_S
    live.wait_until(lambda: not times.due_s or time.monotonic() > given_up_s, "the last webhooks")
    return took_s
