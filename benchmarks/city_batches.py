"""The city at peak as decoded batches, made in columns: where decoding is not what is measured.

The mix is that of :mod:`benchmarks.city`: of twenty devices two noise meters, eight other sensors, seven that only beat
(wearables), two presence sensors in homes of persons under care, one gate. Every device says its thing every
``INTERVAL_S`` seconds, one after another; so a batch of a large city is a moment, one of a small city minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.city import DELAY_MS, DEVICES_PER_COMMUNITY, INTERVAL_S, OF_TWENTY, START_MS
from schemas.columns import ENVELOPE_SCHEMA, EventBatch, TypedRows
from schemas.families.movement import Passage
from schemas.families.readings import Heartbeat, Measured, Presence
from schemas.families.registry import Device, Person
from schemas.records import IntArray

PERSONS_OF_TWENTY = OF_TWENTY.count("presence")
_KINDS = tuple(dict.fromkeys(OF_TWENTY))
_CODES = np.array([_KINDS.index(kind) for kind in OF_TWENTY])
_GRIDS, _GATEWAY_DEVICES, _HOME_DEVICES = 4, 100, 20
_TOPIC = "gridpulse.readings"


class CityBatches:
    """A city of so many devices, as batches of events in log order."""

    def __init__(self, devices: int, batch_events: int = 10_000) -> None:
        self.devices = devices
        self.batch_events = batch_events
        self._loudness = np.random.default_rng(7).normal(42.0, 2.0, 4096)

    @property
    def persons(self) -> int:
        """Homes with a presence sensor."""
        return int((self._kinds(np.arange(self.devices)) == _KINDS.index("presence")).sum())

    def registry(self) -> Iterator[EventBatch]:
        """An entry for every device, and for the person in every home with a presence sensor."""
        for first in range(0, self.devices, self.batch_events):
            numbers = np.arange(first, min(first + self.batch_events, self.devices))
            codes = self._kinds(numbers)
            of_persons = np.flatnonzero(codes == _KINDS.index("presence"))
            positions = np.arange(len(numbers) + len(of_persons))
            times = np.full(len(positions), START_MS - 60_000)
            homes = numbers[of_persons]
            types = [
                self._typed(Device.type_name, positions[: len(numbers)], numbers, times, self._entries(numbers, codes))
            ]
            if len(homes):
                data = {
                    "change": _same("registered", len(homes)), "person": _texts("p-", homes),
                    "category": _same("living_alone", len(homes)), "home": _texts("s", homes // _HOME_DEVICES),
                    "consent": pa.array(np.ones(len(homes), dtype=bool)),
                }  # fmt: skip
                types.append(self._typed(Person.type_name, positions[len(numbers) :], homes, times, data))
            yield EventBatch(0, times, {rows.type_name: rows for rows in types})

    def events(self, first: int, count: int) -> Iterator[EventBatch]:
        """Events ``first`` to ``first + count`` of the city."""
        for start in range(first, first + count, self.batch_events):
            yield self._batch(np.arange(start, min(start + self.batch_events, first + count)))

    def _batch(self, numbers: IntArray) -> EventBatch:
        devices = numbers % self.devices
        event_ms = START_MS + (numbers * (INTERVAL_S * 1000.0 / self.devices)).astype(np.int64)
        recorded_ms = event_ms + DELAY_MS
        codes = self._kinds(devices)
        at = {kind: np.flatnonzero(codes == code) for code, kind in enumerate(_KINDS)}
        measured = np.sort(np.concatenate([at["noise"], at["climate"]]))
        noise = codes[measured] == _KINDS.index("noise")
        quantity = pc.if_else(pa.array(noise), "laeq", "temperature")
        value = np.where(noise, self._loudness[numbers[measured] % 4096], 21.5)
        homes, gates, beats = at["presence"], at["gate"], at["wearable"]
        data = {
            Measured.type_name: (measured, {
                "device": self.names(devices[measured]), "quantity": quantity, "value": pa.array(value),
                "unit": pc.if_else(pa.array(noise), "dB(A)", "Cel"),
                "interval_s": pa.array(np.where(noise, INTERVAL_S, np.nan), mask=~noise),
            }),
            Heartbeat.type_name: (beats, {
                "device": self.names(devices[beats]), "battery_ratio": pa.array(np.full(len(beats), 0.5)),
                "rssi_dbm": pa.array(np.full(len(beats), -80.0)),
            }),
            Presence.type_name: (homes, {
                "device": self.names(devices[homes]), "signal": _same("infrared", len(homes)),
                "person": _texts("p-", devices[homes]),
            }),
            Passage.type_name: (gates, {
                "gate": self.names(devices[gates]), "kind": _same("person", len(gates)),
                "direction": _same("in", len(gates)), "method": _same("card", len(gates)),
                "person": pa.nulls(len(gates), pa.string()), "plate": pa.nulls(len(gates), pa.string()),
            }),
        }  # fmt: skip
        types = {
            name: self._typed(name, rows, devices[rows], event_ms[rows], columns, numbers[rows])
            for name, (rows, columns) in data.items()
            if len(rows)
        }
        return EventBatch(0, recorded_ms, types)

    def names(self, devices: IntArray) -> pa.Array:
        """The names of devices by number."""
        kinds = pa.array(_KINDS).take(pa.array(self._kinds(devices)))
        community = _texts("c", devices // DEVICES_PER_COMMUNITY)
        return pc.binary_join_element_wise(community, kinds, pa.array(devices).cast(pa.string()), "-")

    def _kinds(self, devices: IntArray) -> IntArray:
        return np.asarray(_CODES[devices % len(_CODES)], dtype=np.int64)

    def _entries(self, numbers: IntArray, codes: IntArray) -> dict[str, pa.Array]:
        kind = pa.array(_KINDS).take(pa.array(codes))
        noise = pa.array(codes == _KINDS.index("noise"))
        return {
            "change": _same("registered", len(numbers)),
            "device": self.names(numbers),
            "kind": kind,
            "site": _texts("s", numbers // _HOME_DEVICES),
            "gateway": _texts("gw", numbers // _GATEWAY_DEVICES),
            "noise_zone": pc.if_else(noise, "2", pa.scalar(None, pa.string())),
            "person": pa.nulls(len(numbers), pa.string()),
            "model": pa.nulls(len(numbers), pa.string()),
        }

    def _typed(
        self, name: str, positions: IntArray, devices: IntArray, event_ms: IntArray, data: dict[str, pa.Array],
        ids: IntArray | None = None,
    ) -> TypedRows:  # fmt: skip
        count = len(positions)
        community = devices // DEVICES_PER_COMMUNITY
        scope = pc.binary_join_element_wise(_texts("wuhu/d1/s1/c", community), _texts("g", devices % _GRIDS), "/")
        envelope = pa.table(
            {
                "id": _texts(f"{name}-", devices if ids is None else ids),
                "source": _texts("/iot/gw", devices // _GATEWAY_DEVICES),
                "scope": scope,
                "event_time_ms": event_ms[:count],
                "recorded_time_ms": event_ms[:count] + (0 if ids is None else DELAY_MS),
                "topic": _same(_TOPIC, count),
                "partition": np.zeros(count, dtype=np.int64),
                "offset": positions,
            },
            schema=ENVELOPE_SCHEMA,
        )
        return TypedRows(name, positions, envelope, pa.table(data))


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def _texts(prefix: str, numbers: IntArray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
