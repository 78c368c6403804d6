"""Filters of a run: what they let through, that left out rows still move the clock, and what they do to a replay."""

from __future__ import annotations

import numpy as np
import pytest

from replay.run_filter import RowFilter, key_columns
from replay.run_spec import RunSpec
from schemas.codec import Decoder
from schemas.columns import EventBatch
from schemas.families.readings import Heartbeat, Measured
from schemas.families.registry import Device
from schemas.records import RawBatch
from schemas.strict import Limits
from tests.flow.world import district
from tests.replay.run_world import RunWorld

pytestmark = pytest.mark.xdist_group("runs")
COMMUNITY = "wuhu/jinghu/tingtang/jianyang"
IDS = "event_id, detected_time_ms"


@pytest.fixture(scope="module")
def batch() -> EventBatch:
    records = district()[:6_000]
    topics = tuple(sorted({record.topic for record in records}))
    raw = RawBatch(
        0, topics, np.array([topics.index(record.topic) for record in records], dtype=np.int64),
        np.arange(len(records), dtype=np.int64), np.array([r.recorded_time_ms for r in records], dtype=np.int64),
        [record.value for record in records],
    )  # fmt: skip
    return Decoder(Limits()).decode(raw).events


def scopes(batch: EventBatch) -> set[str]:
    return {scope for typed in batch.types.values() for scope in typed.texts("scope")}


def test_references_are_keys() -> None:
    assert key_columns(Device.type_name) == ("device", "site", "gateway", "person")
    assert key_columns(Heartbeat.type_name) == ("device",)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (RunSpec(scopes=(COMMUNITY,)), lambda scope: (scope + "/").startswith(COMMUNITY + "/")),
        (RunSpec(scopes=(COMMUNITY + "/g01",)), lambda scope: scope == COMMUNITY + "/g01"),
        (RunSpec(scopes=(COMMUNITY[:-1],)), lambda scope: False),
        (RunSpec(scopes=(COMMUNITY, "wuhu")), lambda scope: True),
    ],
)
def test_a_scope_is_itself_and_what_lies_below(batch: EventBatch, asked: RunSpec, expected: object) -> None:
    assert callable(expected)
    chosen = RowFilter(asked)(batch)
    assert scopes(chosen) == {scope for scope in scopes(batch) if expected(scope)}
    assert chosen.recorded_time_ms is batch.recorded_time_ms


def test_types_and_keys(batch: EventBatch) -> None:
    device = batch.types[Heartbeat.type_name].values("device")[0]
    gateway = next(one for one in batch.types[Device.type_name].values("gateway") if one)
    chosen = RowFilter(RunSpec(types=(Heartbeat.type_name, Measured.type_name), keys=(device,)))(batch)
    assert set(chosen.types) <= {Heartbeat.type_name, Measured.type_name}
    assert set(chosen.types[Heartbeat.type_name].values("device")) == {device}
    behind = RowFilter(RunSpec(keys=(gateway,)))(batch).types[Device.type_name]
    entries = list(zip(behind.values("device"), behind.values("gateway"), strict=True))
    assert (gateway, None) in entries
    assert all(gateway in entry for entry in entries)
    assert len(entries) > 1
    rows = chosen.types[Heartbeat.type_name]
    assert rows.positions.tolist() == sorted(rows.positions.tolist())
    assert rows.ints("offset").tolist() == rows.positions.tolist()


def test_nothing_asked_takes_everything_as_it_is(batch: EventBatch) -> None:
    chosen = RowFilter(RunSpec())(batch)
    assert all(chosen.types[name] is typed for name, typed in batch.types.items())


def test_one_community_alone_equals_live_there(run_world: RunWorld, whole: str) -> None:
    row = run_world.run("community", scopes=(COMMUNITY,))
    summary = row.summary()
    assert summary["same"] is True
    assert summary["notes"] == []
    expected = run_world.said(f"run_{whole}", IDS, f"startsWith(scope, '{COMMUNITY}/')")
    assert run_world.said("run_community", IDS) == expected != run_world.said(f"run_{whole}", IDS)


def test_left_out_rows_still_move_the_clock(run_world: RunWorld, whole: str) -> None:
    """A device alone: its silence is noticed at the same moment, by the time that others' records bring."""
    where = "detector = 'device_offline' AND rule = 'silent' AND active"
    with run_world.open(f"run_{whole}") as client:
        ((device, at_ms),) = client.query(
            f"SELECT subject, detected_time_ms FROM detections FINAL WHERE {where} ORDER BY detected_time_ms LIMIT 1"
        ).rows
    row = run_world.run("alone", keys=(str(device),), to_ms=int(at_ms) + 60_000)
    with run_world.open("run_alone") as client:
        found = client.query(f"SELECT subject, detected_time_ms FROM detections FINAL WHERE {where}").rows
    assert (device, at_ms) in [tuple(one) for one in found]
    assert row.values["events"] < row.values["records"] / 10
    assert any("filtered by type or key" in note for note in row.summary()["notes"])
