"""The ingest benchmark counts what was acknowledged, and all of it is in the log. No timing."""

from pathlib import Path

from benchmarks.ingest import ingest


def test_what_was_acknowledged_is_in_the_log(tmp_path: Path) -> None:
    answer = ingest(events=250, kafka=False, scratch=tmp_path, runs=2, senders=2, batch_events=60)
    assert answer["accepted"] == answer["in_log"] == 500
    assert min(answer["events_per_s"], answer["api_cpu_us_per_event"], answer["request_p99_ms"]) > 0
    assert 200 < answer["bytes_per_event"] < 350
