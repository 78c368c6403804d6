"""The job in Faust (faust-streaming): an agent over the topic, a table for the open minutes of each device.

Settings, by its documentation ("Settings", "Workers", "Tables", the bundles ``fast`` and ``uvloop``): a worker for each
partition, on uvloop, JSON by orjson; values as plain dicts, because models cost more than the job; larger
``broker_max_poll_records`` and ``stream_buffer_maxsize``; ``producer_linger`` 0.1 s and batches of 256 KiB, because
every event writes the changelog; the table in memory, with its changelog topic. Rows are inserted 5,000 at a time, or
each second, in a thread. Not ``stream.take``: tables cannot be written from its batches. A worker that joins makes
events come again, so the table keeps the offset that it has counted up to.

Not its windowed tables: they expire by the wall clock, so windows of any other time are closed at once or never.
"""

import asyncio
import json
import os
import threading
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import faust  # type: ignore[import-not-found]

LIMITS_DB: dict[str, float] = json.loads(os.environ["LIMITS_DB"])
GRACE_S = float(os.environ["GRACE_S"])
BATCH = 5_000
COLUMNS = {
    "raw": ["event_id", "source", "scope", "event_time", "device", "quantity", "value", "unit"],
    "minutes": ["device", "zone", "window_start", "count", "mean", "max"],
    "alarms": ["device", "zone", "window_start", "mean", "limit_db"],
}

app = faust.App(
    os.environ["GROUP"],
    broker=f"kafka://{os.environ['KAFKA']}",
    store="memory://",
    datadir=os.environ["STATE_DIR"],
    topic_partitions=int(os.environ["PARTITIONS"]),
    broker_max_poll_records=2_000,
    stream_buffer_maxsize=16_384,
    producer_linger=0.1,
    producer_max_batch_size=262_144,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
topic = app.topic(os.environ["TOPIC"], key_type=str, key_serializer="raw", value_serializer="json")
open_minutes = app.Table("open_minutes", default=dict)  # device -> {minute: [zone, count, sum, max], SEEN: offset}
SEEN = "seen"
store = clickhouse_connect.get_client(**json.loads(os.environ["CLICKHOUSE"]))
one_at_a_time = threading.Lock()


waiting: dict[str, list[list[Any]]] = {"raw": [], "minutes": [], "alarms": []}


@app.agent(topic)  # type: ignore[untyped-decorator]
async def readings(stream: Any) -> None:
    async for message in stream.events():
        event, offset = message.value, message.message.offset
        data, time = event["data"], datetime.fromisoformat(event["time"])
        device, value = data["device"], data["value"]
        waiting["raw"].append(
            [event["id"], event["source"], event["scope"], time, device, data["quantity"], value, data["unit"]]
        )
        minutes, seconds = open_minutes[device], time.timestamp()
        if offset <= minutes.get(SEEN, -1):
            continue  # again, after a rebalance: the table has it already
        minutes[SEEN] = offset
        minute = str(int(seconds // 60))
        zone, count, total, top = minutes.get(minute) or (zone_of(event["scope"]), 0, 0.0, value)
        minutes[minute] = [zone, count + 1, total + value, max(top, value)]
        for ended in [one for one in minutes if one != SEEN and int(one) * 60 + 60 + GRACE_S <= seconds]:
            row = minute_row(device, ended, *minutes.pop(ended))
            waiting["minutes"].append(row)
            if row[4] > LIMITS_DB[row[1]]:
                waiting["alarms"].append([*row[:3], row[4], LIMITS_DB[row[1]]])
        open_minutes[device] = minutes
        if len(waiting["raw"]) >= BATCH:
            await flush()


@app.timer(interval=1.0)  # type: ignore[untyped-decorator]
async def flush() -> None:
    batch = {table: rows for table, rows in waiting.items() if rows}
    for table in batch:
        waiting[table] = []
    await asyncio.to_thread(write, batch)


def write(batch: dict[str, list[list[Any]]]) -> None:
    with one_at_a_time:
        for table, rows in batch.items():
            store.insert(table, rows, column_names=COLUMNS[table])


def zone_of(scope: str) -> str:
    return scope.rsplit("/", 1)[1].split("-", 1)[0][1:]


def minute_row(device: str, minute: str, zone: str, count: int, total: float, top: float) -> list[Any]:
    return [device, zone, datetime.fromtimestamp(int(minute) * 60, UTC), count, total / count, top]


if __name__ == "__main__":
    app.main()
