"""The limit trips at one and the same record: however batches are cut, wherever it is resumed, whatever else ticks."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.contract import StateVersionError
from schemas.codec import Dead, Decoder
from schemas.event import tick_record
from schemas.records import NewRecord
from schemas.strict import Limits
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, topic_of
from streams.dead_letter_limit import DeadLetterLimitError, DeadLetterLimits
from streams.feeds import FeedName
from streams.guarded_feed import FEED_STATE_VERSION, GuardedFeed
from streams.log_memory import MemoryLog

NOW_MS = 1_790_000_000_000
READINGS = topic_of("readings")
LANE, SYSTEM = FeedName("lane", 0), FeedName("system", 0)
DECODE = Decoder(Limits()).decode
OFF = DeadLetterLimits(max_ratio=1.0, max_run=0)


def record(kind: str, number: int) -> NewRecord:
    """``s`` a sound reading, ``d`` one that is none, ``t`` a tick of another topic's silence."""
    if kind == "t":
        return tick_record(READINGS, 0, NOW_MS + number)
    event = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "//test",
        "type": "cn.gridpulse.readings.measured.v1",
        "time": "2026-09-21T14:00:00Z",
        "scope": "wuhu/jinghu/tingtang/jianyang/g03",
        "data": {"device": "n-1", "quantity": "laeq", "value": 50.0, "unit": "dB(A)" if kind == "s" else "V"},
    }
    return NewRecord(READINGS, 0, b"k", orjson.dumps(event), recorded_time_ms=NOW_MS + number)


def log_of(kinds: str) -> MemoryLog:
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(ALL_TOPICS, 1)
    log.append([record(kind, number) for number, kind in enumerate(kinds)])
    log.append([tick_record(topic, 0, NOW_MS + 1_000_000) for topic in DOMAIN_TOPICS])
    return log


def feed(log: MemoryLog, limits: DeadLetterLimits, saved: bytes | None = None, name: FeedName = LANE) -> GuardedFeed:
    ends = log.end_offsets(ALL_TOPICS)
    return GuardedFeed(name, log, DECODE, limits, saved, ends, grace_s=0.0)


def through(
    log: MemoryLog, limits: DeadLetterLimits, cuts: Sequence[int] = (1_000,), *, resume: bool = False
) -> tuple[int | None, list[int], list[Dead]]:
    """The offset the limit tripped at, the offsets of all events given on before, and all letters."""
    at = feed(log, limits)
    events: list[int] = []
    letters: list[Dead] = []
    turn = 0
    while not at.ended:
        if resume:
            at = feed(log, limits, at.position())
        piece = at.poll(cuts[turn % len(cuts)])
        turn += 1
        if piece is None:
            continue
        letters += piece.decoded.dead
        for typed in piece.decoded.events.types.values():
            events += typed.envelope["offset"].to_pylist()
        if not piece.progress:
            with pytest.raises(DeadLetterLimitError):
                at.poll(1)
            again = feed(log, limits, at.position()).poll(1_000_000)  # who starts again stops at the same record
            assert again is not None
            assert (again.progress, again.decoded.dead[-1]) == ((), letters[-1])
            return letters[-1].offset, events, letters
    return None, events, letters


def expected(kinds: str, limits: DeadLetterLimits) -> int | None:
    """The rule, said as plainly as can be."""
    seen = dead = run = 0
    for offset, kind in enumerate(kinds):
        if kind == "t":
            continue
        if seen == limits.window_records:
            seen = dead = 0
        seen += 1
        if kind == "s":
            run = 0
            continue
        dead, run = dead + 1, run + 1
        if limits.max_run and run > limits.max_run:
            return offset
        if limits.max_ratio < 1 and dead > limits.max_ratio * limits.window_records:
            return offset
    return None


KINDS = st.lists(
    st.sampled_from(["s", "d", "t", "ssssss", "dddd", "sdsd", "tt"]), min_size=1, max_size=30
).map("".join)  # fmt: skip
LIMITS = st.builds(
    DeadLetterLimits,
    max_ratio=st.sampled_from([0.0, 0.1, 0.34, 0.5, 0.9, 1.0]),
    window_records=st.integers(1, 25),
    max_run=st.integers(0, 9),
)


