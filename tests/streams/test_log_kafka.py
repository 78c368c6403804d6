"""What only the log on Kafka promises: foreign producers, transactions, outages, options."""

import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource

from schemas.records import NewRecord, TopicPartition
from streams.dev_broker import DevBroker
from streams.log import LogConfigError, LogError, LogUnavailableError
from streams.log_kafka import KafkaLog
from streams.merge import LaneReader

START_MS = 1_700_000_000_000
PATIENCE_S = 30.0


def clock() -> int:
    return START_MS


@pytest.fixture
def topic() -> str:
    return f"kafka.{uuid.uuid4().hex[:8]}"


@pytest.fixture
def log(kafka_broker: DevBroker, topic: str) -> Iterator[KafkaLog]:
    with KafkaLog(kafka_broker.bootstrap, clock) as log:
        log.create_topics([topic], 1)
        yield log


@pytest.fixture
def nobody_there() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def records(topic: str, *values: bytes) -> list[NewRecord]:
    return [NewRecord(topic, 0, b"k", value) for value in values]


def all_rows(log: KafkaLog, topic: str) -> list[tuple[int, int, bytes]]:
    """Offset, recorded time and value of all records, by one reader."""
    where = TopicPartition(topic, 0)
    rows: list[tuple[int, int, bytes]] = []
    end = log.end_offsets([topic])[where]
    deadline_s = time.monotonic() + PATIENCE_S
    with log.reader({where: 0}) as reader:
        while reader.next_offsets()[where] < end and time.monotonic() < deadline_s:
            for batch in reader.poll(1000, 0.5):
                rows += zip(batch.offsets.tolist(), batch.recorded_time_ms.tolist(), batch.values, strict=True)
    return rows


# Others' records


def test_foreign_times_that_step_back_read_as_the_running_maximum(
    kafka_broker: DevBroker, log: KafkaLog, topic: str
) -> None:
    foreign = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    for stamp in (START_MS + 10, START_MS + 2, START_MS + 11):
        foreign.produce(topic, b"foreign", partition=0, timestamp=stamp)
    assert foreign.flush(PATIENCE_S) == 0
    log.append(records(topic, b"ours"))
    times = [time_ms for _, time_ms, _ in all_rows(log, topic)]
    assert times == [START_MS + 10, START_MS + 10, START_MS + 11, START_MS + 11]
    assert log.last_recorded_time_ms([topic]) == {TopicPartition(topic, 0): START_MS + 11}


def test_tombstones_and_empty_headers_read_as_empty_bytes(kafka_broker: DevBroker, log: KafkaLog, topic: str) -> None:
    foreign = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    foreign.produce(topic, None, b"key", partition=0, headers=[("ce_id", None), ("ce_type", b"t")])
    assert foreign.flush(PATIENCE_S) == 0
    batch = log.read(TopicPartition(topic, 0), 0, 10)
    assert (batch.values, batch.headers) == ([b""], [(("ce_id", b""), ("ce_type", b"t"))])


def test_aborted_records_are_not_seen_and_gaps_hold_nobody_up(
    kafka_broker: DevBroker, log: KafkaLog, topic: str
) -> None:
    foreign = Producer({"bootstrap.servers": kafka_broker.bootstrap, "transactional.id": topic})
    foreign.init_transactions(PATIENCE_S)
    for value, keep in ((b"kept", True), (b"aborted", False), (b"kept too", True)):
        foreign.begin_transaction()
        foreign.produce(topic, value, partition=0, timestamp=START_MS)
        foreign.flush(PATIENCE_S)
        (foreign.commit_transaction if keep else foreign.abort_transaction)(PATIENCE_S)
    where = TopicPartition(topic, 0)
    assert [(offset, value) for offset, _, value in all_rows(log, topic)] == [(0, b"kept"), (4, b"kept too")]
    assert len(log.read(where, 5, 10)) == 0  # only a marker is left
    end = log.end_offsets([topic])[where]
    assert end == 6
    with LaneReader(log, [topic], 0, drain_to={topic: end}) as lane:
        deadline_s = time.monotonic() + PATIENCE_S
        values = []
        while not lane.drained and time.monotonic() < deadline_s:
            batch = lane.poll(10, 0.5)
            values += batch.values if batch else []
        assert lane.drained
    assert values == [b"kept", b"kept too"]


def test_another_process_with_a_clock_behind_goes_on_from_the_last_time(
    kafka_broker: DevBroker, log: KafkaLog, topic: str
) -> None:
    log.append(records(topic, b"first"))
    with KafkaLog(kafka_broker.bootstrap, lambda: START_MS - 60_000) as other:
        other.append(records(topic, b"second"))
        [stamp] = AdminTimes(kafka_broker).of(topic, 1)
    assert stamp == START_MS  # in the log itself, not only as read


class AdminTimes:
    """Timestamps as Kafka has them, without the running maximum."""

    def __init__(self, broker: DevBroker) -> None:
        self._broker = broker

    def of(self, topic: str, offset: int) -> list[int]:
        with KafkaLog(self._broker.bootstrap, clock) as fresh, fresh.reader({TopicPartition(topic, 0): offset}) as one:
            return [int(time_ms) for batch in one.poll(1, PATIENCE_S) for time_ms in batch.recorded_time_ms]


