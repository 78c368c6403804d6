"""State that does not fit is moved aside with one line that says why; state that fits is left alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from detectors.lane import DetectorParams, build_lane
from detectors.noise_limit import NoiseLimitParams
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.log import LogConfigError, LogFacts, LogUnavailableError
from streams.log_memory import MemoryLog
from streams.log_sqlite import SqliteLog
from streams.partition_watch import PartitionWatch
from streams.state_tag import StateTag, misfit, ready_state, state_tag

FACTS = {"lanes": "2", "log": "abc", "operator noise_limit": "state 1, noise_limit-1-aaaa"}
TAG = StateTag(FACTS, "0.1.0")


def clock() -> int:
    return 0


def ready(directory: Path, tag: StateTag = TAG, earliest: Mapping[TopicPartition, int] | None = None) -> list[str]:
    """What was said while the directory was made ready."""
    with structlog.testing.capture_logs() as lines:
        ready_state(directory, tag, lambda: earliest or {})
    assert {line["event"] for line in lines} <= {"state_rebuilt"}
    return [str(line["message"]) for line in lines]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that is in use, with a mark in it."""
    directory = tmp_path / "state" / "pipeline"
    assert ready(directory) == []
    (directory / "mark").touch()
    return directory


def kept(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.parent.glob("*.old-*"))


def test_the_same_tag_leaves_the_state_alone(state: Path) -> None:
    assert ready(state) == []
    assert ready(state, StateTag(FACTS, "9.9")) == []  # the version for people decides nothing
    assert (state / "mark").exists()
    assert kept(state) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lanes": "4"}, "lanes was 2, is 4"),
        ({"log": "def"}, "log was abc, is def"),
        (
            {"operator noise_limit": "state 2, noise_limit-1-aaaa"},
            "operator noise_limit was state 1, noise_limit-1-aaaa, is state 2, noise_limit-1-aaaa",
        ),
        ({"operator new": "state 1"}, "operator new was absent, is state 1"),
    ],
)
def test_a_change_moves_the_state_aside_and_says_what_changed(state: Path, changed: dict[str, str], says: str) -> None:
    (sentence,) = ready(state, StateTag({**FACTS, **changed}, "0.2.0"))
    assert says in sentence
    assert "built anew from the beginning of the log" in sentence
    assert "GridPulse 0.1.0 wrote it" in sentence
    assert "pipeline.old-1" in sentence
    assert "retention" not in sentence
    assert "\n" not in sentence
    assert not (state / "mark").exists()
    assert (state.parent / "pipeline.old-1" / "mark").exists()
    assert ready(state, StateTag({**FACTS, **changed}, "0.2.0")) == []  # once


def test_a_fact_that_is_gone_is_a_change(state: Path) -> None:
    (sentence,) = ready(state, StateTag({"lanes": "2", "log": "abc"}, "0.1.0"))
    assert "operator noise_limit was state 1, noise_limit-1-aaaa, is absent" in sentence


def test_only_the_latest_old_state_is_kept(state: Path) -> None:
    for lanes in range(3, 15):
        assert len(ready(state, StateTag({**FACTS, "lanes": str(lanes)}, "0.1.0"))) == 1
    assert kept(state) == ["pipeline.old-12"]


def test_what_retention_has_removed_is_named(state: Path) -> None:
    earliest = {TopicPartition("readings", 1): 0, TopicPartition("readings", 0): 1500}
    (sentence,) = ready(state, StateTag({**FACTS, "lanes": "4"}, "0.1.0"), earliest)
    assert "retention has removed" in sentence
    assert "readings/0 from 0 to 1499" in sentence
    assert "readings/1" not in sentence


def broken_header(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def broken_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:4160] = b"\xff" * 64
    path.write_bytes(bytes(content))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [broken_header, broken_page, emptied, Path.unlink])
def test_damaged_recovery_files_are_a_misfit(state: Path, damage: Any) -> None:
    damage(state / "part-0.sqlite3")
    (sentence,) = ready(state)
    assert "part-0.sqlite3 is" in sentence
    assert misfit(state, TAG) is None


def test_state_without_a_tag_or_with_a_broken_one_is_a_misfit(state: Path) -> None:
    (state / "tag.json").write_text('{"facts": 1}')
    assert "tag.json can't be read" in ready(state)[0]
    (state / "tag.json").unlink()
    assert "it has no tag, so an earlier GridPulse wrote it" in ready(state)[0]