@given(kinds=KINDS, limits=LIMITS, cuts=st.lists(st.integers(1, 12), min_size=1, max_size=6), resume=st.booleans())
@settings(max_examples=120, deadline=None)
def test_it_trips_at_the_same_record_wherever_batches_are_cut(
    kinds: str, limits: DeadLetterLimits, cuts: list[int], resume: bool
) -> None:
    log = log_of(kinds)
    whole, cut = through(log, limits), through(log, limits, cuts, resume=resume)
    assert cut[0] == whole[0] == expected(kinds, limits)
    if whole[0] is None:
        assert cut[1] == whole[1] == [offset for offset, kind in enumerate(kinds) if kind == "s"]
    else:
        assert max(cut[1], default=-1) < whole[0]
    until = len(kinds) if whole[0] is None else whole[0] + 1
    dead = [offset for offset in range(until) if kinds[offset] == "d"]
    assert [letter.offset for letter in whole[2]] == [letter.offset for letter in cut[2]] == dead


def test_after_raising_the_limit_it_goes_on_without_a_gap() -> None:
    kinds = "s" * 10 + "d" * 8 + "s" * 5
    log = log_of(kinds)
    at = feed(log, DeadLetterLimits(max_run=4))
    first = at.poll(12)
    assert first is not None
    stopped = at.poll(12)
    assert stopped is not None
    assert stopped.progress == ()
    assert len(stopped.decoded.events.types) == 0
    with pytest.raises(DeadLetterLimitError):
        at.poll(12)
    again = feed(log, OFF, at.position())
    rest = again.poll(1_000)
    assert rest is not None
    assert [dead.offset for dead in rest.decoded.dead] == list(range(12, 18))  # those before are written
    (typed,) = rest.decoded.events.types.values()
    assert typed.envelope["offset"].to_pylist() == list(range(18, 23))
    assert again.ended


def test_the_error_says_where_what_and_what_to_do() -> None:
    at = feed(log_of("s" * 3 + "d" * 9), DeadLetterLimits(max_ratio=0.5, window_records=8, max_run=6))
    at.poll(1_000)
    with pytest.raises(DeadLetterLimitError) as raised:
        at.poll(1_000)
    for words in (
        "lane/0000", f"{READINGS}/0/7", "5 of 8 records in a window of 8", "wrong_unit (5)", "dB(A)",
        "GRIDPULSE_DEAD_LETTER_MAX_RUN", "GRIDPULSE_DEAD_LETTER_MAX_RATIO",
    ):  # fmt: skip
        assert words in str(raised.value)
    assert "in a row" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_letters_have_time_to_reach_their_table() -> None:
    log, now_s = log_of("ddd"), [0.0]
    ends = log.end_offsets(ALL_TOPICS)
    at = GuardedFeed(
        LANE, log, DECODE, DeadLetterLimits(max_run=1), None, ends, grace_s=3.0, monotonic_s=lambda: now_s[0]
    )
    piece = at.poll(100)
    assert piece is not None
    assert len(piece.decoded.dead) == 2
    now_s[0] = 2.9
    assert at.poll(100) is None
    assert not at.ended
    now_s[0] = 3.0
    with pytest.raises(DeadLetterLimitError):
        at.poll(100)


def test_topics_that_have_no_common_order_are_counted_each_for_itself() -> None:
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(ALL_TOPICS, 1)
    for family in ("alerts", "detections"):
        log.append([NewRecord(topic_of(family), 0, b"", b"junk") for _ in range(4)])
    at = feed(log, DeadLetterLimits(max_run=4), name=SYSTEM)
    letters = 0
    while not at.ended:
        piece = at.poll(3)
        letters += 0 if piece is None else len(piece.decoded.dead)
    assert letters == 8


def test_a_smaller_window_after_a_restart_begins_anew() -> None:
    log = log_of("sd" * 20)
    wide = feed(log, DeadLetterLimits(max_ratio=0.9, window_records=100))
    wide.poll(30)
    narrow = feed(log, DeadLetterLimits(max_ratio=0.9, window_records=4), wide.position())
    while not narrow.ended:
        narrow.poll(3)


@pytest.mark.parametrize("saved", [b'{"version": 1, "partition": 0}', b'{"gridpulse.alerts": 7}'])
def test_state_from_before_there_were_counters_is_recognised(saved: bytes) -> None:
    with pytest.raises(StateVersionError, match=f"not of version {FEED_STATE_VERSION}"):
        feed(log_of("s"), OFF, saved)
