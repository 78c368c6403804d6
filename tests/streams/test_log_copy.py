"""A copied log holds every record once, in the partition of its key, in its order, and says so only when it is true."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.event import tick_record
from schemas.families.subscriptions import SubscriptionState
from schemas.golden_log import batches, golden_records
from schemas.records import Headers, NewRecord, TopicPartition
from schemas.topics import ALL_TOPICS, partition_key, partition_of
from streams.dev_broker import DevBroker
from streams.ingest import dead_letter_record
from streams.keys import LogKeyRing, issue_key
from streams.log import EventLog, LogConfigError, LogUnavailableError
from streams.log_copy import copy_log
from streams.log_kafka import KafkaLog
from streams.log_memory import MemoryLog
from streams.log_sqlite import SqliteLog
from streams.webhooks.subscriptions import CONTROL_TOPIC, SubscriptionBook, state_record

START_MS = 1_780_000_000_000
READINGS = "gridpulse.readings"
COMMUNITIES = tuple(f"wuhu/jinghu/street{n % 3}/community{n}" for n in range(12))
Row = tuple[int, bytes, Headers]


def clock() -> int:
    return START_MS


def event(community: str, number: int, **attributes: str) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": "//iot/copy",
            "type": "cn.gridpulse.readings.sos.v1",
            "scope": f"{community}/g01",
            "data": {"device": "sos-1"},
            **attributes,
        }
    )


def filled(log: EventLog, partitions: int, records: int = 400) -> EventLog:
    """Events of twelve communities, as producers of our own and foreign ones leave them, and what is no event."""
    log.create_topics(ALL_TOPICS, partitions)
    chance = random.Random(5)
    out = []
    for number in range(records):
        community = chance.choice(COMMUNITIES)
        own = partition_of(community.encode(), partitions)
        place = own if number % 10 else chance.randrange(partitions)  # a foreign producer's key
        time_ms = START_MS + number // 3
        headers: Headers = (("trace", b"%d" % number),) if number % 7 == 0 else ()
        out.append(NewRecord(READINGS, place, b"", event(community, number), headers, time_ms))
    for partition in range(partitions):
        out.append(tick_record(READINGS, partition, START_MS + records))
        out.append(NewRecord(READINGS, partition, b"", b"{no event", (), START_MS + records))
    offsets = log.append(out)
    of_no_event = f"{READINGS}/0/{offsets[-2 * partitions + 1]}"
    for stage, origin in (("decode", of_no_event), ("decode", f"{READINGS}/0/-1"), ("ingest", "api")):
        log.append([dead_letter_record(stage, "invalid_json", "not JSON", origin, b"{no event", 0, START_MS)])  # type: ignore[arg-type]
    return log


def rows(log: EventLog, topic: str) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for partition in range(log.partitions(topic)):
        batch = log.read(TopicPartition(topic, partition), 0, 100_000)
        headers = batch.headers or [()] * len(batch)
        found[partition] = list(zip(batch.recorded_time_ms.tolist(), batch.values, headers, strict=True))
    return found


def community_of(value: bytes) -> str | None:
    try:
        return partition_key(orjson.loads(value)["scope"])
    except orjson.JSONDecodeError:
        return None


def memory() -> MemoryLog:
    return MemoryLog(clock)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (4, 2), (3, 3), (2, 1)])
def test_every_community_is_in_one_partition_and_in_order(before: int, after: int) -> None:
    source, target = filled(memory(), before), memory()
    reports = {report.topic: report for report in copy_log(source, target, after)}
    merged = sorted(
        (time_ms, partition, offset, value, headers)
        for partition, part in rows(source, READINGS).items()
        for offset, (time_ms, value, headers) in enumerate(part)
        if b"control.tick" not in value
    )
    found = rows(target, READINGS)
    assert sum(map(len, found.values())) == len(merged) == reports[READINGS].records == 400 + before
    for partition, part in found.items():
        events = [row for row in part if community_of(row[1])]
        assert {partition_of(str(community_of(value)).encode(), after) for _, value, _ in events} <= {partition}
    for community in COMMUNITIES:
        ours = [
            (time_ms, value, headers) for time_ms, _, _, value, headers in merged if community_of(value) == community
        ]
        place = partition_of(community.encode(), after)
        assert [row for row in found[place] if community_of(row[1]) == community] == ours
    assert reports[READINGS].left_out == {"ticks": before}
    assert reports["gridpulse.deadletters"].left_out == {"dead_letters_of_copied_records": 1}
    assert reports["gridpulse.deadletters"].records == 2
    assert reports[READINGS].from_partitions == before


def test_the_digest_does_not_depend_on_partitions() -> None:
    source = filled(memory(), 2)
    digests = [{one.topic: one.digest for one in copy_log(source, memory(), parts)} for parts in (1, 2, 5)]
    assert digests[0] == digests[1] == digests[2]
    again = memory()
    copy_log(source, again, 3)
    back = {one.topic: one.digest for one in copy_log(again, memory(), 2)}
    assert back == digests[0]


def test_keys_are_known_in_the_copy() -> None:
    source, target = filled(memory(), 1), memory()
    texts = [issue_key(source, "admin", "", None)[0] for _ in range(8)]
    copy_log(source, target, 4)
    ring = LogKeyRing(target)
    assert all(ring.verify(text) for text in texts)
    assert len({where for where, end in target.end_offsets(["gridpulse.control"]).items() if end}) > 1


def test_subscriptions_are_known_in_the_copy() -> None:
    source, target = memory(), memory()
    source.create_topics(ALL_TOPICS, 1)
    fields: dict[str, Any] = {
        "revision": 1, "kind": "standard", "shown_url": "", "sealed_url": "", "min_severity": "info", "silenced": False,
        "secret_id": "s", "status": "active", "key_id": "k", "actor": "k",
    }  # fmt: skip
    for number in range(8):
        scope = ("", "wuhu/jinghu")[number % 2]
        state = SubscriptionState(subscription=f"sub_{number}", subscription_scope=scope, **fields)
        source.append([state_record(source, state)])
    copy_log(source, target, 4)
    book, held = SubscriptionBook(4), target.end_offsets([CONTROL_TOPIC])
    for where, end in held.items():
        book.absorb(target.read(where, 0, end))
    assert len(book.active()) == 8
    assert sum(end > 0 for end in held.values()) > 1


@pytest.mark.parametrize(("before", "after"), [(2, 5), (3, 1)])
def test_what_is_said_in_every_partition_is_in_every_one_of_the_copy_once(before: int, after: int) -> None:
    source, target, again = memory(), memory(), memory()
    source.create_topics(ALL_TOPICS, before)
    civic = "gridpulse.civic"
    data = {"silence": "s", "kind": "silence", "silenced_scope": "wuhu", "starts_time_ms": 0, "ends_time_ms": 1}
    for name, status in (("s-1", "active"), ("s-1-lifted", "lifted")):
        silence = orjson.loads(event("wuhu", 0, id=name, type="cn.gridpulse.civic.alert_silence.v1"))
        value = orjson.dumps(silence | {"data": data | {"actor": "k", "status": status}})
        source.append([NewRecord(civic, place, b"", value, (), START_MS) for place in range(before)])
    of_community = orjson.loads(event("wuhu/jinghu/street1/community1", 1)) | {"type": "cn.gridpulse.civic.parking.v1"}
    source.append([NewRecord(civic, 0, b"", orjson.dumps(of_community), (), START_MS)])
    report = {one.topic: one for one in copy_log(source, target, after)}[civic]
    assert (report.records, report.appended) == (3, 2 * after + 1)
    assert report.left_out == {"repeated_in_every_partition": 2 * (before - 1)}
    for part in rows(target, civic).values():
        assert [orjson.loads(value)["id"] for _, value, _ in part if b"silence" in value] == ["s-1", "s-1-lifted"]
    assert {one.topic: one.digest for one in copy_log(target, again, 4)}[civic] == report.digest


def test_the_golden_log_with_its_binary_and_broken_records_is_copied_whole() -> None:
    """Every scope stays together; a partition key of its own, in the value or in a header, goes before the scope."""
    source, target = memory(), memory()
    source.create_topics(ALL_TOPICS, 2)
    records = golden_records()
    for batch in batches(records):
        source.append(
            [
                NewRecord(batch.topics[0], batch.partition, b"", value, headers, time_ms)
                for value, headers, time_ms in zip(
                    batch.values, batch.headers or [], batch.recorded_time_ms.tolist(), strict=True
                )
            ]
        )
    reports = copy_log(source, target, 7)
    left_out = sum(sum(report.left_out.values()) for report in reports)
    assert sum(report.records for report in reports) == len(records) - left_out
    jianyang = partition_of(b"wuhu/jinghu/tingtang/jianyang", 7)
    for wanted in (b"golden-elsewhere", b"golden-binary-2"):
        places = [
            partition
            for partition, part in rows(target, READINGS).items()
            for _, value, headers in part
            if wanted in value or ("ce_id", wanted) in headers
        ]
        assert places == [jianyang]


class Failing:
    """A log that fails at the n-th append, half of it written, as Kafka can."""

    def __init__(self, log: MemoryLog, at: int) -> None:
        self._log, self._at, self.appends = log, at, 0

    def append(self, records: list[NewRecord]) -> list[int]:
        self.appends += 1
        if self.appends == self._at:
            self._log.append([record for record in records if record.partition % 2 == 0])
            raise LogUnavailableError("the broker is gone")
        return self._log.append(records)

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_copy_cut_short_is_gone_on_with(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.log_copy._PAGE_RECORDS", 150)
    source, target, whole = filled(memory(), 3), memory(), memory()
    copy_log(source, whole, 4)
    with pytest.raises(LogUnavailableError):
        copy_log(source, Failing(target, at), 4)  # type: ignore[arg-type]
    with pytest.raises(LogConfigError, match=r"holds [0-9]+ records already.*--resume"):
        copy_log(source, target, 4)
    reports = copy_log(source, target, 4, resume=True)
    for topic in ALL_TOPICS:
        assert rows(target, topic) == rows(whole, topic)
    assert 0 < sum(report.appended for report in reports) < sum(report.records for report in reports)
    assert sum(report.appended for report in copy_log(source, target, 4, resume=True)) == 0


def test_a_target_that_holds_something_else_is_refused() -> None:
    source, target = filled(memory(), 1), memory()
    target.create_topics(ALL_TOPICS, 2)
    target.append([NewRecord(READINGS, 1, b"", event(COMMUNITIES[0], -1), (), START_MS)])
    with pytest.raises(LogConfigError, match=f"{READINGS}/1 of the copy .* new, empty log"):
        copy_log(source, target, 2, resume=True)


class Forgetful(MemoryLog):
    """Loses, repeats or swaps records on their way: what a verification is for."""

    def __init__(self, fault: str) -> None:
        super().__init__(clock)
        self._fault = fault

    def append(self, records: object) -> list[int]:
        kept = list(records)  # type: ignore[call-overload]
        if kept[0].topic == READINGS:
            match self._fault:
                case "lost":
                    kept.pop(100)
                case "twice":
                    kept.insert(100, kept[100])
                case "swapped":
                    same = [n for n, one in enumerate(kept) if one.partition == 0 and one.recorded_time_ms is not None]
                    first, second = next(
                        (a, b) for a, b in pairwise(same) if kept[a].recorded_time_ms == kept[b].recorded_time_ms
                    )
                    kept[first], kept[second] = kept[second], kept[first]
        return super().append(kept)


@pytest.mark.parametrize("fault", ["lost", "twice", "swapped"])
def test_what_goes_wrong_on_the_way_is_found(fault: str) -> None:
    with pytest.raises(LogConfigError, match="of the copy"):
        copy_log(filled(memory(), 1), Forgetful(fault), 2)


def test_records_that_come_in_meanwhile_are_noticed_and_fetched_by_resuming() -> None:
    source, target = filled(memory(), 1), memory()
    late = [NewRecord(READINGS, 0, b"", event(COMMUNITIES[1], 10_000), (), START_MS + 5_000)]
    calls = iter([lambda: source.append(late)])

    def advance(_records: int) -> None:
        next(calls, lambda: None)()

    with pytest.raises(LogConfigError, match="1 records came in"):
        copy_log(source, target, 2, advance=advance)
    copy_log(source, target, 2, resume=True)
    assert any(b"e-10000" in value for part in rows(target, READINGS).values() for _, value, _ in part)


def test_the_same_log_and_no_log_are_refused(tmp_path: Path) -> None:
    source = filled(memory(), 1)
    with pytest.raises(LogConfigError, match="the same log"):
        copy_log(source, source, 1)
    with pytest.raises(LogConfigError, match="no topics of GridPulse"):
        copy_log(memory(), memory(), 1)
    path = tmp_path / "log.sqlite"
    with SqliteLog(path, clock) as one, SqliteLog(path, clock) as other:
        one.create_topics(ALL_TOPICS, 1)
        with pytest.raises(LogConfigError, match="the same log"):
            copy_log(one, other, 2)


def test_topics_with_different_numbers_of_partitions_become_even() -> None:
    """What a broker's administrator left behind."""
    source, target = memory(), memory()
    source.create_topics([READINGS], 3)
    filled_topics = [topic for topic in ALL_TOPICS if topic != READINGS]
    source.create_topics(filled_topics, 1)
    source.append([NewRecord(READINGS, n, b"", event(COMMUNITIES[0], n), (), START_MS + n) for n in range(3)])
    copy_log(source, target, 2)
    place = partition_of(COMMUNITIES[0].encode(), 2)
    assert [orjson.loads(value)["id"] for _, value, _ in rows(target, READINGS)[place]] == ["e-0", "e-1", "e-2"]
    assert set(target.describe(ALL_TOPICS).partitions.values()) == {2}


