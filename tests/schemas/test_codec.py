"""The batch decoder agrees with the strict path, whatever it is given and wherever batches are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.catalogue import EVENT_TYPES
from schemas.codec import Decoded, Decoder
from schemas.columns import ENVELOPE_SCHEMA
from schemas.compile import data_schema
from schemas.event import Event, tick_record
from schemas.families.system import Tick
from schemas.records import Headers, RawBatch
from schemas.strict import Limits, Rejected, parse_strict
from tests.schemas.inputs import DAMAGES, GOLDEN, RECORDED_MS, encoded, record_values

LIMITS = Limits()
MEASURED = encoded(next(event for event in GOLDEN if event["type"].endswith("measured.v1")))


def batch_of(values: list[bytes], headers: list[Headers] | None = None) -> RawBatch:
    """The values as one lane's batch over two topics, offsets and recorded times rising."""
    n = len(values)
    return RawBatch(
        partition=3,
        topics=("gridpulse.readings", "gridpulse.venue"),
        topic_index=np.arange(n, dtype=np.int64) % 2,
        offsets=np.arange(n, dtype=np.int64) * 7 + 100,
        recorded_time_ms=RECORDED_MS + np.arange(n, dtype=np.int64) // 3,
        values=values,
        headers=headers,
    )


def contents(decoded: Decoded) -> list[tuple[Any, ...]]:
    """Everything that was decoded, row by row, by its place in the log."""
    found: list[tuple[Any, ...]] = [
        (dead.offset, dead.topic, dead.partition, dead.recorded_time_ms, dead.reason, dead.detail, dead.raw)
        for dead in decoded.dead
    ]
    for name, rows in decoded.events.types.items():
        assert rows.type_name == name
        assert list(rows.positions) == sorted(set(rows.positions))
        for envelope, data in zip(rows.envelope.to_pylist(), rows.data.to_pylist(), strict=True):
            found.append((envelope["offset"], name, envelope, data))
    return sorted(found, key=lambda row: row[0])


def expected(batch: RawBatch) -> list[tuple[Any, ...]]:
    """What the strict path makes of each record of the batch."""
    found: list[tuple[Any, ...]] = []
    for i, value in enumerate(batch.values):
        offset, recorded = int(batch.offsets[i]), int(batch.recorded_time_ms[i])
        topic = batch.topics[int(batch.topic_index[i])]
        outcome = parse_strict(value, batch.headers[i] if batch.headers else None, recorded, LIMITS)
        if isinstance(outcome, Rejected):
            found.append((offset, topic, batch.partition, recorded, outcome.reason, outcome.detail, value))
        elif outcome.event_type.table:
            found.append((offset, outcome.event_type.name, envelope_of(outcome, batch, i), outcome.data.model_dump()))
    return found


