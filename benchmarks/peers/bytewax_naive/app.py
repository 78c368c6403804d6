"""The job in Bytewax as its tutorials have it: its own KafkaSource, an object per event, its own windows.

Settings, by its documentation ("Kafka connector", "Execution", "Windowing"): ``batch_size`` 10,000 of the source,
which is also what a sink gets at a time; ``fetch.queue.backoff.ms`` 5, since librdkafka's default caps a fast
consumer; orjson. ``EventClock`` waits 5 s for events out of order. One worker: a cluster of two processes pickles
nearly every event to the other one and took twice as long on two cores that the store shares.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import clickhouse_connect
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition

LIMITS_DB: dict[str, float] = json.loads(os.environ["LIMITS_DB"])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class _Inserts(StatelessSinkPartition[tuple[Any, ...]]):
    def __init__(self, table: str, columns: list[str]) -> None:
        self._client = clickhouse_connect.get_client(**json.loads(os.environ["CLICKHOUSE"]))
        self._table, self._columns = table, columns

    def write_batch(self, items: list[tuple[Any, ...]]) -> None:
        self._client.insert(self._table, items, column_names=self._columns)


class ClickHouseSink(DynamicSink[tuple[Any, ...]]):
    """Writes what it gets at a time as one insert."""

    def __init__(self, table: str, columns: list[str]) -> None:
        self._table, self._columns = table, columns

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Inserts:
        return _Inserts(self._table, self._columns)


def parse(message: Any) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(message.value)
    event["time"] = datetime.fromisoformat(event["time"])
    return event


def raw_row(event: dict[str, Any]) -> tuple[Any, ...]:
    data = event["data"]
    return (
        event["id"], event["source"], event["scope"], event["time"],
        data["device"], data["quantity"], data["value"], data["unit"],
    )  # fmt: skip


def fold(minute: list[Any] | None, event: dict[str, Any]) -> list[Any]:
    value = event["data"]["value"]
    if minute is None:
        zone = event["scope"].rsplit("/", 1)[1].split("-", 1)[0][1:]
        return [zone, 1, value, value]
    minute[1] += 1
    minute[2] += value
    minute[3] = max(minute[3], value)
    return minute


def merge(one: list[Any] | None, other: list[Any] | None) -> list[Any] | None:
    if one is None or other is None:
        return one or other
    return [one[0], one[1] + other[1], one[2] + other[2], max(one[3], other[3])]


def minute_row(closed: tuple[str, tuple[int, list[Any]]]) -> tuple[Any, ...]:
    device, (window, (zone, count, total, top)) = closed
    return device, zone, EPOCH + window * MINUTE, count, total / count, top


clock = EventClock(
    lambda event: event["time"], wait_for_system_duration=timedelta(seconds=float(os.environ["GRACE_S"]))
)
flow = Dataflow("peer")
messages = op.input(
    "kafka",
    flow,
    KafkaSource(
        [os.environ["KAFKA"]],
        [os.environ["TOPIC"]],
        add_config={"fetch.queue.backoff.ms": "5", "group.id": os.environ["GROUP"]},
        batch_size=10_000,
    ),
)
events = op.map("parse", messages, parse)
op.output(
    "raw",
    op.map("raw_row", events, raw_row),
    ClickHouseSink("raw", ["event_id", "source", "scope", "event_time", "device", "quantity", "value", "unit"]),
)
by_device = op.key_on("by_device", events, lambda event: event["data"]["device"])
windows = win.fold_window("minutes", by_device, clock, TumblingWindower(MINUTE, EPOCH), lambda: None, fold, merge)
minutes = op.map("minute_row", windows.down, minute_row)
op.output(
    "write_minutes", minutes, ClickHouseSink("minutes", ["device", "zone", "window_start", "count", "mean", "max"])
)
loud = op.filter("over", minutes, lambda row: row[4] > LIMITS_DB[row[1]])
alarms = op.map("alarm_row", loud, lambda row: (row[0], row[1], row[2], row[4], LIMITS_DB[row[1]]))
op.output("write_alarms", alarms, ClickHouseSink("alarms", ["device", "zone", "window_start", "mean", "limit_db"]))
