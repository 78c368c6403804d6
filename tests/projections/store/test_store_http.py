"""The HTTP interface itself, by httpx and curl: the contract that a ClickHouse server keeps as well."""

from __future__ import annotations

import gzip
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from projections.store.native_blocks import NativeCompressor, decompress_blocks
from projections.store.process import StoreProcess

Send = Callable[..., httpx.Response]
AUTH = ("writer", "writer-secret")


def curl(*arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["curl", "-sS", *arguments], input=stdin, capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


@pytest.mark.parametrize("path", ["/ping", "/", "/replicas_status"])
def test_ping_needs_no_account(store: StoreProcess, path: str) -> None:
    assert httpx.get(store.url + path).text == "Ok.\n"
    assert httpx.head(store.url + path).status_code == 200


def test_curl_by_get_and_post(store: StoreProcess) -> None:
    assert curl("-u", "writer:writer-secret", f"{store.url}/?query=SELECT%201") == "1\n"
    assert curl("-u", "writer:writer-secret", store.url, "--data-binary", "SELECT 2 FORMAT CSV") == "2\n"
    assert curl(f"{store.url}/?user=writer&password=writer-secret&query=SELECT%203") == "3\n"


def test_curl_inserts_a_compressed_file(store: StoreProcess, table: Callable[..., str]) -> None:
    name = table()
    body = gzip.compress(b"1,x\n2,y\n")
    where = f"{store.url}/?query=INSERT%20INTO%20{name}%20FORMAT%20CSV"
    options = ("-u", "writer:writer-secret", "-H", "Content-Encoding: gzip", "--data-binary", "@-")
    assert curl(*options, where, stdin=body) == ""
    assert curl("-u", "writer:writer-secret", store.url, "-d", f"SELECT count() FROM {name}") == "2\n"


def test_curl_asks_for_compression(store: StoreProcess) -> None:
    where = f"{store.url}/?enable_http_compression=1&query=SELECT%20number%20FROM%20numbers(100000)"
    assert curl("-u", "writer:writer-secret", "--compressed", where).count("\n") == 100_000


def test_query_in_url_and_data_in_body(post: Send, table: Callable[..., str]) -> None:
    name = table()
    answer = post(b"(1, 'x'), (2, 'y')", query=f"INSERT INTO {name} VALUES")
    assert answer.status_code == 200
    assert '"written_rows": "2"' in answer.headers["X-ClickHouse-Summary"]
    assert post(b"FROM " + name.encode(), query="SELECT count()").text == "2\n"


def test_get_changes_nothing(store: StoreProcess) -> None:
    answer = httpx.get(store.url, params={"query": "CREATE TABLE got (a UInt8) ENGINE = Memory"}, auth=AUTH)
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"


def test_formats_and_their_headers(post: Send) -> None:
    assert post("SELECT 1 AS a FORMAT JSONEachRow").headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert post("SELECT 1 AS a", default_format="JSONEachRow").text == '{"a":1}\n'
    assert post("SELECT 1 AS a", {"X-ClickHouse-Format": "CSVWithNames"}).text == '"a"\n1\n'
    assert post("SELECT 1 AS a FORMAT JSON").headers["content-type"] == "application/json; charset=UTF-8"
    assert post("SELECT 1").headers["content-type"] == "text/tab-separated-values; charset=UTF-8"


def test_headers_of_an_answer(post: Send) -> None:
    answer = post("SELECT 1", query_id="my-id")
    assert answer.headers["X-ClickHouse-Query-Id"] == "my-id"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert "X-ClickHouse-Exception-Code" not in answer.headers


@pytest.mark.parametrize(
    ("sql", "params", "code", "status"),
    [
        ("SELEC 1", {}, 62, 400),
        ("", {}, 62, 400),
        ("SELECT 1; SELECT 2", {}, 62, 400),
        ("SELECT * FROM nowhere", {}, 60, 404),
        ("SELECT nothing", {}, 47, 404),
        ("SELECT nofunction(1)", {}, 46, 404),
        ("SELECT 1", {"database": "nowhere"}, 81, 404),
        ("SELECT 1", {"no_such_setting": "1"}, 115, 404),
        ("SELECT 1", {"max_threads": "many"}, None, None),
        ("SELECT 1 FORMAT Nonsense", {}, 73, 404),
        ("SELECT throwIf(1)", {}, 395, 500),
        ("SELECT {a:UInt8}", {}, 456, 500),
        ("SELECT {a:UInt8}", {"param_a": "x"}, 457, 500),
        ("SELECT count() FROM numbers(1e12) WHERE NOT ignore(number)", {"max_execution_time": "0.5"}, 159, 408),
        ("INSERT INTO nowhere FORMAT CSV\n1", {}, 60, 404),
        ("SELECT sum(number) FROM numbers(1e8) GROUP BY number", {"max_memory_usage": "20000000"}, 241, 500),
    ],
)
def test_errors_as_clickhouse_gives_them(
    post: Send, sql: str, params: dict[str, str], code: int | None, status: int | None
) -> None:
    answer = post(sql.encode(), **params)
    got = int(answer.headers["X-ClickHouse-Exception-Code"])
    assert answer.text.startswith(f"Code: {got}. DB::Exception: ")
    assert answer.text.rstrip().endswith("(version 26.9.2.1)")
    assert "gp-run" not in answer.text
    if code is not None:
        assert (got, answer.status_code) == (code, status), answer.text


def test_accounts(store: StoreProcess) -> None:
    def ask(**options: object) -> tuple[int, str | None]:
        answer = httpx.post(store.url, content="SELECT 1", **options)  # type: ignore[arg-type]
        return answer.status_code, answer.headers.get("X-ClickHouse-Exception-Code")

    assert ask(auth=AUTH) == (200, None)
    assert ask(auth=("writer", "wrong")) == (403, "516")
    assert ask(auth=("nobody", "wrong")) == (403, "516")
    assert ask(headers={"X-ClickHouse-User": "writer", "X-ClickHouse-Key": "writer-secret"}) == (200, None)
    assert ask() == (401, "194")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_http_compression_needs_to_be_asked_for(post: Send, encoding: str) -> None:
    sql = "SELECT number FROM numbers(1000)"
    plain = post(sql, {"Accept-Encoding": encoding})
    assert "content-encoding" not in plain.headers
    packed = post(sql, {"Accept-Encoding": encoding}, enable_http_compression="1")
    assert packed.headers["content-encoding"] == encoding
    assert packed.text == plain.text


def test_native_compression_both_ways(post: Send, table: Callable[..., str]) -> None:
    name = table()
    body = NativeCompressor().compress(b"1,x\n2,y\n")
    assert post(body, query=f"INSERT INTO {name} FORMAT CSV", decompress="1").status_code == 200
    answer = post(f"SELECT * FROM {name} ORDER BY a FORMAT CSV", compress="1")
    assert decompress_blocks(answer.content, 1 << 20) == b'1,"x"\n2,"y"\n'


def test_checksums_are_those_of_the_engine(store: StoreProcess, post: Send, table: Callable[..., str]) -> None:
    """The engine writes its files in the same blocks: what it summed, we must be able to check."""
    name = table()
    post(f"INSERT INTO {name} SELECT number, 'engine' FROM numbers(1000)")
    path = post(f"SELECT path FROM system.parts WHERE table = '{name}' AND active").text.strip()
    directory = store.config.data_dir / "chdb" / path
    plain = decompress_blocks((directory / "data.bin").read_bytes(), 1 << 20)
    assert b"engine" in plain


def test_a_bomb_is_refused(store: StoreProcess, post: Send) -> None:
    bomb = gzip.compress(b"\0" * (store.config.max_body_bytes + 1), 9)
    answer = post(bomb, {"Content-Encoding": "gzip"}, query="INSERT INTO t FORMAT CSV")
    assert answer.status_code == 413
    assert post("SELECT 1").text == "1\n"


def test_a_streamed_answer_is_whole(post: Send) -> None:
    lines = post("SELECT number FROM numbers(2000000)").text.splitlines()
    assert (len(lines), lines[-1]) == (2_000_000, "1999999")


def test_an_error_in_the_middle_is_tagged_and_cuts_the_connection(store: StoreProcess) -> None:
    sql = "SELECT throwIf(number = 3000000), number FROM numbers(4000000)"
    command = ["curl", "-sS", "-u", "writer:writer-secret", "-D", "-", store.url, "-d", sql]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 18  # transfer closed with outstanding data
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    tag = head.lower().partition(b"x-clickhouse-exception-tag: ")[2].split()[0]
    assert b"__exception__\r\n" + tag + b"\r\nCode: 395" in body[-4096:]


def test_a_large_answer_with_wait_end_of_query_has_a_proper_status(post: Send) -> None:
    sql = "SELECT throwIf(number = 3000000), number FROM numbers(4000000)"
    assert post(sql, wait_end_of_query="1").headers["X-ClickHouse-Exception-Code"] == "395"
    whole = post("SELECT number FROM numbers(12000000)", wait_end_of_query="1")
    assert whole.text.count("\n") == 12_000_000
    assert '"result_rows": "12000000"' in whole.headers["X-ClickHouse-Summary"]


def test_an_abandoned_stream_ends_its_query(store: StoreProcess, post: Send) -> None:
    sql = "SELECT number, 'abandoned' FROM system.numbers"
    with httpx.stream("POST", store.url, content=sql, auth=AUTH, timeout=60) as answer:
        next(answer.iter_raw())
    assert _ends(post, "abandoned")


def test_abandoned_streams_free_their_places(store: StoreProcess, post: Send) -> None:
    sql = "SELECT number, 'left' FROM system.numbers"
    for _ in range(store.config.max_concurrent_queries + store.config.max_waiting_queries + 1):
        with httpx.stream("POST", store.url, content=sql, auth=AUTH, timeout=60):
            pass
    assert post("SELECT 1").text == "1\n"
    assert _ends(post, "left")


def test_kill_by_our_query_id(post: Send) -> None:
    answers: list[httpx.Response] = []
    sql = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number), 'to be killed')"
    asking = threading.Thread(target=lambda: answers.append(post(sql, query_id="kill-me")))
    asking.start()
    assert _begins(post, "to be killed")
    assert post("SELECT 1", query_id="kill-me").headers["X-ClickHouse-Exception-Code"] == "216"
    assert post("KILL QUERY WHERE query_id = 'kill-me' ASYNC").status_code == 200
    asking.join(timeout=30)
    assert answers[0].headers["X-ClickHouse-Exception-Code"] == "394"


