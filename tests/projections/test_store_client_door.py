"""The door to ClickHouse: URLs, errors, bounded retries."""

import socket
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from projections.client import (
    Client,
    StoreAddress,
    StoreError,
    StoreUnavailableError,
    StoreUrlError,
    connect,
    connect_later,
    mapped,
    with_retries,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://ann@db:9000/city", StoreAddress("db", 9000, "ann", "city", False)),
        ("https://db", StoreAddress("db", 8123, "default", "gridpulse", True)),
        ("http://a%40b@127.0.0.1/x_1", StoreAddress("127.0.0.1", 8123, "a@b", "x_1", False)),
    ],
)
def test_urls(url: str, expected: StoreAddress) -> None:
    assert StoreAddress.parse(url) == expected


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("clickhouse://db/x", "http://user@host:port/database"),
        ("http://", "http://user@host:port/database"),
        ("http://ann:secret@db/x", "must not carry a password"),
        ("http://db:99999/x", "port"),
        ("http://db/a;b", "letters, digits"),
    ],
)
def test_bad_urls_say_what_is_allowed_and_never_the_password(url: str, says: str) -> None:
    with pytest.raises(StoreUrlError, match=says) as caught:
        StoreAddress.parse(url)
    assert "secret" not in str(caught.value)


def test_nobody_listening_is_unavailable_and_names_the_place() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StoreUnavailableError, match=rf"127\.0\.0\.1:{port}"):
        connect(f"http://127.0.0.1:{port}/x")


def test_a_client_that_connects_later_is_made_without_a_store_and_finds_it_when_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = connect_later(f"http://127.0.0.1:{port}/x")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=rf"127\.0\.0\.1:{port}"):
            client.query("SELECT 1")
    made: list[Any] = []

    class Driver:
        def command(self, *_args: Any, **_options: Any) -> int:
            return 1

        def close(self) -> None:
            made.clear()

    def get_client(**options: Any) -> Driver:
        made.append(options)
        return Driver()

    monkeypatch.setattr("clickhouse_connect.get_client", get_client)
    for _ in range(2):
        client.command("SELECT 1")
    assert [(options["database"], options["port"]) for options in made] == [("x", port)]
    client.close()
    assert made == []


def test_codes_that_pass_by_themselves_are_unavailable_others_not() -> None:
    address = StoreAddress.parse("http://db:1/x")
    busy = mapped(DatabaseError("Too many parts", code=252), address)
    wrong = mapped(DatabaseError("Syntax error", code=62), address)
    gone = mapped(OperationalError("Network Error"), address)
    assert isinstance(busy, StoreUnavailableError)
    assert busy.code == 252
    assert not isinstance(wrong, StoreUnavailableError)
    assert wrong.code == 62
    assert isinstance(gone, StoreUnavailableError)


def test_a_refused_statement_keeps_its_code(database: Client) -> None:
    with pytest.raises(StoreError) as caught:
        database.query("SELECT * FROM no_such_table")
    assert caught.value.code == 60
    assert not isinstance(caught.value, StoreUnavailableError)


def failing(times: int, error: Exception) -> Any:
    calls: list[int] = []

    def call() -> int:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return len(calls)

    return call


def test_retries_are_bounded_and_only_for_what_may_pass() -> None:
    waits: list[float] = []
    assert with_retries(failing(2, StoreUnavailableError("busy")), attempts=3, sleep=waits.append) == 3
    assert len(waits) == 2
    with pytest.raises(StoreUnavailableError):
        with_retries(failing(3, StoreUnavailableError("busy")), attempts=3, sleep=waits.append)
    with pytest.raises(StoreError, match="wrong"):
        with_retries(failing(1, StoreError("wrong", 62)), attempts=3, sleep=waits.append)
    assert len(waits) == 4  # two waits of each of the first two calls; none for what waiting cannot mend
