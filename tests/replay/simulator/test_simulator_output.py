"""Files: every event a line in recorded order, the truth beside it, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from replay.simulator import DistrictConfig, Simulator, read_labels, write_labels, write_ndjson
from replay.simulator.chance import DAY_MS, HOUR_MS
from schemas.times import parse_rfc3339_ms

CONFIG = DistrictConfig(communities=1, size=0.3, learning_days=1.0, bad_ratio=0.0)


def test_one_event_a_line_register_first_with_progress(tmp_path: Path) -> None:
    simulator, path = Simulator(CONFIG), tmp_path / "events.ndjson"
    told: list[tuple[int, int]] = []
    until_ms = CONFIG.start_ms + 5 * HOUR_MS
    written = write_ndjson(
        path, simulator, from_ms=CONFIG.start_ms, until_ms=until_ms, progress=lambda *now: told.append(now)
    )
    lines = path.read_bytes().splitlines()
    events = [orjson.loads(line) for line in lines]
    assert len(lines) == written == told[-1][0]
    assert told[-1][1] == until_ms
    register = len(simulator.registry_events())
    assert {event["type"].split(".")[2] for event in events[:register]} == {"registry"}
    times = [parse_rfc3339_ms(event["recordedtime"]) for event in events]
    assert times == sorted(times)
    assert not any("control.tick" in event["type"] for event in events)
    assert list(tmp_path.iterdir()) == [path]


def test_a_later_stretch_has_no_register(tmp_path: Path) -> None:
    path = tmp_path / "later.ndjson"
    from_ms = CONFIG.start_ms + DAY_MS
    write_ndjson(path, Simulator(CONFIG), from_ms=from_ms, until_ms=from_ms + HOUR_MS)
    assert b'"type":"cn.gridpulse.registry.grid' not in path.read_bytes()


def test_a_broken_off_run_leaves_no_file(tmp_path: Path) -> None:
    def give_up(events: int, time_ms: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "events.ndjson"
    with pytest.raises(KeyboardInterrupt):
        write_ndjson(
            path, Simulator(CONFIG), from_ms=CONFIG.start_ms, until_ms=CONFIG.start_ms + HOUR_MS, progress=give_up
        )
    assert not path.exists()


def test_the_truth_comes_back_as_it_was(tmp_path: Path) -> None:
    simulator, path = Simulator(CONFIG), tmp_path / "labels.json"
    until_ms = CONFIG.start_ms + 20 * DAY_MS
    count = write_labels(path, simulator, from_ms=CONFIG.start_ms, until_ms=until_ms)
    assert count > 0
    assert read_labels(path) == simulator.labels(CONFIG.start_ms, until_ms)
