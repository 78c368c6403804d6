"""A simulated stretch of time as files: events as NDJSON in recorded order, and the truth beside it.

A file is written under a temporary name and renamed when complete: a broken-off run leaves no half of it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import orjson

from replay.simulator.chance import HOUR_MS
from replay.simulator.simulator import Simulator
from replay.simulator.truth import Label
from schemas.records import NewRecord

Progress = Callable[[int, int], None]
"""Called now and then with the events written so far and the simulated time (epoch ms) reached."""


def write_ndjson(
    path: Path, simulator: Simulator, *, from_ms: int, until_ms: int, progress: Progress | None = None
) -> int:
    """Write every event recorded in ``[from_ms, until_ms)``, one structured event per line; returns how many.

    From the district's start on, the register comes first. Ticks are left out; broken events are not.
    """
    written = 0
    partial = path.with_name(path.name + ".part")
    first = simulator.registry_events() if from_ms <= simulator.config.start_ms else []
    with partial.open("wb") as file:
        file.writelines(_lines(first))
        written += len(first)
        for piece in simulator.slices(from_ms, until_ms, HOUR_MS):
            events = piece.records[: len(piece.records) - simulator.ticks_per_slice]
            file.writelines(_lines(events))
            written += len(events)
            if progress is not None:
                progress(written, piece.end_ms)
    partial.replace(path)
    return written


def write_labels(path: Path, simulator: Simulator, *, from_ms: int, until_ms: int) -> int:
    """Write the truth of ``[from_ms, until_ms)`` as a JSON array; returns how many labels."""
    labels = simulator.labels(from_ms, until_ms)
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(orjson.dumps([label.as_json() for label in labels], option=orjson.OPT_INDENT_2))
    partial.replace(path)
    return len(labels)


def read_labels(path: Path) -> list[Label]:
    """The truth that :func:`write_labels` wrote."""
    return [Label.from_json(value) for value in orjson.loads(path.read_bytes())]


def _lines(records: list[NewRecord]) -> chain[bytes]:
    return chain.from_iterable((record.value, b"\n") for record in records)
