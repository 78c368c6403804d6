"""The gathering writer: all of it, in order, promptly, bounded, and a failure is never passed over."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from streams.gathering import GatheringWriter

LONG_S = 3600.0
WAIT_S = 20.0


class Sink:
    """Keeps what is written; holds the writer back while ``open`` is not set."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.failure: Exception | None = None

    def write(self, items: Sequence[int]) -> None:
        self.entered.set()
        assert self.open.wait(WAIT_S)
        if self.failure is not None:
            raise self.failure
        self.writes.append(list(items))


def test_flush_returns_when_all_is_written_in_order_and_together() -> None:
    sink = Sink()
    writer = GatheringWriter[int](sink.write, linger_s=LONG_S, max_rows=1000)
    for item in range(10):
        writer.add(item, 1)
    assert sink.writes == []
    writer.flush()
    assert sink.writes == [list(range(10))]
    writer.flush()  # nothing to do
    writer.close()
    assert sink.writes == [list(range(10))]


def test_what_waits_is_written_after_the_linger_though_nothing_more_comes() -> None:
    sink = Sink()
    writer = GatheringWriter[int](sink.write, linger_s=0.01, max_rows=1000)
    writer.add(1, 1)
    assert sink.entered.wait(WAIT_S)
    writer.close()
    assert sink.writes == [[1]]


def test_a_full_buffer_is_written_at_once() -> None:
    sink = Sink()
    writer = GatheringWriter[int](sink.write, linger_s=LONG_S, max_rows=3)
    writer.add(1, 3)
    assert sink.entered.wait(WAIT_S)
    writer.close()


def test_while_more_follows_items_wait_for_each_other_and_the_last_one_sends_them_off() -> None:
    sink = Sink()
    writer = GatheringWriter[int](sink.write, linger_s=0.01, max_rows=1000, backlog_linger_s=LONG_S)
    writer.add(1, 1, more_follows=True)
    assert not sink.entered.wait(0.1)
    writer.add(2, 1, more_follows=True)
    writer.add(3, 1)
    assert sink.entered.wait(WAIT_S)
    writer.close()
    assert sink.writes == [[1, 2, 3]]


def test_a_backlog_waits_no_longer_than_it_may() -> None:
    sink = Sink()
    writer = GatheringWriter[int](sink.write, linger_s=LONG_S, max_rows=1000, backlog_linger_s=0.01)
    writer.add(1, 1, more_follows=True)
    assert sink.entered.wait(WAIT_S)
    writer.close()


def test_adding_waits_while_too_much_waits() -> None:
    sink = Sink()
    sink.open.clear()
    writer = GatheringWriter[int](sink.write, linger_s=LONG_S, max_rows=2)
    writer.add(1, 2)  # under way, held back
    assert sink.entered.wait(WAIT_S)
    writer.add(2, 2)  # waiting: full again
    third = threading.Thread(target=writer.add, args=(3, 1))
    third.start()
    third.join(0.2)
    assert third.is_alive()
    sink.open.set()
    third.join(WAIT_S)
    assert not third.is_alive()
    writer.close()
    assert [item for write in sink.writes for item in write] == [1, 2, 3]


def test_a_failed_write_is_raised_and_nothing_is_written_after_it() -> None:
    sink = Sink()
    sink.failure = OSError("disk full")
    writer = GatheringWriter[int](sink.write, linger_s=LONG_S, max_rows=1000)
    writer.add(1, 1)
    with pytest.raises(OSError, match="disk full"):
        writer.flush()
    sink.failure = None
    with pytest.raises(OSError, match="disk full"):
        writer.add(2, 1)
    writer.close()  # said already: who closes because of it must not get it a second time
    assert sink.writes == []


def test_closing_raises_what_nobody_has_heard_of() -> None:
    sink = Sink()
    sink.failure = OSError("disk full")
    writer = GatheringWriter[int](sink.write, linger_s=LONG_S, max_rows=1000)
    writer.add(1, 1)
    with pytest.raises(OSError, match="disk full"):
        writer.close()
    assert sink.writes == []