def test_sqlite_to_sqlite_keeps_times_and_headers(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "old.sqlite", clock) as source, SqliteLog(tmp_path / "new.sqlite", clock) as target:
        copy_log(filled(source, 1), target, 3)
        expected = memory()
        copy_log(source, expected, 3)
        for topic in ALL_TOPICS:
            assert rows(target, topic) == rows(expected, topic)


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[DevBroker]:
    """The copy's topics have GridPulse's own names, which the shared broker's tests use too."""
    with DevBroker.start(tmp_path / uuid.uuid4().hex[:8]) as broker:
        yield broker


def test_sqlite_to_kafka_and_back(tmp_path: Path, own_broker: DevBroker) -> None:
    with (
        SqliteLog(tmp_path / "old.sqlite", clock) as source,
        KafkaLog(own_broker.bootstrap, clock) as kafka,
        SqliteLog(tmp_path / "back.sqlite", clock) as back,
    ):
        there = copy_log(filled(source, 1), kafka, 3)
        expected = memory()
        copy_log(source, expected, 3)
        assert rows(kafka, READINGS) == rows(expected, READINGS)
        again = copy_log(kafka, back, 2)
        assert [(one.topic, one.digest) for one in again] == [(one.topic, one.digest) for one in there]
        with KafkaLog(own_broker.bootstrap, clock) as same, pytest.raises(LogConfigError, match="the same log"):
            copy_log(kafka, same, 3)
