"""Ingest by HTTP: a real API process, and several senders that post batches of a city's events to it.

Counted is what the API has acknowledged, which is durable in the log by then; the log is asked whether it is all there.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import psutil

from benchmarks.city import city_records
from benchmarks.figures import cpu_seconds, nearest_rank
from benchmarks.world import settings_on_a_log
from gridpulse import adapters
from gridpulse.free_ports import free_ports
from gridpulse.settings import Settings
from gridpulse.up import api_child
from schemas.topics import DOMAIN_TOPICS
from streams.log import EventLog
from streams.supervise import Supervisor

DEVICES: Final = 10_000
PARTITIONS: Final = 2
BATCH_EVENTS: Final = 1_000
SENDERS: Final = 4
_NDJSON: Final = "application/x-ndjson"
_FROM_INGEST: Final = re.compile(rb'"(?:recordedtime|partitionkey)":"[^"]*",')  # a device sends neither
_TIMEOUT_S: Final = 60.0


class RefusedError(Exception):
    """The API did not accept what it should have; the message has its answer."""


@dataclass(slots=True)
class _Told:
    """What the senders were told."""

    accepted: int = 0
    requests_ms: list[float] = field(default_factory=list)
    failure: BaseException | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def ingest(
    *, events: int, kafka: bool, scratch: Path, runs: int = 3, senders: int = SENDERS, batch_events: int = BATCH_EVENTS
) -> dict[str, Any]:
    """``runs`` times ``events``, each posted once; medians."""
    (api_port,) = free_ports(1)
    with (
        settings_on_a_log(scratch, kafka, partitions=PARTITIONS, api_port=api_port, ticker=False) as settings,
        adapters.the_log(settings) as log,
        _api(settings) as pid,
    ):
        _, key = adapters.issue_api_key(settings, "writer", "", "benchmark")
        _run(settings, key, _bodies(batch_events, 0, batch_events), 1, pid)  # the first request imports and learns
        measured = [
            _run(settings, key, _bodies(events, batch_events + run * events, batch_events), senders, pid)
            for run in range(runs)
        ]
        medians = {name: round(statistics.median(one[name] for one in measured), 2) for name in measured[0]}
        return {
            "events": events,
            "bytes_per_event": round(sum(map(len, _values(events, 0))) / events),
            "runs": runs,
            "senders": senders,
            "events_per_request": batch_events,
            **medians,
            "accepted": sum(int(one["accepted"]) for one in measured),
            "in_log": _in_log(log) - batch_events,
            "api_rss_mb": round(psutil.Process(pid).memory_info().rss / 1e6),
        }


def _values(events: int, first: int) -> list[bytes]:
    records = city_records(DEVICES, events, PARTITIONS, first=first)
    return [_FROM_INGEST.sub(b"", record.value) for record in records if record.key]  # ticks have none


def _bodies(events: int, first: int, batch_events: int) -> list[bytes]:
    values = _values(events, first)
    return [b"\n".join(values[start : start + batch_events]) for start in range(0, len(values), batch_events)]


def _run(settings: Settings, key: str, bodies: Sequence[bytes], senders: int, pid: int) -> dict[str, float]:
    told = _Told()
    waiting = iter(bodies)
    threads = [threading.Thread(target=_send, args=(settings, key, waiting, told)) for _ in range(senders)]
    process = psutil.Process(pid)
    cpu_s, began_s = cpu_seconds(process), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s, cpu_s = time.monotonic() - began_s, cpu_seconds(process) - cpu_s
    if told.failure is not None:
        raise told.failure
    return {
        "accepted": told.accepted,
        "events_per_s": told.accepted / wall_s,
        "api_cpu_us_per_event": cpu_s / told.accepted * 1e6,
        "request_p50_ms": statistics.median(told.requests_ms),
        "request_p99_ms": nearest_rank(told.requests_ms, 0.99),
    }


def _send(settings: Settings, key: str, bodies: Iterator[bytes], told: _Told) -> None:
    """Post one body after the other on one connection, taking turns with the other senders."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": _NDJSON}
    connection = http.client.HTTPConnection(settings.api_host, settings.api_port, timeout=_TIMEOUT_S)
    try:
        while told.failure is None:
            with told.lock:
                body = next(bodies, None)
            if body is None:
                return
            began_s = time.monotonic()
            connection.request("POST", "/v1/events", body, headers)
            response = connection.getresponse()
            content = response.read()
            took_ms = (time.monotonic() - began_s) * 1000.0
            if response.status != 202 or (answer := orjson.loads(content))["rejected"]:
                raise RefusedError(f"the API answered {response.status}: {content[:500]!r}")
            with told.lock:
                told.accepted += answer["accepted"]
                told.requests_ms.append(took_ms)
    except BaseException as failure:  # noqa: BLE001 - raised by whoever waits for the senders
        told.failure = failure
    finally:
        connection.close()


def _in_log(log: EventLog) -> int:
    """Records of the domain topics; no ticker runs."""
    ends, starts = log.end_offsets(DOMAIN_TOPICS), log.earliest_offsets(DOMAIN_TOPICS)
    return sum(ends[where] - starts[where] for where in ends)


@contextlib.contextmanager
def _api(settings: Settings) -> Iterator[int]:
    """The API's process; its id. ClickHouse is not needed to take events in."""
    supervisor = Supervisor(settings.data_dir / "logs")
    try:
        supervisor.start(api_child(settings))
        yield supervisor.pids()["api"]
    finally:
        supervisor.stop()