def envelope_of(event: Event, batch: RawBatch, i: int) -> dict[str, Any]:
    """The envelope row that belongs to an event."""
    return {
        "id": event.id,
        "source": event.source,
        "scope": event.scope,
        "event_time_ms": event.event_time_ms,
        "recorded_time_ms": int(batch.recorded_time_ms[i]),
        "topic": batch.topics[int(batch.topic_index[i])],
        "partition": batch.partition,
        "offset": int(batch.offsets[i]),
    }


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(record_values(), max_size=40), st.integers(1, 4))
@example([], 1)
@example([b'{"x":{}', b"{}}", MEASURED + MEASURED, MEASURED], 1)
@example([MEASURED + b"\0" + MEASURED, b"{}", MEASURED], 1)
def test_fast_path_equals_strict_path(values: list[bytes], min_fast_rows: int) -> None:
    batch = batch_of(values)
    decoded = Decoder(LIMITS, min_fast_rows).decode(batch)
    assert contents(decoded) == expected(batch)
    assert list(decoded.events.recorded_time_ms) == list(batch.recorded_time_ms)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(record_values(), min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_cutting_anywhere_gives_the_same_rows(values: list[bytes], cuts: list[int]) -> None:
    batch = batch_of(values)
    decoder = Decoder(LIMITS, 1)
    edges = sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    parts = [contents(decoder.decode(batch.slice(a, b))) for a, b in pairwise(edges)]
    assert [row for part in parts for row in part] == contents(decoder.decode(batch))


def accepted_by_fast_path(values: list[bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows come out when the strict path accepts nothing."""
    from schemas import codec
    from schemas.reasons import Reason

    monkeypatch.setattr(codec, "parse_strict", lambda *_: Rejected(Reason.invalid_data, ""))
    decoded = Decoder(LIMITS, 1).decode(batch_of(values))
    return sum(len(rows) for rows in decoded.events.types.values())


@pytest.mark.parametrize("event", GOLDEN, ids=lambda event: str(event["id"]))
def test_fast_path_takes_every_golden_example(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    is_in_a_table = not event["type"].startswith(Tick.type_name)
    for spaced in (False, True):
        assert accepted_by_fast_path([encoded(event, spaced=spaced)], monkeypatch) == is_in_a_table


def test_one_bad_record_does_not_send_its_neighbours_to_the_strict_path(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [MEASURED] * 200
    values[77] = DAMAGES["duplicate in data"](MEASURED)
    values[150] = DAMAGES["twice"](MEASURED)
    assert accepted_by_fast_path(values, monkeypatch) >= 190


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_damage_hits_only_its_own_record(damage: str) -> None:
    values = [MEASURED] * 70
    values[33] = DAMAGES[damage](MEASURED)
    batch = batch_of(values)
    assert contents(Decoder(LIMITS).decode(batch)) == expected(batch)


def test_records_with_headers_keep_their_mode() -> None:
    data = encoded({"device": "d", "quantity": "gas", "value": 1, "unit": "%LEL"})
    binary: Headers = (
        ("ce_specversion", b"1.0"), ("ce_id", b"b1"), ("ce_source", b"/x"), ("content-type", b"application/json"),
        ("ce_type", b"cn.gridpulse.readings.measured.v1"), ("ce_scope", b"wuhu"),
    )  # fmt: skip
    headers: list[Headers] = [(), binary, (("traceparent", b"x"),), (("ce_id", b"z"),)] * 3
    batch = batch_of([MEASURED, data, MEASURED, MEASURED] * 3, headers)
    decoded = Decoder(LIMITS, 1).decode(batch)
    assert contents(decoded) == expected(batch)
    assert decoded.dead == []


def test_ticks_move_the_clock_and_are_in_no_table() -> None:
    ticks = [tick_record("gridpulse.venue", 3, RECORDED_MS + i).value for i in range(5)]
    for min_fast_rows in (1, 100):
        decoded = Decoder(LIMITS, min_fast_rows).decode(batch_of(ticks))
        assert (decoded.events.types, decoded.dead) == ({}, [])
        assert decoded.events.clock_ms == RECORDED_MS + 1


def test_an_empty_batch_is_decoded() -> None:
    decoded = Decoder(LIMITS).decode(batch_of([]))
    assert (decoded.events.types, decoded.dead, decoded.events.clock_ms) == ({}, [], None)


@pytest.mark.parametrize("min_fast_rows", [1, 1000])
def test_tables_have_the_declared_columns_on_both_paths(min_fast_rows: int) -> None:
    decoded = Decoder(LIMITS, min_fast_rows).decode(batch_of([encoded(event) for event in GOLDEN]))
    assert decoded.dead == []
    tables = {event_type.name for event_type in EVENT_TYPES if event_type.table}
    assert set(decoded.events.types) == tables
    for event_type in EVENT_TYPES:
        if rows := decoded.events.of(event_type.name):
            assert rows.envelope.schema.equals(ENVELOPE_SCHEMA)
            assert rows.data.schema.equals(data_schema(event_type))
            rows.data.validate(full=True)
            rows.envelope.validate(full=True)


def test_old_versions_come_out_as_the_latest() -> None:
    old = next(event for event in GOLDEN if event["id"] == "golden-readings.heartbeat.v1")
    new = next(event for event in GOLDEN if event["id"] == "golden-readings.heartbeat.v2")
    rows = Decoder(LIMITS, 1).decode(batch_of([encoded(new), encoded(old), encoded(new)])).events.types
    ratios = rows["cn.gridpulse.readings.heartbeat"].data
    assert isinstance(ratios, pa.Table)
    assert ratios.column("battery_ratio").to_pylist() == [0.87, 0.87, 0.87]
    assert ratios.column("rssi_dbm").to_pylist() == [-71.0, None, -71.0]