def test_topics_keep_records_of_any_time_for_ever(kafka_broker: DevBroker, log: KafkaLog, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    [future] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    config = {name: entry.value for name, entry in future.result().items()}
    assert (config["message.timestamp.type"], config["retention.ms"]) == ("CreateTime", "-1")
    in_1970, in_2100 = 1, 4_102_444_800_000
    for stamp in (in_1970, in_2100):
        log.append([NewRecord(topic, 0, b"", b"", (), stamp)])
    assert [time_ms for _, time_ms, _ in all_rows(log, topic)] == [in_1970, in_2100]


# Volume


def test_a_queue_that_is_too_small_slows_down_and_loses_nothing(kafka_broker: DevBroker, topic: str) -> None:
    options = {"queue.buffering.max.messages": "50"}
    with KafkaLog(kafka_broker.bootstrap, clock, client_config=options) as log:
        log.create_topics([topic], 1)
        values = [b"%d" % n for n in range(2000)]
        assert log.append(records(topic, *values)) == list(range(2000))
        assert [value for _, _, value in all_rows(log, topic)] == values


def test_a_lane_over_kafka_is_in_total_order_though_topics_are_paused(log: KafkaLog, topic: str) -> None:
    topics = [f"{topic}.{name}" for name in "abc"]
    log.create_topics(topics, 1)
    sent = [NewRecord(topics[(n * n) % 3], 0, b"", b"%d" % n, (), START_MS + n // 5) for n in range(3000)]
    sent += [NewRecord(topics[2], 0, b"", b"c%d" % n, (), START_MS + n) for n in range(3000)]
    offsets = log.append(sent)
    last_ms = dict.fromkeys(topics, 0)
    expected = []
    for record, offset in zip(sent, offsets, strict=True):
        assert record.recorded_time_ms is not None
        last_ms[record.topic] = max(last_ms[record.topic], record.recorded_time_ms)
        expected.append((last_ms[record.topic], record.topic, offset, record.value))
    ends = {where.topic: end for where, end in log.end_offsets(topics).items()}
    merged: list[tuple[int, str, int, bytes]] = []
    with LaneReader(log, topics, 0, drain_to=ends, buffer_records=100) as lane:
        deadline_s = time.monotonic() + PATIENCE_S
        while not lane.drained and time.monotonic() < deadline_s:
            batch = lane.poll(200, 0.5)
            if batch is not None:
                names = [batch.topics[n] for n in batch.topic_index.tolist()]
                merged += zip(batch.recorded_time_ms.tolist(), names, batch.offsets.tolist(), batch.values, strict=True)
    assert merged == sorted(expected)


# Outages


def test_a_broker_that_is_not_there_is_named_within_bounded_time(nobody_there: str) -> None:
    with KafkaLog(nobody_there, clock, request_timeout_s=0.5) as log:
        for call in (
            lambda: log.create_topics(["t"], 1),
            lambda: log.append(records("t", b"v")),
            lambda: log.end_offsets(["t"]),
            lambda: log.reader({TopicPartition("t", 0): 0}),
        ):
            with pytest.raises(LogUnavailableError) as caught:
                call()
            sentence = str(caught.value)
            assert nobody_there in sentence
            assert "is the broker running and reachable?" in sentence
            assert "\n" not in sentence


def test_outages_are_ridden_out_or_said_and_nothing_acknowledged_is_lost(tmp_path: Path, topic: str) -> None:
    """One broker of its own for the whole story: starting one takes seconds."""
    where = TopicPartition(topic, 0)
    with (
        DevBroker.start(tmp_path, heap_mb=256) as broker,
        KafkaLog(broker.bootstrap, clock, request_timeout_s=20.0, delivery_timeout_s=2.0, outage_limit_s=3600.0) as log,
        KafkaLog(broker.bootstrap, clock, outage_limit_s=1.0) as impatient_log,
    ):
        log.create_topics([topic], 1)
        log.append(records(topic, b"before"))
        with log.reader({where: 0}) as patient, impatient_log.reader({where: 0}) as impatient:
            assert [batch.values for batch in patient.poll(10, PATIENCE_S)] == [[b"before"]]
            assert [batch.values for batch in impatient.poll(10, PATIENCE_S)] == [[b"before"]]
            broker.kill()
            with pytest.raises(LogUnavailableError, match=broker.bootstrap):
                log.append(records(topic, b"not acknowledged"))
            with pytest.raises(LogUnavailableError, match=r"no broker was up for 1 s"):
                _poll_for(impatient.poll, PATIENCE_S)
            assert patient.poll(10, 0.1) == []
            broker.restart()
            offsets = log.append(records(topic, b"after"))
            values = []
            deadline_s = time.monotonic() + PATIENCE_S
            while b"after" not in values and time.monotonic() < deadline_s:
                values += [value for batch in patient.poll(10, 0.5) for value in batch.values]
        assert values == [b"after"]  # what was not acknowledged was not written later either
        assert [value for _, _, value in all_rows(log, topic)] == [b"before", b"after"]
        assert offsets == [1]


def _poll_for(poll: object, seconds: float) -> None:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        poll(10, 0.2)  # type: ignore[operator]


# Options


@pytest.mark.parametrize("option", ["acks", "enable.idempotence", "isolation.level", "bootstrap.servers", "group.id"])
def test_options_that_guarantees_rest_on_cannot_be_set(option: str) -> None:
    with pytest.raises(LogConfigError, match=f"option {option} can't be set"):
        KafkaLog("127.0.0.1:1", clock, client_config={option: "s3cret"})


def test_wrong_options_are_named_and_secrets_never_shown(nobody_there: str) -> None:
    with pytest.raises(LogConfigError, match=r"no\.such\.option") as caught:
        KafkaLog("127.0.0.1:1", clock, client_config={"no.such.option": "s3cret"})
    assert "s3cret" not in str(caught.value)
    options = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "s3cret",
    }
    with KafkaLog(nobody_there, clock, client_config=options, request_timeout_s=0.3) as log:
        with pytest.raises(LogError) as failed:
            log.end_offsets(["t"])
        assert "s3cret" not in repr(log) + str(log) + str(failed.value)
