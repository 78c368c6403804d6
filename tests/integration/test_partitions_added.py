"""On a real Kafka of its own: partitions added, or offsets removed, under a flow end it with one sentence for good."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as KafkaTopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.event import tick_record
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.dev_broker import DevBroker
from streams.log_kafka import KafkaLog
from streams.supervise import ChildFailedError, ChildSpec, Supervisor
from tests.integration.running import clean_environment, until

READINGS = "gridpulse.readings"
START_MS = 1_780_000_000_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    """A broker of its own: its topics have GridPulse's names, and are spoilt here."""
    with DevBroker.start(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def log(broker: DevBroker) -> Iterator[KafkaLog]:
    with KafkaLog(broker.bootstrap, lambda: START_MS) as log:
        yield log


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "logs")
    try:
        yield supervisor
    finally:
        supervisor.stop()


def detect(broker: DevBroker, data_dir: Path, supervisor: Supervisor) -> None:
    """``gridpulse run detect``, which needs no ClickHouse, under supervision."""
    environment = clean_environment(
        {
            "GRIDPULSE_DATA_DIR": str(data_dir),
            "GRIDPULSE_LOG_URL": f"kafka://{broker.bootstrap}",
            "GRIDPULSE_PARTITIONS": "2",
            "GRIDPULSE_SNAPSHOT_INTERVAL_S": "0.2",
        }
    )
    supervisor.start(ChildSpec("detect", [sys.executable, "-m", "gridpulse", "run", "detect"], environment))


def ticks(log: KafkaLog, number: int) -> None:
    log.append([tick_record(topic, p, START_MS + number) for topic in DOMAIN_TOPICS for p in range(2)])


def words_of_the_end(supervisor: Supervisor) -> str:
    """What the supervisor says when it gives up at once, without starting the child again."""
    with pytest.raises(ChildFailedError) as caught:
        until(lambda: supervisor.check(), "the flow's end")
    assert supervisor.restarts == 0
    return str(caught.value)


def snapshots(state: Path) -> int:
    """The last epoch that a snapshot was taken of."""

    if not (state / "part-0.sqlite3").exists():
        return 0
    with closing(sqlite3.connect(f"file:{state / 'part-0.sqlite3'}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT coalesce(max(commit_epoch), 0) FROM commits").fetchone()[0])


def test_removed_offsets_and_added_partitions_end_a_flow_for_good(
    broker: DevBroker, log: KafkaLog, supervisor: Supervisor, tmp_path: Path
) -> None:
    log.create_topics(ALL_TOPICS, 2)
    for number in range(50):
        ticks(log, number)

    # A flow stops, and before it goes on retention removes more than it has read.
    detect(broker, tmp_path / "data", supervisor)
    until(lambda: snapshots(tmp_path / "data" / "state" / "detect") > 5, "a snapshot")
    supervisor.stop()
    for number in range(50, 100):
        ticks(log, number)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    [future] = admin.delete_records([KafkaTopicPartition(READINGS, 1, 80)]).values()
    future.result()
    detect(broker, tmp_path / "data", supervisor)
    said = words_of_the_end(supervisor)
    assert f"of {READINGS}/1 is not in the log, which holds 80 to 100" in said
    assert "retention removed it" in said
    supervisor.stop()

    # A flow from the beginning of what is left; meanwhile somebody adds a partition.
    detect(broker, tmp_path / "other", supervisor)
    until(lambda: snapshots(tmp_path / "other" / "state" / "detect") > 5, "a snapshot")
    supervisor.check()
    admin.create_partitions([NewPartitions(READINGS, 3)])[READINGS].result()
    said = words_of_the_end(supervisor)
    assert f"topic {READINGS} has 3 partitions, but 2 are wanted" in said
    assert "gridpulse rescale --partitions N --to LOG_URL" in said

    # Nor does it start again.
    supervisor.stop()
    detect(broker, tmp_path / "other", supervisor)
    assert f"topic {READINGS} has 3 partitions" in words_of_the_end(supervisor)


def test_a_topic_made_again_makes_another_log(broker: DevBroker) -> None:
    """Its offsets begin anew, so positions in the old one mean nothing."""
    with KafkaLog(broker.bootstrap, lambda: START_MS) as log:
        log.create_topics(["made.again", "stays"], 1)
        identity = log.describe(["made.again", "stays"]).identity
        stays = log.describe(["stays"]).identity
        assert log.describe(["made.again", "stays"]).identity == identity
        assert identity.startswith(log.describe(()).identity)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.delete_topics(["made.again"])["made.again"].result()
        until(lambda: "made.again" not in log.describe(["made.again"]).partitions, "the topic gone")
        log.create_topics(["made.again"], 1)
        assert log.describe(["made.again", "stays"]).identity != identity
        assert log.describe(["stays"]).identity == stays
        assert log.describe(["made.again"]).partitions == {"made.again": 1}
        assert log.end_offsets(["made.again"]) == {TopicPartition("made.again", 0): 0}
