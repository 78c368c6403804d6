"""Engine connections are used again, and no request sees anything of the one before it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

Send = Callable[..., httpx.Response]
THREADS = "SELECT getSetting('max_threads')"
ROWS = "SELECT number FROM numbers(3) FORMAT "


@pytest.fixture
def threads(post: Send) -> str:
    """What the engine has by itself."""
    return post(THREADS).text


@pytest.mark.parametrize(
    "sql",
    [
        "SET max_threads = 7",
        "SELECT 1 SETTINGS max_threads = 7",  # streamed
        "SELECT 1 SETTINGS max_threads = 7 FORMAT JSON",
        "SELECT throwIf(1) SETTINGS max_threads = 7",
        "SHOW TABLES SETTINGS max_threads = 7",
        "INSERT INTO FUNCTION null('a UInt8') SETTINGS max_threads = 7 VALUES (1)",
        "INSERT INTO FUNCTION null('a UInt8') SELECT 1 SETTINGS max_threads = 7",
    ],
)
def test_settings_of_one_request_are_not_those_of_the_next(post: Send, threads: str, sql: str) -> None:
    for _ in range(2):
        post(sql)
        assert [post(THREADS).text for _ in range(3)] == [threads] * 3


def test_settings_in_the_address_hold_for_their_request(post: Send, threads: str) -> None:
    for _ in range(3):
        assert post(THREADS, max_threads="5").text == "5\n"
        assert post(THREADS, max_threads="6").text == "6\n"
        assert post(THREADS).text == threads


def test_the_database_of_one_request_is_not_that_of_the_next(post: Send) -> None:
    post("CREATE DATABASE IF NOT EXISTS elsewhere")
    for _ in range(3):
        assert post("USE elsewhere").status_code == 200
        assert post("SELECT currentDatabase()").text == "default\n"
        assert post("SELECT currentDatabase()", database="elsewhere").text == "elsewhere\n"
        assert post("SELECT currentDatabase()").text == "default\n"


def test_a_dropped_database_is_gone_for_connections_that_knew_it(post: Send) -> None:
    for _ in range(2):
        post("CREATE DATABASE brief")
        post("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", database="brief")
        assert post("INSERT INTO t VALUES (1)", database="brief").status_code == 200
        assert post("SELECT sum(a) FROM t", database="brief").text == "1\n"
        post("DROP DATABASE brief SYNC")
        assert post("SELECT 1", database="brief").headers["X-ClickHouse-Exception-Code"] == "81"


def test_temporary_tables_and_parameters_are_not_left_behind(post: Send) -> None:
    post("CREATE TEMPORARY TABLE kept (a UInt8)")
    assert post("SELECT {x:UInt8} + 1", param_x="4").text == "5\n"
    for _ in range(3):
        assert post("SELECT * FROM kept").headers["X-ClickHouse-Exception-Code"] == "60"
        assert post("SELECT {x:UInt8}").headers["X-ClickHouse-Exception-Code"] == "456"


def test_counts_are_of_one_request(post: Send) -> None:
    for _ in range(3):
        summary = post("INSERT INTO FUNCTION null('a UInt64') SELECT number FROM numbers(10)").headers
        assert '"written_rows": "10"' in summary["X-ClickHouse-Summary"]
        assert '"result_rows": "3"' in post(ROWS + "JSON").headers["X-ClickHouse-Summary"]
        assert '"result_rows": "3"' in post(ROWS + "TSV").headers["X-ClickHouse-Summary"]


def test_reader_and_writer_have_connections_of_their_own(post: Send, read: Send) -> None:
    for _ in range(3):
        assert read("SELECT getSetting('readonly')").text == "1\n"
        assert post("SELECT getSetting('readonly')").text == "0\n"
