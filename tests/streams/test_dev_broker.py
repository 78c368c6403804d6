"""The development broker is a real Kafka: it keeps what it acknowledged, whatever ends it, and leaves no orphan."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams.dev_broker import DevBroker, DevBrokerError

YEARS_AGO_MS = 1_000_000_000_000  # 2001-09-09


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    """A broker that these tests may kill."""
    with DevBroker.start(tmp_path_factory.mktemp("own")) as broker:
        yield broker


def create_topic(broker: DevBroker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(20)


def append(broker: DevBroker, topic: str, values: list[bytes]) -> None:
    refused: list[str] = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(
            topic,
            value,
            timestamp=YEARS_AGO_MS,
            on_delivery=lambda error, _record: refused.append(str(error)) if error else None,
        )
    assert producer.flush(20) == 0
    assert refused == []


def read(broker: DevBroker, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.subscribe([topic])
    try:
        return [record.value() for record in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()


def ends(pid: int, within_s: float = 30.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if not psutil.pid_exists(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.xdist_group("own_broker")
def test_acknowledged_records_outlive_a_kill_and_a_stop(own_broker: DevBroker) -> None:
    create_topic(own_broker, "readings")
    append(own_broker, "readings", [b"1", b"2"])
    killed, address = own_broker.pid, own_broker.bootstrap

    own_broker.kill()
    assert not psutil.pid_exists(killed)
    with pytest.raises(DevBrokerError, match="not running"):
        _ = own_broker.pid
    own_broker.restart()
    append(own_broker, "readings", [b"3"])

    own_broker.restart()  # in order this time
    assert own_broker.bootstrap == address
    assert read(own_broker, "readings", 3) == [b"1", b"2", b"3"]


@pytest.mark.xdist_group("own_broker")
def test_a_second_broker_over_the_same_directory_is_refused_and_harms_nothing(own_broker: DevBroker) -> None:
    with pytest.raises(DevBrokerError, match=f"{own_broker.data_dir} is in use by another broker"):
        DevBroker.start(own_broker.data_dir)
    create_topic(own_broker, "still_alive")


def test_a_wrong_setting_is_refused_with_kafkas_own_words(tmp_path: Path) -> None:
    with pytest.raises(DevBrokerError, match=r"(?s)could not format its storage.*num\.partitions"):
        DevBroker.start(tmp_path, settings={"num.partitions": "many"})


def test_a_broker_that_is_too_slow_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DevBrokerError, match="not ready within 0 s"):
        DevBroker.start(tmp_path, ready_within_s=0.0)
    running = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in running if str(tmp_path) in command]


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DevBrokerError, match=f"Port {port} on 127.0.0.1 is in use"):
            DevBroker.start(tmp_path, port=port)


@pytest.mark.parametrize("how", ["exit", "kill -9"])
def test_no_orphan_is_left(tmp_path: Path, how: str) -> None:
    ending = "" if how == "exit" else "os.kill(os.getpid(), signal.SIGKILL)"
    script = f"""
import os, pathlib, signal, sys
from streams.dev_broker import DevBroker
broker = DevBroker.start(pathlib.Path(sys.argv[1]))
print(broker.pid, flush=True)
{ending}
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, check=False)
    assert done.returncode == (0 if how == "exit" else -signal.SIGKILL)
    assert ends(int(done.stdout))


def test_the_shared_broker_answers(kafka_broker: DevBroker) -> None:
    topic = f"dev_broker_{os.getpid()}"
    create_topic(kafka_broker, topic)
    append(kafka_broker, topic, [b"shared"])
    assert read(kafka_broker, topic, 1) == [b"shared"]


def test_records_are_kept_however_old_their_time_is(kafka_broker: DevBroker) -> None:
    topic = f"dev_broker_kept_{os.getpid()}"
    create_topic(kafka_broker, topic)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})  # must outlive the request
    settings = admin.describe_configs([resource])[resource].result(20)
    assert (settings["retention.ms"].value, settings["retention.bytes"].value) == ("-1", "-1")
