"""clickhouse-connect against a real store: what its users rely on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

Table = Callable[..., str]
NewClient = Callable[..., Client]


def test_connects_and_knows_the_server(writer: Client) -> None:
    assert writer.ping()
    assert writer.server_version.startswith("26.")
    assert str(writer.server_tz) == "UTC"
    assert writer.command("SELECT timezone()") == "UTC"


def test_bound_parameters_keep_every_character(writer: Client) -> None:
    text = 'it\'s a \\ "test"\n\t中文 {x}; -- /* */'
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    result = writer.query(
        "SELECT {s:String}, {n:Int64}, {t:DateTime64(3, 'UTC')}, {a:Array(String)}, {z:Nullable(String)}",
        parameters={"s": text, "n": -5, "t": when, "a": ["x", "y'z"], "z": None},
    )
    assert result.result_rows == [(text, -5, when, ["x", "y'z"], None)]


def test_long_parameters_travel_in_a_form(writer: Client) -> None:
    values = [f"value-{n}" for n in range(20_000)]
    assert writer.query("SELECT length({v:Array(String)})", parameters={"v": values}).result_rows == [(20_000,)]


def test_client_side_binding(writer: Client) -> None:
    assert writer.query("SELECT %(a)s, %(b)s", parameters={"a": "it's", "b": 2}).result_rows == [("it's", 2)]


def test_native_insert_and_query(writer: Client, table: Table) -> None:
    name = table("a UInt64, b String, t DateTime64(3, 'UTC'), n Nullable(Float64), l LowCardinality(String)")
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    rows = [(1, "甲", when, None, "x"), (2, "", when, 1.5, "y")]
    summary = writer.insert(name, rows, column_names=["a", "b", "t", "n", "l"])
    assert summary.written_rows == 2
    assert writer.query(f"SELECT * FROM {name} ORDER BY a").result_rows == rows


def test_insert_of_some_columns(writer: Client, table: Table) -> None:
    name = table("a UInt64, b String DEFAULT 'd', c UInt8 DEFAULT 7")
    writer.insert(name, [[1, 2]], column_names=["a", "c"])
    assert writer.query(f"SELECT * FROM {name}").result_rows == [(1, "d", 2)]


@pytest.mark.parametrize("compress", [True, False, "lz4", "gzip", "zstd"])
def test_compression_both_ways(new_client: NewClient, table: Table, compress: bool | str) -> None:
    name = table()
    client = new_client(compress=compress)
    client.insert(name, [[n, "text " * 20] for n in range(50_000)], column_names=["a", "b"])
    result = client.query(f"SELECT a, b FROM {name} ORDER BY a")
    assert len(result.result_rows) == 50_000
    assert result.result_rows[-1] == (49_999, "text " * 20)


def test_arrow_both_ways(writer: Client, table: Table) -> None:
    name = table("a UInt64, b String, t DateTime64(3, 'UTC')")
    moments = pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 3, pa.timestamp("ms", "UTC"))
    sent = pa.table({"a": pa.array([1, 2, 3], pa.uint64()), "b": ["x", "y", "z"], "t": moments})
    assert writer.insert_arrow(name, sent).written_rows == 3
    got = writer.query_arrow(f"SELECT * FROM {name} ORDER BY a", use_strings=True)
    assert got.to_pylist() == sent.to_pylist()


def test_arrow_stream(writer: Client) -> None:
    with writer.query_arrow_stream("SELECT number FROM numbers(200000)") as stream:
        assert sum(batch.num_rows for batch in stream) == 200_000


@pytest.mark.parametrize(
    ("fmt", "data"),
    [
        ("CSV", '1,"x"\n2,y\n'),
        ("JSONEachRow", '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
        ("TabSeparated", "1\tx\n2\ty\n"),
        ("RowBinary", b"\x01" + bytes(7) + b"\x01x" + b"\x02" + bytes(7) + b"\x01y"),
        ("CSVWithNames", "b,a\nx,1\ny,2\n"),
        ("Values", "(1, 'x'), (2, lower('Y'))"),
    ],
)
def test_raw_insert_in_many_formats(writer: Client, table: Table, fmt: str, data: str | bytes) -> None:
    name = table()
    assert writer.raw_insert(name, ["a", "b"], data, fmt=fmt).written_rows == 2
    assert writer.query(f"SELECT * FROM {name} ORDER BY a").result_rows == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    "fmt", ["Parquet", "Arrow", "ArrowStream", "Native", "RowBinaryWithNamesAndTypes", "ORC", "Avro"]
)
def test_what_is_selected_can_be_inserted(writer: Client, table: Table, fmt: str) -> None:
    name = table()
    data = writer.raw_query("SELECT number AS a, toString(number) AS b FROM numbers(70000)", fmt=fmt)
    writer.raw_insert(name, None, data, fmt=fmt)
    assert writer.query(f"SELECT count(), sum(a) FROM {name}").result_rows == [(70_000, 70_000 * 69_999 // 2)]


def test_streams_of_rows(writer: Client) -> None:
    with writer.query_row_block_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum(len(block) for block in stream) == 300_000


def test_raw_stream_is_not_cut_in_the_middle(writer: Client) -> None:
    stream = writer.raw_stream("SELECT number FROM numbers(1000000) ORDER BY number", fmt="CSV")
    lines = stream.read().splitlines()
    assert (len(lines), lines[0], lines[-1]) == (1_000_000, b"0", b"999999")


def test_an_error_in_the_middle_of_a_stream_arrives(writer: Client) -> None:
    with (
        pytest.raises(StreamFailureError, match="non-zero"),
        writer.query_row_block_stream("SELECT throwIf(number = 3000000) FROM numbers(4000000)") as stream,
    ):
        for _ in stream:
            pass


def test_settings_per_query_and_per_client(writer: Client, new_client: NewClient) -> None:
    ask = "SELECT value FROM system.settings WHERE name = 'max_block_size'"
    assert writer.command(ask, settings={"max_block_size": 1234}) == 1234
    assert writer.command(ask) != 1234
    assert new_client(settings={"max_block_size": 4321}).command(ask) == 4321


def test_errors_carry_clickhouses_code(writer: Client) -> None:
    with pytest.raises(DatabaseError) as error:
        writer.query("SELECT * FROM nowhere")
    assert error.value.code == 60
    assert error.value.name == "UNKNOWN_TABLE"


def test_empty_results_have_columns(writer: Client, table: Table) -> None:
    name = table()
    assert writer.query(f"SELECT * FROM {name} LIMIT 0").column_names == ("a", "b")
    assert writer.query(f"SELECT * FROM {name} WHERE a = 1").result_rows == []


def test_summary_counts(writer: Client) -> None:
    summary = writer.query("SELECT sum(number) FROM numbers(1000)").summary
    assert (summary["read_rows"], summary["result_rows"]) == ("1000", "1")


def test_database_of_the_client(writer: Client, new_client: NewClient) -> None:
    writer.command("CREATE DATABASE IF NOT EXISTS other")
    writer.command("CREATE OR REPLACE TABLE other.here (a UInt8) ENGINE = Memory")
    client = new_client(database="other")
    assert client.command("SELECT currentDatabase()") == "other"
    client.insert("here", [[1]], column_names=["a"])
    assert writer.command("SELECT count() FROM other.here") == 1


def test_external_data(writer: Client, reader: Client) -> None:
    for client in (writer, reader):
        extra = ExternalData(file_name="ext", data=b"1\tx\n2\ty\n", fmt="TSV", structure="a UInt8, b String")
        assert client.query("SELECT b FROM ext ORDER BY a", external_data=extra).result_rows == [("x",), ("y",)]


def test_a_session_keeps_settings_and_temporary_tables(new_client: NewClient) -> None:
    client = new_client(session_id="one-session")
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    client.command("INSERT INTO mine VALUES (5)")
    client.command("SET max_block_size = 777")
    ask = "SELECT value FROM system.settings WHERE name = 'max_block_size'"
    assert client.command(ask, settings={"max_block_size": 5}) == 5
    assert client.command(ask) == 777
    assert client.command("SELECT a FROM mine") == 5
    with pytest.raises(DatabaseError):
        new_client(session_id="another-session").command("SELECT a FROM mine")


def test_a_session_outlives_a_wrong_setting(new_client: NewClient) -> None:
    client = new_client(session_id="wrong-setting", autogenerate_session_id=False)
    with pytest.raises(DatabaseError):
        client.command("SELECT 1", settings={"no_such_setting": 1})
    assert client.command("SELECT 2") == 2


def test_reader_reads_and_writes_nothing(reader: Client, table: Table) -> None:
    name = table()
    assert reader.query(f"SELECT count() FROM {name}").result_rows == [(0,)]
    with pytest.raises(DatabaseError) as error:
        reader.insert(name, [[1, "x"]], column_names=["a", "b"])
    assert error.value.code == 164


def test_wrong_password(new_client: NewClient) -> None:
    with pytest.raises(DatabaseError) as error:
        new_client(("writer", "wrong"))
    assert error.value.code == 516


def test_a_failing_insert_leaves_nothing(writer: Client, table: Table) -> None:
    name = table()
    with pytest.raises(DatabaseError) as error:
        writer.raw_insert(name, ["a", "b"], '{"a":1,"b":"x"}\n{"a":"no number"}\n', fmt="JSONEachRow")
    assert error.value.code == 27
    assert writer.command(f"SELECT count() FROM {name}") == 0


def test_ddl_through_command_answers_a_summary(writer: Client) -> None:
    answer = writer.command("CREATE OR REPLACE TABLE made (a UInt8) ENGINE = Memory")
    assert answer.query_id()
    assert writer.command("EXISTS TABLE made") == 1
    assert writer.command("SELECT a FROM made") == ""
