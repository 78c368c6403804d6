"""What detectors remember, and what that costs: memory, time per event, snapshots, by the number of devices.

A lane of its own process for each size, so that memory is that lane's; filled until every device's habits are known
(a round is one message of each), then fed more of the same. Decoding is not measured. Cost per event is CPU time.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from benchmarks.city_batches import CityBatches
from detectors.irregular_movement import IrregularMovement
from detectors.lane import LaneOperator, build_lane
from schemas.columns import EventBatch
from schemas.families.readings import Presence
from schemas.families.registry import Person

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 11  # a device's interval is known after ten messages
EVENTS = 200_000  # of a measurement
SNAPSHOT_EVERY_S = 60.0
_PERSONS_ALONE = 20_000  # so many that their memory stands out

Figures = dict[str, Any]
Note = Callable[[str], None]


def state(
    *, devices: int, runs: int, note: Note = lambda _: None, rounds: int = ROUNDS, events: int = EVENTS
) -> Figures:  # fmt: skip
    """Figures of a lane of ``devices``, and the cost per event of smaller ones beside it.

    ``runs``: measurements of ``events`` each, the median counted; ``note`` hears what is being done.
    """
    costs: dict[int, float] = {}
    greatest: Figures = {}
    for size in sorted({*(size for size in SIZES if size < devices), devices}):
        note(f"a lane of {size:,} devices")
        greatest = _in_a_fresh_process(size, runs, rounds, events)
        costs[size] = greatest["cpu_us_per_event"]
    note("persons under care alone")
    least = min(costs)
    return {
        "devices": devices,
        "runs": runs,
        "events": events * runs,
        **greatest,
        "bytes_per_person": _in_a_fresh_process(_PERSONS_ALONE, 0, 1, 0)["bytes_per_person"],
        **{f"cpu_us_per_event_at_{size}": cost for size, cost in costs.items()},
        "flatness_from_devices": least,
        "flatness_ratio": costs[devices] / costs[least],
    }


def _in_a_fresh_process(size: int, runs: int, rounds: int, events: int) -> Figures:
    """``runs`` 0: only persons under care, ``size`` of them."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        if runs == 0:
            return pool.apply(persons_alone, (size,))
        return pool.apply(filled_lane, (size, runs, rounds, events))


def filled_lane(devices: int, runs: int, rounds: int, events: int) -> Figures:
    """Everything about a lane of so many devices; to be called in a process of its own."""
    city = CityBatches(devices)
    _warm_up()
    before = _rss_bytes()
    lane = build_lane()
    emitted = sum(len(lane.process(batch)) for batch in city.registry())
    emitted += sum(len(lane.process(batch)) for batch in city.events(0, devices * rounds))
    rss = _rss_bytes()
    done, costs, rates = devices * rounds, [], []
    for _ in range(runs):
        cpu_s, wall_s, said = _fed(lane, city, done, events)
        costs.append(cpu_s / events * 1e6)
        rates.append(events / wall_s)
        done, emitted = done + events, emitted + said
    return {
        "persons": city.persons,
        "emitted": emitted,
        "bytes_per_device": (rss - before) / devices,
        "rss_mb": rss / 1e6,
        "events_per_s": statistics.median(rates),
        "cpu_us_per_event": statistics.median(costs),
        **_snapshots(lane),
    }


def persons_alone(persons: int) -> Figures:
    """Memory of the movement detector, by person; to be called in a process of its own."""
    _warm_up()
    city = CityBatches(persons * 10)
    before = _rss_bytes()
    detector = IrregularMovement()
    for batch in city.registry():
        detector.process(_only(batch, Person.type_name))
    for batch in city.events(0, city.devices):
        detector.process(_only(batch, Presence.type_name))
    return {"bytes_per_person": (_rss_bytes() - before) / persons}


def _fed(lane: LaneOperator, city: CityBatches, first: int, events: int) -> tuple[float, float, int]:
    """(CPU seconds, seconds, things said) of so many events; making them is not counted."""
    cpu_s = wall_s = 0.0
    said = 0
    for batch in city.events(first, events):
        wall, cpu = time.perf_counter(), time.process_time()
        said += len(lane.process(batch))
        cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - wall
    return cpu_s, wall_s, said


def _snapshots(lane: LaneOperator) -> Figures:
    started = time.perf_counter()
    saved = lane.snapshot()
    snapshot_s = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # before a second lane is made
    started = time.perf_counter()
    build_lane().restore(saved)
    return {
        "snapshot_bytes": len(saved),
        "peak_rss_mb": peak / 1e6,
        "snapshot_s": snapshot_s,
        "restore_s": time.perf_counter() - started,
        "snapshot_share": snapshot_s / SNAPSHOT_EVERY_S,
    }


def _warm_up() -> None:
    """Load and touch what any size needs, so that it does not count as a device's."""
    city = CityBatches(1_000)
    lane = build_lane()
    for batch in (*city.registry(), *city.events(0, 20_000)):
        lane.process(batch)
    build_lane().restore(lane.snapshot())


def _only(batch: EventBatch, type_name: str) -> EventBatch:
    kept = {name: rows for name, rows in batch.types.items() if name == type_name}
    return EventBatch(batch.partition, batch.recorded_time_ms, kept)


def _rss_bytes() -> int:
    """Resident memory now, after Arrow gave back what it does not use."""
    pa.default_memory_pool().release_unused()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
