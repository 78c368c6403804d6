"""Decoded events in columns: what detectors and the writer receive.

An :class:`EventBatch` holds one lane's rows in log order. The envelope is one Arrow table over all rows; the data of
each event type is a table of its own with the positions of its rows, so that an operator takes only the types it
knows and still sees them in order. Times are epoch milliseconds (int64, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.records import IntArray

ENVELOPE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("scope", pa.string(), nullable=False),
        pa.field("event_time_ms", pa.int64(), nullable=False),
        pa.field("recorded_time_ms", pa.int64(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class TypedRows:
    """The rows of one event type (in its latest version) within a batch, in log order."""

    type_name: str
    positions: IntArray  # row numbers within the batch, rising
    envelope: pa.Table  # ENVELOPE_SCHEMA, only these rows
    data: pa.Table  # the type's data columns, only these rows

    def __len__(self) -> int:
        return len(self.positions)

    def ints(self, column: str) -> IntArray:
        """An envelope time or offset as int64 numpy."""
        return np.asarray(self.envelope.column(column).to_numpy(), dtype=np.int64)

    def texts(self, column: str) -> list[str]:
        """An envelope text column as Python strings."""
        return self.envelope.column(column).to_pylist()  # type: ignore[no-any-return]

    def values(self, column: str) -> list[Any]:
        """A data column as Python values, None where absent."""
        return self.data.column(column).to_pylist()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Rows of one lane in log order; ``clock_ms`` of the lane is the last row's recorded time.

    ``recorded_time_ms`` covers *every* record read, ticks and dead letters included: it is the clock that timers see.
    """

    partition: int
    recorded_time_ms: IntArray
    types: dict[str, TypedRows] = field(default_factory=dict)

    @property
    def clock_ms(self) -> int | None:
        """How far time has come with this batch; None when it is empty."""
        return int(self.recorded_time_ms[-1]) if len(self.recorded_time_ms) else None

    def of(self, type_name: str) -> TypedRows | None:
        """The rows of a type, None when the batch has none."""
        return self.types.get(type_name)
