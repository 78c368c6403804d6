"""From append to queryable: weighed by events, seen at the next look."""

from __future__ import annotations

from gridpulse.latency import LatencyMeter
from schemas.records import TopicPartition

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


def test_a_slice_counts_once_everything_below_its_end_can_be_queried() -> None:
    meter = LatencyMeter()
    meter.appended({A: (10, 10)}, before_append_s=100.0)
    meter.looked({A: 9}, now_s=100.1)
    assert meter.events == 0
    assert meter.waiting_events == 10
    meter.looked({A: 10}, now_s=100.25)
    assert meter.events == 10
    assert meter.waiting_events == 0
    assert meter.percentile_ms(0.5) is not None
    assert round(meter.percentile_ms(0.5) or 0) == 250


def test_percentiles_weigh_events_not_slices() -> None:
    meter = LatencyMeter()
    meter.appended({A: (1, 1), B: (99, 99)}, before_append_s=0.0)
    meter.looked({B: 99}, now_s=0.010)
    meter.looked({A: 1}, now_s=5.0)
    assert round(meter.percentile_ms(0.99) or 0) == 10
    assert round(meter.percentile_ms(1.0) or 0) == 5000


def test_nothing_seen_has_no_percentile() -> None:
    assert LatencyMeter().percentile_ms(0.99) is None


def test_the_oldest_waiting_slice_is_known() -> None:
    meter = LatencyMeter()
    assert meter.oldest_waiting_s is None
    meter.appended({A: (1, 1)}, 3.0)
    meter.appended({A: (2, 1)}, 4.0)
    meter.looked({A: 1}, 5.0)
    assert meter.oldest_waiting_s == 4.0
