"""The life of a store process: start, refusals to start, restart, sudden death."""

from __future__ import annotations

import dataclasses
import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from projections.store import StoreConfig, StoreStartError, wait_until_ready
from projections.store.process import StoreProcess, spawn

NewConfig = Callable[..., StoreConfig]
START_FAILED = 3


def ask(store: StoreProcess, sql: str) -> str:
    answer = httpx.post(store.url, content=sql, auth=("writer", "writer-secret"), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_data_survives_orderly_stops(tmp_path: Path, new_config: NewConfig) -> None:
    with StoreProcess.start(new_config(tmp_path)) as store:
        ask(store, "CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
        ask(store, "CREATE DATABASE second")
        ask(store, "INSERT INTO kept VALUES (1)")
        assert store.stop() == 0
    for rows in (2, 3):
        with StoreProcess.start(new_config(tmp_path)) as store:
            ask(store, f"INSERT INTO kept VALUES ({rows})")
            assert ask(store, "SELECT count() FROM default.kept") == f"{rows}\n"
            assert "second" in ask(store, "SHOW DATABASES")
            assert ask(store, "SELECT engine FROM system.databases WHERE name = 'default'") == "Atomic\n"
            assert store.stop() == 0


def test_an_empty_default_database_survives_stops_too(tmp_path: Path, new_config: NewConfig) -> None:
    statements = ("SELECT 1", "CREATE TABLE brief (a UInt8) ENGINE = MergeTree ORDER BY a", "DROP TABLE brief SYNC")
    for statement in (*statements, "CREATE DATABASE second"):
        with StoreProcess.start(new_config(tmp_path)) as store:
            ask(store, statement)
            assert store.stop() == 0
    with StoreProcess.start(new_config(tmp_path)) as store:
        assert ask(store, "SELECT engine FROM system.databases WHERE name = 'default'") == "Atomic\n"


def test_acknowledged_rows_survive_a_kill(tmp_path: Path, new_config: NewConfig) -> None:
    with StoreProcess.start(new_config(tmp_path)) as store:
        ask(store, "CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
        for row in range(20):
            ask(store, f"INSERT INTO kept VALUES ({row})")
        store.process.send_signal(signal.SIGKILL)
        store.process.communicate()
    with StoreProcess.start(new_config(tmp_path)) as store:
        assert ask(store, "SELECT count(), uniqExact(a) FROM kept") == "20\t20\n"


def refusal(config: StoreConfig) -> tuple[int, str]:
    process = spawn(config)
    _, said = process.communicate(timeout=30)
    return process.returncode, said.decode()


def test_a_second_process_on_the_directory_is_refused(store: StoreProcess, new_config: NewConfig) -> None:
    code, said = refusal(new_config(store.config.data_dir))
    assert code == START_FAILED
    assert said == f"The data directory {store.config.data_dir} is in use by another store process.\n"


def test_a_port_in_use_is_refused(tmp_path: Path, new_config: NewConfig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = dataclasses.replace(new_config(tmp_path), port=taken.getsockname()[1])
        code, said = refusal(config)
    assert code == START_FAILED
    assert said == f"The store cannot listen on 127.0.0.1:{config.port}: Address already in use.\n"


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path, new_config: NewConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreStartError, match="cannot be used"):
        StoreProcess.start(new_config(tmp_path / "file"))


def test_waiting_ends_in_time() -> None:
    with pytest.raises(TimeoutError, match="did not answer"):
        wait_until_ready("http://127.0.0.1:9", 0.1)
    with pytest.raises(TimeoutError, match="ended before"):
        wait_until_ready("http://127.0.0.1:9", 10, still_alive=lambda: False)


def test_no_password_and_no_hash_is_written_anywhere(tmp_path: Path, new_config: NewConfig) -> None:
    config = new_config(tmp_path / "data")
    with StoreProcess.start(config) as store:
        httpx.post(store.url, content="SELECT 1", auth=("writer", "wrong"))
        ask(store, "SELECT 1")
        store.process.terminate()
        _, said = store.process.communicate(timeout=20)
    assert b"wrong" not in said
    assert config.users["writer"].password_sha256_hex.encode() not in said
    assert json.loads(config.to_json())["users"]["writer"]["password_sha256_hex"]


def test_too_many_queries_get_a_clear_answer(tmp_path: Path, new_config: NewConfig) -> None:
    from concurrent.futures import ThreadPoolExecutor

    config = new_config(tmp_path, max_concurrent_queries=1, max_waiting_queries=1)

    def hog(_: int) -> httpx.Response:
        params = {"max_execution_time": "2"}
        sql = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))"
        return httpx.post(store.url, content=sql, params=params, auth=("writer", "writer-secret"), timeout=30)

    with StoreProcess.start(config) as store, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(hog, range(4)))
        codes = sorted(answer.headers["X-ClickHouse-Exception-Code"] for answer in answers)
        assert codes == ["159", "159", "202", "202"]
        assert {answer.status_code for answer in answers} == {408, 503}
        assert ask(store, "SELECT 1") == "1\n"
