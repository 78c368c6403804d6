"""A long query stops nobody: as many as may run do so at once, and inserts, readers and KILL do not wait for them.

No clock decides here: a store in which one waits for the other does not get to the next line before the long ones end
by themselves, which is an error.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pyarrow as pa
from clickhouse_connect.driver.client import Client

Send = Callable[..., httpx.Response]
Table = Callable[..., str]
PLACES = 8  # of each kind, by default
QUERY = "SELECT sum(sleepEachRow(1)) FROM numbers(100000)"
READERS_QUERY = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"
KILLED = "394"


@contextlib.contextmanager
def long_ones(send: Send, post: Send, seen: Callable[[], int], sql: str, copies: int) -> Iterator[None]:
    """So many of them, all running when the body begins; at its end none has ended but by being killed."""
    answers: list[httpx.Response] = []

    def ask(query_id: str) -> None:
        answers.append(send(sql, query_id=query_id, max_threads="1", max_block_size="1", max_execution_time="50"))

    ids = [f"long-{number}" for number in range(copies)]
    threads = [threading.Thread(target=ask, args=(query_id,)) for query_id in ids]
    for thread in threads:
        thread.start()
    try:
        while seen() < copies:
            assert not answers, answers[0].text
            time.sleep(0.02)
        yield
        assert not answers
    finally:
        for query_id in ids:
            post(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC")
        for thread in threads:
            thread.join()
    assert [answer.headers["X-ClickHouse-Exception-Code"] for answer in answers] == [KILLED] * copies


def test_queries_run_at_once_and_hold_up_neither_inserts_nor_readers(
    post: Send, read: Send, writer: Client, table: Table
) -> None:
    name, looked = table(), table("running UInt64", "MergeTree ORDER BY running")

    def seen() -> int:  # all places of the writer's queries may be taken: look through an insert, and as the reader
        post(f"INSERT INTO {looked} SELECT count() FROM system.processes WHERE query LIKE '{QUERY[:25]}%'")
        return int(read(f"SELECT max(running) FROM {looked}").text)

    with long_ones(post, post, seen, QUERY, PLACES):
        for number in range(10):
            rows = pa.table({"a": pa.array([number], pa.uint64()), "b": ["x"]})
            assert writer.insert_arrow(name, rows).written_rows == 1
            assert read(f"SELECT count(), max(a) FROM {name}").text == f"{number + 1}\t{number}\n"


def test_readers_hold_up_no_writer(post: Send, read: Send, writer: Client, table: Table) -> None:
    name = table()

    def seen() -> int:
        return int(post(f"SELECT count() FROM system.processes WHERE query LIKE '{READERS_QUERY[:25]}%'").text)

    def ask(sql: str, query_id: str, **_others: str) -> httpx.Response:
        return read(sql, query_id=query_id, max_threads="1")

    with long_ones(ask, post, seen, READERS_QUERY, PLACES):
        assert writer.insert_arrow(name, pa.table({"a": pa.array([1], pa.uint64()), "b": ["x"]})).written_rows == 1
        assert post(f"SELECT a, b FROM {name}").text == "1\tx\n"


def test_a_long_insert_holds_up_no_insert_into_its_table(post: Send, writer: Client, table: Table) -> None:
    name = table()
    sql = f"INSERT INTO {name} SELECT 1000 + sleepEachRow(1), 'slow' FROM numbers(100000)"

    def seen() -> int:
        return int(post(f"SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO {name} SELECT%'").text)

    with long_ones(post, post, seen, sql, PLACES - 1):
        for number in range(5):
            rows = pa.table({"a": pa.array([number], pa.uint64()), "b": ["x"]})
            assert writer.insert_arrow(name, rows).written_rows == 1
        assert post(f"SELECT count() FROM {name} WHERE b = 'x'").text == "5\n"
