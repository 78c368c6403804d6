"""Clocks and ticks."""

import threading
import time
from collections.abc import Callable, Sequence

import orjson
import pytest

from schemas.records import NewRecord, TopicPartition
from streams.clocks import FollowedClock, LogClock, wall_clock
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog
from streams.merge import LaneReader
from streams.ticker import Ticker

TOPICS = ("clock.a", "clock.b")


class SettableClock:
    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class WatchedLog(MemoryLog):
    """Counts looks at the ends, and can be switched off."""

    looks = 0
    available = True

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        self.looks += 1
        if not self.available:
            raise LogUnavailableError("switched off")
        return super().last_recorded_time_ms(topics)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(10_000)


@pytest.fixture
def log(clock: SettableClock) -> WatchedLog:
    log = WatchedLog(clock)
    log.create_topics(TOPICS, 2)
    return log


def put(log: MemoryLog, topic: str, partition: int, time_ms: int) -> None:
    log.append([NewRecord(topic, partition, b"", b"x", (), time_ms)])


def test_the_wall_clock_is_in_epoch_milliseconds() -> None:
    before = time.time()
    assert before * 1000 - 1 <= wall_clock() <= time.time() * 1000


def test_the_log_clock_is_the_latest_recorded_time(log: WatchedLog) -> None:
    now = LogClock(log, TOPICS, cached_ms=0)
    assert now() == 0
    put(log, "clock.a", 1, 77)
    put(log, "clock.b", 0, 55)
    assert now() == 77


def test_the_log_clock_does_not_ask_every_time(log: WatchedLog) -> None:
    put(log, "clock.a", 0, 77)
    now = LogClock(log, TOPICS, cached_ms=3_600_000)
    assert [now() for _ in range(100)] == [77] * 100
    assert log.looks == 1


def reached(condition: Callable[[], bool]) -> bool:
    give_up_s = time.monotonic() + 20.0
    while not condition() and time.monotonic() < give_up_s:
        time.sleep(0.001)
    return condition()


def test_a_followed_clock_never_waits_for_the_one_that_it_follows() -> None:
    asked, go_on = threading.Semaphore(0), threading.Semaphore(1)
    answers = iter(range(1, 1_000_000))

    def slow() -> int:
        asked.release()
        go_on.acquire()
        return next(answers)

    with FollowedClock(slow, every_s=0.0) as now:
        assert asked.acquire()
        assert asked.acquire()  # the thread waits for its answer, and we do not
        assert [now() for _ in range(100)] == [1] * 100
        go_on.release()
        assert reached(lambda: now() == 2)
        go_on.release(1_000_000)  # so that the thread can end


def test_a_followed_clock_stands_while_the_log_is_away_and_tells_of_a_defect(log: WatchedLog) -> None:
    put(log, "clock.a", 0, 77)
    with FollowedClock(LogClock(log, TOPICS, cached_ms=0), every_s=0.001) as now:
        log.available = False
        looks = log.looks
        assert reached(lambda: log.looks > looks + 2)
        assert now() == 77
        log.available = True
        put(log, "clock.a", 0, 99)
        assert reached(lambda: now() == 99)
        log.last_recorded_time_ms = None  # type: ignore[method-assign, assignment]
        with pytest.raises(TypeError):
            reached(lambda: now() != 99)


def test_ticks_go_where_nothing_happened(log: WatchedLog, clock: SettableClock) -> None:
    put(log, "clock.a", 0, 9_000)  # exactly the interval ago
    put(log, "clock.a", 1, 8_999)
    assert Ticker(log, TOPICS, clock, 1_000).tick_once() == 3  # a/1 and both of b
    batch = log.read(TopicPartition("clock.a", 1), 1, 10)
    assert batch.recorded_time_ms.tolist() == [10_000]
    assert orjson.loads(batch.values[0])["type"] == "cn.gridpulse.control.tick.v1"
    assert log.end_offsets(TOPICS)[TopicPartition("clock.a", 0)] == 1


def test_ticks_come_once_per_interval(log: WatchedLog, clock: SettableClock) -> None:
    ticker = Ticker(log, TOPICS, clock, 1_000)
    written = []
    for _ in range(31):
        written.append(ticker.tick_once())
        clock.now_ms += 100
    assert written == [4] + ([0] * 10 + [4]) * 2 + [0] * 8


def test_traffic_makes_ticks_needless_and_looking_rare(log: WatchedLog, clock: SettableClock) -> None:
    ticker = Ticker(log, TOPICS, clock, 1_000)
    for _ in range(100):
        for topic in TOPICS:
            for partition in (0, 1):
                put(log, topic, partition, clock.now_ms)
        assert ticker.tick_once() == 0
        clock.now_ms += 100
    assert log.looks <= 11


def test_ticks_move_a_lane_on(log: WatchedLog, clock: SettableClock) -> None:
    put(log, "clock.a", 0, 9_999)
    with LaneReader(log, TOPICS, 0) as lane:
        assert lane.poll(10, 0.0) is None
        clock.now_ms += 2_000
        Ticker(log, TOPICS, clock, 1_000).tick_once()
        batch = lane.poll(10, 0.0)
    assert batch is not None
    assert batch.values[0] == b"x"


def test_where_a_row_waits_its_lane_is_ticked_at_once_and_only_once(log: WatchedLog, clock: SettableClock) -> None:
    ticker = Ticker(log, TOPICS, clock, 1_000, look_every_ms=100)
    assert ticker.tick_once() == 4  # nothing was ever said
    clock.now_ms += 100
    put(log, "clock.b", 0, clock.now_ms)
    clock.now_ms += 100
    with LaneReader(log, TOPICS, 0) as lane:
        lane.poll(10, 0.0)  # the ticks
        assert ticker.tick_once() == 1  # a/0; nothing waits in lane 1
        batch = lane.poll(10, 0.0)
    assert batch is not None
    assert batch.values[-1] == b"x"
    for _ in range(8):
        clock.now_ms += 100
        assert ticker.tick_once() == 0  # its own ticks are nothing that waits


def test_a_running_ticker_rides_out_a_short_outage(log: WatchedLog, clock: SettableClock) -> None:
    log.available = False
    stop = threading.Event()
    thread = threading.Thread(target=Ticker(log, TOPICS, clock, 2).run, args=(stop,))
    thread.start()
    while log.looks < 3:
        time.sleep(0.002)
    log.available = True
    while log.end_offsets(TOPICS)[TopicPartition("clock.a", 0)] == 0:
        time.sleep(0.002)
    stop.set()
    thread.join()


def test_a_running_ticker_gives_up_on_a_long_one(log: WatchedLog, clock: SettableClock) -> None:
    log.available = False
    with pytest.raises(LogUnavailableError, match="switched off"):
        Ticker(log, TOPICS, clock, 2, give_up_after_s=0.02).run(threading.Event())
    assert log.looks > 1


def test_an_interval_of_nothing_is_refused(log: WatchedLog, clock: SettableClock) -> None:
    with pytest.raises(ValueError, match="at least 1 ms"):
        Ticker(log, TOPICS, clock, 0)
