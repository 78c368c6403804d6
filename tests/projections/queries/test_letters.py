"""Dead letters by a person's condition: nothing but a condition, read by the reader, in pages without gaps."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projections.client import Client, StoreError
from projections.queries.letters import (
    Choice,
    ConditionError,
    Letter,
    known_identities,
    letters,
    matching,
    newest,
    projected_offsets,
    vetted_condition,
)
from tests.conftest import NewDatabase
from tests.projections.queries.conftest import reader_of

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
READINGS = "cn.gridpulse.readings.measured"


@pytest.fixture(scope="module")
def client(new_database: NewDatabase) -> Client:
    client = new_database()
    for number in range(6):
        reason, detail = ("wrong_unit", "dB(A), not V") if number % 2 else ("invalid_json", "不是 JSON; 'x' -- y")
        insert(
            client, "dead_letters", f"l{number}", NOON + timedelta(minutes=number), stage="bridge", reason=reason,
            detail=detail, origin=f"vendor/0/{number}", raw_base64=base64.b64encode(b"raw-%d" % number).decode(),
            raw_bytes=5 + 90 * (number == 5),
        )  # fmt: skip
    for number, outcome in ((1, "rejected"), (2, "rejected"), (2, "accepted"), (3, "duplicate")):
        insert(client, "dead_letter_retries", f"r{number}-{outcome}", NOON, letter=f"l{number}", outcome=outcome)
    return client


@pytest.fixture(scope="module")
def reader(client: Client) -> Iterator[Client]:
    with reader_of(client) as reader:
        yield reader


def insert(client: Client, table: str, name: str, at: datetime, **data: Any) -> None:
    row = {
        "event_time": at, "recorded_time": at + timedelta(seconds=1), "scope": "unassigned", "source": "//test",
        "event_id": name, "log_topic": "gridpulse.deadletters", "log_partition": 0, "log_offset": 0, **data,
    }  # fmt: skip
    client.insert_rows(table, row, [list(row.values())])


def chosen(reader: Client, where: str) -> list[str]:
    return [name for _, name in matching(reader, Choice(where), 100)]


def by_id(client: Client, *names: str) -> list[Letter]:
    return letters(client, names)


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("1", ["l0", "l1", "l2", "l3", "l4", "l5"]),
        ("detail LIKE '%dB%'", ["l1", "l3", "l5"]),
        ("detail = '不是 JSON; \\'x\\' -- y' AND event_time >= '2026-03-01 04:02:00'", ["l2", "l4"]),
        ("city = 'unassigned' AND (log_offset = 0) AND origin IN ('vendor/0/4', 'vendor/0/5')", ["l4", "l5"]),
        ("event_id IN (SELECT letter FROM dead_letter_retries WHERE outcome = 'rejected')", ["l1", "l2"]),
        ("1 = 2 OR event_id = 'l0'", ["l0"]),
    ],
)
def test_any_condition_on_the_table_will_do(reader: Client, where: str, names: list[str]) -> None:
    assert chosen(reader, where) == names
    assert [name for _, name in newest(reader, Choice(where), 100)] == names[::-1]
    assert chosen(reader, f"NOT ({where})") == sorted({f"l{n}" for n in range(6)} - set(names))


@pytest.mark.parametrize(
    "where",
    [
        "", "  ", "1; DROP TABLE dead_letters", "1) OR (1", "1)) UNION ALL SELECT 1, 'x' FROM system.users WHERE ((1",
        "1) AS chosen, (SELECT 1", "(1", "[1", "1)", "(1]", "1 -- rest", "1 /* rest", "1 /* rest */", "1 # rest",
        "1 SETTINGS readonly = 0", "1 FORMAT Null", "event_id IN (SELECT 1 SETTINGS readonly = 0)",
        "(SELECT 1 INTO OUTFILE 'x') = 1", "'open", "`open", "$$) OR ($$ = 1)",
    ],
)  # fmt: skip
def test_what_is_more_than_a_condition_is_refused_before_it_is_sent(where: str) -> None:
    with pytest.raises(ConditionError, match="--where"):
        vetted_condition(where)


@pytest.mark.parametrize(
    "where",
    [
        "file('/etc/passwd') != ''", "(SELECT count() FROM file('/etc/passwd', 'LineAsString')) > 0",
        "(SELECT count() FROM url('http://127.0.0.1:1/', 'CSV', 'a String')) > 0",
        "(SELECT count() FROM system.users) > 0", "DROP TABLE dead_letters", "(DROP TABLE dead_letters)",
        "(INSERT INTO dead_letters (event_id) VALUES ('x'))", "ALTER TABLE dead_letters DELETE WHERE 1",
        "1 UNION ALL SELECT 1", "1 LIMIT 1", "{x:String} = ''",
    ],
)  # fmt: skip
def test_what_reads_or_does_more_is_refused_by_the_store(reader: Client, client: Client, where: str) -> None:
    with pytest.raises((StoreError, ConditionError)):
        chosen(reader, where)
    assert client.query("SELECT count() FROM dead_letters FINAL").rows == [(6,)]


def test_pages_have_no_gaps_and_no_repetitions(reader: Client) -> None:
    whole = matching(reader, Choice(), 100)
    after, pages = None, []
    while page := matching(reader, Choice(), 2, after=after):
        assert len(page) <= 2
        pages += page
        after = page[-1]
    assert pages == whole
    assert len(whole) == 6


def test_choices_add_up(reader: Client) -> None:
    since_ms = int((NOON + timedelta(minutes=2, seconds=1)).timestamp() * 1000)
    some = Choice("origin != 'vendor/0/5'", "wrong_unit", "bridge", from_ms=since_ms)
    assert [name for _, name in matching(reader, some, 100)] == ["l3"]
    assert matching(reader, Choice(stage="import"), 100) == []


def test_a_letter_has_its_bytes_its_retries_and_a_state(client: Client) -> None:
    found = by_id(client, "l0", "l1", "l2", "l3", "l5", "nobody")
    assert {letter.id: letter.state for letter in found} == {
        "l0": "open", "l1": "rejected", "l2": "retried", "l3": "retried", "l5": "open",
    }  # fmt: skip
    assert [letter.is_cut for letter in found] == [False, False, False, False, True]
    assert found[0].raw == b"raw-0"
    assert found[0].recorded_time == NOON + timedelta(seconds=1)
    assert sorted(retry.outcome for retry in found[2].retries) == ["accepted", "rejected"]
    assert by_id(client) == []


def test_a_letter_said_twice_is_one_letter(client: Client, reader: Client) -> None:
    insert(
        client, "dead_letters", "l0", NOON + timedelta(hours=1), stage="bridge", reason="invalid_json", detail="again",
        origin="vendor/0/0", raw_base64="", raw_bytes=0,
    )  # fmt: skip
    try:
        assert chosen(reader, "event_id = 'l0'") == ["l0"]
        (letter,) = by_id(client, "l0")
        assert letter.raw == b"raw-0"
    finally:
        client.command("ALTER TABLE dead_letters DELETE WHERE detail = 'again'", settings={"mutations_sync": "2"})


def test_identities_are_known_wherever_and_whenever_they_happened(client: Client) -> None:
    for name, source in (("x", "//a"), ("y", "//b")):
        row = {
            "event_time": NOON, "recorded_time": NOON, "scope": "a/b", "source": source, "event_id": name,
            "log_topic": "t", "log_partition": 0, "log_offset": 0, "device": "d", "quantity": "laeq", "value": 1.0,
            "unit": "dB(A)",
        }  # fmt: skip
        client.insert_rows("readings", row, [list(row.values())])
    asked = {("//a", "x"), ("//a", "y"), ("//b", "x"), ("//b", "z")}
    assert known_identities(client, READINGS, asked) == {("//a", "x")}
    assert known_identities(client, READINGS, []) == set()


def test_how_far_letters_can_be_queried(client: Client) -> None:
    columns = ("flow", "topic", "partition", "next_offset", "recorded_time", "processed_time")
    rows = [(flow, "letters", 1, offset, NOON, NOON) for flow, offset in (("writer", 7), ("pipeline", 5), ("x", 99))]
    client.insert_rows("projection_progress", columns, rows)
    assert projected_offsets(client, "letters") == {1: 7}