def test_an_empty_directory_and_one_half_made_are_begun_with(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "detect"
    directory.mkdir(parents=True)
    half = directory.with_name("detect.new")
    half.mkdir()
    (half / "part-0.sqlite3").touch()
    assert ready(directory) == []
    assert misfit(directory, TAG) is None
    assert not half.exists()


def test_processes_that_start_at_once_make_one_state(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "pipeline"
    said: list[str] = []
    with structlog.testing.capture_logs() as lines:
        for tag in (TAG, StateTag({**FACTS, "lanes": "4"}, "0.1.0")):
            threads = [threading.Thread(target=ready_state, args=(directory, tag, dict)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        said = [str(line["message"]) for line in lines]
    assert len(said) == 1
    assert kept(directory) == ["pipeline.old-1"]


# The tag itself


def tag_of(log: Any, lanes: int = 2, params: DetectorParams | None = None) -> StateTag:
    return state_tag(log, ALL_TOPICS, lanes, build_lane(params).versions)


def test_the_tag_knows_detectors_parameters_catalogue_lanes_and_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog(clock)
    log.create_topics(ALL_TOPICS, 2)
    tag = tag_of(log)
    assert tag.changes(tag_of(log)) == []
    assert StateTag.from_bytes(tag.to_bytes()) == tag
    assert {"operator lane", "operator noise_limit", "operator device_offline", "operator irregular_movement"} <= set(
        tag.facts
    )
    assert "operator incidents" in tag.facts
    assert [one.split(" was ")[0] for one in tag_of(log, lanes=3).changes(tag)] == ["lanes"]
    params = DetectorParams(noise_limit=NoiseLimitParams(timezone="Asia/Tokyo"))
    assert tag_of(log, params=params).facts == tag.facts  # the lane's zone goes before the detectors' own
    zoned = tag_of(log, params=DetectorParams(timezone="Asia/Tokyo"))
    assert len(zoned.changes(tag)) == 3
    monkeypatch.setattr("streams.state_tag.catalogue_digest", lambda: "another")
    assert [one.split(" was ")[0] for one in tag_of(log).changes(tag)] == ["event catalogue"]


def test_another_log_is_another_log_and_the_same_one_is_the_same(tmp_path: Path) -> None:
    assert MemoryLog(clock).describe(()).identity != MemoryLog(clock).describe(()).identity
    with SqliteLog(tmp_path / "a.sqlite", clock) as first, SqliteLog(tmp_path / "b.sqlite", clock) as other:
        first.create_topics(DOMAIN_TOPICS, 1)
        assert first.describe(()).identity != other.describe(()).identity
        identity = first.describe(DOMAIN_TOPICS).identity
    with SqliteLog(tmp_path / "a.sqlite", clock) as again:
        assert again.describe(DOMAIN_TOPICS).identity == identity
        assert again.describe(["nothing", *DOMAIN_TOPICS]).partitions == dict.fromkeys(DOMAIN_TOPICS, 1)


# Partitions that are added


class Growing(MemoryLog):
    """A log whose partitions an administrator adds to."""

    def grow(self, topic: str, partitions: int) -> None:
        del self._topics[topic]
        self.create_topics([topic], partitions)


def asked(watch: PartitionWatch) -> None:
    """Let an answer that is under way arrive, and look at it."""
    watch.check()
    if watch._asking is not None:
        watch._asking.join()
    watch.check()


def test_added_partitions_are_noticed_within_the_interval() -> None:
    log, now_s = Growing(clock), [100.0]
    log.create_topics(ALL_TOPICS, 2)
    watch = PartitionWatch(log, ALL_TOPICS, 2, interval_s=10.0, monotonic_s=lambda: now_s[0])
    log.grow("gridpulse.readings", 3)
    now_s[0] += 9.9
    asked(watch)  # not yet
    now_s[0] += 0.2

    with pytest.raises(LogConfigError) as caught:
        asked(watch)
    sentence = str(caught.value)
    assert "gridpulse.readings has 3 partitions, but 2 are wanted" in sentence
    assert "gridpulse rescale --partitions N --to LOG_URL" in sentence


def test_an_outage_is_not_its_business() -> None:

    class Away(Growing):
        def describe(self, topics: Any) -> LogFacts:
            raise LogUnavailableError("away")

    log, now_s = Away(clock), [0.0]
    watch = PartitionWatch(log, ALL_TOPICS, 2, interval_s=1.0, monotonic_s=lambda: now_s[0])
    for _ in range(3):
        now_s[0] += 2.0
        asked(watch)
