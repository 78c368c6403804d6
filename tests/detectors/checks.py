"""What every detector and the lane must hold, whatever they detect. Used by ``test_checks.py``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from detectors.contract import Emitted
from schemas.columns import EventBatch
from schemas.families.system import Detection
from tests.detectors.batches import TICK, Say, batch_of, cut, tick

Said = tuple[int, bool, str, int, str]


class Operator(Protocol):
    """A detector, or the lane operator."""

    def process(self, batch: EventBatch) -> list[Emitted]: ...
    def snapshot(self) -> bytes: ...
    def restore(self, saved: bytes) -> None: ...


Build = Callable[[], Operator]


def said(out: Iterable[Emitted]) -> list[Said]:
    """Contents without the row number within a batch."""
    return [(e.detected_ms, e.from_timer, e.scope, e.event_time_ms, repr(e.data)) for e in out]


def run(operator: Operator, batches: Iterable[EventBatch], exact_order: bool) -> list[Said]:
    """Everything said; sorted within a batch as the lane does, unless the operator promises its exact order."""
    out: list[Said] = []
    for batch in batches:
        emitted = operator.process(batch)
        out += said(emitted if exact_order else sorted(emitted, key=lambda one: one.order))
    return out


def check_cut_anywhere(build: Build, rows: list[Say], exact_order: bool = False) -> None:
    """Cut at 1, 7, 100 or not at all: the same is said, in the same order."""
    whole = run(build(), [batch_of(rows)], exact_order)
    assert whole, "the stream must give rise to something, or this check shows nothing"
    for size in (7, 100):
        assert run(build(), cut(rows, size), exact_order) == whole, size
    tail = rows[-400:]
    assert run(build(), cut(tail, 1), exact_order) == run(build(), [batch_of(tail)], exact_order)


def check_ticks_say_nothing(build: Build, rows: list[Say], exact_order: bool = False) -> None:
    """Ticks between the rows, at random places and cut anywhere, change nothing."""
    whole = run(build(), [batch_of(rows)], exact_order)
    rng = random.Random(7)
    for size in (13, 1000):
        ticked: list[Say] = []
        for offset, (row, following) in enumerate(zip(rows, [*rows[1:], rows[-1]], strict=True)):
            ticked.append(replace(row, id=f"e{offset}") if row.kind != TICK else row)
            gap = following.recorded_ms - row.recorded_ms
            if gap > 0 and rng.random() < 0.2:
                ticked += [tick(row.recorded_ms), tick(row.recorded_ms + rng.randrange(gap + 1))]
        assert run(build(), cut(ticked, size), exact_order) == whole, size


def check_snapshot_anywhere(build: Build, rows: list[Say], cuts: int = 12, exact_order: bool = False) -> None:
    """Stop anywhere, restore into a fresh operator, go on: the same is said; the snapshot is not reached into."""
    batches = list(cut(rows, max(1, len(rows) // 60)))
    whole = run(build(), batches, exact_order)
    rng = random.Random(11)
    for at in sorted(rng.sample(range(1, len(batches)), min(cuts, len(batches) - 1))):
        first = build()
        before = run(first, batches[:at], exact_order)
        saved = first.snapshot()
        copy = bytes(saved)
        run(first, batches[at:], exact_order)  # the old one goes on; the snapshot must not feel it
        assert saved == copy
        second = build()
        second.restore(saved)
        assert before + run(second, batches[at:], exact_order) == whole, at


def check_deterministic(build: Build, rows: list[Say], exact_order: bool = False) -> None:
    """Twice the same."""
    assert run(build(), cut(rows, 50), exact_order) == run(build(), cut(rows, 50), exact_order)


def check_input_unmutated(build: Build, rows: list[Say]) -> None:
    """Batches stay as they were."""
    batch, twin = batch_of(rows), batch_of(rows)
    build().process(batch)
    assert np.array_equal(batch.recorded_time_ms, twin.recorded_time_ms)
    for name, typed in batch.types.items():
        assert np.array_equal(typed.positions, twin.types[name].positions)
        assert typed.envelope.equals(twin.types[name].envelope)
        assert typed.data.equals(twin.types[name].data)


def check_delivered_twice(build: Build, rows: list[Say], block: int = 5) -> None:
    """Rows delivered again shortly after, one by one or in blocks: the same detections for the same reasons."""
    once = [replace(row, id=f"e{offset}") for offset, row in enumerate(rows)]

    def detections(stream: list[Say]) -> list[Said]:
        return [one for one in run(build(), cut(stream, 100), False) if one[4].startswith("Detection(")]

    expected = detections(once)
    assert expected
    for size in (1, block):
        twice: list[Say] = []
        for start in range(0, len(once), size):
            part = once[start : start + size]
            last_ms = part[-1].recorded_ms
            twice += [*part, *(replace(row, recorded_ms=last_ms, event_ms=_event_ms(row)) for row in part)]
        assert detections(twice) == expected, size


def _event_ms(row: Say) -> int:
    return row.recorded_ms if row.event_ms is None else row.event_ms


def check_nothing_while_learning(build: Build, rows: list[Say]) -> None:
    """A stream shorter than the learning period raises nothing."""
    assert [e for batch in cut(rows, 50) for e in build().process(batch) if isinstance(e.data, Detection)] == []


def check_survives(build: Build, rows: list[Say]) -> None:
    """Odd values raise no exception, and the state can be saved and restored after them."""
    operator = build()
    for batch in cut(rows, 3):
        operator.process(batch)
    build().restore(operator.snapshot())


def bytes_per_key(build: Build, rows: list[Say], keys: int) -> float:
    """Saved state per key, in bytes."""
    operator, empty = build(), build()
    for batch in cut(rows, 20_000):
        operator.process(batch)
    return (len(operator.snapshot()) - len(empty.snapshot())) / keys
