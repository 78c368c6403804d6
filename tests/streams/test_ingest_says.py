"""What GridPulse says for people: in the lane, or in every partition, once; and nobody else can say it."""

from __future__ import annotations

import json

import orjson
import pytest

from schemas.codec import Decoder
from schemas.event import Event, new_event, to_record_value
from schemas.families.civic import AlertAction, AlertSilence
from schemas.records import TopicPartition
from schemas.strict import Limits
from schemas.topics import partition_key, partition_of, topic_of
from streams.ingest import Ingest, IngestConfig, remember_latest
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog
from streams.ports import STRUCTURED_HEADERS, RawEvent
from streams.recent_ids import RecentIds
from tests.streams.ingest_world import NOW_MS, SCOPE, FailingLog

PARTITIONS = 5
CIVIC = topic_of("civic")
ACTION = AlertAction(alert="al-1", action="acknowledge", actor="op-a")
SILENCE = AlertSilence(
    silence="s-1", kind="silence", silenced_scope=SCOPE, starts_time_ms=NOW_MS, ends_time_ms=NOW_MS + 1, actor="op-a",
    status="active",
)  # fmt: skip


@pytest.fixture
def log() -> FailingLog:
    return FailingLog(PARTITIONS)


def ingest_of(log: MemoryLog, recent: RecentIds | None = None, roots: tuple[str, ...] = ()) -> Ingest:
    return Ingest(log, lambda: NOW_MS, IngestConfig(PARTITIONS, scope_roots=roots), recent or RecentIds())


def event(data: AlertAction | AlertSilence = ACTION, event_id: str = "e-1") -> Event:
    return new_event(data, id=event_id, source="//gridpulse/api", scope=SCOPE, event_time_ms=NOW_MS)


def found(log: MemoryLog) -> dict[int, list[bytes]]:
    batches = {p: log.read(TopicPartition(CIVIC, p), 0, 1000) for p in range(PARTITIONS)}
    return {p: list(batch.values) for p, batch in batches.items() if len(batch)}


def test_an_action_is_in_the_lane_of_its_community(log: FailingLog) -> None:
    ingest = ingest_of(log)
    assert not ingest.knows(event())
    assert ingest.say(event(), "wuhu").status == "accepted"
    assert ingest.say(event(), "wuhu").status == "duplicate"
    assert ingest.knows(event())
    ((place, (value,)),) = found(log).items()
    assert place == partition_of(partition_key(SCOPE).encode(), PARTITIONS)
    assert orjson.loads(value)["data"] == {"alert": "al-1", "action": "acknowledge", "actor": "op-a"}


def test_a_silence_is_in_every_partition_and_one_event(log: FailingLog) -> None:
    ingest = ingest_of(log)
    assert ingest.say(event(SILENCE), "wuhu", everywhere=True).status == "accepted"
    assert ingest.say(event(SILENCE), "wuhu", everywhere=True).status == "duplicate"
    values = found(log)
    assert {place: len(part) for place, part in values.items()} == dict.fromkeys(range(PARTITIONS), 1)
    assert len({value for part in values.values() for value in part}) == 1
    for place in range(PARTITIONS):
        decoded = Decoder(Limits()).decode(log.read(TopicPartition(CIVIC, place), 0, 10))
        assert decoded.events.of(AlertSilence.type_name) is not None
    after_a_restart = RecentIds()
    remember_latest(log, [CIVIC], after_a_restart)
    assert ingest_of(log, after_a_restart).say(event(SILENCE), "wuhu", everywhere=True).status == "duplicate"


def test_nothing_is_said_beside_the_subtree_or_of_an_unknown_place(log: FailingLog) -> None:
    for refused, reason in (
        (ingest_of(log).say(event(), "wuhu/yijiang"), "scope_not_allowed"),
        (ingest_of(log).say(event(), "wuhu/jing"), "scope_not_allowed"),
        (ingest_of(log, roots=("hefei",)).say(event(SILENCE), "", everywhere=True), "unknown_scope"),
    ):
        assert (refused.status, refused.reason) == ("rejected", reason)
    assert found(log) == {}


def test_what_was_not_durable_may_be_said_again(log: FailingLog) -> None:
    ingest = ingest_of(log)
    log.failing = True
    with pytest.raises(LogUnavailableError):
        ingest.say(event(), "")
    log.failing = False
    assert ingest.say(event(), "").status == "accepted"


@pytest.mark.parametrize("many", [1, 500], ids=["one by one", "as columns"])
@pytest.mark.parametrize("data", [ACTION, SILENCE], ids=["action", "silence"])
def test_a_sender_cannot_speak_for_a_person(log: FailingLog, data: AlertAction | AlertSilence, many: int) -> None:
    raws = [RawEvent(to_record_value(event(data, f"e-{number}"), None), STRUCTURED_HEADERS) for number in range(many)]
    answers = ingest_of(log).accept(raws, "")
    assert {(answer.status, answer.reason) for answer in answers} == {("rejected", "type_not_allowed")}
    assert "/v1/alerts/" in str(answers[0].detail)
    assert found(log) == {}
    parking = json.loads(raws[0].value) | {"type": "cn.gridpulse.civic.parking.v1"}
    parking["data"] = {"lot": "p-1", "bay": "1", "state": "free"}
    assert ingest_of(log).accept([RawEvent(orjson.dumps(parking))], "")[0].status == "accepted"
