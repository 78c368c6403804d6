"""Clocks that are wrong and uploads that come late harm nobody else, and never set the present back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.client import Client
from projections.rollup import RollupWorker
from schemas.catalogue import BY_NAME, EVENT_TYPES
from schemas.event import Event, tick_record
from schemas.records import NewRecord, RawBatch, TopicPartition
from schemas.strict import Limits, parse_strict
from schemas.times import rfc3339
from schemas.topics import DOMAIN_TOPICS, partition_key, partition_of, topic_of
from streams.log_memory import MemoryLog
from tests.detectors.batches import HOUR, MINUTE, SECOND, Say, device_entry, heartbeat, laeq
from tests.detectors.streams import START_MS
from tests.flow.random_streams import LANES, QUICK, Disorder, random_log
from tests.flow.test_determinism import StoreWriter, digest
from tests.flow.world import NOW_MS, CrashError, World, district

SCOPE = "wuhu/jinghu/tingtang/jianyang/g1"
AHEAD = "fast-clock"
END_MS = START_MS + 40 * HOUR
ORDERLY = Disorder(4, late_ratio=0.0, repeat_ratio=0.0, skew_ratio=0.0, garbage_ratio=0.0)


def record(row: Say, event_id: str) -> NewRecord:
    """The row as a record in its partition."""
    event_ms = row.recorded_ms if row.event_ms is None else row.event_ms
    version = BY_NAME["cn.gridpulse." + row.kind].version
    event = {
        "specversion": "1.0", "id": event_id, "source": "//wrong-time",
        "type": f"cn.gridpulse.{row.kind}.v{version}", "time": rfc3339(event_ms), "scope": SCOPE,
        "data": {name: value for name, value in row.data.items() if value is not None},
    }  # fmt: skip
    key = partition_key(SCOPE).encode()
    topic = topic_of(row.kind.split(".")[0])
    return NewRecord(topic, partition_of(key, LANES), key, orjson.dumps(event), recorded_time_ms=row.recorded_ms)


def log_of(rows: list[Say], until_ms: int, others: tuple[NewRecord, ...] = ()) -> tuple[NewRecord, ...]:
    """The rows and ``others`` in recorded order, with ticks every minute."""
    records = [record(row, f"own{n}") for n, row in enumerate(rows)]
    for at_ms in range(START_MS, until_ms + 1, 10 * MINUTE):
        records += [tick_record(topic, lane, at_ms) for topic in DOMAIN_TOPICS for lane in range(LANES)]
    return tuple(sorted((*others, *records), key=lambda one: one.recorded_time_ms or 0))


def said_of_others(world: World) -> list[bytes]:
    everything = [value for family in ("detections", "alerts") for value in world.said(family)]
    return sorted(value for value in everything if AHEAD.encode() not in value)


def rows_of_others(world: World) -> list[str]:
    """Domain rows without the place of the record, which the other device's records move."""
    rows = (row for row in world.domain_rows().values() if AHEAD not in row)
    return sorted(row.split("'offset'")[0] + row.split("}|{")[1] for row in rows)


def ahead_by(ahead_ms: int) -> list[Say]:
    """A device that beats and measures every three minutes for a day, stops for six hours and comes back."""
    times = [at for at in range(START_MS, START_MS + 40 * HOUR, 3 * MINUTE) if not 24 <= (at - START_MS) / HOUR < 30]
    rows = [device_entry(START_MS, AHEAD, "noise", noise_zone="2")]
    for at in times:
        rows += [heartbeat(at, AHEAD, event_ms=at + ahead_ms), laeq(at, AHEAD, 48.0, 180.0, event_ms=at + ahead_ms)]
    return rows


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("undisturbed"), records=log_of([], END_MS, random_log(ORDERLY)), params=QUICK)
    world.run()
    return world


@pytest.mark.parametrize("ahead_ms", [0, 5 * MINUTE, 5 * MINUTE + 1])
def test_a_clock_ahead_moves_nobody_elses_time(ahead_ms: int, undisturbed: World, tmp_path: Path) -> None:
    records = log_of(ahead_by(ahead_ms), END_MS, random_log(ORDERLY))
    world = World(tmp_path, records=records, params=QUICK)
    world.run()
    assert said_of_others(world) == said_of_others(undisturbed)
    assert rows_of_others(world) == rows_of_others(undisturbed)
    assert len(rows_of_others(world)) > 1000
    letters = [orjson.loads(value)["data"] for value in world.said("deadletters")]
    letters = [letter for letter in letters if b"//wrong-time" in base64.b64decode(letter["raw_base64"])]
    refused = ahead_ms > 5 * MINUTE
    assert {letter["reason"] for letter in letters} == ({"time_ahead"} if refused else set())
    assert len(letters) == (2 * 680 if refused else 0)
    own = [orjson.loads(value)["data"] for value in world.said("detections") if AHEAD.encode() in value]
    statuses = [one["status"] for one in own if "status" in one]
    assert statuses == ([] if refused else ["online", "offline", "online", "offline"])  # at last as everybody


def buffered(outage_from: int, back: int) -> list[Say]:
    """A meter that loses its network, sends what is new first when it is back, and then what it had kept."""
    rows = [device_entry(START_MS, "meter", "noise", noise_zone="2")]
    for n, at in enumerate(range(START_MS, back + 30 * MINUTE, MINUTE)):
        lost = outage_from <= at < back
        recorded_ms = back + 5 * SECOND + n if lost else at
        rows.append(heartbeat(recorded_ms, "meter", event_ms=at))
        rows.append(laeq(recorded_ms, "meter", 40.0 + n / 100, event_ms=at))
    return rows


