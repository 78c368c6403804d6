"""All noise meters of a lane: what is known of each, in columns."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.columns import BoolArray, Column, Columns
from detectors.known_names import KnownNames
from detectors.name_index import NameIndex
from detectors.noise_baseline import NoiseBaselines
from detectors.noise_readings import Readings
from detectors.timers import NEVER_MS
from schemas.records import IntArray

LONG_AGO_MS = -(2**62)
_LAYOUT = {
    "zone": Column("u1"),
    "entry_ms": Column("i8", fill=LONG_AGO_MS),
    "latest_ms": Column("i8", width=2, fill=LONG_AGO_MS),
    "burst_ms": Column("i8", fill=LONG_AGO_MS),
    "due_ms": Column("i8", fill=NEVER_MS),
    "over": Column("?"),
    "over_count": Column("i4"),
    "under_count": Column("i4"),
    "louder": Column("?"),
    "loud": Column("u1"),
    "calm": Column("u1"),
}


class NoiseMeters(Columns):
    """Columns by meter, the meters' names, scopes and baselines."""

    zone: NDArray[np.uint8]  # 0: none
    entry_ms: IntArray  # event time of the registry entry
    latest_ms: IntArray  # event time of the latest reading of each kind
    burst_ms: IntArray  # event time of the last burst said
    due_ms: IntArray  # the meter's timer
    over: BoolArray
    over_count: NDArray[np.int32]  # closes in a row over the limit
    under_count: NDArray[np.int32]
    louder: BoolArray
    loud: NDArray[np.uint8]  # windows in a row, up to 255
    calm: NDArray[np.uint8]
    zone_at: memoryview[int]
    due_ms_at: memoryview[int]
    over_at: memoryview[bool]
    over_count_at: memoryview[int]
    under_count_at: memoryview[int]
    louder_at: memoryview[bool]
    loud_at: memoryview[int]
    calm_at: memoryview[int]

    def __init__(self) -> None:
        super().__init__(_LAYOUT)
        self.names = NameIndex()
        self.known = KnownNames()
        self.scopes: list[str] = []
        self.baselines = NoiseBaselines()

    def add(self, name: str, scope: str) -> int:
        """A row for a new meter."""
        row = self.names.add(name)
        self.begin(row)
        self.baselines.begin(row)
        scope = sys.intern(scope)
        if row == len(self.scopes):
            self.scopes.append(scope)
        else:
            self.scopes[row] = scope
        return row

    def remove(self, row: int) -> None:
        """Forget a meter."""
        self.known.forget(self.names.name_of(row))
        self.names.remove(row)
        self.begin(row)
        self.baselines.begin(row)
        self.scopes[row] = ""

    def rows_of(self, readings: Readings) -> IntArray:
        """The row of each reading's meter; new ones are added with the scope of their first reading."""
        rows = self.known.rows_of(self.names, readings.devices())
        for at in np.flatnonzero(rows < 0).tolist():
            name = readings.device(at)
            row = self.names.row_of(name)
            rows[at] = row if row >= 0 else self.add(name, readings.scope(at))
        return rows

    def next_due_ms(self) -> int:
        """The earliest timer."""
        rows = self.names.rows
        return int(self.due_ms[:rows].min()) if rows else NEVER_MS

    @property
    def bytes_held(self) -> int:
        """Memory of the columns, names and scopes."""
        return self.nbytes + self.baselines.nbytes + self.names.nbytes + sys.getsizeof(self.scopes)

    def held(self) -> dict[str, Any]:
        """Everything, for the snapshot; arrays are views."""
        rows = self.names.rows
        return {
            "names": self.names.saved(),
            "scopes": self.scopes,
            "columns": self.saved(rows),
            "baselines": self.baselines.saved(rows),
        }

    @staticmethod
    def of(held: dict[str, Any]) -> NoiseMeters:
        """From :meth:`held`."""
        meters = NoiseMeters()
        meters.names = NameIndex(held["names"])
        meters.scopes = [sys.intern(scope) for scope in held["scopes"]]
        meters.restore(held["columns"])
        meters.baselines.restore(held["baselines"])
        return meters
