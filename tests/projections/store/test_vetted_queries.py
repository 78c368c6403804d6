"""What a text asks for, and whether it may, is found out once; what may change is found out every time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from projections.store import remembered
from projections.store.errors import StoreError
from projections.store.remembered import MAX_TEXT_BYTES, MAX_TEXTS, VettedQueries
from projections.store.statements import Statement, read_statement

ALERTS = b"SELECT {a:String} FROM alerts -- of today"


def nobody_asks(name: str) -> bool:
    raise AssertionError(name)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every text that was read as SQL."""
    seen: list[bytes] = []

    def read(text: bytes, body: bytes = b"") -> Statement:
        seen.append(text + body)
        return read_statement(text, body)

    monkeypatch.setattr(remembered, "read_statement", read)
    return seen


def test_the_same_text_is_read_once_and_another_anew(readings: list[bytes]) -> None:
    queries = VettedQueries()
    first = queries.read(b"", ALERTS, nobody_asks)
    assert queries.read(b"", ALERTS, nobody_asks) is first
    assert queries.read(b"", ALERTS.replace(b"a:", b"b:"), nobody_asks).sql != first.sql
    assert len(readings) == 2


def test_what_a_writer_may_ask_a_reader_may_not() -> None:
    queries = VettedQueries()
    sql = b"SELECT * FROM system.query_log"
    assert queries.read(b"", sql, None).sql == sql
    with pytest.raises(StoreError):
        queries.read(b"", sql, nobody_asks)
    assert queries.read(b"", ALERTS, None).sql == ALERTS
    assert b"today" not in queries.read(b"", ALERTS, nobody_asks).sql


@pytest.mark.parametrize("sql", [b"SELECT * FROM '/etc/passwd'", b"SELECT 1; DROP TABLE alerts", b"DROP TABLE alerts"])
def test_a_refusal_is_never_forgotten(sql: bytes) -> None:
    queries = VettedQueries()
    for _ in range(3):
        with pytest.raises(StoreError):
            queries.read(b"", sql, nobody_asks)


def test_whether_there_is_a_view_is_asked_every_time() -> None:
    queries = VettedQueries()
    views = {"of_today"}
    is_view: Callable[[str], bool] = views.__contains__
    for _ in range(2):
        queries.read(b"", b"SELECT * FROM of_today(day = 1)", is_view)
    views.clear()
    with pytest.raises(StoreError):
        queries.read(b"", b"SELECT * FROM of_today(day = 1)", is_view)


def test_memory_is_bounded(readings: list[bytes]) -> None:
    queries = VettedQueries()
    giant = b"SELECT '" + b"x" * MAX_TEXT_BYTES + b"'"
    for sql in (giant, giant, b"INSERT INTO t VALUES (1)", b"INSERT INTO t VALUES (1)"):
        queries.read(b"", sql, None)
    assert len(readings) == 4
    for number in range(MAX_TEXTS + 1):
        queries.read(b"", b"SELECT %d" % number, None)
    readings.clear()
    queries.read(b"", b"SELECT %d" % MAX_TEXTS, None)
    queries.read(b"", b"SELECT 0", None)
    assert readings == [b"SELECT 0"]
