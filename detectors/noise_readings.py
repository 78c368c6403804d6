"""What of a batch concerns noise: its readings as columns, and the registry entries of meters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import BoolArray, FloatArray
from detectors.name_index import NameIndex
from detectors.rows import Row, chosen_rows, typed_rows
from schemas.columns import EventBatch, TypedRows
from schemas.families.readings import Measured
from schemas.families.registry import Device as DeviceEntry
from schemas.records import IntArray

LAEQ, LAMAX = range(2)
_KINDS = pc.SetLookupOptions(value_set=pa.array(["laeq", "lamax"], pa.string()))


@dataclass(frozen=True, slots=True)
class Readings:
    """Noise readings in log order, in columns."""

    rows: TypedRows  # of the whole batch, other quantities too
    index: IntArray  # of the readings among them
    position: IntArray
    now_ms: IntArray  # recorded time
    event_ms: IntArray
    kind: IntArray  # LAEQ or LAMAX
    value: FloatArray
    interval_s: FloatArray  # NaN where it names none

    def __len__(self) -> int:
        return len(self.index)

    def between(self, start: int, stop: int) -> Readings:
        """The readings ``[start, stop)``."""
        if (start, stop) == (0, len(self.index)):
            return self
        part = slice(start, stop)
        return Readings(
            self.rows, self.index[part], self.position[part], self.now_ms[part], self.event_ms[part],
            self.kind[part], self.value[part], self.interval_s[part],
        )  # fmt: skip

    def devices(self) -> pa.ChunkedArray:
        """The meters' names."""
        return self.rows.data.column("device").take(pa.array(self.index))

    def device(self, at: int) -> str:
        """The name of a reading's meter."""
        return str(self.rows.data.column("device")[int(self.index[at])].as_py())

    def scope(self, at: int) -> str:
        """The scope of a reading."""
        return str(self.rows.envelope.column("scope")[int(self.index[at])].as_py())


def readings_of(batch: EventBatch) -> Readings | None:
    """The batch's noise readings, None when it has none."""
    rows = batch.of(Measured.type_name)
    if rows is None or not len(rows):
        return None
    kinds = pc.call_function("index_in", [rows.data.column("quantity")], _KINDS).to_numpy()
    index = np.flatnonzero(kinds >= 0)  # others are NaN
    if not len(index):
        return None
    return Readings(
        rows, index, rows.positions[index], rows.ints("recorded_time_ms")[index], rows.ints("event_time_ms")[index],
        kinds[index].astype(np.int64), _floats(rows, "value")[index], _floats(rows, "interval_s")[index],
    )  # fmt: skip


def entries_of(batch: EventBatch, names: NameIndex, readings: Readings | None) -> list[Row]:
    """Registry entries that may concern a noise meter, in log order.

    They are ``(position, recorded_ms, event_ms, 0, scope, device, change, kind, noise_zone)``.
    """
    rows = batch.of(DeviceEntry.type_name)
    if rows is None or not len(rows):
        return []
    device = rows.data.column("device")
    concerned = np.asarray(pc.equal(rows.data.column("kind"), "noise").to_numpy(), dtype=bool)
    concerned = concerned | np.asarray(rows.data.column("noise_zone").is_valid().to_numpy(), dtype=bool)
    if len(names):
        concerned |= names.rows_of(device) >= 0
    if readings is not None:  # a meter may be heard first in this batch
        concerned |= np.asarray(pc.is_in(device, value_set=readings.devices().unique()).to_numpy(), dtype=bool)
    wanted = chosen_rows(rows, np.flatnonzero(concerned))
    return typed_rows(wanted, 0, ("device", "change", "kind", "noise_zone"))


def accepted(keys: IntArray, event_ms: IntArray, fit: BoolArray, latest_ms: IntArray) -> IntArray:
    """Which readings are used: those that fit and are later than all before them of the same key.

    ``latest_ms``: by key, the latest event time so far; -2**62 for none.
    """
    chosen = np.flatnonzero(fit)
    if not len(chosen):
        return chosen
    keys, event_ms = keys[chosen], event_ms[chosen]
    rises = event_ms > latest_ms[keys]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    new_key = ordered[1:] != ordered[:-1]
    if not new_key.all():  # some key comes twice: the greatest so far, key after key, by a running maximum
        first_ms = int(event_ms.min())
        span_ms = int(event_ms.max()) - first_ms + 1
        group = np.concatenate(([0], np.cumsum(new_key)))
        place = group * span_ms + (event_ms[order] - first_ms)
        greatest = np.maximum.accumulate(place)
        rises[order[1:]] &= place[1:] > greatest[:-1]
    return chosen[rises]


def _floats(rows: TypedRows, column: str) -> FloatArray:
    return np.asarray(rows.data.column(column).to_numpy(), dtype=np.float64)
