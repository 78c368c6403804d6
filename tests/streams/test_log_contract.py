"""One contract (streams.log), three adapters: memory, SQLite, and a real Kafka."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as KafkaTopicPartition
from confluent_kafka.admin import AdminClient

from schemas.records import NewRecord, RawBatch, TopicPartition
from streams.dev_broker import DevBroker
from streams.log import MAX_RECORD_BYTES, EventLog, LogConfigError, LogReader, OffsetOutOfRangeError
from streams.log_kafka import KafkaLog
from streams.log_memory import MemoryLog
from streams.log_sqlite import SqliteLog

START_MS = 1_700_000_000_000
PATIENCE_S = 20.0


class SettableClock:
    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass(frozen=True)
class Subject:
    """A fresh log with topics ``a`` and ``b`` of two partitions each."""

    log: EventLog
    clock: SettableClock
    a: str
    b: str
    drop_before: Callable[[TopicPartition, int], None] | None  # retention, where the adapter has it

    def records(self, *values: bytes, partition: int = 0, topic: str | None = None) -> list[NewRecord]:
        return [NewRecord(topic or self.a, partition, b"key", value) for value in values]


@pytest.fixture(params=["memory", "sqlite", "kafka"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    clock = SettableClock()
    tag = uuid.uuid4().hex[:8]
    a, b = f"contract.{tag}.a", f"contract.{tag}.b"
    log, drop_before = _open(request, tmp_path, clock)
    with log:
        log.create_topics([a, b], 2)
        yield Subject(log, clock, a, b, drop_before)


def _open(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> tuple[EventLog, Callable[[TopicPartition, int], None] | None]:
    if request.param == "memory":
        memory = MemoryLog(clock)
        return memory, memory.drop_before
    if request.param == "sqlite":
        return SqliteLog(tmp_path / "log.sqlite", clock), None
    broker: DevBroker = request.getfixturevalue("kafka_broker")

    def drop_before(where: TopicPartition, offset: int) -> None:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        [future] = admin.delete_records([KafkaTopicPartition(where.topic, where.partition, offset)]).values()
        future.result()

    return KafkaLog(broker.bootstrap, clock), drop_before


def read_values(reader: LogReader, count: int, max_records: int = 1000) -> list[bytes]:
    """Poll until ``count`` records have come, in the order in which they came."""
    values: list[bytes] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while len(values) < count and time.monotonic() < deadline_s:
        for batch in reader.poll(max_records, 0.5):
            values += batch.values
    return values


def read_all(log: EventLog, where: TopicPartition, page: int = 1000) -> list[RawBatch]:
    batches = []
    offset = 0
    while len(batch := log.read(where, offset, page)):
        batches.append(batch)
        offset = int(batch.offsets[-1]) + 1
    return batches


# Topics


def test_topics_are_made_once_and_stay(subject: Subject) -> None:
    subject.log.append(subject.records(b"kept"))
    subject.log.create_topics([subject.a, subject.b], 2)
    assert subject.log.partitions(subject.a) == 2
    assert subject.log.read(TopicPartition(subject.a, 0), 0, 10).values == [b"kept"]


def test_another_number_of_partitions_is_refused_and_nothing_is_made(subject: Subject) -> None:
    new = f"{subject.a}.new"
    with pytest.raises(LogConfigError, match=f"{subject.b} has 2 partitions, but 3 are wanted"):
        subject.log.create_topics([new, subject.b], 3)
    with pytest.raises(LogConfigError, match="no topic"):
        subject.log.partitions(new)


def test_unknown_topics_and_partitions_are_named(subject: Subject) -> None:
    log, nowhere = subject.log, TopicPartition("contract.nowhere", 0)
    for call in (
        lambda: log.partitions("contract.nowhere"),
        lambda: log.append([NewRecord("contract.nowhere", 0, b"", b"")]),
        lambda: log.end_offsets(["contract.nowhere"]),
        lambda: log.read(nowhere, 0, 1),
        lambda: log.reader({nowhere: 0}),
    ):
        with pytest.raises(LogConfigError, match=r"no topic contract\.nowhere"):
            call()
    for call in (
        lambda: log.append([NewRecord(subject.a, 2, b"", b"")]),
        lambda: log.read(TopicPartition(subject.a, 2), 0, 1),
        lambda: log.reader({TopicPartition(subject.a, -1): 0}),
    ):
        with pytest.raises(LogConfigError, match="no partition"):
            call()


# Appending


def test_append_returns_offsets_in_the_order_of_its_records(subject: Subject) -> None:
    records = [
        *subject.records(b"a0-0", b"a0-1"),
        *subject.records(b"a1-0", partition=1),
        *subject.records(b"b0-0", topic=subject.b),
        *subject.records(b"a0-2"),
    ]
    assert subject.log.append(records) == [0, 1, 0, 0, 2]
    assert subject.log.append(subject.records(b"a0-3")) == [3]
    assert subject.log.append([]) == []


def test_values_come_back_as_they_went_in(subject: Subject) -> None:
    values = [b"", "独居老人 🏠".encode(), bytes(range(256)), b"\xff\xfe", b"x" * 3_000_000, b"after the large one"]
    subject.log.append(subject.records(*values))
    where = TopicPartition(subject.a, 0)
    assert [value for batch in read_all(subject.log, where) for value in batch.values] == values
    with subject.log.reader({where: 0}) as reader:
        assert read_values(reader, len(values)) == values


def test_headers_come_back_and_are_none_where_nobody_has_any(subject: Subject) -> None:
    headers = (("ce_id", b"1"), ("ce_类型", "噪声".encode()), ("ce_id", b"\x00\xff"), ("empty", b""))
    subject.log.append(
        [
            NewRecord(subject.a, 0, b"k", b"plain"),
            NewRecord(subject.a, 0, b"k", b"with", headers),
            NewRecord(subject.a, 0, b"k", b"plain too"),
            NewRecord(subject.a, 1, b"k", b"plain"),
        ]
    )
    assert subject.log.read(TopicPartition(subject.a, 0), 0, 10).headers == [(), headers, ()]
    assert subject.log.read(TopicPartition(subject.a, 1), 0, 10).headers is None


def test_a_record_that_is_too_large_is_refused_with_all_of_its_call(subject: Subject) -> None:
    with pytest.raises(ValueError, match="larger than the log's limit"):
        subject.log.append([*subject.records(b"fine"), *subject.records(b"x" * (MAX_RECORD_BYTES + 1))])
    assert subject.log.end_offsets([subject.a])[TopicPartition(subject.a, 0)] == 0


def test_the_largest_record_is_taken(subject: Subject) -> None:
    value = b"x" * (MAX_RECORD_BYTES - len(b"key"))
    subject.log.append(subject.records(value))
    assert subject.log.read(TopicPartition(subject.a, 0), 0, 1).values == [value]


def test_many_threads_append_at_once_and_each_gets_its_own_offsets(subject: Subject) -> None:
    written: dict[int, bytes] = {}
    lock = threading.Lock()

    def work(worker: int) -> None:
        for round_ in range(10):
            values = [f"{worker}-{round_}-{n}".encode() for n in range(7)]
            offsets = subject.log.append(subject.records(*values))
            with lock:
                written.update(zip(offsets, values, strict=True))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = [value for batch in read_all(subject.log, TopicPartition(subject.a, 0)) for value in batch.values]
    assert [written[offset] for offset in range(8 * 10 * 7)] == read


# Recorded time


def test_the_clock_stamps_and_given_times_are_kept(subject: Subject) -> None:
    subject.log.append([*subject.records(b"now"), NewRecord(subject.a, 0, b"", b"given", (), START_MS + 5)])
    subject.clock.now_ms = START_MS + 9
    subject.log.append(subject.records(b"later"))
    times = subject.log.read(TopicPartition(subject.a, 0), 0, 10).recorded_time_ms.tolist()
    assert times == [START_MS, START_MS + 5, START_MS + 9]


def test_recorded_time_never_goes_back_within_a_partition(subject: Subject) -> None:
    where = TopicPartition(subject.a, 0)
    stamps = [START_MS + 10, START_MS + 3, START_MS + 12, None]
    subject.log.append([NewRecord(subject.a, 0, b"", b"", (), stamp) for stamp in stamps])
    subject.clock.now_ms = START_MS - 1000  # the machine's clock was set back
    subject.log.append(subject.records(b"", b""))
    subject.log.append(subject.records(b"", partition=1))  # another partition has its own time
    raised = [START_MS + 10, START_MS + 10, START_MS + 12, START_MS + 12, START_MS + 12, START_MS + 12]
    assert subject.log.read(where, 0, 10).recorded_time_ms.tolist() == raised
    assert subject.log.last_recorded_time_ms([subject.a]) == {
        where: START_MS + 12,
        TopicPartition(subject.a, 1): START_MS - 1000,
    }


def test_a_partition_without_records_has_no_recorded_time(subject: Subject) -> None:
    assert set(subject.log.last_recorded_time_ms([subject.a, subject.b]).values()) == {None}


# Offsets and reading


def test_end_and_earliest_offsets(subject: Subject) -> None:
    subject.log.append(subject.records(b"1", b"2") + subject.records(b"3", topic=subject.b, partition=1))
    at = [TopicPartition(topic, partition) for topic in (subject.a, subject.b) for partition in (0, 1)]
    assert subject.log.end_offsets([subject.a, subject.b]) == dict(zip(at, [2, 0, 0, 1], strict=True))
    assert subject.log.earliest_offsets([subject.a, subject.b]) == dict.fromkeys(at, 0)


def test_read_pages_through_a_partition(subject: Subject) -> None:
    values = [str(n).encode() for n in range(25)]
    subject.log.append(subject.records(*values))
    where = TopicPartition(subject.a, 0)
    pages = read_all(subject.log, where, page=10)
    assert [value for page in pages for value in page.values] == values
    assert [offset for page in pages for offset in page.offsets.tolist()] == list(range(25))
    assert all(len(page) <= 10 and page.topics == (subject.a,) and page.partition == 0 for page in pages)
    assert len(subject.log.read(where, 25, 10)) == 0
    assert subject.log.read(where, 3, 2).values == values[3:5]


def test_a_reader_reads_on_from_its_offsets_and_then_what_is_appended(subject: Subject) -> None:
    one, two = TopicPartition(subject.a, 0), TopicPartition(subject.b, 1)
    subject.log.append(subject.records(b"0", b"1", b"2") + subject.records(b"x", topic=subject.b, partition=1))
    with subject.log.reader({one: 1, two: 0}) as reader:
        assert sorted(read_values(reader, 3)) == [b"1", b"2", b"x"]
        assert reader.poll(10, 0.0) == []
        subject.log.append(subject.records(b"3") + subject.records(b"elsewhere", partition=1))
        assert read_values(reader, 1) == [b"3"]
        assert reader.next_offsets() == {one: 4, two: 1}


def test_a_waiting_reader_sees_what_another_thread_appends(subject: Subject) -> None:
    with subject.log.reader({TopicPartition(subject.a, 0): 0}) as reader:
        timer = threading.Timer(0.2, lambda: subject.log.append(subject.records(b"new")))
        timer.start()
        assert [batch.values for batch in reader.poll(10, PATIENCE_S)] == [[b"new"]]
        timer.join()


def test_polls_keep_to_their_limit_and_starve_nobody(subject: Subject) -> None:
    subject.log.append(subject.records(*[b"many"] * 300) + subject.records(b"few", topic=subject.b))
    with subject.log.reader({TopicPartition(subject.a, 0): 0, TopicPartition(subject.b, 0): 0}) as reader:
        values: list[bytes] = []
        deadline_s = time.monotonic() + PATIENCE_S
        while len(values) < 301 and time.monotonic() < deadline_s:
            batches = reader.poll(7, 0.5)
            assert sum(map(len, batches)) <= 7
            assert len({(batch.topics, batch.partition) for batch in batches}) == len(batches)
            values += [value for batch in batches for value in batch.values]
        assert sorted(values) == [b"few"] + [b"many"] * 300


def test_a_paused_partition_is_left_out_and_loses_nothing(subject: Subject) -> None:
    one, two = TopicPartition(subject.a, 0), TopicPartition(subject.b, 0)
    ones = [f"a{n}".encode() for n in range(500)]
    subject.log.append(subject.records(*ones))
    with subject.log.reader({one: 0, two: 0}) as reader:
        before = read_values(reader, 10, max_records=10)  # on Kafka the rest has been fetched ahead by now
        reader.set_paused({one})
        subject.log.append(subject.records(b"b0", topic=subject.b))
        assert read_values(reader, 1) == [b"b0"]
        assert reader.poll(1000, 0.3) == []
        reader.set_paused(())
        assert before + read_values(reader, 500 - len(before)) == ones
        assert reader.next_offsets() == {one: 500, two: 1}


def test_an_offset_beyond_the_end_is_refused(subject: Subject) -> None:
    subject.log.append(subject.records(b"0", b"1"))
    where = TopicPartition(subject.a, 0)
    with pytest.raises(OffsetOutOfRangeError) as by_read:
        subject.log.read(where, 3, 10)
    with subject.log.reader({where: 3}) as reader, pytest.raises(OffsetOutOfRangeError) as by_reader:
        read_values(reader, 1)
    for caught in (by_read.value, by_reader.value):
        assert (caught.where, caught.wanted, caught.earliest, caught.end) == (where, 3, 0, 2)


def test_records_that_retention_removed_are_missed_loudly(subject: Subject) -> None:
    if subject.drop_before is None:  # this log keeps everything
        assert subject.log.earliest_offsets([subject.a])[TopicPartition(subject.a, 0)] == 0
        return
    subject.log.append(subject.records(b"0", b"1", b"2"))
    where = TopicPartition(subject.a, 0)
    subject.drop_before(where, 2)
    assert subject.log.earliest_offsets([subject.a])[where] == 2
    with pytest.raises(OffsetOutOfRangeError) as by_read:
        subject.log.read(where, 1, 10)
    with subject.log.reader({where: 0}) as reader, pytest.raises(OffsetOutOfRangeError) as by_reader:
        read_values(reader, 1)
    assert [(e.value.wanted, e.value.earliest, e.value.end) for e in (by_read, by_reader)] == [(1, 2, 3), (0, 2, 3)]
    assert subject.log.read(where, 2, 10).values == [b"2"]
    assert subject.log.append(subject.records(b"3")) == [3]


def test_a_second_close_does_nothing(subject: Subject) -> None:
    subject.log.append(subject.records(b"0"))
    subject.log.close()
    subject.log.close()
