"""The feed of system topics: resumed anywhere, it gives the rows of one from the beginning, clock or no clock."""

from __future__ import annotations

import orjson
import pytest

from schemas.records import NewRecord, RawBatch, TopicPartition
from schemas.topics import SYSTEM_TOPICS, topic_of
from streams.feeds import Feed, FeedName
from streams.log_memory import MemoryLog

ALERTS, DETECTIONS = topic_of("alerts"), topic_of("detections")
TIMES = {ALERTS: (1_000, 5_000, 2_000, 3_000, 6_000), DETECTIONS: (9_000, 8_000, 8_500)}


class BrokerLog(MemoryLog):
    """Stamps as a broker whose clock steps back: a reader knows no more than what it has read itself."""

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        batch = super().read(where, offset, max_records)
        if len(batch):
            batch.recorded_time_ms[:] = TIMES[where.topic][offset : offset + len(batch)]
        return batch


@pytest.fixture
def log() -> BrokerLog:
    log = BrokerLog(lambda: 0)
    log.create_topics(SYSTEM_TOPICS, 1)
    for topic, times in TIMES.items():
        log.append([NewRecord(topic, 0, b"", b"x", (), time_ms) for time_ms in times])
    return log


def open_feed(log: BrokerLog, saved: bytes | None = None) -> Feed:
    return FeedName("system", 0).open(log, saved, None)


def rows_of(batch: RawBatch) -> list[tuple[str, int, int]]:
    return [
        (batch.topics[0], int(offset), int(at))
        for offset, at in zip(batch.offsets, batch.recorded_time_ms, strict=True)
    ]


def read_all(log: BrokerLog, max_records: int, resumed: bool) -> list[tuple[str, int, int]]:
    rows: list[tuple[str, int, int]] = []
    feed = open_feed(log)
    while (batch := feed.poll(max_records)) is not None:
        rows += rows_of(batch)
        if resumed:
            feed = open_feed(log, feed.position())
    return sorted(rows)


@pytest.mark.parametrize("max_records", [1, 2, 3, 100])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_resumed_feed_gives_the_same_rows_though_the_clock_stepped_back(
    log: BrokerLog, max_records: int, resumed: bool
) -> None:
    assert read_all(log, max_records, resumed) == [
        *((ALERTS, offset, at) for offset, at in enumerate((1_000, 5_000, 5_000, 5_000, 6_000))),
        *((DETECTIONS, offset, at) for offset, at in enumerate((9_000, 9_000, 9_000))),
    ]


def test_older_positions_are_the_offsets_alone(log: BrokerLog) -> None:
    batch = open_feed(log, orjson.dumps({ALERTS: 4, DETECTIONS: 3})).poll(100)
    assert batch is not None
    assert rows_of(batch) == [(ALERTS, 4, 6_000)]
