"""Batches for tests: rows of one type with chosen times, offsets and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.catalogue import BY_NAME
from schemas.columns import ENVELOPE_SCHEMA, EventBatch, TypedRows
from schemas.compile import data_schema
from schemas.topics import topic_of

SCOPE = "wuhu/jinghu/tingtang/jianyang/g01"
NOON_MS = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True)
class Row:
    """One event; ``offset`` also makes its id unless one is given."""

    offset: int
    event_time_ms: int
    data: Mapping[str, Any]
    scope: str = SCOPE
    event_id: str | None = None
    source: str = "//test"
    recorded_time_ms: int | None = None


@dataclass(frozen=True)
class At:
    """A position reached in the log."""

    topic: str
    partition: int
    next_offset: int
    recorded_time_ms: int = NOON_MS


def batch(rows_by_type: Mapping[str, Sequence[Row]], partition: int = 0) -> EventBatch:
    """A lane's batch; types are named without ``cn.gridpulse.``."""
    types = {}
    start = 0
    for short, rows in rows_by_type.items():
        typed = _typed("cn.gridpulse." + short, rows, partition, start)
        types[typed.type_name] = typed
        start += len(rows)
    return EventBatch(partition, np.full(start, NOON_MS, dtype=np.int64), types)


def positions(rows_by_type: Mapping[str, Sequence[Row]], partition: int = 0) -> list[At]:
    """Where a batch of these rows ends."""
    ends: dict[str, int] = {}
    for short, rows in rows_by_type.items():
        topic = topic_of(BY_NAME["cn.gridpulse." + short].family)
        ends[topic] = max([ends.get(topic, 0), *(row.offset + 1 for row in rows)])
    return [At(topic, partition, end) for topic, end in ends.items()]


def _typed(name: str, rows: Sequence[Row], partition: int, start: int) -> TypedRows:
    event_type = BY_NAME[name]
    topic = topic_of(event_type.family)
    envelope = pa.Table.from_pylist(
        [
            {
                "id": row.event_id or f"e{row.offset}",
                "source": row.source,
                "scope": row.scope,
                "event_time_ms": row.event_time_ms,
                "recorded_time_ms": row.event_time_ms if row.recorded_time_ms is None else row.recorded_time_ms,
                "topic": topic,
                "partition": partition,
                "offset": row.offset,
            }
            for row in rows
        ],
        schema=ENVELOPE_SCHEMA,
    )
    whole = [event_type.latest(**row.data).model_dump() for row in rows]
    data = pa.Table.from_pylist(whole, schema=data_schema(event_type))
    return TypedRows(name, np.arange(start, start + len(rows)), envelope, data)
