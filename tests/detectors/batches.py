"""Builds batches straight from rows, without log or codec; cuts them anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import ENVELOPE_SCHEMA, EventBatch, TypedRows

SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
TICK = "tick"
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

_COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "cn.gridpulse.readings.heartbeat": {
        "device": pa.string(), "battery_ratio": pa.float64(), "rssi_dbm": pa.float64(),
    },
    "cn.gridpulse.readings.measured": {
        "device": pa.string(), "quantity": pa.string(), "value": pa.float64(), "unit": pa.string(),
        "interval_s": pa.float64(),
    },
    "cn.gridpulse.readings.presence": {"device": pa.string(), "signal": pa.string(), "person": pa.string()},
    "cn.gridpulse.readings.sos": {"device": pa.string(), "person": pa.string()},
    "cn.gridpulse.vision.finding": {"camera": pa.string(), "kind": pa.string()},
    "cn.gridpulse.passages.passage": {
        "gate": pa.string(), "kind": pa.string(), "direction": pa.string(), "person": pa.string(),
    },
    "cn.gridpulse.positions.sighting": {
        "person": pa.string(), "place": pa.string(), "method": pa.string(), "confidence_ratio": pa.float64(),
    },
    "cn.gridpulse.registry.device": {
        "change": pa.string(), "device": pa.string(), "kind": pa.string(), "site": pa.string(),
        "gateway": pa.string(), "noise_zone": pa.string(), "person": pa.string(),
    },
    "cn.gridpulse.registry.person": {
        "change": pa.string(), "person": pa.string(), "category": pa.string(), "home": pa.string(),
        "consent": pa.bool_(),
    },
    "cn.gridpulse.civic.alert_action": {
        "alert": pa.string(), "action": pa.string(), "actor": pa.string(), "assignee": pa.string(),
        "comment": pa.string(), "verdict": pa.string(), "case": pa.string(),
    },
    "cn.gridpulse.civic.alert_silence": {
        "silence": pa.string(), "kind": pa.string(), "silenced_scope": pa.string(), "detector": pa.string(),
        "rule": pa.string(), "subject": pa.string(), "starts_time_ms": pa.int64(), "ends_time_ms": pa.int64(),
        "actor": pa.string(), "comment": pa.string(), "status": pa.string(),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Say:
    """One record: ``kind`` is a type name without ``cn.gridpulse.``, or :data:`TICK`."""

    recorded_ms: int
    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    event_ms: int | None = None  # default: as recorded
    scope: str = SCOPE
    id: str | None = None


def tick(recorded_ms: int) -> Say:
    return Say(recorded_ms, TICK)


def utc_ms(text: str) -> int:
    """Epoch milliseconds of an ISO time with an offset."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def batch_of(rows: Sequence[Say], first_offset: int = 0) -> EventBatch:
    """Rows in log order as one batch."""
    by_type: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if row.kind != TICK:
            by_type.setdefault("cn.gridpulse." + row.kind, []).append(index)
    types = {name: _typed(name, indexes, rows, first_offset) for name, indexes in by_type.items()}
    return EventBatch(0, np.array([row.recorded_ms for row in rows], dtype=np.int64), types)


def _typed(name: str, indexes: list[int], rows: Sequence[Say], first_offset: int) -> TypedRows:
    chosen = [rows[index] for index in indexes]
    envelope = pa.table(
        {
            "id": [row.id or f"e{first_offset + index}" for row, index in zip(chosen, indexes, strict=True)],
            "source": ["//test"] * len(chosen),
            "scope": [row.scope for row in chosen],
            "event_time_ms": [row.recorded_ms if row.event_ms is None else row.event_ms for row in chosen],
            "recorded_time_ms": [row.recorded_ms for row in chosen],
            "topic": ["gridpulse.test"] * len(chosen),
            "partition": [0] * len(chosen),
            "offset": [first_offset + index for index in indexes],
        },
        schema=ENVELOPE_SCHEMA,
    )
    columns = _COLUMNS[name]
    data = pa.table(
        {column: pa.array([row.data.get(column) for row in chosen], kind) for column, kind in columns.items()}
    )
    return TypedRows(name, np.array(indexes, dtype=np.int64), envelope, data)


def cut(rows: Sequence[Say], size: int) -> Iterable[EventBatch]:
    """The rows in batches of ``size``."""
    for start in range(0, len(rows), size):
        yield batch_of(rows[start : start + size], start)


def heartbeat(at_ms: int, device: str, **more: Any) -> Say:
    return Say(at_ms, "readings.heartbeat", {"device": device}, **more)


def laeq(at_ms: int, device: str, value: float | None, interval_s: float = 60.0, quantity: str = "laeq",
         **more: Any) -> Say:  # fmt: skip
    data = {"device": device, "quantity": quantity, "value": value, "unit": "dB(A)", "interval_s": interval_s}
    return Say(at_ms, "readings.measured", data, **more)


def device_entry(at_ms: int, device: str, kind: str = "other", change: str = "registered", **fields: Any) -> Say:
    return Say(at_ms, "registry.device", {"change": change, "device": device, "kind": kind, **fields})


def person_entry(at_ms: int, person: str, home: str, consent: bool = True, category: str = "living_alone",
                 change: str = "registered") -> Say:  # fmt: skip
    data = {"change": change, "person": person, "category": category, "home": home, "consent": consent}
    return Say(at_ms, "registry.person", data)


def presence(at_ms: int, person: str, signal: str = "infrared", **more: Any) -> Say:
    return Say(at_ms, "readings.presence", {"device": f"pir-{person}", "signal": signal, "person": person}, **more)


def passage(at_ms: int, person: str, direction: str, **more: Any) -> Say:
    data = {"gate": "gate-1", "kind": "person", "direction": direction, "person": person}
    return Say(at_ms, "passages.passage", data, **more)


def sighting(at_ms: int, person: str, place: str, confidence_ratio: float | None = None, **more: Any) -> Say:
    data = {"person": person, "place": place, "method": "camera", "confidence_ratio": confidence_ratio}
    return Say(at_ms, "positions.sighting", data, **more)
