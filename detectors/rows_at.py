"""Rows of several event types: all as columns, or some as tuples, in the order of the log.

Where most rows of a batch are handled in columns, tuples are made of the few others only (:func:`rows_at`); they are
the same as :func:`detectors.rows.rows_of` makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.rows import Row, in_log_order, typed_rows
from schemas.columns import EventBatch
from schemas.records import IntArray

Mask = NDArray[np.bool_]
Wanted = Iterable[tuple[str, int, tuple[str, ...]]]  # (type, tag, columns)


@dataclass(frozen=True, slots=True)
class Places:
    """Rows of several types, one type after another; their order in the log is that of their positions."""

    positions: IntArray
    now_ms: IntArray
    event_ms: IntArray
    tags: IntArray
    names: pa.ChunkedArray  # the first of the columns
    scopes: pa.ChunkedArray


def rows_at(batch: EventBatch, wanted: Wanted, chosen: Mask) -> list[Row]:
    """Rows of the wanted types in log order, only at the chosen places of the batch."""
    parts: list[list[Row]] = []
    for type_name, tag, columns in wanted:
        rows = batch.of(type_name)
        at = np.flatnonzero(chosen[rows.positions]) if rows is not None else ()
        if rows is None or not len(at):
            continue
        if len(at) == len(rows):
            parts.append(typed_rows(rows, tag, columns))
            continue
        times = (rows.positions[at], rows.ints("recorded_time_ms")[at], rows.ints("event_time_ms")[at])
        texts = (rows.envelope.column("scope"), *(rows.data.column(column) for column in columns))
        values = (column.take(at).to_pylist() for column in texts)
        first = next(values)
        parts.append(list(zip(*(one.tolist() for one in times), repeat(tag), first, *values, strict=False)))
    return in_log_order(parts)


def places_of(batch: EventBatch, wanted: Wanted) -> Places:
    """All rows of the wanted types in columns."""
    found = [(rows, tag, columns[0]) for name, tag, columns in wanted if (rows := batch.of(name)) is not None]
    nothing = np.zeros(0, dtype=np.int64)
    return Places(
        np.concatenate([nothing, *(rows.positions for rows, _, _ in found)]),
        np.concatenate([nothing, *(rows.ints("recorded_time_ms") for rows, _, _ in found)]),
        np.concatenate([nothing, *(rows.ints("event_time_ms") for rows, _, _ in found)]),
        np.repeat([tag for _, tag, _ in found], [len(rows) for rows, _, _ in found]),
        _one_after_another([rows.data.column(name) for rows, _, name in found]),
        _one_after_another([rows.envelope.column("scope") for rows, _, _ in found]),
    )


def _one_after_another(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    texts = [column if column.type == pa.string() else column.cast(pa.string()) for column in columns]
    return pa.chunked_array([chunk for text in texts for chunk in text.chunks], pa.string())
