"""The benchmarks measure what they say they do: complete answers that count every event. No timing."""

from __future__ import annotations

from pathlib import Path

from benchmarks import parts
from benchmarks.run import Asked, run_benchmark
from schemas.codec import Decoder
from schemas.strict import Limits

EVENTS = 4_000


def test_the_measured_records_are_all_valid_and_in_recorded_order() -> None:
    records = parts.district_records(EVENTS)
    times = [record.recorded_time_ms or 0 for record in records]
    decoded = [Decoder(Limits()).decode(batch) for batch in parts.as_batches(records)]
    assert len(records) == EVENTS
    assert times == sorted(times)
    assert not any(one.dead for one in decoded)
    assert sum(len(one.events.recorded_time_ms) for one in decoded) == EVENTS


def test_each_part_gives_its_figures(tmp_path: Path) -> None:
    decode, detect, log = parts.decode(EVENTS), parts.detect(EVENTS), parts.log(tmp_path, EVENTS, kafka=False)
    assert decode["events"] == detect["events"] == log["events"] == EVENTS
    assert min(decode["events_per_s"], decode["ratio_to_bare_parse"], detect["events_per_s"]) > 0
    assert min(log["append_events_per_s"], log["read_events_per_s"]) > 0
    assert detect["snapshot_bytes"] > 1000


def test_an_answer_says_on_what_it_was_measured() -> None:
    answer = run_benchmark("decode", Asked(events=EVENTS, runs=2))
    assert (answer["benchmark"], answer["runs"], answer["log"]) == ("decode", 2, "sqlite")
    assert {"cores", "python", "versions", "bytes_per_event"} <= set(answer)
