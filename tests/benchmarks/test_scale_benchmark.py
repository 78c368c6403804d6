"""The scale-out benchmark: every way reads all there is, shared out over processes, and says the same. No timing."""

from pathlib import Path

from benchmarks.scale import scale


def test_every_way_reads_everything_and_says_the_same(tmp_path: Path) -> None:
    answer = scale(events=3_000, kafka=False, scratch=tmp_path, devices=2_000)
    assert answer["one_process_records"] == answer["two_workers_records"] == [answer["events"]]
    assert sum(answer["two_processes_records"]) == answer["events"]
    assert min(answer["two_processes_records"]) > 0
    assert answer["same_detections"]
    assert answer["detections"] > 0
    assert min(answer["ratio"], answer["ratio_by_cpu"], answer["ratio_two_workers"]) > 0
