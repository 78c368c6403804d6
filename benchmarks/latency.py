"""From event to query and to alert, while a city reports at a steady rate and the wall clock runs.

Everything is as in the field: the processes read the wall clock, idle topics get their ticks from the API process, the
log stamps what it takes in. Events are made beforehand and appended every ``SLICE_S`` as they fall due, whether or not
the pipeline keeps up; latency counts from when the oldest event of a slice was due, so nothing hides in a late append.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.city import BURST_DB, city_records, city_registry
from benchmarks.figures import bytes_per_event, nearest_rank
from benchmarks.world import World, new_log_url, world
from gridpulse.latency import LatencyMeter
from schemas.records import NewRecord, TopicPartition
from schemas.topics import topic_of
from streams.log import EventLog

Note = Callable[[str], None]
SLICE_S = 0.02
LOOK_S = 0.02
ALERTS_WITHIN_S = 10.0  # after the last row; what is still missing then is said
SETTLING_S = 5.0  # at the beginning: warm-up, not counted
_BURST = f'"value":{BURST_DB:.1f}'.encode()
_NIGHT = 23  # o'clock at the site: bursts of noise are alarming at night only


@dataclass(slots=True)
class AlertTimes:
    """When alerts came out, and how long after the reading that gave rise to them was due."""

    due_s: dict[tuple[str, int], float] = field(default_factory=dict)  # device, event time -> when it was due
    taken_ms: list[float] = field(default_factory=list)

    def expect(self, records: Sequence[NewRecord], due_s: float) -> None:
        """The bursts among what falls due now will be alerts."""
        for record in records:
            if _BURST in record.value:
                event = orjson.loads(record.value)
                self.due_s[event["data"]["device"], ms_of(event["time"])] = due_s

    def heard(self, subject: str, event_ms: int, now_s: float) -> None:
        due_s = self.due_s.pop((subject, event_ms), None)
        if due_s is not None:
            self.taken_ms.append((now_s - due_s) * 1000.0)

    def percentile_ms(self, ratio: float) -> float | None:
        return round(nearest_rank(self.taken_ms, ratio), 1) if self.taken_ms else None


@dataclass(frozen=True, slots=True)
class Slice:
    due_s: float  # after the beginning
    records: Sequence[NewRecord]


def latency(
    scratch: Path, *, rate: int, seconds: int, devices: int, kafka: bool, partitions: int = 1,
    note: Note = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """``rate``: events per second; ``seconds`` are measured, after some to settle."""
    with new_log_url(scratch, kafka) as url:
        return _on(scratch, url, rate, seconds, devices, partitions, note)


def _on(
    scratch: Path, url: str | None, rate: int, seconds: int, devices: int, partitions: int, note: Note
) -> dict[str, Any]:
    with world(scratch, url, partitions, site_timezone=where_it_is_night()) as live:
        note("warming up: every device is registered and heard once")
        warm(live, devices, partitions)
        note("making the events")
        events = int(rate * (seconds + SETTLING_S))
        start_ms = int(time.time() * 1000) + 10_000 + events // 50  # making one takes some 10 µs
        records = city_records(
            devices, events, partitions, first=devices, start_ms=start_ms - int(devices / rate * 1000),
            interval_s=devices / rate,
        )  # fmt: skip
        pieces = list(slices([record for record in records if b"control.tick" not in record.value], rate))
        note("the load")
        meter, alerts = LatencyMeter(), AlertTimes()
        before = live.spent()
        took_s = _load(live, pieces, start_ms / 1000.0, meter, alerts)
        spent = live.spent().since(before)
        return {
            "rate": rate, "seconds": seconds, "devices": devices, "partitions": partitions, "events": meter.events,
            "bytes_per_event": bytes_per_event(records),
            "events_per_s": round(events / took_s),
            "event_to_queryable_ms": {
                "p50": _rounded(meter.percentile_ms(0.5)), "p99": _rounded(meter.percentile_ms(0.99)),
            },
            "event_to_alert_ms": {"p50": alerts.percentile_ms(0.5), "p99": alerts.percentile_ms(0.99)},
            "alerts": len(alerts.taken_ms), "alerts_missing": len(alerts.due_s),
            "cores_busy": round(spent.total_s / took_s, 2),
            "cores_busy_by_process": {name: round(cpu_s / took_s, 2) for name, cpu_s in spent.cpu_s.items()},
            "rss_mb": live.rss_mb(),
        }  # fmt: skip


def warm(live: World, devices: int, partitions: int) -> None:
    long_ago_ms = int(time.time() * 1000) - 120_000
    known = city_registry(devices, partitions, start_ms=long_ago_ms)
    heard = city_records(devices, devices, partitions, start_ms=long_ago_ms, interval_s=30.0)
    ends = live.append_settled([*known, *heard], partitions)
    live.start("api", "pipeline", "rollup")
    live.wait_until(lambda: live.are_rows_in(ends) and live.are_minutes_in(ends), "warming up")


def slices(records: Sequence[NewRecord], rate: int) -> Iterator[Slice]:
    """What falls due together; the log stamps it."""
    size = max(1, int(rate * SLICE_S))
    for start in range(0, len(records), size):
        piece = [NewRecord(one.topic, one.partition, one.key, one.value) for one in records[start : start + size]]
        yield Slice(start / rate, piece)


def _load(live: World, pieces: Sequence[Slice], start_s: float, meter: LatencyMeter, alerts: AlertTimes) -> float:
    """Append all of it and wait until it is out; the seconds that appending took."""
    offset_s = time.monotonic() - time.time()  # of the two clocks
    began_s = start_s + offset_s
    done = threading.Event()
    watchers = [
        threading.Thread(target=_watch_rows, args=(live, meter, done), daemon=True),
        threading.Thread(target=_watch_alerts, args=(live.log, alerts, done), daemon=True),
    ]
    for watcher in watchers:
        watcher.start()
    for one in pieces:
        wait_s = began_s + one.due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        _append(live, one, began_s, meter, alerts)
    took_s = time.monotonic() - began_s
    live.wait_until(lambda: meter.waiting_events == 0, "the last rows")
    given_up_s = time.monotonic() + ALERTS_WITHIN_S
    live.wait_until(lambda: not alerts.due_s or time.monotonic() > given_up_s, "the last alerts")
    done.set()
    for watcher in watchers:
        watcher.join()
    return took_s


def _append(live: World, one: Slice, began_s: float, meter: LatencyMeter, alerts: AlertTimes) -> None:
    counted = one.due_s >= SETTLING_S
    due_s = began_s + one.due_s
    if counted:
        alerts.expect(one.records, due_s)
    offsets = live.log.append(one.records)
    if counted:
        ends: dict[TopicPartition, tuple[int, int]] = {}
        for record, offset in zip(one.records, offsets, strict=True):
            where = TopicPartition(record.topic, record.partition)
            ends[where] = (offset + 1, ends.get(where, (0, 0))[1] + 1)
        meter.appended(ends, due_s)


def _watch_rows(live: World, meter: LatencyMeter, done: threading.Event) -> None:
    while not done.wait(LOOK_S):
        queryable = live.queryable()
        meter.looked(queryable, time.monotonic())


def _watch_alerts(log: EventLog, alerts: AlertTimes, done: threading.Event) -> None:
    with log.reader(log.end_offsets([topic_of("alerts")])) as reader:
        while not done.is_set():
            for batch in reader.poll(1000, LOOK_S):
                now_s = time.monotonic()
                for value in batch.values:
                    data = orjson.loads(value)["data"]
                    alerts.heard(data.get("subject", ""), data.get("updated_time_ms", 0), now_s)


def where_it_is_night() -> str:
    """A zone of whole hours in which it is night now."""
    ahead_h = (_NIGHT - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead_h:+d}" if ahead_h else "Etc/GMT"


def ms_of(time_text: str) -> int:
    return round(datetime.fromisoformat(time_text).timestamp() * 1000)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
