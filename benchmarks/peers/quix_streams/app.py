"""The job in Quix Streams, as its documentation has it: a StreamingDataFrame, a tumbling window, batching sinks.

Settings, by its documentation ("Configuration", "Checkpointing", "Sinks"): a process for each partition in one consumer
group; ``commit_every`` 20,000 messages, because sinks write at checkpoints and larger batches suit ClickHouse;
``commit_interval`` 1 s for the rest; state and changelog topics as by default. Windows close by key, its default:
readings of one device are in order. Timestamps come from the event, by a timestamp extractor.
"""

import json
import os
from datetime import datetime
from typing import Any

import clickhouse_connect
from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.dataframe.windows import Count, First, Max, Mean  # type: ignore[import-not-found]
from quixstreams.sinks import BatchingSink, SinkBatch  # type: ignore[import-not-found]

LIMITS_DB: dict[str, float] = json.loads(os.environ["LIMITS_DB"])
GRACE_MS = int(float(os.environ["GRACE_S"]) * 1000)


class ClickHouseSink(BatchingSink):
    """One insert for each checkpoint and partition."""

    def __init__(self, table: str, columns: list[str]) -> None:
        super().__init__()
        self._table = table
        self._columns = columns

    def setup(self) -> None:
        self._client = clickhouse_connect.get_client(**json.loads(os.environ["CLICKHOUSE"]))

    def write(self, batch: SinkBatch) -> None:
        self._client.insert(self._table, [item.value for item in batch], column_names=self._columns)


def event_time(value: Any, headers: Any, timestamp: float, timestamp_type: Any) -> int:
    return round(datetime.fromisoformat(value["time"]).timestamp() * 1000)


def zone_of(scope: str) -> str:
    return scope.rsplit("/", 1)[1].split("-", 1)[0][1:]


def raw_row(event: dict[str, Any]) -> list[Any]:
    data = event["data"]
    return [
        event["id"],
        event["source"],
        event["scope"],
        datetime.fromisoformat(event["time"]),
        data["device"],
        data["quantity"],
        data["value"],
        data["unit"],
    ]


def reading(event: dict[str, Any]) -> dict[str, Any]:
    return {"zone": zone_of(event["scope"]), "value": event["data"]["value"]}


def minute_row(window: dict[str, Any], device: str, timestamp: int, headers: Any) -> list[Any]:
    return [device, window["zone"], window["start"], window["count"], window["mean"], window["max"]]


def main() -> None:
    app = Application(
        broker_address=os.environ["KAFKA"],
        consumer_group=os.environ["GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["STATE_DIR"],
        commit_every=20_000,
        commit_interval=1.0,
        loglevel="WARNING",
    )
    topic = app.topic(os.environ["TOPIC"], key_deserializer="str", timestamp_extractor=event_time)
    readings = app.dataframe(topic)
    readings.apply(raw_row).sink(
        ClickHouseSink("raw", ["event_id", "source", "scope", "event_time", "device", "quantity", "value", "unit"])
    )
    minutes = (
        readings.apply(reading)
        .tumbling_window(60_000, grace_ms=GRACE_MS)
        .agg(count=Count(), mean=Mean("value"), max=Max("value"), zone=First("zone"))
        .final()
        .apply(minute_row, metadata=True)
    )
    minutes.sink(ClickHouseSink("minutes", ["device", "zone", "window_start", "count", "mean", "max"]))
    alarms = minutes.filter(lambda row: row[4] > LIMITS_DB[row[1]])
    alarms.apply(lambda row: [row[0], row[1], row[2], row[4], LIMITS_DB[row[1]]]).sink(
        ClickHouseSink("alarms", ["device", "zone", "window_start", "mean", "limit_db"])
    )
    app.run()


if __name__ == "__main__":
    main()
