"""The job in Pathway: a Kafka table, a temporal window, and rows sent on from ``pw.io.subscribe``.

Settings, by its documentation ("Worker count scaling", "Kafka connector", "Temporal behavior"): one worker thread,
since two were half as fast on cores shared with Python's sink and the store; ``autocommit_duration_ms`` 500, larger
commits being no faster; JSON is taken apart by the connector itself (``json_field_paths``), so Python sees no event
before the sink, and times reach it as integers. Windows have a ``delay`` of one window and 5 s, so that a minute is
said once and corrected only where something came later.
"""

import json
import os
from datetime import timedelta
from typing import Any

import clickhouse_connect
import pathway as pw  # type: ignore[import-not-found]

LIMITS_DB: dict[str, float] = json.loads(os.environ["LIMITS_DB"])
MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=float(os.environ["GRACE_S"]))


class Reading(pw.Schema):
    """The fields that the job needs."""

    event_id: str
    source: str
    scope: str
    time: str
    device: str
    quantity: str
    value: float
    unit: str


class ClickHouse(pw.io.python.ConnectorObserver):
    """One insert for each of Pathway's commits; corrections come as further rows, with a higher count."""

    def __init__(self, table: str, columns: list[str]) -> None:
        self._client = clickhouse_connect.get_client(**json.loads(os.environ["CLICKHOUSE"]))
        self._table, self._columns = table, columns
        self._rows: list[list[Any]] = []

    def on_change(self, key: pw.Pointer, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            self._rows.append([row[name] for name in self._columns])

    def on_time_end(self, time: int) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._client.insert(self._table, rows, column_names=self._columns)


def epoch_ms(time: pw.ColumnExpression) -> pw.ColumnExpression:
    """What ClickHouse takes as well: a pandas Timestamp for each row of Python would cost more than the row."""
    return pw.cast(int, time.dt.timestamp(unit="ms"))


readings = pw.io.kafka.read(
    {
        "bootstrap.servers": os.environ["KAFKA"],
        "group.id": os.environ["GROUP"],
        "auto.offset.reset": "earliest",
        "fetch.queue.backoff.ms": "5",
    },
    topic=os.environ["TOPIC"],
    schema=Reading,
    format="json",
    json_field_paths={"event_id": "/id", **{name: f"/data/{name}" for name in ("device", "quantity", "value", "unit")}},
    autocommit_duration_ms=500,
)
readings = readings.with_columns(event_time=pw.this.time.dt.strptime("%Y-%m-%dT%H:%M:%S.%fZ").dt.to_utc("UTC"))
raw = readings.without(pw.this.time).with_columns(event_time=epoch_ms(pw.this.event_time))
minutes = readings.windowby(
    pw.this.event_time,
    window=pw.temporal.tumbling(duration=MINUTE),
    instance=pw.this.device,
    behavior=pw.temporal.common_behavior(delay=MINUTE + GRACE),
).reduce(
    device=pw.this._pw_instance,
    window_start=epoch_ms(pw.this._pw_window_start),
    scope=pw.reducers.any(pw.this.scope),
    count=pw.reducers.count(),
    mean=pw.reducers.avg(pw.this.value),
    max=pw.reducers.max(pw.this.value),
)
minutes = minutes.with_columns(
    zone=pw.apply_with_type(lambda scope: scope.rsplit("/", 1)[1].split("-", 1)[0][1:], str, pw.this.scope)
)
alarms = minutes.with_columns(limit_db=pw.apply_with_type(LIMITS_DB.__getitem__, float, pw.this.zone))
alarms = alarms.filter(pw.this.mean > pw.this.limit_db)
pw.io.python.write(
    raw,
    ClickHouse("raw", ["event_id", "source", "scope", "event_time", "device", "quantity", "value", "unit"]),
)
pw.io.python.write(minutes, ClickHouse("minutes", ["device", "zone", "window_start", "count", "mean", "max"]))
pw.io.python.write(alarms, ClickHouse("alarms", ["device", "zone", "window_start", "mean", "limit_db"]))
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
