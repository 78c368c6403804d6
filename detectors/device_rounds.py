"""The ordinary messages of a batch, many devices at a time.

Ordinary is a message of a device that is online and whose timer has not run out before it: it changes only what is
known of this device, and nothing is said. The first message of a device is ordinary too, but that the device is said
to be online. So all first messages of the batch are taken in at once, then all second ones, and so on. From the first
message on that is not ordinary, a device's messages of the batch are left to the rules, one by one in log order; and
so is a tail of many messages of few devices, which is cheaper that way.

The rules may ask what was known of a device at a moment within the batch: :class:`Heard` remembers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.device_interval import IntervalLearner
from detectors.device_table import (
    DUE,
    LAST,
    NEW,
    NO_TIMEOUT,
    ONLINE,
    RECENTS,
    STATUS,
    TIMEOUT,
    DeviceColumns,
    DeviceTable,
    halves_of,
)  # fmt: skip
from detectors.device_timers import DeviceTimers
from detectors.p2_quantile import Mask
from schemas.records import IntArray

MIN_DEVICES = 24  # fewer at a time are cheaper one by one

_YES = np.ones(1, dtype=bool)


@dataclass(frozen=True, slots=True)
class Messages:
    """Signs of life of known devices, in log order."""

    rows: IntArray  # of the device table
    now_ms: IntArray
    event_ms: IntArray
    periodic: Mask


class Heard:
    """What the devices' rows held before each round, to look back at."""

    __slots__ = ("_known", "_rounds")

    def __init__(self) -> None:
        self._rounds: list[tuple[NDArray[Any], ...]] = []  # see _known
        # All rounds together, by row and then time: row, recorded time, status, timeout, last sign of life, interval.
        self._known: tuple[NDArray[Any], ...] = ()

    def remember(self, rows: IntArray, now_ms: IntArray, columns: DeviceColumns, live: Mask) -> None:
        """A round comes, for the live ones of these rows."""
        halves, last_ms, intervals_ms = columns.halves[[STATUS, TIMEOUT]], columns.words[LAST], columns.intervals_ms
        if live.all():
            self._rounds.append((rows, now_ms, *halves, last_ms.copy(), intervals_ms.copy()))
        else:
            every = (rows, now_ms, *halves, last_ms, intervals_ms)
            self._rounds.append(tuple(one[live] for one in every))

    def at(self, row: int, at_ms: int) -> tuple[int, int, float | None] | None:
        """(status, last sign of life, interval in seconds or None) of a row at a time, if it has changed since."""
        if not self._rounds:
            return None
        if not self._known:
            every = [np.concatenate(parts) for parts in zip(*self._rounds, strict=True)]
            order = by_value(every[0])
            self._known = tuple(one[order] for one in every)
        rows, now_ms, *known = self._known
        start, end = np.searchsorted(rows, (row, row + 1)).tolist()
        place = start + int(np.searchsorted(now_ms[start:end], at_ms, side="right"))
        if place == end:
            return None
        status, timeout_ms, last_ms, interval_ms = (one.item(place) for one in known)
        return status, last_ms, None if timeout_ms == NO_TIMEOUT else interval_ms / 1000.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of messages."""

    left: Mask  # left to the rules
    first: list[IntArray]  # which are the first of their devices
    heard: Heard


def hear(table: DeviceTable, timers: DeviceTimers, learner: IntervalLearner, messages: Messages) -> Outcome:
    """Take in what is ordinary. All devices are online or new."""
    count = len(messages.rows)
    left = np.zeros(count, dtype=bool)
    heard = Heard()
    outcome = Outcome(left, [], heard)
    order = by_value(messages.rows)
    rows = messages.rows[order]
    starts = np.flatnonzero(np.concatenate([_YES, rows[1:] != rows[:-1]]))
    counts = np.concatenate([starts[1:], [count]]) - starts
    most_first = by_value(count - counts)
    starts, counts = starts[most_first], counts[most_first]
    devices = rows[starts]
    if len(devices) < MIN_DEVICES:
        left[:] = True
        return outcome
    columns = table.take(devices)
    live = np.ones(len(devices), dtype=bool)
    for number in range(int(counts[0])):
        width = int(np.searchsorted(-counts, -number))  # devices with more messages than that
        if width < MIN_DEVICES:
            for start, all_of_it in zip(starts[:width].tolist(), counts[:width].tolist(), strict=True):
                left[order[start + number : start + all_of_it]] = True
            break
        at = order[starts[:width] + number]
        now_ms = messages.now_ms[at]
        these = columns.first(width)
        here = live[:width]
        here &= these.words[DUE] >= now_ms
        left[at[~here]] = True
        heard.remember(devices[:width], now_ms, these, here)
        first = these.halves[STATUS] == NEW
        if first.any():
            these.halves[STATUS] = ONLINE
            outcome.first.append(at[first])
        _round(these, here, now_ms, messages.event_ms[at], messages.periodic[at], learner)
    timers.moved(devices, columns)
    table.put(devices, columns)
    return outcome


def _round(
    columns: DeviceColumns, live: Mask, now_ms: IntArray, event_ms: IntArray, periodic: Mask, learner: IntervalLearner
) -> None:
    """One message of each live device."""
    recent, event = columns.halves[RECENTS], halves_of(event_ms)
    new = (recent != event).all(axis=0)  # neither come again, nor another quantity of the same moment
    new &= live
    np.copyto(recent[:-1], recent[1:].copy(), where=new)
    np.copyto(recent[-1], event, where=new)
    np.copyto(columns.words[LAST], now_ms, where=new)
    learner.learn_columns(columns, now_ms, event_ms, new & periodic)
    timeout_ms = columns.halves[TIMEOUT]
    np.copyto(columns.words[DUE], now_ms + timeout_ms, where=new & (timeout_ms != NO_TIMEOUT))


def by_value(values: IntArray) -> IntArray:
    """A stable order of small whole numbers (below 2**32): by the lower half, then by the upper."""
    order: IntArray = np.argsort(values.astype(np.uint16), kind="stable")
    upper = values >> 16
    if upper.any():
        order = order[np.argsort(upper[order].astype(np.uint16), kind="stable")]
    return order
