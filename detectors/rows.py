"""Rows of several event types in one sequence, in log order: plain tuples, since they are cheap to make and to read.

A row is ``(position, recorded_ms, event_ms, tag, scope, *columns)``; the tag tells types apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import EventBatch, TypedRows
from schemas.records import IntArray

Row = tuple[Any, ...]


def typed_rows(rows: TypedRows, tag: int, columns: Iterable[str]) -> list[Row]:
    """The rows of one type as tuples."""
    return list(
        zip(
            rows.positions.tolist(),
            rows.ints("recorded_time_ms").tolist(),
            rows.ints("event_time_ms").tolist(),
            repeat(tag),
            rows.texts("scope"),
            *(rows.values(column) for column in columns),
            strict=False,  # repeat() has no end
        )
    )


def in_log_order(parts: list[list[Row]]) -> list[Row]:
    """All rows by position; each part is in order already, which sorting makes use of."""
    full = [part for part in parts if part]
    if len(full) <= 1:
        return full[0] if full else []
    merged = [row for part in full for row in part]
    merged.sort()  # positions are unique: nothing beyond them is compared
    return merged


def rows_of(batch: EventBatch, wanted: Iterable[tuple[str, int, tuple[str, ...]]]) -> list[Row]:
    """Rows of the wanted (type, tag, columns) in log order."""
    parts: list[list[Row]] = []
    for type_name, tag, columns in wanted:
        rows = batch.of(type_name)
        if rows is not None and len(rows):
            parts.append(typed_rows(rows, tag, columns))
    return in_log_order(parts)


def chosen_rows(rows: TypedRows, index: IntArray) -> TypedRows:
    """Some of the rows, in the same order."""
    if len(index) == len(rows):
        return rows
    taken = pa.array(index)
    return TypedRows(rows.type_name, rows.positions[index], rows.envelope.take(taken), rows.data.take(taken))


def event_id_at(batch: EventBatch, position: int) -> str:
    """The id of the event in a row of the batch: looked up only when something is said."""
    for rows in batch.types.values():
        index = int(np.searchsorted(rows.positions, position))
        if index < len(rows) and int(rows.positions[index]) == position:
            return str(rows.envelope.column("id")[index].as_py())
    raise LookupError(f"no event in row {position}")
