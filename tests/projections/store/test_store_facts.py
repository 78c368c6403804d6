"""What the projections rely on the engine for; the same must hold on a ClickHouse server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from clickhouse_connect.driver.client import Client

Table = Callable[..., str]


def test_replacing_with_final_keeps_the_newest_version(writer: Client, table: Table) -> None:
    name = table("k UInt64, v UInt64, version UInt64", "ReplacingMergeTree(version) ORDER BY k")
    for version, value in ((1, 10), (3, 30), (2, 20)):
        writer.insert(name, [[1, value, version]], column_names=["k", "v", "version"])
    assert writer.query(f"SELECT v FROM {name} FINAL").result_rows == [(30,)]
    assert writer.query(f"SELECT v FROM {name}", settings={"final": 1}).result_rows == [(30,)]


def test_states_in_a_replacing_table(writer: Client, table: Table) -> None:
    name = table(
        "k UInt64, version UInt64, people AggregateFunction(uniq, String)", "ReplacingMergeTree(version) ORDER BY k"
    )
    for version in (1, 2):
        writer.command(
            f"INSERT INTO {name} SELECT 1, {version}, uniqState(toString(number)) FROM numbers({version * 10})"
        )
    assert writer.command(f"SELECT uniqMerge(people) FROM {name} FINAL") == 20


def test_exchange_tables(writer: Client, table: Table) -> None:
    old, new = table(), table()
    writer.insert(new, [[7, "new"]], column_names=["a", "b"])
    writer.command(f"EXCHANGE TABLES {old} AND {new}")
    assert writer.query(f"SELECT a FROM {old}").result_rows == [(7,)]


def test_with_fill(writer: Client) -> None:
    sql = "SELECT n, v FROM (SELECT 1 AS n, 5 AS v UNION ALL SELECT 4, 6) ORDER BY n WITH FILL FROM 0 TO 6"
    assert [row[1] for row in writer.query(sql).result_rows] == [0, 5, 0, 0, 6, 0]


def test_with_fill_by_interval(writer: Client) -> None:
    sql = """SELECT toDateTime64('2026-01-01 00:00:00', 3, 'UTC') AS t, 1 AS v
             ORDER BY t WITH FILL FROM toDateTime64('2026-01-01 00:00:00', 3, 'UTC')
             TO toDateTime64('2026-01-01 03:00:00', 3, 'UTC') STEP INTERVAL 1 HOUR"""
    assert len(writer.query(sql).result_rows) == 3


def test_views_and_parameterised_views(writer: Client, table: Table) -> None:
    name = table()
    writer.insert(name, [[n, "x"] for n in range(10)], column_names=["a", "b"])
    writer.command(f"CREATE OR REPLACE VIEW v_plain AS SELECT max(a) AS m FROM {name}")
    writer.command(f"CREATE OR REPLACE VIEW v_from AS SELECT count() AS c FROM {name} WHERE a >= {{least:UInt64}}")
    assert writer.command("SELECT m FROM v_plain") == 9
    assert writer.query("SELECT c FROM v_from(least = {l:UInt64})", parameters={"l": 8}).result_rows == [(2,)]


def test_types_codecs_indexes_ttl_and_comments(writer: Client) -> None:
    writer.command("DROP TABLE IF EXISTS rich")
    writer.command(
        """CREATE TABLE rich (
            device LowCardinality(String) COMMENT '设备',
            event_time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
            value Nullable(Float64) CODEC(Gorilla, LZ4),
            extra JSON,
            kind Enum8('a' = 1, 'b' = 2),
            tags Map(LowCardinality(String), String),
            day Date MATERIALIZED toDate(event_time),
            INDEX by_kind kind TYPE set(10) GRANULARITY 4,
            INDEX by_device device TYPE bloom_filter(0.01) GRANULARITY 4
        ) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(event_time) ORDER BY (device, event_time)
        TTL toDateTime(event_time) + INTERVAL 10 YEAR COMMENT '读数 readings'"""
    )
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    row = ["d", when, 1.5, {"x": 1, "y": {"z": "w"}}, "b", {"k": "v"}]
    writer.insert("rich", [row], column_names=["device", "event_time", "value", "extra", "kind", "tags"])
    sql = "SELECT device, event_time, value, extra.y.z, kind, tags['k'], day FROM rich"
    assert writer.query(sql).result_rows == [("d", when, 1.5, "w", "b", "v", dt.date(2026, 1, 2))]
    assert writer.command("SELECT comment FROM system.tables WHERE name = 'rich'") == "读数 readings"
    assert writer.command("SELECT comment FROM system.columns WHERE table = 'rich' AND name = 'device'") == "设备"
    assert writer.command("SELECT count() FROM system.data_skipping_indices WHERE table = 'rich'") == 2


def test_times_are_utc_and_fine_grained(writer: Client) -> None:
    assert writer.command("SELECT toString(toDateTime64(0, 3))") == "1970-01-01 00:00:00.000"
    assert writer.command("SELECT toTypeName(now64(9))") == "DateTime64(9)"


def test_insert_deduplication_by_token(writer: Client, table: Table) -> None:
    name = table("a UInt64", "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
    for _ in range(2):
        writer.insert(name, [[1]], column_names=["a"], settings={"insert_deduplication_token": "batch-1"})
    writer.insert(name, [[1]], column_names=["a"], settings={"insert_deduplication_token": "batch-2"})
    assert writer.command(f"SELECT count() FROM {name}") == 2


def test_materialized_views_follow_inserts(writer: Client, table: Table) -> None:
    name = table()
    writer.command("DROP VIEW IF EXISTS mv_count")
    writer.command(
        "CREATE MATERIALIZED VIEW mv_count ENGINE = SummingMergeTree ORDER BY b"
        f" AS SELECT b, count() AS n FROM {name} GROUP BY b"
    )
    writer.insert(name, [[1, "x"], [2, "x"]], column_names=["a", "b"])
    assert writer.command("SELECT sum(n) FROM mv_count") == 2
    writer.command("DROP VIEW mv_count SYNC")


def test_alter_and_numbered_migrations(writer: Client, table: Table) -> None:
    name = table()
    writer.insert(name, [[1, "x"]], column_names=["a", "b"])
    for step in (
        "ADD COLUMN c UInt8 DEFAULT 7",
        "MODIFY COLUMN b LowCardinality(String)",
        "RENAME COLUMN c TO d",
        "COMMENT COLUMN d 'seven'",
        "ADD INDEX i b TYPE set(5) GRANULARITY 1",
        "MODIFY COMMENT 'altered'",
    ):
        writer.command(f"ALTER TABLE {name} {step}")
    writer.command(f"ALTER TABLE {name} DELETE WHERE a = 99", settings={"mutations_sync": 1})
    writer.command(f"DELETE FROM {name} WHERE a = 98")
    assert writer.query(f"SELECT * FROM {name}").result_rows == [(1, "x", 7)]


@pytest.mark.parametrize("database", ["run_1", "run_2"])
def test_databases_come_and_go(writer: Client, database: str) -> None:
    writer.command(f"CREATE DATABASE {database}")
    writer.command(f"CREATE TABLE {database}.t (a UInt8) ENGINE = MergeTree ORDER BY a")
    writer.insert("t", [[1]], column_names=["a"], database=database)
    writer.command(f"DROP DATABASE {database} SYNC")
    assert database not in str(writer.query("SHOW DATABASES").result_rows)


def test_async_inserts_are_visible_when_waited_for(writer: Client, table: Table) -> None:
    name = table()
    settings = {"async_insert": 1, "wait_for_async_insert": 1}
    writer.raw_insert(name, ["a", "b"], "1,x\n", fmt="CSV", settings=settings)
    assert writer.command(f"SELECT count() FROM {name}") == 1
