"""Filters of a run: what they let through, that left out rows still move the clock, and what they do to a replay."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.lane import build_lane
from replay.run_filter import RowFilter, key_columns
from replay.run_lane import LaneRun
from replay.run_notes import notes_on
from replay.run_spec import LIVE, RunSpec
from replay.run_state import LaneState, Manifest
from schemas.codec import Decoder
from schemas.columns import EventBatch
from schemas.event import new_event, tick_record, to_new_record
from schemas.families.readings import Heartbeat, Measured
from schemas.families.registry import Device
from schemas.families.system import DeviceStatus
from schemas.records import RawBatch
from schemas.strict import Limits
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.log_memory import MemoryLog
from tests.flow.world import district
from tests.replay.run_world import RunWorld

pytestmark = pytest.mark.xdist_group("runs")
COMMUNITY = "wuhu/jinghu/tingtang/jianyang"
START_MS = 1_772_380_800_000
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


def test_filters_that_are_not_like_with_like_are_said() -> None:
    assert notes_on(RunSpec(scopes=(COMMUNITY,)), LIVE, None) == []
    assert "filtered by type or key" in notes_on(RunSpec(keys=("a",)), LIVE, None)[0]
    assert notes_on(RunSpec(keys=("a",)), "other", RunSpec(keys=("a",))) == []
    assert "below the community" in notes_on(RunSpec(scopes=(COMMUNITY + "/g01",)), LIVE, None)[0]


def two_devices() -> MemoryLog:
    """Two devices that report every minute; one falls silent after half an hour, and for good."""
    log = MemoryLog(lambda: START_MS)
    log.create_topics(ALL_TOPICS, 1)
    for minute in range(90):
        for device in ("falls-silent", "goes-on") if minute < 30 else ("goes-on",):
            beat = new_event(
                Heartbeat(device=device), id=f"{device}-{minute}", source="//t", scope=COMMUNITY + "/g01",
                event_time_ms=START_MS + minute * 60_000,
            )  # fmt: skip
            log.append([to_new_record(beat, 1, START_MS + minute * 60_000)])
    log.append([tick_record(topic, 0, START_MS + 90 * 60_000) for topic in DOMAIN_TOPICS])
    return log


@pytest.mark.parametrize("is_resumed", [False, True])
def test_left_out_rows_still_move_the_clock(is_resumed: bool) -> None:
    """Silence of a device alone is noticed by the time that others bring; also in a run ended at every record."""
    log, spec = two_devices(), RunSpec(keys=("falls-silent",))
    manifest = Manifest("one", spec, 1, log.end_offsets(DOMAIN_TOPICS), 0)
    said, run = [], LaneRun(log, manifest, 0, LaneState(), build_lane())
    while (raw := run.read(1, lambda: 0.0)) is not None:
        said += run.process(raw, Decoder(Limits()).decode).said
        if is_resumed:
            run = LaneRun(log, manifest, 0, run.saved(), build_lane())
    assert run.state.events == 30
    assert run.state.records > 120
    statuses = [(one.data.status, one.detected_ms) for one in said if isinstance(one.data, DeviceStatus)]
    assert [status for status, _ in statuses] == ["online", "offline"]
    assert START_MS + 31 * 60_000 < statuses[1][1] < START_MS + 40 * 60_000
