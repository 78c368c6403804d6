"""State of many things of one kind in numpy columns: a row for each, no Python object.

A subclass names its columns in its layout and declares them as attributes: ``energy`` is the array, ``energy_at`` the
same memory for one value at a time, which costs a third of asking the array (in columns of several values a row, row
times width plus place). Rows are numbered by whoever owns the columns (:class:`detectors.name_index.NameIndex`); there
is room for more of them than are in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.growing import grown

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


class Column(NamedTuple):
    """What a column holds. ``width`` 0: one value a row; else so many."""

    dtype: str
    width: int = 0
    fill: int = 0  # of new rows


class Columns:
    """Columns of equal length; see the module's header."""

    def __init__(self, layout: Mapping[str, Column]) -> None:
        self._layout = dict(layout)
        self._room = 0
        for name, column in self._layout.items():
            setattr(self, name, np.zeros((0, column.width) if column.width else 0, dtype=column.dtype))
        self._moved()

    @property
    def room(self) -> int:
        """Rows below this can be written."""
        return self._room

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(getattr(self, name).nbytes for name in self._layout)

    def begin(self, row: int) -> None:
        """Make a row as new, and room for it."""
        if row >= self._room:
            for name, column in self._layout.items():
                setattr(self, name, grown(getattr(self, name), row + 1, column.fill))
            self._room = len(getattr(self, next(iter(self._layout))))
            self._moved()
            return
        for name, column in self._layout.items():
            getattr(self, name)[row] = column.fill

    def saved(self, rows: int) -> dict[str, NDArray[Any]]:
        """The first so many rows: views, so pickle them before going on."""
        return {name: getattr(self, name)[:rows] for name in self._layout}

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Replace all rows."""
        for name in self._layout:
            setattr(self, name, saved[name].copy())
        self._room = len(saved[next(iter(self._layout))])
        self._moved()

    def _moved(self) -> None:
        """The columns lie elsewhere in memory now."""
        for name in self._layout:
            setattr(self, f"{name}_at", values_at(getattr(self, name)))


def values_at(array: NDArray[Any]) -> memoryview[Any]:
    """The array's values one at a time, row after row: faster than asking the array."""
    flat: Any = array.reshape(-1)
    return memoryview(flat)
