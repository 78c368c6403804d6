"""The latest alert steps of the log, in memory: what clients are given, and what those who come back have missed.

Order        one sequence for all clients of a process; within a partition (so within an alert, a community) that of
             the log.
Bounds       ``capacity`` steps; the oldest go first. Positions below what is kept can't be resumed from.
Repetition   a step that was appended again after a crash has its id already, and is left out; as far back as twice
             what is kept.

For one thread at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from api.live import positions
from api.live.positions import Offsets
from api.live.steps import AlertStep, ReadSteps, in_order
from streams.recent_ids import RecentIds


class Place(NamedTuple):
    """Where a client goes on: at ``number``, leaving out what lies below ``floor`` until ``clear_from``.

    A position of another process may lie across this one's sequence: ahead in one partition, behind in another.
    ``clear_from`` None: it is ahead of all that has been read, so what is to be left out has yet to come.
    """

    number: int
    floor: list[int] | None
    clear_from: int | None


class Tail:
    """Steps have numbers that rise by one: ``first`` is the oldest kept, ``head`` the next to come."""

    def __init__(self, mark: int, start: Sequence[int], capacity: int) -> None:
        self.mark = mark
        self.next = list(start)  # per partition, one past the last record looked at
        self.first = 0
        self.last_recorded_ms: int | None = None
        self._capacity = capacity
        self._steps: list[AlertStep] = []
        self._ids: list[bytes] = []  # of each step: the line that says where its reader is
        self._oldest = list(start)  # per partition, the lowest offset that can be resumed from
        self._offsets: list[list[int]] = [[] for _ in start]
        self._numbers: list[list[int]] = [[] for _ in start]
        self._recent = RecentIds(2 * capacity)
        self._position: str | None = None

    @property
    def head(self) -> int:
        return self.first + len(self._steps)

    @property
    def position(self) -> str:
        """Of one who has been given everything."""
        if self._position is None:
            self._position = self.text(self.next)
        return self._position

    def text(self, offsets: Sequence[int]) -> str:
        return positions.encode(self.mark, offsets)

    def step(self, number: int) -> AlertStep:
        return self._steps[number - self.first]

    def id_line(self, number: int) -> bytes:
        return self._ids[number - self.first]

    def add(self, reads: Sequence[ReadSteps]) -> list[AlertStep]:
        """The steps that are new."""
        added = [step for step in in_order(reads) if self._is_new(step)]
        for step in added:
            self.next[step.partition] = step.offset + 1
            self._offsets[step.partition].append(step.offset)
            self._numbers[step.partition].append(self.head)
            self._steps.append(step)
            self._ids.append(b"id: %b\n" % self.text(self.next).encode())
            self.last_recorded_ms = step.recorded_time_ms
        for read in reads:
            self.next[read.partition] = max(self.next[read.partition], read.next_offset)
        self._position = None
        self._forget()
        return added

    def _is_new(self, step: AlertStep) -> bool:
        if step.digest in self._recent:
            return False
        self._recent.remember((step.digest,))
        return True

    def _forget(self) -> None:
        over = len(self._steps) - self._capacity
        if over <= self._capacity // 8:  # many at a time: lists are slow at their beginning
            return
        for step in self._steps[:over]:
            self._oldest[step.partition] = step.offset + 1
        del self._steps[:over], self._ids[:over]
        self.first += over
        for partition, oldest in enumerate(self._oldest):
            gone = bisect_left(self._offsets[partition], oldest)
            del self._offsets[partition][:gone], self._numbers[partition][:gone]

    def keeps(self, offsets: Offsets) -> bool:
        """Whether everything from there on is here, as far as it has been read."""
        return all(wanted >= oldest for wanted, oldest in zip(offsets, self._oldest, strict=True))

    def is_ahead(self, offsets: Iterable[int]) -> bool:
        """Whether the position lies where nothing has been read yet."""
        return any(wanted > reached for wanted, reached in zip(offsets, self.next, strict=True))

    def place(self, offsets: Offsets) -> Place:
        """Where to go on from a position that it :meth:`keeps`."""
        number, clear_from = self.head, self.first
        for partition, wanted in enumerate(offsets):
            index = bisect_left(self._offsets[partition], wanted)
            if index < len(self._numbers[partition]):
                number = min(number, self._numbers[partition][index])
            if index:
                clear_from = max(clear_from, self._numbers[partition][index - 1] + 1)
        if self.is_ahead(offsets):
            return Place(number, list(offsets), None)
        return Place(number, None if number >= clear_from else list(offsets), clear_from)
