"""The lane merge: any interleaving of appends, polls, cuts and resumptions gives the one total order."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import NewRecord, RawBatch, TopicPartition
from streams.log import LogConfigError, OffsetOutOfRangeError
from streams.log_memory import MemoryLog
from streams.merge import LanePosition, LaneReader

TOPICS = ("lane.a", "lane.b", "lane.c")
LANE = 1
Row = tuple[int, str, int, bytes]  # recorded_time_ms, topic, offset, value
Append = tuple[int, int]  # topic, milliseconds since the last append to any topic


def new_log() -> MemoryLog:
    log = MemoryLog(lambda: 0)
    log.create_topics(TOPICS, 2)
    return log


def append(log: MemoryLog, topic: str, *times_ms: int) -> None:
    log.append([NewRecord(topic, LANE, b"k", f"{topic}@{t}".encode(), (), t) for t in times_ms])


def rows_of(batch: RawBatch | None) -> list[Row]:
    if batch is None:
        return []
    assert len(batch) > 0
    names = [batch.topics[index] for index in batch.topic_index.tolist()]
    return list(zip(batch.recorded_time_ms.tolist(), names, batch.offsets.tolist(), batch.values, strict=True))


def in_total_order(log: MemoryLog) -> list[Row]:
    batches = (log.read(TopicPartition(topic, LANE), 0, 10_000) for topic in TOPICS)
    return sorted(row for batch in batches for row in rows_of(batch if len(batch) else None))


def drain(log: MemoryLog, position: LanePosition | None = None, max_records: int = 1000) -> list[Row]:
    ends = {where.topic: end for where, end in log.end_offsets(TOPICS).items() if where.partition == LANE}
    rows: list[Row] = []
    with LaneReader(log, TOPICS, LANE, position, drain_to=ends) as lane:
        while not lane.drained:
            rows += rows_of(lane.poll(max_records, 0.0))
    return rows


# What each step does: append to a topic after some milliseconds (many at the same one), poll, or resume elsewhere.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.sampled_from([0, 0, 1, 5])),
        st.tuples(st.just("poll"), st.sampled_from([1, 2, 3, 100]), st.just(0)),
        st.tuples(st.just("resume"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(steps=steps, buffer_records=st.sampled_from([1, 2, 1000]))
def test_any_interleaving_gives_a_prefix_of_the_total_order_and_draining_the_rest(
    steps: list[tuple[str, int, int]], buffer_records: int
) -> None:
    log = new_log()
    now_ms = 0
    emitted: list[Row] = []
    lane = LaneReader(log, TOPICS, LANE, buffer_records=buffer_records)
    for what, number, gap_ms in steps:
        if what == "append":
            now_ms += gap_ms
            append(log, TOPICS[number], now_ms)
        elif what == "poll":
            rows = rows_of(lane.poll(number, 0.0))
            assert len(rows) <= number
            emitted += rows
        else:
            saved = LanePosition.from_bytes(lane.position().to_bytes())
            lane.close()
            lane = LaneReader(log, TOPICS, LANE, saved, buffer_records=buffer_records)
    everything = in_total_order(log)
    assert emitted == everything[: len(emitted)]
    assert emitted + drain(log, lane.position()) == everything


@settings(max_examples=100, deadline=None)
@given(appends=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 7])), min_size=1, max_size=60))
def test_a_tick_in_every_topic_lets_all_before_it_out(appends: list[Append]) -> None:
    log = new_log()
    now_ms = 0
    for number, gap_ms in appends:
        now_ms += gap_ms
        append(log, TOPICS[number], now_ms)
    before = in_total_order(log)
    for topic in TOPICS:
        append(log, topic, now_ms + 1)
    with LaneReader(log, TOPICS, LANE) as lane:
        assert rows_of(lane.poll(1000, 0.0))[: len(before)] == before


@pytest.mark.parametrize("max_records", [1, 2, 7, 1000])
def test_resuming_after_any_row_goes_on_with_the_next(max_records: int) -> None:
    log = new_log()
    for n in range(40):
        append(log, TOPICS[n % 3], n // 4)  # four rows of each time, over all topics
    everything = in_total_order(log)
    for cut in range(len(everything)):
        ends = {topic: log.end_offsets([topic])[TopicPartition(topic, LANE)] for topic in TOPICS}
        with LaneReader(log, TOPICS, LANE, drain_to=ends) as lane:
            first = [row for _ in range(cut) for row in rows_of(lane.poll(1, 0.0))]
            position = lane.position()
        assert first == everything[:cut]
        assert drain(log, position, max_records) == everything[cut:]


def test_a_silent_topic_holds_the_lane_back_until_it_ticks() -> None:
    log = new_log()
    append(log, "lane.a", 10, 20)
    append(log, "lane.b", 15)
    with LaneReader(log, TOPICS, LANE) as lane:
        assert lane.poll(100, 0.0) is None
        append(log, "lane.c", 12)
        assert [(t, topic) for t, topic, _, _ in rows_of(lane.poll(100, 0.0))] == [(10, "lane.a"), (12, "lane.c")]
        append(log, "lane.c", 30)
        assert [(t, topic) for t, topic, _, _ in rows_of(lane.poll(100, 0.0))] == [(15, "lane.b")]


def test_rows_of_the_frontiers_own_time_wait_for_topics_that_sort_before_them() -> None:
    log = new_log()
    append(log, "lane.a", 9, 10)
    append(log, "lane.b", 10)
    append(log, "lane.c", 10)
    with LaneReader(log, TOPICS, LANE) as lane:
        # lane.a may still get a row of time 10, which comes before those of lane.b; its own can't change places.
        assert [row[:3] for row in rows_of(lane.poll(100, 0.0))] == [(9, "lane.a", 0), (10, "lane.a", 1)]
        append(log, "lane.a", 10, 11)
        assert [row[:3] for row in rows_of(lane.poll(100, 0.0))] == [(10, "lane.a", 2), (10, "lane.b", 0)]


def test_a_topic_far_ahead_is_not_read_into_memory() -> None:
    log = CountingLog(lambda: 0)
    log.create_topics(TOPICS, 2)
    append(log, "lane.a", *range(100_000))
    append(log, "lane.c", 0)
    with LaneReader(log, TOPICS, LANE, buffer_records=1000) as lane:
        for _ in range(20):
            assert lane.poll(1000, 0.0) is None  # lane.b holds it back
        assert log.handed_out < 20_000
        append(log, "lane.b", 200_000)
        append(log, "lane.c", 200_000)
        rows: list[Row] = []
        while more := rows_of(lane.poll(1000, 0.0)):
            rows += more
    assert [row[:3] for row in rows if row[1] == "lane.a"] == [(n, "lane.a", n) for n in range(100_000)]


def test_large_values_count_against_the_buffer_too() -> None:
    log = CountingLog(lambda: 0)
    log.create_topics(TOPICS, 2)
    log.append([NewRecord("lane.a", LANE, b"", b"x" * 1000, (), n) for n in range(60_000)])
    with LaneReader(log, TOPICS, LANE, buffer_bytes=1_000_000) as lane:
        for _ in range(20):
            assert lane.poll(1000, 0.0) is None
    assert log.handed_out < 20_000


def test_a_long_burst_of_one_time_in_the_topic_behind_comes_out_at_once() -> None:
    log = new_log()
    append(log, "lane.a", *[5] * 5000)
    append(log, "lane.b", 6)
    append(log, "lane.c", 6)
    with LaneReader(log, TOPICS, LANE, buffer_records=100) as lane:
        assert [row[2] for row in rows_of(lane.poll(10_000, 0.0))] == list(range(5000))


def test_a_poll_is_full_while_the_log_has_enough() -> None:
    log = new_log()
    for topic in TOPICS:
        append(log, topic, *range(50_000))
    with LaneReader(log, TOPICS, LANE) as lane:
        assert [len(rows_of(lane.poll(20_000, 0.0))) for _ in range(5)] == [20_000] * 5


def test_headers_stay_with_their_rows() -> None:
    log = new_log()
    append(log, "lane.a", 1, 3)
    log.append([NewRecord("lane.b", LANE, b"", b"with", (("h", b"1"),), 2)])
    append(log, "lane.c", 4)
    append(log, "lane.b", 4)
    with LaneReader(log, TOPICS, LANE) as lane:
        batch = lane.poll(100, 0.0)
        assert batch is not None
        assert batch.headers == [(), (("h", b"1"),), ()]
        append(log, "lane.a", 5, 9)
        append(log, "lane.b", 9)
        append(log, "lane.c", 9)
        again = lane.poll(100, 0.0)
        assert again is not None
        assert again.headers is None


def test_draining_stops_at_the_given_ends() -> None:
    log = new_log()
    append(log, "lane.a", 1, 2, 3)
    append(log, "lane.b", 2)
    ends = {"lane.a": 2, "lane.b": 1, "lane.c": 0}
    append(log, "lane.c", 1)
    with LaneReader(log, TOPICS, LANE, drain_to=ends) as lane:
        assert [row[:3] for row in rows_of(lane.poll(100, 0.0))] == [
            (1, "lane.a", 0),
            (2, "lane.a", 1),
            (2, "lane.b", 0),
        ]
        assert lane.drained
        assert lane.poll(100, 0.0) is None


def test_times_are_raised_to_the_maximum_kept_in_the_position() -> None:
    """A reader that starts in the middle of a partition whose broker's clock stepped back."""
    log = new_log()
    append(log, "lane.a", 1, 2)
    for topic in ("lane.b", "lane.c"):
        append(log, topic, 500)
    position = LanePosition(
        LANE, {"lane.a": 1, "lane.b": 0, "lane.c": 0}, {"lane.a": 300, "lane.b": 200, "lane.c": None}, 300
    )
    assert [row[:3] for row in drain(log, position)] == [(300, "lane.a", 1), (500, "lane.b", 0), (500, "lane.c", 0)]


