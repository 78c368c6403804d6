"""The yardstick: one process that reads a Kafka topic with confluent-kafka, decodes it with pyarrow and keeps minutes.

No validation beyond the parse, no detection, no ClickHouse: what the hardware and the libraries allow in Python. What
GridPulse does is said as a ratio to it, measured in the same run on the same records.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.records import TopicPartition

BATCH = 10_000
_TEXT, _NUMBER = pa.string(), pa.float64()
_SCHEMA = pa.schema(
    [
        ("id", _TEXT), ("source", _TEXT), ("type", _TEXT), ("time", pa.timestamp("ms")), ("scope", _TEXT),
        ("data", pa.struct([("device", _TEXT), ("quantity", _TEXT), ("value", _NUMBER)])),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BareLoop:
    """What it took, and what it found."""

    events: int
    seconds: float
    cpu_s: float
    minutes: pa.Table  # device, minute, value_count, value_sum, value_max

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_s_per_million(self) -> float:
        return self.cpu_s / self.events * 1e6


def run_bare_loop(
    bootstrap: str, start: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> BareLoop:  # fmt: skip
    """Every record from ``start`` to ``ends``; the consumer is warm (its first records have come) when time begins."""
    wanted = sum(end - start[where] for where, end in ends.items())
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "bare-loop", "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.queue.backoff.ms": 5, "fetch.wait.max.ms": 100, "check.crcs": False,
        }
    )  # fmt: skip
    consumer.assign([KafkaPartition(where.topic, where.partition, start[where]) for where in ends])
    wall_s, cpu_s, seen, minutes = time.perf_counter(), time.process_time(), 0, []
    while seen < wanted:
        messages = consumer.consume(BATCH, 1.0)
        if not messages:
            continue
        if not seen:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
        values = [message.value() for message in messages]
        seen += len(values)
        minutes.append(_minutes(values))
    found = _together(minutes)
    done = BareLoop(seen, time.perf_counter() - wall_s, time.process_time() - cpu_s, found)
    consumer.close()
    return done


def _minutes(values: list[bytes]) -> pa.Table:
    joined = b"\n".join(values)
    table = pa_json.read_json(
        pa.BufferReader(joined),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(joined) + 1),
        parse_options=pa_json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="ignore"),
    )
    data = table.column("data").combine_chunks()
    device, value = pc.struct_field(data, "device"), pc.struct_field(data, "value")
    minute = pc.divide(table.column("time").combine_chunks().cast(pa.int64()), 60_000)
    measured = pa.table({"device": device, "minute": minute, "value": value}).filter(value.is_valid())
    return measured.group_by(["device", "minute"]).aggregate([("value", "count"), ("value", "sum"), ("value", "max")])


def _together(minutes: list[pa.Table]) -> pa.Table:
    return (
        pa.concat_tables(minutes)
        .group_by(["device", "minute"])
        .aggregate([("value_count", "sum"), ("value_sum", "sum"), ("value_max", "max")])
        .rename_columns(["device", "minute", "value_count", "value_sum", "value_max"])
    )
