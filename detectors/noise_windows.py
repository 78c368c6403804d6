"""Sound energy of noise meters by event-time window: one pair of columns for each window that is open or still counts.

All meters share the windows' edges, so few windows live at a time, and a window of all meters closes at once.
Energy is level energy times seconds; a meter without seconds has no reading in the window. Size: 24 bytes a meter for
an open window, 16 for a closed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.columns import FloatArray, values_at
from detectors.gb3096 import Period
from detectors.growing import grown
from schemas.records import IntArray


@dataclass(slots=True)
class Window:
    """One window of all meters, by row."""

    start_ms: int
    energy: FloatArray  # energy x seconds
    seconds: FloatArray
    opened_ms: IntArray  # log time of the meter's first reading in it; empty once the window is closed

    def fit(self, room: int) -> None:
        """Make room for so many rows."""
        if room > len(self.seconds):
            self.energy, self.seconds = grown(self.energy, room), grown(self.seconds, room)
            if len(self.opened_ms):
                self.opened_ms = grown(self.opened_ms, room)

    def add(self, rows: IntArray, now_ms: IntArray, energy: FloatArray, seconds: FloatArray) -> None:
        """Readings in log order; a meter's are added up one after another."""
        first = np.flatnonzero(self.seconds[rows] == 0.0)[::-1]  # of several the last written stays: the earliest
        self.opened_ms[rows[first]] = now_ms[first]
        np.add.at(self.energy, rows, energy)
        np.add.at(self.seconds, rows, seconds)

    def clear(self, rows: IntArray | int) -> None:
        """Forget what these meters said in it."""
        self.energy[rows] = 0.0
        self.seconds[rows] = 0.0


@dataclass(frozen=True, slots=True)
class Closing:
    """A window that closes, with what it is judged by. ``…_at``: one meter's value, quickly."""

    window: Window
    same_period: list[Window]  # that LAeq is taken over, the closing one the last
    other_period: list[Window]  # that no longer count
    period: Period
    hour_index: int  # local, of the window's start
    minute: int
    energy_at: memoryview[float]
    seconds_at: memoryview[float]
    same_at: list[tuple[memoryview[float], memoryview[float]]]

    @staticmethod
    def of(
        window: Window, same: list[Window], other: list[Window], period: Period, hour_index: int, minute: int
    ) -> Closing:  # fmt: skip
        """``same``, ``other``: closed windows that LAeq may be taken over, of the same period of the day or not."""
        windows = [*same, window]
        same_at = [(values_at(one.energy), values_at(one.seconds)) for one in windows]
        return Closing(window, windows, other, period, hour_index, minute, *same_at[-1], same_at)


class Windows:
    """Windows by start, in rising order: open ones, then those closed that are still looked back on."""

    __slots__ = ("_closed", "_open")

    def __init__(self) -> None:
        self._open: dict[int, Window] = {}
        self._closed: list[Window] = []

    def open_at(self, start_ms: int, room: int) -> Window:
        """The open window that begins there, made when it is the first reading."""
        window = self._open.get(start_ms)
        if window is None:
            window = Window(start_ms, np.zeros(room), np.zeros(room), np.zeros(room, dtype=np.int64))
            self._open[start_ms] = window
            self._open = dict(sorted(self._open.items()))
        window.fit(room)
        return window

    def opened(self, room: int) -> list[Window]:
        """Open windows."""
        return _fitted(list(self._open.values()), room)

    def close(self, window: Window, oldest_ms: int) -> None:
        """A window is over; what is left in it, if anything, will be looked back on. Older ones than that won't."""
        del self._open[window.start_ms]
        self._closed = [one for one in self._closed if one.start_ms >= oldest_ms]
        if window.seconds.any():
            window.opened_ms = window.opened_ms[:0].copy()
            self._closed.append(window)

    def closed(self, room: int) -> list[Window]:
        """Closed windows that are looked back on."""
        return _fitted(self._closed, room)

    def forget(self, row: int) -> None:
        """A meter is gone."""
        for window in (*self._open.values(), *self._closed):
            if row < len(window.seconds):
                window.clear(row)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        every = (*self._open.values(), *self._closed)
        return sum(one.energy.nbytes + one.seconds.nbytes + one.opened_ms.nbytes for one in every)

    def saved(self, rows: int) -> list[list[tuple[Any, ...]]]:
        """Views of the first so many rows: pickle them before going on."""
        return [[_saved(one, rows) for one in kind] for kind in (self._open.values(), self._closed)]

    def restore(self, saved: list[list[tuple[Any, ...]]]) -> None:
        """Replace all windows."""
        opened, self._closed = ([_window_of(values) for values in kind] for kind in saved)
        self._open = {window.start_ms: window for window in opened}


def _fitted(windows: list[Window], room: int) -> list[Window]:
    for window in windows:
        window.fit(room)
    return windows


def _saved(window: Window, rows: int) -> tuple[Any, ...]:
    window.fit(rows)
    return window.start_ms, window.energy[:rows], window.seconds[:rows], window.opened_ms[:rows]


def _window_of(values: tuple[Any, ...]) -> Window:
    start_ms, *columns = values
    return Window(start_ms, *(column.copy() for column in columns))
