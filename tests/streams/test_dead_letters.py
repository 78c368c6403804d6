"""Dead letters are sent in again once, with a link to what became of them, wherever a retry is interrupted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from projections.queries.letters import Letter, RetryRow
from schemas.codec import Decoder
from schemas.records import NewRecord, TopicPartition
from schemas.strict import Limits
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, topic_of
from streams.dead_letters import (
    RETRY_SOURCE,
    Identity,
    Retried,
    Retry,
    RetryPorts,
    Transform,
    TransformError,
    linked_letters,
    merge_patch,
)
from streams.ingest import Ingest, IngestConfig, dead_letter_record, remember_latest
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog
from streams.recent_ids import RecentIds

NOW_MS = 1_790_000_000_000
PARTITIONS = 2
MENDED = Transform('{"data":{"unit":"dB(A)"}}', lambda event: merge_patch(event, {"data": {"unit": "dB(A)"}}))


def broken(event_id: str | None = "e-1", source: str | None = "//iot/t", unit: str = "V", **changes: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": "cn.gridpulse.readings.measured.v1",
        "time": "2026-09-21T14:00:00Z",
        "scope": "wuhu/jinghu/tingtang/jianyang/g03",
        "data": {"device": "n-1", "quantity": "laeq", "value": 50.0, "unit": unit},
        **changes,
    }
    return orjson.dumps({name: value for name, value in event.items() if value is not None})


def letter(name: str = "l1", raw: bytes | None = None, **changes: Any) -> Letter:
    raw = broken() if raw is None else raw
    at = datetime(2026, 9, 21, 14, tzinfo=UTC)
    values = {"raw_bytes": len(raw), "retries": (), **changes}
    return Letter(name, at, NOW_MS - 3_600_000, "bridge", "wrong_unit", "…", "t/0/1", raw, **values)


class TornLog(MemoryLog):
    """Fails at the n-th append."""

    fails_at = 0
    appends = 0

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        self.appends += 1
        if self.appends == self.fails_at:
            raise LogUnavailableError("torn")
        return super().append(records)


@dataclass
class Place:
    """A log, and the tables as they would follow from it when everything has been projected."""

    log: TornLog = field(default_factory=lambda: TornLog(lambda: NOW_MS))

    def __post_init__(self) -> None:
        self.log.create_topics(ALL_TOPICS, PARTITIONS)

    def events(self, family: str, fact: str = "") -> list[dict[str, Any]]:
        where = [TopicPartition(topic_of(family), partition) for partition in range(PARTITIONS)]
        values = [value for one in where for value in self.log.read(one, 0, 1_000).values]
        return [event for value in values if fact in (event := orjson.loads(value)).get("type", "")]

    def known(self, type_name: str, wanted: Iterable[Identity]) -> set[Identity]:
        out: set[Identity] = set()
        for topic in DOMAIN_TOPICS:
            for partition in range(PARTITIONS):
                batch = self.log.read(TopicPartition(topic, partition), 0, 1_000)
                rows = Decoder(Limits()).decode(batch).events.of(type_name)
                out |= set() if rows is None else set(zip(rows.texts("source"), rows.texts("id"), strict=True))
        return out & set(wanted)

    def retry(
        self,
        *letters: Letter,
        transform: Transform | None = None,
        dry_run: bool = False,
        is_projected: bool = True,
        window: int = 1_000,
    ) -> list[Retried]:
        """A retry command of its own. ``window``: so many recent ids are known."""
        recent = RecentIds(window)
        remember_latest(self.log, DOMAIN_TOPICS, recent)
        ingest = Ingest(self.log, lambda: NOW_MS, IngestConfig(PARTITIONS), recent)
        linked = linked_letters(self.log, {})
        known = self.known if is_projected else lambda _name, _wanted: set()
        ports = RetryPorts(ingest, self.log, lambda: NOW_MS, known, linked)
        return Retry(ports, transform, "somebody", dry_run).send(letters)

    @property
    def links(self) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events("deadletters", "deadletters.retry")]


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_mended_letter_is_accepted_once_and_linked(place: Place) -> None:
    (first,) = place.retry(letter(), transform=MENDED)
    assert (first.outcome, first.retried_source, first.retried_id) == ("accepted", "//iot/t", "e-1")
    (again,) = place.retry(letter(), transform=MENDED)
    assert again.outcome == "duplicate"
    (event,) = place.events("readings")
    assert (event["id"], event["source"], event["data"]["unit"]) == ("e-1", "//iot/t", "dB(A)")
    assert place.links == [
        {
            "letter": "l1", "outcome": "accepted", "retried_id": "e-1", "retried_source": "//iot/t",
            "retried_type": "cn.gridpulse.readings.measured.v1", "transform": MENDED.name, "actor": "somebody",
        }
    ]  # fmt: skip


def test_what_is_still_wrong_is_rejected_with_the_reason_and_may_be_tried_again(place: Place) -> None:
    (result,) = place.retry(letter())
    assert (result.outcome, result.reason) == ("rejected", "wrong_unit")
    assert [(link["outcome"], link["reason"]) for link in place.links] == [("rejected", "wrong_unit")]
    (result,) = place.retry(letter(), transform=MENDED)
    assert result.outcome == "accepted"


@pytest.mark.parametrize("is_projected", [True, False], ids=["in its table", "lately accepted"])
def test_an_event_that_is_there_is_not_accepted_again_but_linked(place: Place, is_projected: bool) -> None:
    window = 1 if is_projected else 1_000  # too small to remember it
    place.retry(letter("other"), transform=MENDED)
    place.retry(letter("yet-another", broken("e-9")), transform=MENDED)
    for dry_run in (True, False):
        (result,) = place.retry(letter(), transform=MENDED, is_projected=is_projected, window=window, dry_run=dry_run)
        assert result.outcome == "duplicate"
    assert len(place.events("readings")) == 2
    assert [(link["letter"], link["outcome"]) for link in place.links if link["letter"] == "l1"] == [
        ("l1", "duplicate")
    ]


def test_two_letters_of_one_event_are_one_event(place: Place) -> None:
    assert [one.outcome for one in place.retry(letter("l1"), letter("l2"), transform=MENDED)] == [
        "accepted", "duplicate",
    ]  # fmt: skip
    assert len(place.events("readings")) == 1
    assert len(place.links) == 2


def test_what_died_in_the_log_itself_is_not_taken_for_the_event(place: Place) -> None:
    place.log.append([NewRecord(topic_of("readings"), 0, b"", broken())])
    (result,) = place.retry(letter(), transform=MENDED)
    assert result.outcome == "accepted"


@pytest.mark.parametrize("fails_at", [1, 2], ids=["before the event", "between event and link"])
def test_interrupted_anywhere_the_next_retry_completes_it(place: Place, fails_at: int) -> None:
    place.log.fails_at = fails_at
    with pytest.raises(LogUnavailableError):
        place.retry(letter(), transform=MENDED)
    assert place.links == []
    (result,) = place.retry(letter(), transform=MENDED)
    assert result.outcome == ("accepted" if fails_at == 1 else "duplicate")
    assert len(place.events("readings")) == 1
    assert [link["outcome"] for link in place.links] == [result.outcome]


@pytest.mark.parametrize(
    ("event_id", "source", "kept"),
    [(None, "//iot/t", "//iot/t"), ("7", None, RETRY_SOURCE), (None, None, RETRY_SOURCE)],
)
def test_without_identity_and_time_they_follow_from_the_letter(
    place: Place, event_id: str | None, source: str | None, kept: str
) -> None:
    one = letter("l1", broken(event_id, source, "dB(A)", time=None))
    two = letter("l2", broken(event_id, source, "dB(A)", time=None))
    results = place.retry(one, two)
    assert [result.outcome for result in results] == ["accepted", "accepted"]
    assert len({result.retried_id for result in results}) == 2
    events = place.events("readings")
    assert {event["source"] for event in events} == {kept}
    assert {event["time"] for event in events} == {"2026-09-21T13:13:20.000Z"}  # when the letter came
    other = Place()
    assert other.retry(one)[0].retried_id == results[0].retried_id


def test_a_letter_sent_in_before_is_left_as_it_is(place: Place) -> None:
    row = RetryRow(datetime(2026, 9, 21, tzinfo=UTC), "accepted", None, None, "x", "//x", None, None, None)
    (result,) = place.retry(letter(retries=(row,)), transform=MENDED)
    assert result.outcome == "duplicate"
    assert (place.links, place.events("readings")) == ([], [])


def test_what_was_cut_or_left_alone_is_not_sent(place: Place) -> None:
    leave = Transform("leave.py", lambda _event: None)
    cut, left = place.retry(letter("l1", raw_bytes=99_999), letter("l2"), transform=leave)
    assert (cut.outcome, left.outcome) == ("cut", "left")
    assert "99999" in str(cut.detail)
    assert (place.links, place.events("readings")) == ([], [])


def test_a_dry_run_says_the_same_and_changes_nothing(place: Place) -> None:
    place.retry(letter("there", broken("there")), transform=MENDED)
    letters = [
        letter("good"), letter("same"), letter("known", broken("there")), letter("junk", b"\xff"),
        letter("c", b"", raw_bytes=9),
    ]  # fmt: skip
    ends = place.log.end_offsets(ALL_TOPICS)
    dry = place.retry(*letters, transform=MENDED, dry_run=True)
    assert place.log.end_offsets(ALL_TOPICS) == ends
    assert [one.outcome for one in dry] == ["accepted", "duplicate", "duplicate", "rejected", "cut"]
    assert place.retry(*letters, transform=MENDED) == dry


def test_liberties_of_json_are_not_mended_by_the_way(place: Place) -> None:
    raw = broken(None, unit="dB(A)").replace(b'"value":50.0', b'"value":50.0,"value":51.0')
    (result,) = place.retry(letter(raw=raw))
    assert (result.outcome, result.reason) == ("rejected", "duplicate_key")


@pytest.mark.parametrize("made", [[1], "text", {"data": {1, 2}}])
def test_a_transform_that_makes_no_event_stops_before_anything_is_done(place: Place, made: Any) -> None:
    with pytest.raises(TransformError, match=r"t\.py: letter l1"):
        place.retry(letter(), transform=Transform("t.py", lambda _event: made))
    assert (place.links, place.events("readings")) == ([], [])


def test_no_system_event_comes_in_this_way(place: Place) -> None:
    record = dead_letter_record("bridge", "wrong_unit", "…", "o", b"x", 0, NOW_MS)
    (result,) = place.retry(letter(raw=record.value))
    assert (result.outcome, result.reason) == ("rejected", "type_not_allowed")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_the_standard(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result
