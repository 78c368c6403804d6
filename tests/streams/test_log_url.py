"""Logs by URL: what is opened, and which part of a wrong URL is named."""

from pathlib import Path

import pytest

from schemas.records import NewRecord
from streams.log import LogConfigError, LogUnavailableError
from streams.log_kafka import KafkaLog
from streams.log_sqlite import SqliteLog
from streams.log_url import kafka_client, open_log


def clock() -> int:
    return 0


def test_four_slashes_are_an_absolute_path(tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path / 'my log.sqlite'}", clock) as log:
        assert isinstance(log, SqliteLog)
    assert (tmp_path / "my log.sqlite").exists()


def test_three_slashes_are_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_log("sqlite:///log%20one.sqlite", clock).close()
    assert (tmp_path / "log one.sqlite").exists()


def test_sqlite_options_reach_the_log(tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path / 'log.sqlite'}?max_bytes=200000&busy_timeout_s=1", clock) as log:
        log.create_topics(["t"], 1)
        with pytest.raises(LogUnavailableError, match="disk full"):
            log.append([NewRecord("t", 0, b"", b"x" * 400_000)])


def test_kafka_addresses_and_options_reach_the_clients() -> None:
    url = "kafka://b1.example:9092,[::1]:9093?security.protocol=SASL_SSL&sasl.password=a%26b%3D+c&replication_factor=3"
    assert kafka_client(url) == (
        "b1.example:9092,[::1]:9093",
        {"security.protocol": "SASL_SSL", "sasl.password": "a&b=+c"},
    )
    with open_log("kafka://127.0.0.1:9092?client.id=me&replication_factor=3", clock) as log:
        assert isinstance(log, KafkaLog)
        assert repr(log) == "KafkaLog('127.0.0.1:9092')"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "scheme of the log URL is missing"),
        ("/var/log.sqlite", "scheme of the log URL is missing"),
        ("mysql://h/x", "scheme of the log URL is mysql; sqlite:///path or kafka://"),
        ("sqlite://log.sqlite", "three slashes"),
        ("sqlite:///", "path of the log URL is missing"),
        ("sqlite:///x?colour=red", "option colour of the log URL is unknown"),
        ("sqlite:///x?max_bytes=lots", "option max_bytes of the log URL is not a whole number"),
        ("kafka://", "address 1 of the log URL, '', is not host:port"),
        ("kafka://one:9092,two", "address 2 of the log URL, 'two', is not host:port"),
        ("kafka://one:99999", "address 1"),
        ("kafka://me:hush@one:9092", "sasl.username and sasl.password as options"),
        ("kafka://one:9092?sasl.password", "option 1 of the log URL is not name=value"),
        ("kafka://one:9092?a=1&a=2", "option a of the log URL is given twice"),
        ("kafka://one:9092?replication_factor=many", "replication_factor of the log URL is not a whole number"),
        ("kafka://one:9092?no.such.option=hush", "No such configuration property"),
        ("kafka://one:9092?acks=0&sasl.password=hush", "option acks can't be set"),
    ],
)
def test_a_wrong_url_says_which_part_and_no_secret(url: str, sentence: str) -> None:
    with pytest.raises(LogConfigError) as caught:
        open_log(url, clock)
    assert sentence in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_bridge_needs_a_kafka_url() -> None:
    with pytest.raises(LogConfigError, match="kafka://host:port is needed"):
        kafka_client("sqlite:///x")
