"""What of a batch concerns persons under care: where somebody was noticed, as columns, and registry entries."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.movement_persons import HOME, OUT
from detectors.rows import Row, chosen_rows, in_log_order, typed_rows
from schemas.columns import EventBatch, TypedRows
from schemas.families.movement import Passage, Sighting
from schemas.families.readings import Presence
from schemas.families.registry import Device as DeviceEntry
from schemas.families.registry import Person as PersonEntry
from schemas.records import IntArray

PERSON, DEVICE = range(2)  # tags of entries
SIGHTED = 3  # where: home or out, by the place


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of persons in log order, in columns."""

    position: IntArray
    now_ms: IntArray  # recorded time
    event_ms: IntArray
    where: IntArray  # HOME, OUT or SIGHTED
    what: IntArray  # a number for the kind of sign: observations of one moment and kind are one
    person: pa.Array  # null where only the device is known
    by: pa.Array  # the device of a presence, the place of a sighting

    def __len__(self) -> int:
        return len(self.position)

    def between(self, start: int, stop: int) -> Signs:
        """The signs ``[start, stop)``."""
        if (start, stop) == (0, len(self)):
            return self
        part, count = slice(start, stop), stop - start
        return Signs(
            self.position[part], self.now_ms[part], self.event_ms[part], self.where[part], self.what[part],
            self.person.slice(start, count), self.by.slice(start, count),
        )  # fmt: skip


class LifeSignals:
    """Kinds of presence that are taken as a person's, prepared for :func:`signs_of`."""

    def __init__(self, signals: tuple[str, ...]) -> None:
        self.lookup = pc.SetLookupOptions(value_set=pa.array(signals, pa.string()))
        self.numbers = np.array([number_of(signal) for signal in signals], dtype=np.int64)


def number_of(what: str) -> int:
    """A number for a kind of sign or a place; 32 bits tell apart what happens to one person in one millisecond."""
    return zlib.crc32(what.encode())


CAME_IN = number_of("in")  # a sign at home that no device of the home gave


def signs_of(batch: EventBatch, life_signals: LifeSignals, min_confidence: float, by_device: bool) -> Signs | None:
    """The batch's signs of persons; without ``by_device`` presence counts only where it names the person."""
    parts = [
        part
        for part in (
            _presence(batch.of(Presence.type_name), life_signals, by_device),
            _passages(batch.of(Passage.type_name)),
            _sightings(batch.of(Sighting.type_name), min_confidence),
        )
        if part is not None
    ]
    if len(parts) <= 1:
        return parts[0] if parts else None
    position = np.concatenate([part.position for part in parts])
    order = np.argsort(position, kind="stable")
    taken = pa.array(order)
    return Signs(
        position[order],
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("now_ms", "event_ms", "where", "what")
        ),
        *(pa.concat_arrays([getattr(part, name) for part in parts]).take(taken) for name in ("person", "by")),
    )


def entries_of(batch: EventBatch, person_of: dict[str, Any]) -> list[Row]:
    """Registry entries that may concern persons, in log order.

    They are ``(position, recorded_ms, event_ms, PERSON, scope, person, change, category, home, consent)`` or
    ``(position, recorded_ms, event_ms, DEVICE, scope, device, change, person)``.
    """
    parts = []
    persons, devices = batch.of(PersonEntry.type_name), batch.of(DeviceEntry.type_name)
    if persons is not None and len(persons):
        parts.append(typed_rows(persons, PERSON, ("person", "change", "category", "home", "consent")))
    if devices is not None and len(devices):
        concerned = np.asarray(devices.data.column("person").is_valid().to_numpy(), dtype=bool)
        if person_of or concerned.any():  # an entry may also end what another said
            names = devices.values("device")
            named = {name for name, is_named in zip(names, concerned.tolist(), strict=True) if is_named}
            concerned |= np.array([name in person_of or name in named for name in names], dtype=bool)
        chosen = chosen_rows(devices, np.flatnonzero(concerned))
        parts.append(typed_rows(chosen, DEVICE, ("device", "change", "person")))
    return in_log_order(parts)


def _presence(rows: TypedRows | None, life_signals: LifeSignals, by_device: bool) -> Signs | None:
    if rows is None or not len(rows):
        return None
    signals = pc.call_function("index_in", [rows.data.column("signal")], life_signals.lookup).to_numpy()
    chosen, person = signals >= 0, rows.data.column("person")  # others are NaN
    if not by_device and person.null_count:
        chosen &= np.asarray(person.is_valid().to_numpy(), dtype=bool)
    index = np.flatnonzero(chosen)
    what = life_signals.numbers[signals[index].astype(np.int64)]
    return _signs(rows, index, np.full(len(index), HOME), what, "device")


def _passages(rows: TypedRows | None) -> Signs | None:
    if rows is None or not len(rows):
        return None
    person = rows.data.column("person")
    if person.null_count == len(person):
        return None
    index = np.flatnonzero(np.asarray(person.is_valid().to_numpy(), dtype=bool))
    inward = np.asarray(pc.equal(rows.data.column("direction"), "in").to_numpy(), dtype=bool)[index]
    return _signs(
        rows, index, np.where(inward, HOME, OUT), np.where(inward, CAME_IN, number_of("out")), "gate"
    )  # fmt: skip


def _sightings(rows: TypedRows | None, min_confidence: float) -> Signs | None:
    if rows is None or not len(rows):
        return None
    confidence = rows.data.column("confidence_ratio")
    unknown = np.asarray(confidence.is_null().to_numpy(), dtype=bool)
    index = np.flatnonzero(unknown | (np.asarray(confidence.to_numpy(), dtype=np.float64) >= min_confidence))
    places = rows.data.column("place").take(pa.array(index)).to_pylist()
    what = np.array([number_of(place) for place in places], dtype=np.int64)
    return _signs(rows, index, np.full(len(index), SIGHTED), what, "place")


def _signs(rows: TypedRows, index: IntArray, where: IntArray, what: IntArray, by: str) -> Signs | None:
    if not len(index):
        return None
    taken = pa.array(index)
    return Signs(
        rows.positions[index], rows.ints("recorded_time_ms")[index], rows.ints("event_time_ms")[index], where, what,
        _array(rows.data.column("person").take(taken)), _array(rows.data.column(by).take(taken)),
    )  # fmt: skip


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
