"""The benchmarks of the whole, small, as their users run them: every event arrives, and they say so. No timing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks import report
from benchmarks.city import city_records, city_registry, closing_ticks, last_ms
from benchmarks.parts import as_batches
from benchmarks.run import Asked, medians
from schemas.codec import Decoder
from schemas.strict import Limits
from tests.integration.running import gridpulse

EVENTS, DEVICES = 6_000, 2_000


def _bench(*arguments: str, tmp_path: Path) -> dict[str, Any]:
    done = gridpulse("bench", *arguments, "--runs", "1", "--json", environment={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    assert {"cores", "python", "versions", "bytes_per_event"} <= set(answer)
    return answer


def test_a_citys_events_are_all_valid_in_recorded_order_and_settled_by_the_ticks() -> None:
    records = [*city_registry(DEVICES), *city_records(DEVICES, EVENTS)]
    times = [record.recorded_time_ms or 0 for record in records]
    decoded = [Decoder(Limits()).decode(batch) for batch in as_batches(records)]
    assert times == sorted(times)
    assert not any(one.dead for one in decoded)
    assert {tick.recorded_time_ms for tick in closing_ticks(last_ms(records) + 1)} == {max(times) + 1}
    assert (
        city_records(DEVICES, 100, first=50)[:40]
        == [record for record in city_records(DEVICES, 100) if b"tick" not in record.value][50:90]
    )


@pytest.mark.parametrize("log", ["sqlite", "kafka"])
def test_throughput_counts_every_row_and_finds_the_bursts(log: str, tmp_path: Path) -> None:
    size = ("--events", str(EVENTS), "--devices", str(DEVICES))
    answer = _bench("throughput", "--log", log, *size, tmp_path=tmp_path)
    assert answer["log"] == log
    assert answer["rows_in_clickhouse"] == EVENTS
    assert answer["detections"] > 0
    assert answer["minute_rows"] > 1000
    assert answer["ratio_to_bare_loop"] == pytest.approx(
        answer["events_per_s"] / answer["bare_loop_events_per_s"], abs=0.01
    )
    assert {"store", "pipeline", "rollup"} <= set(answer["cpu_s_per_million_by_process"])


def test_latency_hears_of_every_event_and_alert(tmp_path: Path) -> None:
    answer = _bench("latency", "--rate", "1000", "--seconds", "3", "--devices", str(DEVICES), tmp_path=tmp_path)
    assert answer["events"] == 3_000
    assert (answer["alerts"] > 0, answer["alerts_missing"]) == (True, 0)
    assert 0 < answer["event_to_queryable_ms"]["p50"] <= answer["event_to_queryable_ms"]["p99"]
    assert 0 < answer["event_to_alert_ms"]["p50"] <= answer["event_to_alert_ms"]["p99"]


def test_replay_reads_every_event(tmp_path: Path) -> None:
    answer = _bench("replay", "--events", str(EVENTS), "--devices", str(DEVICES), tmp_path=tmp_path)
    assert answer["events"] >= EVENTS
    assert answer["detections"] > 0


def test_of_several_runs_the_median_counts_also_within() -> None:
    runs = [{"a": a, "of": {"b": b}, "name": "x"} for a, b in ((1, 1.0), (9, 9.0), (2, 4.0))]
    assert medians(runs) == {"a": 2, "of": {"b": 4.0}, "name": "x"}


def test_the_page_shows_aims_figures_and_plots(tmp_path: Path) -> None:
    figures = {
        "events_per_s": 90_000, "bare_loop_events_per_s": 100_000, "ratio_to_bare_loop": 0.9,
        "cpu_ratio_to_bare_loop": 3.1, "bare_loop_cpu_s_per_million": 8.0,
        "cpu_s_per_million_by_process": {"store": 9.0, "pipeline": 12.0},
    }  # fmt: skip
    result = {"benchmark": "throughput", "log": "kafka", "runs": 3, **figures}
    page = report.write([result], tmp_path, date(2026, 3, 1))
    text = page.read_text("utf-8")
    assert "| throughput | kafka | ratio_to_bare_loop | ≥ 0.5 | 0.9 ✓ |" in text
    assert "| throughput | kafka | cpu_ratio_to_bare_loop | ≤ 2.5 | 3.1 ✗ |" in text
    assert orjson.loads(page.with_suffix(".json").read_bytes())["results"] == [result]
    for plot in tmp_path.glob("*.svg"):
        assert f"({plot.name})" in text
    assert len(list(tmp_path.glob("*.svg"))) == 2


def test_rates_in_proportion_to_the_machine_come_from_its_bare_loop() -> None:
    slow = {"benchmark": "throughput", "bare_loop_events_per_s": report.AIMS_BARE_LOOP_EVENTS_PER_S / 4}
    assert report.machine_ratio([]) is None
    assert report.machine_ratio([slow]) == 0.25
    assert Asked(machine_ratio=0.25).usual_rate(20_000) == 5_000
    assert Asked(rate=700, machine_ratio=0.25).usual_rate(20_000) == 700


def test_aims_for_a_faster_machine_are_also_shown_in_proportion() -> None:
    loop = {"bare_loop_events_per_s": report.AIMS_BARE_LOOP_EVENTS_PER_S / 4, "rates_ratio": 1.0}
    asked = {"benchmark": "query", "log": "sqlite", "board_p99_ms": 300.0}
    text = report.markdown(
        [
            {"benchmark": "throughput", "log": "sqlite", **loop},
            {"benchmark": "ingest", "log": "sqlite", "events_per_s": 8_000.0, "rates_ratio": 1.0},
            {**asked, "rate": 100, "rates_ratio": 1.0}, {**asked, "rate": 25, "rates_ratio": 0.25},
        ], date(2026, 3, 1), [],
    )  # fmt: skip
    of_boards = [line for line in text.splitlines() if "board_p99_ms" in line and "≤" in line]
    assert "| ingest | sqlite | events_per_s | ≥ 30,000 | 8,000 ✗ |" in text
    assert "| ingest | sqlite | events_per_s | ≥ 7,500 按本机比例 in proportion | 8,000 ✓ |" in text
    assert of_boards == [
        "| query, 100/s | sqlite | board_p99_ms | ≤ 100 | 300 ✗ |",
        "| query, 25/s | sqlite | board_p99_ms | ≤ 100 | 300 ✗ |",
        "| query, 25/s | sqlite | board_p99_ms | ≤ 400 按本机比例 in proportion | 300 ✓ |",
    ]