def test_a_position_of_another_lane_or_other_topics_is_refused() -> None:
    log = new_log()
    position = LanePosition.start(0, dict.fromkeys(TOPICS, 0))
    with pytest.raises(LogConfigError, match="saved position is of lane 0"):
        LaneReader(log, TOPICS, LANE, position)
    with pytest.raises(LogConfigError, match="rebuild from the start"):
        LaneReader(log, TOPICS[:2], LANE, LanePosition.start(LANE, dict.fromkeys(TOPICS, 0)))


def test_a_position_of_another_version_is_refused() -> None:
    saved = LanePosition.start(LANE, dict.fromkeys(TOPICS, 0)).to_bytes().replace(b'"version":1', b'"version":2')
    with pytest.raises(LogConfigError, match="version 2"):
        LanePosition.from_bytes(saved)


def test_a_new_reader_starts_at_what_is_kept_and_misses_nothing_silently() -> None:
    log = new_log()
    for topic in TOPICS:
        append(log, topic, 1, 2, 3)
    stale = LanePosition.start(LANE, dict.fromkeys(TOPICS, 0))
    log.drop_before(TopicPartition("lane.a", LANE), 2)
    with LaneReader(log, TOPICS, LANE) as lane:
        assert (3, "lane.a", 2, b"lane.a@3") in rows_of(lane.poll(100, 0.0))
    with LaneReader(log, TOPICS, LANE, stale) as lane, pytest.raises(OffsetOutOfRangeError):
        lane.poll(100, 0.0)


class CountingLog(MemoryLog):
    """Counts the records that readers were given."""

    handed_out = 0

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        batch = super().read(where, offset, max_records)
        self.handed_out += len(batch)
        return batch


def test_the_suite_knows_disorder() -> None:
    """The oracle itself: sorted by (time, topic, offset)."""
    log = new_log()
    append(log, "lane.b", 1)
    append(log, "lane.a", 1, 2)
    assert _keys(in_total_order(log)) == [(1, "lane.a", 0), (1, "lane.b", 0), (2, "lane.a", 1)]


def _keys(rows: Iterable[Row]) -> list[tuple[int, str, int]]:
    return [row[:3] for row in rows]
