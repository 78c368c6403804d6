"""The stream: valid, complete, in order, and the same bytes however it is cut and wherever it is entered."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from replay.simulator import DistrictConfig, Simulator
from replay.simulator.chance import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.catalogue import EVENT_TYPES
from schemas.event import Event, to_record_value
from schemas.families.civic import AlertAction, AlertSilence
from schemas.records import NewRecord
from schemas.strict import Limits, parse_strict
from schemas.topics import DOMAIN_FAMILIES, DOMAIN_TOPICS, partition_key, partition_of

SMALL = DistrictConfig(seed=3, communities=2, size=0.5, learning_days=1.0, bad_ratio=0.002)
START_MS = SMALL.start_ms
ROOT = Path(__file__).parents[3]
TICK = b"cn.gridpulse.control.tick"


def events_of(simulator: Simulator, from_ms: int, until_ms: int, slice_ms: int) -> list[NewRecord]:
    """The data records, without ticks."""
    return [
        record
        for piece in simulator.slices(from_ms, until_ms, slice_ms)
        for record in piece.records[: len(piece.records) - simulator.ticks_per_slice]
    ]


@cache
def four_days() -> tuple[NewRecord, ...]:
    simulator = Simulator(SMALL, partitions=3)
    return (*simulator.registry_events(), *events_of(simulator, START_MS, START_MS + 4 * DAY_MS, HOUR_MS))


def digest(records: Iterable[NewRecord]) -> str:
    return hashlib.sha256(b"\n".join(repr(record).encode() for record in records)).hexdigest()


def is_bad(record: NewRecord) -> bool:
    return b'"source":"/iot/faulty/' in record.value


def test_the_strict_parser_accepts_every_event_and_writes_it_back_the_same() -> None:
    for record in four_days():
        if is_bad(record):
            continue
        event = parse_strict(record.value, record.headers, record.recorded_time_ms or 0, Limits())
        assert isinstance(event, Event), (event, record.value)
        if event.version == event.event_type.version:
            assert to_record_value(event, record.recorded_time_ms) == record.value
        assert record.key == partition_key(event.scope).encode()
        assert record.partition == partition_of(record.key, 3)
        assert record.topic == f"gridpulse.{event.event_type.family}"


def test_every_domain_type_occurs_and_both_heartbeat_versions() -> None:
    text = b"\n".join(record.value for record in four_days())
    by_people = {AlertAction.type_name, AlertSilence.type_name}  # about alerts, which a simulator knows nothing of
    for event_type in EVENT_TYPES:
        if event_type.family in DOMAIN_FAMILIES and event_type.name not in by_people:
            assert event_type.wire_name.encode() in text, event_type.name
    assert b"readings.heartbeat.v1" in text


def test_bad_events_are_refused_for_the_reason_in_their_source() -> None:
    bad = [record for record in four_days() if is_bad(record)]
    reasons: Counter[str] = Counter()
    for record in bad:
        outcome = parse_strict(record.value, (), record.recorded_time_ms or 0, Limits())
        assert not isinstance(outcome, Event), record.value
        assert f'"source":"/iot/faulty/{outcome.reason}"'.encode() in record.value
        reasons[str(outcome.reason)] += 1
    assert 0.001 < len(bad) / len(four_days()) < 0.003
    assert len(reasons) >= 9


def test_no_bad_events_when_none_are_wanted() -> None:
    clean = Simulator(DistrictConfig(communities=1, size=0.2, bad_ratio=0.0))
    start_ms = clean.config.start_ms
    assert not any(is_bad(record) for record in events_of(clean, start_ms, start_ms + DAY_MS, HOUR_MS))


def test_recorded_order_and_no_event_recorded_before_it_happened() -> None:
    simulator = Simulator(SMALL, partitions=2)
    last_ms, slowest_ms = START_MS, 0
    for piece in simulator.slices(START_MS, START_MS + 6 * HOUR_MS, 7 * MINUTE_MS):
        for record in piece.records[: len(piece.records) - simulator.ticks_per_slice]:
            recorded_ms = record.recorded_time_ms or 0
            assert last_ms <= recorded_ms < piece.end_ms
            last_ms = recorded_ms
            event = parse_strict(record.value, (), recorded_ms, Limits())
            if isinstance(event, Event):
                assert event.event_time_ms - recorded_ms < 5_000  # clocks are off by four seconds at most
                assert event.event_time_ms > START_MS - 5_000
                slowest_ms = max(slowest_ms, recorded_ms - event.event_time_ms)
        last_ms = piece.end_ms
    assert slowest_ms > 20_000  # some are late: repeated, or kept by a gateway without a line


def test_every_slice_ends_with_a_tick_in_every_partition() -> None:
    simulator = Simulator(SMALL, partitions=3)
    (piece,) = simulator.slices(START_MS, START_MS + MINUTE_MS, MINUTE_MS)
    ticks = piece.records[-simulator.ticks_per_slice :]
    assert {(tick.topic, tick.partition) for tick in ticks} == {(t, p) for t in DOMAIN_TOPICS for p in range(3)}
    assert all(TICK in tick.value and tick.recorded_time_ms == START_MS + MINUTE_MS for tick in ticks)


def test_same_config_same_bytes_another_seed_other_bytes() -> None:
    again = Simulator(SMALL, partitions=3)
    span = START_MS, START_MS + DAY_MS, HOUR_MS
    first = events_of(Simulator(SMALL, partitions=3), *span)
    assert digest(first) == digest(events_of(again, *span))
    assert digest(again.registry_events()) == digest(Simulator(SMALL, partitions=3).registry_events())
    other = Simulator(DistrictConfig(seed=4, communities=2, size=0.5), partitions=3)
    assert digest(first) != digest(events_of(other, *span))


def test_another_process_gives_the_same_bytes() -> None:
    script = (
        "import hashlib;from replay.simulator import *;"
        "s=Simulator(DistrictConfig(communities=1,size=0.2));d=hashlib.sha256();t=s.config.start_ms;"
        "[d.update(r.value) for p in s.slices(t,t+86_400_000,3_600_000) for r in p.records];print(d.hexdigest())"
    )

    def run(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    assert run("1") == run("2") != ""


@pytest.mark.parametrize("slice_ms", [97_000, 10 * MINUTE_MS, 5 * HOUR_MS])
def test_the_cut_does_not_matter(slice_ms: int) -> None:
    from_ms, until_ms = START_MS + 20 * HOUR_MS, START_MS + 28 * HOUR_MS  # over midnight
    whole = events_of(Simulator(SMALL), from_ms, until_ms, until_ms - from_ms)
    assert digest(whole) == digest(events_of(Simulator(SMALL), from_ms, until_ms, slice_ms))


def test_a_second_start_goes_on_where_the_first_stopped() -> None:
    middle_ms = START_MS + 2 * DAY_MS + 11 * HOUR_MS + 123_457
    end_ms = START_MS + 4 * DAY_MS
    through = [
        r for r in four_days()[len(Simulator(SMALL).registry_events()) :] if (r.recorded_time_ms or 0) >= middle_ms
    ]
    resumed = events_of(Simulator(SMALL, partitions=3), middle_ms, end_ms, HOUR_MS)
    assert digest(resumed) == digest(through)


def test_only_repetitions_share_an_id() -> None:
    seen: dict[tuple[str, str], Event] = {}
    repeated = 0
    for record in four_days():
        event = parse_strict(record.value, (), record.recorded_time_ms or 0, Limits())
        if isinstance(event, Event):
            first = seen.setdefault((event.source, event.id), event)
            assert first == event
            repeated += first is not event
    assert 10 < repeated < len(four_days()) / 500


def test_the_size_scales_the_stream() -> None:
    def count(size: float) -> int:
        simulator = Simulator(DistrictConfig(communities=1, size=size))
        noon_ms = simulator.config.start_ms + 11 * HOUR_MS
        return len(events_of(simulator, noon_ms, noon_ms + 2 * HOUR_MS, HOUR_MS))

    assert 2.5 < count(2.0) / count(0.5) < 5.5


@pytest.mark.parametrize(
    "wrong", [{"communities": 0}, {"communities": 8}, {"size": 0.01}, {"seed": -1}, {"bad_ratio": 0.9}]
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DistrictConfig(**wrong)  # type: ignore[arg-type]
