"""All persons under care of a lane: where each is and since when, what is flagged, in columns."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.columns import BoolArray, Column, Columns
from detectors.habit import HabitParams, Habits
from detectors.known_names import KnownNames
from detectors.name_index import NameIndex
from detectors.timers import NEVER_MS
from schemas.records import IntArray

UNKNOWN, HOME, OUT = range(3)
RECENT = 16
LONG_AGO_MS = -(2**62)
_LAYOUT = {
    "entry_ms": Column("i8"),
    "first_ms": Column("i8"),
    "last_ms": Column("i8", fill=LONG_AGO_MS),
    "observations": Column("i8"),
    "recent_ms": Column("i8", RECENT, fill=LONG_AGO_MS),
    "recent_what": Column("u4", RECENT),
    "recent_next": Column("u1"),
    "where": Column("u1"),
    "out_since_ms": Column("i8"),
    "sign_ms": Column("i8"),
    "due_ms": Column("i8", fill=NEVER_MS),
    "unusual": Column("?"),
    "absent": Column("?"),
    "no_sign": Column("?"),
}


class Persons(Columns):
    """Columns by person, with their names, scopes, homes, categories and habits."""

    entry_ms: IntArray  # event time of the registry entry
    first_ms: IntArray  # event time of the first observation
    last_ms: IntArray  # latest event time observed
    observations: IntArray
    recent_ms: IntArray  # the latest observations: event time, and a number for what it was
    recent_what: NDArray[np.uint32]
    recent_next: NDArray[np.uint8]
    where: NDArray[np.uint8]
    out_since_ms: IntArray
    sign_ms: IntArray  # latest sign of life at home
    due_ms: IntArray  # the person's timer: at home for a sign of life, out for coming home
    unusual: BoolArray  # flagged in this outing
    absent: BoolArray
    no_sign: BoolArray
    entry_ms_at: memoryview[int]
    first_ms_at: memoryview[int]
    last_ms_at: memoryview[int]
    observations_at: memoryview[int]
    recent_ms_at: memoryview[int]
    recent_what_at: memoryview[int]
    recent_next_at: memoryview[int]
    where_at: memoryview[int]
    out_since_ms_at: memoryview[int]
    sign_ms_at: memoryview[int]
    due_ms_at: memoryview[int]
    unusual_at: memoryview[bool]
    absent_at: memoryview[bool]
    no_sign_at: memoryview[bool]

    def __init__(self, params: HabitParams) -> None:
        super().__init__(_LAYOUT)
        self.names = NameIndex()
        self.known = KnownNames()
        self.scopes: list[str] = []
        self.homes: list[str] = []
        self.categories: list[str] = []
        self.sign_by: list[str] = []  # device that gave the latest sign of life at home; empty: none of the home's
        self.habits = Habits(params)

    def add(self, name: str, scope: str, home: str, category: str, entry_ms: int) -> int:
        """A row for a new person."""
        row = self.names.add(name)
        self.begin(row)
        self.habits.begin(row)
        texts = (self.scopes, scope), (self.homes, home), (self.categories, category), (self.sign_by, "")
        for column, value in texts:
            if row == len(column):
                column.append(sys.intern(value))
            else:
                column[row] = sys.intern(value)
        self.entry_ms_at[row] = entry_ms
        return row

    def remove(self, row: int) -> None:
        """Forget a person, and everything learned."""
        self.known.forget(self.names.name_of(row))
        self.names.remove(row)
        self.begin(row)
        self.habits.begin(row)
        self.scopes[row] = self.homes[row] = self.categories[row] = self.sign_by[row] = ""

    def is_new(self, row: int, event_ms: int, what: int) -> bool:
        """Remember an observation; False when it is among the latest already."""
        first = row * RECENT
        if event_ms in self.recent_ms_at[first : first + RECENT].tolist():
            times, kinds = self.recent_ms[row], self.recent_what[row]
            if ((times == event_ms) & (kinds == what)).any():
                return False
        at = self.recent_next_at[row]
        self.recent_ms_at[first + at], self.recent_what_at[first + at] = event_ms, what
        self.recent_next_at[row] = (at + 1) % RECENT
        return True

    def next_due_ms(self) -> int:
        """The earliest timer."""
        rows = self.names.rows
        return int(self.due_ms[:rows].min()) if rows else NEVER_MS

    @property
    def bytes_held(self) -> int:
        """Memory of everything but shared texts."""
        lists = (self.scopes, self.homes, self.categories, self.sign_by, self.habits.places)
        places = sum(sys.getsizeof(packed) for packed in self.habits.places if packed is not None)
        return self.nbytes + self.habits.nbytes + self.names.nbytes + places + sum(map(sys.getsizeof, lists))

    def held(self) -> dict[str, Any]:
        """Everything, for the snapshot; arrays are views."""
        rows = self.names.rows
        return {
            "names": self.names.saved(),
            "texts": (self.scopes, self.homes, self.categories, self.sign_by),
            "columns": self.saved(rows),
            "habits": self.habits.held(rows),
        }

    @staticmethod
    def of(held: dict[str, Any], params: HabitParams) -> Persons:
        """From :meth:`held`."""
        persons = Persons(params)
        persons.names = NameIndex(held["names"])
        texts = ([sys.intern(value) for value in column] for column in held["texts"])
        persons.scopes, persons.homes, persons.categories, persons.sign_by = texts
        persons.restore(held["columns"])
        persons.habits = Habits.of(held["habits"], params)
        return persons
