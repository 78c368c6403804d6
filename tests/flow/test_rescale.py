"""Other workers, other lanes, other code, damaged state: the same rows, detections and alerts; lost offsets: an end."""

from __future__ import annotations

from ast import literal_eval
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from detectors.lane import LaneOperator, build_lane
from detectors.outputs import to_event
from schemas.codec import Dead, Decoder
from schemas.event import Event, tick_record, to_new_record
from schemas.records import NewRecord, TopicPartition
from schemas.strict import Limits, parse_strict
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, topic_of
from streams.cluster import Cluster
from streams.flow import FlowConfig, FlowPorts, run_flow
from streams.ingest import dead_letter_record
from streams.log import EventLog, OffsetOutOfRangeError
from streams.log_copy import copy_log
from streams.log_memory import MemoryLog
from tests.flow.world import CONFIG, NOW_MS, CrashError, KeepingWriter, Kept, World, district

DAYS = 7  # the first alerts come on the seventh
END_MS = CONFIG.start_ms + DAYS * 86_400_000
READINGS = topic_of("readings")
FAMILIES = ("detections", "alerts", "deadletters")


@cache
def days() -> tuple[NewRecord, ...]:
    """The first days of the district."""
    return tuple(record for record in district() if (record.recorded_time_ms or 0) < END_MS)


@pytest.fixture
def new_world(tmp_path: Path) -> Callable[[str], World]:
    return lambda name: World(tmp_path / name, records=days())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("undisturbed") / "state", records=days())
    world.run()
    assert len(world.said("detections")) > 20
    assert world.said("alerts")
    assert world.said("deadletters")
    return world


def assert_same(world: World, other: World) -> None:
    assert world.domain_rows() == other.domain_rows()
    for family in FAMILIES:
        assert world.said(family) == other.said(family), family


# Workers


def test_any_number_of_workers_goes_on_from_any_other(new_world: Callable[[str], World], undisturbed: World) -> None:
    world = new_world("workers")
    for workers in (1, 2, 4, 3):
        with pytest.raises(CrashError):
            world.run(workers=workers, crash_at=world.kept.batches + 3)
    with structlog.testing.capture_logs() as lines:
        world.run(workers=1)
    assert lines == []  # gone on, not begun anew
    assert_same(world, undisturbed)


# Upgrades


