"""``gridpulse simulate``: a district's events to a file, or into the log at any speed-up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridpulse import adapters
from gridpulse.settings import Settings
from replay.simulator import DistrictConfig, Simulator, write_labels, write_ndjson

SLICE_MS = 600_000


def simulate_to_file(
    path: Path, config: DistrictConfig, until_ms: int, progress: Callable[[int], None]
) -> dict[str, Any]:
    """NDJSON in recorded order, and the truth beside it."""
    simulator, truth = Simulator(config), path.with_suffix(".labels.json")
    events = write_ndjson(
        path, simulator, from_ms=config.start_ms, until_ms=until_ms, progress=lambda _events, now_ms: progress(now_ms)
    )
    labels = write_labels(truth, simulator, from_ms=config.start_ms, until_ms=until_ms)
    return {"file": str(path), "events": events, "truth": str(truth), "labels": labels}


def simulate_into_log(
    settings: Settings, config: DistrictConfig, until_ms: int, speed: float, progress: Callable[[int], None]
) -> dict[str, Any]:
    """``speed`` simulated seconds per second; 0: as fast as the log takes it."""
    simulator = Simulator(config, settings.partitions)
    started_s, records = time.monotonic(), 0
    slice_ms = SLICE_MS if speed == 0 else max(1000, min(SLICE_MS, int(speed * 200)))
    with adapters.the_log(settings) as log:
        log.append(simulator.registry_events())
        for piece in simulator.slices(config.start_ms, until_ms, slice_ms):
            if speed:
                due_s = started_s + (piece.end_ms - config.start_ms) / 1000.0 / speed
                time.sleep(max(0.0, due_s - time.monotonic()))
            log.append(piece.records)
            records += len(piece.records)
            progress(piece.end_ms)
    return {"records": records, "seconds": round(time.monotonic() - started_s, 2)}
