"""The scale-out benchmark: every way reads all there is, shared out over processes, and says the same. No timing."""

from pathlib import Path

import pytest

from benchmarks.city import city_registry
from benchmarks.scale import scale


def test_every_way_reads_everything_and_says_the_same(tmp_path: Path) -> None:
    answer = scale(events=3_000, kafka=False, scratch=tmp_path, devices=2_000, runs=1)
    assert answer["one_process_records"] == answer["two_workers_records"] == [answer["events"]]
    assert sum(answer["two_processes_records"]) == answer["events"]
    assert min(answer["two_processes_records"]) > 0
    assert answer["same_detections"]
    assert answer["detections"] > 0
    assert answer["ratio_to_machine"] == pytest.approx(answer["ratio"] / answer["machine_ratio"], abs=0.01)
    assert (
        min(
            answer["machine_ratio"],
            answer["machine_ratio_by_cpu"],
            answer["ratio"],
            answer["ratio_by_cpu"],
            answer["ratio_two_workers"],
        )
        > 0
    )


def test_partitions_have_as_many_devices_each() -> None:
    records = city_registry(10_000, 4)
    devices = [
        sum(one.partition == partition and b'"device"' in one.value for one in records) for partition in range(4)
    ]
    assert devices == [2_500] * 4
