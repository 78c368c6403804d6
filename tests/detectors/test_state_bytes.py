"""Memory and snapshot of what is known, per device, meter and person, after a full life of two thousand of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np

from benchmarks.city_batches import CityBatches
from detectors.device_offline import DeviceOffline
from detectors.growing import grown
from detectors.irregular_movement import IrregularMovement
from detectors.local_time import DAY_MS
from detectors.noise_limit import NoiseLimit
from schemas.columns import EventBatch, TypedRows
from schemas.families.registry import Person
from tests.detectors.batches import HOUR, batch_of, person_entry, sighting
from tests.detectors.streams import START_MS

KEYS = 2_000
Detector = DeviceOffline | NoiseLimit | IrregularMovement


def later(batch: EventBatch, by_ms: int) -> EventBatch:
    """The same events at another time."""
    types = {}
    for name, rows in batch.types.items():
        envelope = rows.envelope
        for column in ("event_time_ms", "recorded_time_ms"):
            at = envelope.schema.get_field_index(column)
            envelope = envelope.set_column(at, envelope.schema.field(at), [rows.ints(column) + by_ms])
        types[name] = TypedRows(name, rows.positions, envelope, rows.data)
    return EventBatch(batch.partition, batch.recorded_time_ms + by_ms, types)


def bytes_per_key(build: Callable[[], Detector], batches: list[EventBatch], keys: int = KEYS) -> tuple[float, float]:
    """(in memory, in the snapshot) by key."""
    empty = len(build().snapshot())
    tracemalloc.start()
    detector = build()
    before, _ = tracemalloc.get_traced_memory()
    for batch in batches:
        detector.process(batch)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / keys, (len(detector.snapshot()) - empty) / keys


def test_a_device_whose_interval_is_known_is_small() -> None:
    city = CityBatches(KEYS)
    in_memory, saved = bytes_per_key(DeviceOffline, [*city.registry(), *city.events(0, city.devices * 11)])
    assert 180 < saved <= 215
    assert in_memory <= 360  # with spare room, and names of their gateways and sites


def test_a_large_array_grows_like_a_small_one() -> None:
    for rows in (100, 500_000):  # the larger has pages of its own
        array = grown(np.arange(rows), rows + 1, fill=-7)
        assert len(array) == rows + rows // 4
        assert (array[:rows] == np.arange(rows)).all()
        assert (array[rows:] == -7).all()
        array[-1] = 3


def test_a_noise_meter_is_small_and_other_sensors_are_not_kept() -> None:
    city = CityBatches(KEYS * 10)
    rounds = list(city.events(0, city.devices * 2))
    batches = [*city.registry(), *rounds, *(later(batch, 300_000 * n) for n in (1, 2, 3, 4) for batch in rounds)]
    in_memory, saved = bytes_per_key(NoiseLimit, batches)
    assert 400 < saved <= 700
    assert in_memory <= 800  # columns have some spare room


def test_a_person_with_habits_and_many_places_is_small() -> None:
    keys = 250
    entries = [person_entry(START_MS, f"p-{n:08x}", f"home-{n}") for n in range(keys)]
    visits = [
        batch_of([sighting(START_MS + k * HOUR, f"p-{n:08x}", f"place-{(n + 7 * k) % 5000}") for n in range(keys)])
        for k in range(34)  # two more than are kept
    ]
    in_memory, saved = bytes_per_key(IrregularMovement, [batch_of(entries), *visits], keys)
    assert 1_200 < saved <= 2_800
    assert in_memory <= 4_000


def test_persons_cost_as_much_however_long_they_are_known() -> None:
    city = CityBatches(KEYS * 10)
    registry = [
        EventBatch(0, b.recorded_time_ms, {Person.type_name: b.types[Person.type_name]}) for b in city.registry()
    ]
    rounds = list(city.events(0, city.devices))
    young = bytes_per_key(IrregularMovement, [*registry, *rounds])
    months = [later(batch, DAY_MS * day) for day in (1, 2, 30, 60) for batch in rounds]
    old = bytes_per_key(IrregularMovement, [*registry, *rounds, *months])
    assert np.allclose(young, old, rtol=0.05)
    assert old[1] <= 1_400
