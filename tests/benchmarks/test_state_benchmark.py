"""The state benchmark counts what it fed, on batches as the decoder makes them. No timing."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.city_batches import CityBatches
from benchmarks.state import filled_lane, persons_alone, state
from schemas.catalogue import EVENT_TYPES
from schemas.columns import ENVELOPE_SCHEMA
from schemas.compile import compile_model

COMPILED = {event_type.name: compile_model(event_type.latest) for event_type in EVENT_TYPES}


def test_batches_have_the_columns_of_decoded_ones_in_log_order() -> None:
    city = CityBatches(400, batch_events=150)
    batches = [*city.registry(), *city.events(0, 1000)]
    seen: dict[str, int] = {}
    for batch in batches:
        assert (np.diff(batch.recorded_time_ms) >= 0).all()
        positions = np.concatenate([rows.positions for rows in batch.types.values()])
        assert sorted(positions.tolist()) == list(range(len(batch.recorded_time_ms)))
        for name, rows in batch.types.items():
            model = COMPILED[name]
            assert model is not None
            assert {field.name: field.type for field in rows.data.schema} == {f.name: f.type for f in model.schema}
            assert rows.envelope.schema.equals(ENVELOPE_SCHEMA)
            assert np.array_equal(rows.ints("recorded_time_ms"), batch.recorded_time_ms[rows.positions])
            seen[name] = seen.get(name, 0) + len(rows)
    assert sum(seen.values()) == 400 + city.persons + 1000
    assert city.persons == 40


def test_a_lane_is_filled_with_every_device() -> None:
    figures = filled_lane(400, runs=1, rounds=2, events=900)
    assert figures["persons"] == 40
    assert figures["emitted"] == 380  # each device but the gates is online once
    assert figures["snapshot_bytes"] > 400 * 50
    assert persons_alone(30)["bytes_per_person"] >= 0.0


def test_the_answer_is_one_flat_object_of_every_size() -> None:
    notes: list[str] = []
    answer = state(devices=1_500, runs=1, note=notes.append, rounds=1, events=600)
    assert json.loads(json.dumps(answer)) == answer
    assert {"bytes_per_device", "bytes_per_person", "rss_mb", "events_per_s", "snapshot_share", "restore_s"} <= set(
        answer
    )
    assert (answer["devices"], answer["events"], answer["flatness_from_devices"]) == (1_500, 600, 1_000)
    costs = (answer["cpu_us_per_event_at_1500"], answer["cpu_us_per_event_at_1000"])
    assert answer["flatness_ratio"] == costs[0] / costs[1]
    assert len(notes) == 3
