"""Ingest: an answer per event, nothing acknowledged that is not in the log, scopes kept."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.records import NewRecord, TopicPartition
from schemas.topics import ALL_TOPICS, partition_key, partition_of, topic_of
from streams.ingest import Ingest, IngestConfig, dead_letter_record, remember_latest
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog
from streams.ports import RawEvent
from streams.recent_ids import RecentIds, digest_of
from tests.streams.ingest_world import NOW_MS, SCOPE, FailingLog

PARTITIONS = 3


@pytest.fixture
def log() -> FailingLog:
    return FailingLog(PARTITIONS)


def ingest_of(log: MemoryLog, roots: tuple[str, ...] = (), capacity: int = 1000) -> Ingest:
    return Ingest(log, lambda: NOW_MS, IngestConfig(PARTITIONS, scope_roots=roots), RecentIds(capacity))


def reading(event_id: str = "e-1", **changes: Any) -> RawEvent:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "//test",
        "type": "cn.gridpulse.readings.measured.v1",
        "time": "2026-09-21T14:00:00Z",
        "scope": SCOPE,
        "data": {"device": "n-1", "quantity": "laeq", "value": 50.0, "unit": "dB(A)"},
        **changes,
    }
    return RawEvent(orjson.dumps({name: value for name, value in event.items() if value is not None}))


def in_log(log: MemoryLog, family: str = "readings") -> list[dict[str, Any]]:
    topic = topic_of(family)
    batches = [log.read(TopicPartition(topic, p), 0, 1000) for p in range(PARTITIONS)]
    return [orjson.loads(value) for batch in batches for value in batch.values]


def test_accepted_means_in_the_log_in_the_partition_of_its_community(log: FailingLog) -> None:
    (answer,) = ingest_of(log).accept([reading()], "")
    assert (answer.status, answer.event_id, answer.source) == ("accepted", "e-1", "//test")
    wanted = partition_of(partition_key(SCOPE).encode(), PARTITIONS)
    batch = log.read(TopicPartition(topic_of("readings"), wanted), 0, 10)
    (value,) = batch.values
    assert orjson.loads(value)["recordedtime"].startswith("2026-09-21T")
    assert batch.recorded_time_ms.tolist() == [NOW_MS]


def test_the_same_again_is_a_duplicate_within_and_between_requests(log: FailingLog) -> None:
    ingest = ingest_of(log)
    first = ingest.accept([reading("a"), reading("a"), reading("b")], "")
    again = ingest.accept([reading("b"), reading("c")], "")
    assert [a.status for a in first + again] == ["accepted", "duplicate", "accepted", "duplicate", "accepted"]
    assert sorted(event["id"] for event in in_log(log)) == ["a", "b", "c"]


def test_a_failed_append_acknowledges_and_remembers_nothing(log: FailingLog) -> None:
    ingest = ingest_of(log)
    log.failing = True
    with pytest.raises(LogUnavailableError):
        ingest.accept([reading()], "")
    log.failing = False
    (answer,) = ingest.accept([reading()], "")
    assert answer.status == "accepted"
    assert len(in_log(log)) == 1


def test_duplicates_are_known_again_after_a_restart(log: FailingLog) -> None:
    ingest_of(log).accept([reading("a"), reading("b"), reading("c")], "")
    where = next(place for place, end in log.end_offsets([topic_of("readings")]).items() if end)
    log.append([NewRecord(where.topic, where.partition, b"", b"not json")])
    recent = RecentIds()
    remember_latest(log, ALL_TOPICS, recent, per_partition=3)
    again = Ingest(log, lambda: NOW_MS, IngestConfig(PARTITIONS), recent)
    statuses = [answer.status for answer in again.accept([reading("a"), reading("b"), reading("c")], "")]
    assert statuses == ["accepted", "duplicate", "duplicate"]  # "a" lies before the latest three records


def test_what_falls_out_of_the_window_is_taken_again(log: FailingLog) -> None:
    ingest = ingest_of(log, capacity=2)
    ingest.accept([reading("a"), reading("b"), reading("c")], "")
    assert [a.status for a in ingest.accept([reading("a"), reading("c")], "")] == ["accepted", "duplicate"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (reading(type="cn.gridpulse.readings.unheard.v1"), "unknown_type"),
        (reading(id=None), "missing_attribute"),
        (reading(time="2026-09-21T14:00:00"), "naive_time"),
        (reading(time="2026-09-21T15:00:00Z"), "time_ahead"),
        (reading(scope="shanghai/minhang"), "unknown_scope"),
        (reading(data={"device": "n", "quantity": "laeq", "value": 50.0, "unit": "Pa"}), "wrong_unit"),
        (RawEvent(b'{"id": "\xff"}'), "invalid_utf8"),
        (RawEvent(b"{" + b" " * 2_000_000 + b"}"), "too_large"),
    ],
)
def test_bad_input_gets_its_reason_and_stops_nothing(log: FailingLog, event: RawEvent, reason: str) -> None:
    answers = ingest_of(log, roots=("wuhu",)).accept([event, reading("good")], "")
    assert [(a.status, a.reason) for a in answers] == [("rejected", reason), ("accepted", None)]
    assert answers[0].detail
    assert [e["id"] for e in in_log(log)] == ["good"]


@pytest.mark.parametrize(
    ("principal", "status"),
    [("", "accepted"), ("wuhu", "accepted"), (SCOPE, "accepted"), ("wuhu/jing", "rejected"), ("hefei", "rejected")],
)
def test_a_sender_stays_within_its_scope(log: FailingLog, principal: str, status: str) -> None:
    (answer,) = ingest_of(log).accept([reading()], principal)
    assert answer.status == status
    assert answer.reason == (None if status == "accepted" else "scope_not_allowed")


def test_nobody_outside_can_speak_as_gridpulse(log: FailingLog) -> None:
    forged = reading(
        type="cn.gridpulse.control.api_key.v1",
        data={"key_id": "k", "key_sha256": "0" * 64, "role": "admin", "key_scope": "", "status": "active"},
    )
    (answer,) = ingest_of(log).accept([forged], "")
    assert (answer.status, answer.reason) == ("rejected", "type_not_allowed")


def test_a_dead_letter_has_its_origin_as_identity_and_keeps_the_bytes() -> None:
    raw = b"\xff\xfe broken"
    one, two = (dead_letter_record("bridge", "invalid_utf8", "x" * 900, "t/0/7", raw, 2, NOW_MS) for _ in range(2))
    event = orjson.loads(one.value)
    assert one.value == two.value
    assert (one.partition, one.topic) == (2, topic_of("deadletters"))
    assert event["data"]["raw_bytes"] == len(raw)
    assert len(event["data"]["detail"]) == 500


def test_digests_keep_source_and_id_apart() -> None:
    assert digest_of("a", "bc") != digest_of("ab", "c")