def test_uploads_after_an_outage_do_not_set_the_present_back(
    new_database: Callable[..., Client], tmp_path: Path
) -> None:
    outage_from, back = START_MS + 6 * HOUR, START_MS + 9 * HOUR
    rows = [row for row in buffered(outage_from, back) if row.recorded_ms <= back + 30 * SECOND]
    client = new_database()
    records = log_of(rows, back + 10 * MINUTE)
    world = World(tmp_path, records=records, params=QUICK, new_writer=partial(StoreWriter, client))
    world.run()
    world.run()  # what it said itself

    newest = max(row.event_ms for row in rows if row.event_ms is not None)
    assert newest == back  # said first, and everything after it is older
    assert rows[-1].recorded_ms <= back + 30 * SECOND
    at = datetime.fromtimestamp(newest / 1000, UTC)
    value = next(row.data["value"] for row in rows if row.kind == "readings.measured" and row.event_ms == newest)
    assert client.query("SELECT event_time, value FROM latest_readings WHERE device = 'meter'").rows == [(at, value)]
    seen = client.query("SELECT last_seen_time, last_recorded_time FROM device_last_seen WHERE device = 'meter'").rows
    latest_upload = datetime.fromtimestamp(max(row.recorded_ms for row in rows) / 1000, UTC)
    assert seen == [(at, latest_upload)]
    said = [orjson.loads(one)["data"] for one in world.said("detections")]
    assert [one["status"] for one in said if "status" in one] == ["online", "offline", "online"]
    assert client.query("SELECT status FROM device_status WHERE device = 'meter'").rows == [("online",)]

    RollupWorker(client).catch_up()  # and the hours of the outage are there
    hours = "SELECT window_start, count FROM metric_noise_laeq WHERE grain = 'hour' ORDER BY window_start"
    start = datetime.fromtimestamp(START_MS / 1000, UTC)
    wanted = {start + timedelta(hours=n): 60 for n in range(9)} | {start + timedelta(hours=9): 1}
    assert {at: count for at, count in client.query(hours).rows} == wanted  # noqa: C416
    assert client.query("SELECT count() FROM late_events").rows == [(0,)]


class SteppingLog(MemoryLog):
    """As Kafka with a broker whose clock steps back: a reader knows the times of what it has read itself."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW_MS)
        self._raw_ms: dict[TopicPartition, list[int]] = {}

    def append(self, records: Any) -> list[int]:
        for one in records:
            stamp = NOW_MS if one.recorded_time_ms is None else one.recorded_time_ms
            times = self._raw_ms.setdefault(TopicPartition(one.topic, one.partition), [])
            slow = len(times) % 40 >= 30  # ten of forty records are stamped by a broker 20 min behind
            times.append(stamp - 20 * MINUTE if slow else stamp)
        return super().append(records)

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        batch = super().read(where, offset, max_records)
        if len(batch):
            raw_ms = self._raw_ms[where][offset : offset + len(batch)]
            batch.recorded_time_ms[:] = np.maximum.accumulate(np.array(raw_ms, dtype=np.int64))
        return batch


def test_a_brokers_clock_that_steps_back_changes_nothing_between_runs(tmp_path: Path) -> None:
    """One go, small batches, crashes: each resumes elsewhere, where the running maximum can't be read any more."""
    numbers: Iterator[int] = iter(range(100))

    def new() -> World:
        return World(tmp_path / str(next(numbers)), SteppingLog(), random_log(Disorder(6)), QUICK)

    whole = new()
    whole.run(max_batch_records=1_000_000)
    whole.run()
    reference = digest(whole)
    crashed = new()
    for ahead in (2, 5, 9, 4):
        with pytest.raises(CrashError):
            crashed.run(crash_at=crashed.kept.batches + ahead, after=ahead % 2 == 0, max_batch_records=70)
    crashed.run(max_batch_records=70)
    crashed.run()
    assert digest(crashed) == reference
    assert whole.said("detections")


def test_the_simulated_uploads_are_within_lateness() -> None:
    lags_ms = []
    for one in district():
        assert one.recorded_time_ms is not None
        event = parse_strict(one.value, None, one.recorded_time_ms, Limits())
        if isinstance(event, Event):
            assert not event.event_type.is_late(event.source, event.event_time_ms, one.recorded_time_ms)
            lags_ms.append(one.recorded_time_ms - event.event_time_ms)
    assert max(lags_ms) > HOUR  # there are some


@given(
    event_type=st.sampled_from(EVENT_TYPES),
    event_ms=st.integers(-(2**40), 2**42),
    lag_ms=st.integers(-5 * MINUTE, 30 * 24 * HOUR),
    more_ms=st.integers(0, 30 * 24 * HOUR),
    source=st.sampled_from(["//test", "//import/nab", "//imports"]),
)
def test_what_is_late_stays_late(event_type: Any, event_ms: int, lag_ms: int, more_ms: int, source: str) -> None:
    """So the first record of an event is in time if any is, and counts: no later one takes it out of its minute."""
    late = event_type.is_late(source, event_ms, event_ms + lag_ms)
    assert event_type.is_late(source, event_ms, event_ms + lag_ms + more_ms) >= late
    assert not (late and lag_ms <= 24 * HOUR)  # a day is in time whatever it is
    assert not (late and source == "//import/nab")