def other_format(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.state_tag.STATE_FORMAT", 99)


def forgotten_position_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position's code has changed, and the tag does not tell."""
    monkeypatch.setattr("streams.lane_position.POSITION_VERSION", 99)


def class_that_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of a class that has been renamed, and the tag does not tell."""
    monkeypatch.setattr(LaneOperator, "restore", lambda self, saved: getattr(self, "_gone"))  # noqa: B009


def without_tag(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As releases before there were tags left it."""
    (world.state_dir / "tag.json").unlink()


@pytest.mark.parametrize(
    ("upgrade", "says"),
    [
        (other_format, "state format was 2.1, is 99.1"),
        (forgotten_position_version, "a saved lane position has version 1, this GridPulse knows 99"),
        (class_that_is_gone, "a lane's saved state can't be read (AttributeError"),
        (without_tag, "it has no tag"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_state_that_does_not_fit_is_rebuilt_and_nothing_changes(
    new_world: Callable[[str], World],
    undisturbed: World,
    monkeypatch: pytest.MonkeyPatch,
    upgrade: Callable[[World, pytest.MonkeyPatch], None],
    says: str,
) -> None:
    world = new_world("upgrade")
    with pytest.raises(CrashError):
        world.run(crash_at=8)
    before = world.said("detections")
    upgrade(world, monkeypatch)
    with structlog.testing.capture_logs() as lines:
        world.run()
    assert [says in str(line["message"]) for line in lines] == [True], lines
    assert len(list(world.state_dir.parent.glob("*.old-*"))) == 1
    repeated = Counter(value for lane in range(2) for value in ids(world.log, "detections", lane))
    assert max(repeated.values()) > 1 or not before  # it did say things again …
    assert_same(world, undisturbed)  # … and by id and content they are the same


def test_the_same_code_goes_on_from_its_state(new_world: Callable[[str], World], undisturbed: World) -> None:
    world = new_world("same")
    with pytest.raises(CrashError):
        world.run(crash_at=8)
    with structlog.testing.capture_logs() as lines:
        world.run()
    assert lines == []
    assert list(world.state_dir.parent.glob("*.old-*")) == []
    assert_same(world, undisturbed)


def test_another_log_is_begun_from_its_beginning(new_world: Callable[[str], World], undisturbed: World) -> None:
    """Positions in one log mean nothing in another: here they would skip what the other one begins with."""
    world, other = new_world("one"), new_world("other")
    with pytest.raises(CrashError):
        world.run(crash_at=8)
    other.state_dir = world.state_dir
    with structlog.testing.capture_logs() as lines:
        other.run()
    assert ["log was" in str(line["message"]) for line in lines] == [True]
    assert_same(other, undisturbed)


def test_offsets_that_retention_took_from_a_saved_position_end_the_flow(new_world: Callable[[str], World]) -> None:
    world = new_world("gap")
    with pytest.raises(CrashError):
        world.run(crash_at=3)
    end = world.log.end_offsets([READINGS])[TopicPartition(READINGS, 0)]
    world.log.drop_before(TopicPartition(READINGS, 0), end)  # type: ignore[attr-defined]
    for _ in range(2):  # starting again does not get over it
        with structlog.testing.capture_logs() as lines, pytest.raises(OffsetOutOfRangeError) as caught:
            world.run()
        assert lines == []
        assert caught.value.where == TopicPartition(READINGS, 0)
        assert caught.value.earliest == end > caught.value.wanted
        assert f"{caught.value.wanted} of {READINGS}/0" in str(caught.value)


# Lanes


def ids(log: EventLog, family: str, lane: int) -> list[str]:
    return [orjson.loads(value)["id"] for value in log.read(TopicPartition(topic_of(family), lane), 0, 10**6).values]


@dataclass
class Lanes:
    """The district in a log of any number of lanes, and the flow over it."""

    state_dir: Path
    lanes: int
    log: MemoryLog = field(default_factory=lambda: MemoryLog(lambda: NOW_MS))
    kept: Kept = field(default_factory=Kept)

    def run(self) -> None:
        config = FlowConfig(
            name="test", lanes=self.lanes, write=True, detect=True, poll_ms=0, linger_ms=0, max_batch_records=5_000,
            snapshot_interval_s=0.0, stop_at_end=True,
        )  # fmt: skip

        def dead(one: Dead) -> NewRecord:
            origin = f"{one.topic}/{one.partition}/{one.offset}"
            return dead_letter_record("decode", one.reason, one.detail, origin, one.raw, one.partition, 0)

        ports = FlowPorts(
            log=self.log,
            decode=Decoder(Limits()).decode,
            new_writer=lambda: KeepingWriter(self.kept, None, False),
            new_lane=build_lane,
            detection_record=lambda emitted: to_new_record(to_event(emitted), self.lanes, None),
            dead_letter_record=dead,
        )
        run_flow(config, ports, self.state_dir, Cluster(1))

    def say_the_time(self) -> None:
        """What the ticker would say once everything is there."""
        self.log.append([tick_record(topic, p, END_MS) for topic in DOMAIN_TOPICS for p in range(self.lanes)])

    def said(self, family: str) -> dict[str, Any]:
        """Events of a system topic by id; whatever is said again must be the same."""
        found: dict[str, Any] = {}
        for lane in range(self.lanes):
            for value in self.log.read(TopicPartition(topic_of(family), lane), 0, 10**6).values:
                event = orjson.loads(value)
                event.pop("recordedtime", None)
                assert found.setdefault(event["id"], event) == event
        return found

    def rows(self) -> Counter[tuple[str, str]]:
        """What was written of domain topics, whatever its place in the log."""
        found: Counter[tuple[str, str]] = Counter()
        for (topic, _, _), row in self.kept.rows.items():
            if topic in DOMAIN_TOPICS:
                name, place, data = row.split("|", 2)
                envelope = {k: v for k, v in literal_eval(place).items() if k not in ("partition", "offset")}
                found[f"{name}{sorted(envelope.items())}", data] += 1
        return found


def lanes_of_communities(log: EventLog) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for topic in DOMAIN_TOPICS:
        for partition in range(log.partitions(topic)):
            for value in log.read(TopicPartition(topic, partition), 0, 10**6).values:
                event = parse_strict(value, (), END_MS, Limits(max_ahead_ms=2**62))
                if isinstance(event, Event) and event.scope != "-":
                    found.setdefault(event.partition_key, set()).add(partition)
    return found


def test_a_log_with_other_lanes_gives_the_same_detections_alerts_and_rows(tmp_path: Path) -> None:
    """One lane becomes three: everything lies where it belongs, and all that was said is said again, the same."""
    one = Lanes(tmp_path / "one", 1)
    one.log.create_topics(ALL_TOPICS, 1)
    one.log.append([record._replace(partition=0) for record in days()])
    one.say_the_time()
    one.run()
    assert len(one.said("detections")) > 20

    three = Lanes(tmp_path / "three", 3)
    copy_log(one.log, three.log, 3)
    three.say_the_time()
    copied = {family: three.said(family) for family in ("detections", "alerts")}
    assert copied == {family: one.said(family) for family in ("detections", "alerts")}
    lanes = lanes_of_communities(three.log)
    assert {len(places) for places in lanes.values()} == {1}
    assert len(set.union(*lanes.values())) > 1
    three.run()
    assert {family: three.said(family) for family in ("detections", "alerts")} == copied
    for family in ("detections", "alerts"):
        times = Counter(event_id for lane in range(3) for event_id in ids(three.log, family, lane))
        assert set(times.values()) == {2}  # by the old flow and by the new one
    assert len(three.said("deadletters")) == len(one.said("deadletters"))
    assert three.rows() == one.rows()
