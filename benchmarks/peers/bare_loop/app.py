"""The yardstick: one loop over confluent-kafka, each batch parsed once by pyarrow, minutes kept in numpy.

Settings: ``fetch.queue.backoff.ms`` 5 (librdkafka's default of 1000 makes a consumer that empties its queue wait for a
second), ``queued.max.messages.kbytes`` at its default; batches of 20,000 messages; pyarrow on one thread, because the
loop waits for it anyway. With ``--no-rows`` it says only how far it is; without, raw rows, minutes and alarms go to
ClickHouse as Arrow, by clickhouse-connect with lz4 off (loopback).
"""

import argparse
import io
import json
import os
import sys

import clickhouse_connect
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from confluent_kafka import Consumer

BATCH = 20_000
MINUTE_MS = 60_000
DATA = pa.struct([("device", pa.string()), ("quantity", pa.string()), ("value", pa.float64()), ("unit", pa.string())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("source", pa.string()), ("type", pa.string()), ("time", pa.timestamp("ms", "UTC")),
        ("scope", pa.string()), ("data", DATA),
    ]
)  # fmt: skip
PARSE = pyarrow.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")


class Minutes:
    """Open minutes of all devices: one array of (count, sum, max) for each minute, a slot for each device."""

    def __init__(self, limits: dict[str, float], grace_ms: int) -> None:
        self.limits = limits
        self.grace_ms = grace_ms
        self.slots: dict[str, int] = {}
        self.scopes: list[str] = []
        self.open: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.reached_ms: dict[int, int] = {}

    def add(self, events: pa.Table, partitions: np.ndarray) -> None:
        """Add a batch; devices are dictionary-encoded, so Python touches each of them once."""
        data = events["data"].combine_chunks()
        devices = pc.dictionary_encode(data.field("device"))
        names = devices.dictionary.to_pylist()
        new = [place for place, name in enumerate(names) if name not in self.slots]
        if new:
            codes = devices.indices.to_numpy()
            scopes = events["scope"].combine_chunks()
            for place in new:
                self.slots[names[place]] = len(self.slots)
                self.scopes.append(scopes[int(np.argmax(codes == place))].as_py())
        slot = np.array([self.slots[name] for name in names])[devices.indices.to_numpy()]
        value = data.field("value").to_numpy()
        time_ms = events["time"].combine_chunks().cast(pa.int64()).to_numpy()
        for partition in np.unique(partitions).tolist():
            latest = int(time_ms[partitions == partition].max())
            self.reached_ms[partition] = max(latest, self.reached_ms.get(partition, 0))
        minute = time_ms // MINUTE_MS
        for start in np.unique(minute).tolist():
            inside = minute == start
            self._add(start, slot[inside], value[inside])

    def _add(self, minute: int, slot: np.ndarray, value: np.ndarray) -> None:
        size = len(self.slots)
        count, total, top = self.open.get(minute) or (np.zeros(0, int), np.zeros(0), np.zeros(0))
        grow = size - len(count)
        if grow:
            count = np.append(count, np.zeros(grow, int))
            total = np.append(total, np.zeros(grow))
            top = np.append(top, np.full(grow, -np.inf))
        count += np.bincount(slot, minlength=size)
        total += np.bincount(slot, weights=value, minlength=size)
        np.maximum.at(top, slot, value)
        self.open[minute] = count, total, top

    def close(self, partitions: list[int]) -> tuple[pa.Table, pa.Table] | None:
        """Minutes that ended more than the grace ago in every partition, as rows, and the alarms among them."""
        reached_ms = min((self.reached_ms.get(partition, 0) for partition in partitions), default=0)
        ended = [minute for minute in self.open if (minute + 1) * MINUTE_MS + self.grace_ms < reached_ms]
        tables = [self._rows(minute, *self.open.pop(minute)) for minute in sorted(ended)]
        if not tables:
            return None
        rows = pa.concat_tables(tables)
        alarms = rows.filter(pc.greater(rows["mean"], rows["limit_db"])).drop_columns(["count", "max"])
        return rows.drop_columns(["limit_db"]), alarms

    def _rows(self, minute: int, count: np.ndarray, total: np.ndarray, top: np.ndarray) -> pa.Table:
        there = np.flatnonzero(count)
        names = list(self.slots)
        zones = [zone_of(self.scopes[slot]) for slot in there.tolist()]
        return pa.table(
            {
                "device": [names[slot] for slot in there.tolist()],
                "zone": zones,
                "window_start": pa.array(np.full(len(there), minute * MINUTE_MS)).cast(pa.timestamp("ms", "UTC")),
                "count": pa.array(count[there].astype(np.uint32)),
                "mean": total[there] / count[there],
                "max": top[there],
                "limit_db": [self.limits[zone] for zone in zones],
            }
        )


def zone_of(scope: str) -> str:
    """``bench/east/s00/c00007/z4b-005`` stands in zone ``4b``."""
    return scope.rsplit("/", 1)[1].split("-", 1)[0][1:]


def raw_rows(events: pa.Table) -> pa.Table:
    data = events["data"].combine_chunks()
    fields = {name: data.field(name) for name in ("device", "quantity", "value", "unit")}
    return pa.table(
        {
            "event_id": events["id"], "source": events["source"], "scope": events["scope"],
            "event_time": events["time"], **fields,
        }
    )  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--no-rows", action="store_true")
    rows_wanted = not options.parse_args().no_rows
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["KAFKA"],
            "group.id": os.environ["GROUP"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.subscribe([os.environ["TOPIC"]])
    store = (
        clickhouse_connect.get_client(**json.loads(os.environ["CLICKHOUSE"]), compress=False) if rows_wanted else None
    )
    minutes = Minutes(json.loads(os.environ["LIMITS_DB"]), int(float(os.environ["GRACE_S"]) * 1000))
    reading = pyarrow.json.ReadOptions(use_threads=False, block_size=64 << 20)
    seen = counted = alarmed = 0
    while True:
        messages = consumer.consume(BATCH, 0.05)
        if not messages:
            continue
        values = [message.value() for message in messages]
        events = pyarrow.json.read_json(io.BytesIO(b"\n".join(values)), reading, PARSE)
        minutes.add(events, np.array([message.partition() for message in messages]))
        closed = minutes.close([one.partition for one in consumer.assignment()])
        seen += len(values)
        if store is not None:
            store.insert_arrow("raw", raw_rows(events))
            for table, rows in zip(("minutes", "alarms"), closed or (), strict=False):
                store.insert_arrow(table, rows)
        elif closed is not None:
            counted += pc.sum(closed[0]["count"]).as_py()
            alarmed += len(closed[1])
        sys.stdout.write(f"{seen} {counted} {alarmed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