def test_a_gone_client_ends_its_query_if_it_said_so(store: StoreProcess, post: Send) -> None:
    sql = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number), 'client gone')"
    params = {"cancel_http_readonly_queries_on_client_close": "1"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(store.url, content=sql, params=params, auth=AUTH, timeout=1)
    assert _ends(post, "client gone")


def test_long_queries_do_not_stop_short_ones(post: Send, read: Send) -> None:
    sql = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number), 'hog')"
    with ThreadPoolExecutor(8) as pool:
        hogs = [pool.submit(post, sql, max_execution_time="5", max_threads="1") for _ in range(7)]
        assert _begins(post, "hog")
        assert post("SELECT 1").text == "1\n"
        assert read("SELECT 1").text == "1\n"
        post("KILL QUERY WHERE query LIKE '%hog%' AND query NOT LIKE '%KILL%' ASYNC")
        assert {hog.result().headers["X-ClickHouse-Exception-Code"] for hog in hogs} <= {"394", "159"}


def test_parallel_inserts_and_queries(post: Send, table: Callable[..., str]) -> None:
    name = table()

    def insert(part: int) -> int:
        rows = b"".join(b"%d,x\n" % n for n in range(part * 1000, part * 1000 + 1000))
        return post(rows, query=f"INSERT INTO {name} FORMAT CSV").status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(insert, range(30)))
        counts = list(pool.map(lambda _: post(f"SELECT count() FROM {name}").status_code, range(10)))
    assert set(statuses + counts) == {200}
    assert post(f"SELECT count(), uniqExact(a) FROM {name}").text == "30000\t30000\n"


def _running(post: Send, mark: str) -> int:
    sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{mark}%' AND query NOT LIKE '%system.processes%'"
    return int(post(sql).text)


def _begins(post: Send, mark: str) -> bool:
    return _within_seconds(lambda: _running(post, mark) > 0)


def _ends(post: Send, mark: str) -> bool:
    return _within_seconds(lambda: _running(post, mark) == 0)


def _within_seconds(holds: Callable[[], bool], timeout_s: float = 20) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False
