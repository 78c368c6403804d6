"""What is known of every device, in columns: a row each, found by name.

A row lies together in memory (29 words of 8 bytes that every message touches, the rest beside them), since a million
devices do not fit into the processor's caches and a message should wait for memory once, not once per column. Batches
take the rows that they need out, turned into columns, and put them back. Where rules look at one device at a time it is
an object, :class:`Device`, taken out and put back in the same way.

Size: about 330 bytes per device, its name included. Times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.growing import grown
from detectors.name_index import NameIndex
from schemas.records import IntArray

NEW, ONLINE, PENDING, OFFLINE = range(4)
NO_TIME = -(2**63)
LONG_AGO_MS = -(2**62)
NEVER_MS = 2**62
RECENT = 6  # event times remembered per device, to recognise repetitions

# Words of a row: whole numbers first, then floats.
STATUS, LAST, DUE, QUEUED, TIMEOUT, MESSAGES, MISFITS, FIRST, HEARD, HEARD_EVENT = range(10)
RECENT_FROM = 10
INTS = RECENT_FROM + RECENT
INTERVAL, PEAK = INTS, INTS + 1
HEIGHTS = slice(INTS + 2, INTS + 7)
INNER = slice(INTS + 7, INTS + 10)
DESIRED = slice(INTS + 10, INTS + 13)
WORDS = INTS + 13

_TURNED_AT_ONCE = 512  # rows: they stay in the fastest cache
_SPARE_SCOPES = 64

_REST = np.dtype(
    [
        ("entry_ms", "<i8"), ("flap_since_ms", "<i8"), ("scope", "<i4"), ("spells", "<i4"), ("alerted", "?"),
        ("flapping", "?"),
    ]
)  # fmt: skip


_NEW_INTS = [NEW, 0, NEVER_MS, NEVER_MS, NO_TIME, 0, 0, 0, 0, 0] + [NO_TIME] * RECENT


@dataclass(slots=True)
class Device:
    """One device, taken out of the table."""

    row: int
    name: str
    status: int
    last_ms: int  # recorded time of its last sign of life
    due_ms: int  # its allowed silence is over
    queued: int  # where its timer waits, see device_timers
    timeout_ms: int | None  # allowed silence; None until its interval is learned
    messages: int  # periodic ones: the first, and those that shaped the interval
    misfits: int  # gaps in a row that do not fit
    first_ms: int
    heard_ms: int  # recorded and event time of the last periodic message
    heard_event_ms: int
    recent: list[int]
    interval_ms: float
    peak_ms: float
    heights: list[float]
    inner: list[float]
    desired: list[float]
    scope: str
    entry_ms: int  # event time of its last registry entry
    flap_since_ms: int
    spells: int
    alerted: bool  # its own detection is active
    flapping: bool
    named_by: str | None  # the open group that stands for its silence

    @property
    def interval_s(self) -> float | None:
        """The learned interval; None while learning."""
        return None if self.timeout_ms is None else self.interval_ms / 1000.0


class DeviceTable:
    """All devices; see the module's header. ``p2_desired``: where the quantile's markers begin."""

    __slots__ = (
        "_found",
        "_hints",
        "_new_row",
        "_out",
        "_rest",
        "_scope_numbers",
        "_scopes",
        "_words",
        "named_by",
        "names",
    )

    def __init__(self, p2_desired: tuple[float, ...], saved: dict[str, Any] | None = None) -> None:
        self._new_row: IntArray = np.array([*_NEW_INTS, *[0] * (WORDS - INTS)], dtype=np.int64)
        floats = self._new_row.view(np.float64)
        floats[HEIGHTS], floats[INNER], floats[DESIRED] = np.inf, (2.0, 3.0, 4.0), p2_desired
        self._out: dict[int, Device] = {}  # by row
        self._found: dict[str, Device] = {}  # those of them that were asked for by name
        self._hints: dict[str, int] = {}
        self.names = NameIndex()
        self._words: IntArray = np.zeros((0, WORDS), dtype=np.int64)
        self._rest: NDArray[Any] = np.zeros(0, dtype=_REST)
        self._scopes: list[str] = []
        self.named_by: dict[int, str] = {}
        if saved is not None:
            self.names = NameIndex(saved["names"])
            self._words, self._rest = saved["words"].copy(), saved["rest"].copy()
            self._scopes, self.named_by = list(saved["scopes"]), dict(saved["named_by"])
        self._scope_numbers = {scope: number for number, scope in enumerate(self._scopes)}

    def __len__(self) -> int:
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Memory held, but for the scopes and the devices that an open group stands for."""
        return self._words.nbytes + self._rest.nbytes + self.names.nbytes

    def saved(self) -> dict[str, Any]:
        """Arrays to build it from again; views of this one's, so pickle them before going on."""
        rows = self.names.rows
        return {
            "names": self.names.saved(),
            "words": self._words[:rows],
            "rest": self._rest[:rows],
            "scopes": self._scopes,
            "named_by": self.named_by,
        }

    held = saved

    # -- columns -----------------------------------------------------------------------------------------------------
    def statuses(self, rows: IntArray) -> IntArray:
        """The status of each row, NEW for -1."""
        if not len(self._words):
            return np.full(len(rows), NEW, dtype=np.int64)
        return np.where(rows < 0, NEW, self._words[rows, STATUS])

    def word(self, word: int) -> IntArray:
        """One word of all rows, to read and to write."""
        return self._words[:, word]

    def take(self, rows: IntArray) -> IntArray:
        """The rows as columns ``(WORDS, len(rows))``: a copy."""
        taken = self._words.take(rows, axis=0)
        columns = np.empty((WORDS, len(rows)), dtype=np.int64)
        for start in range(0, len(rows), _TURNED_AT_ONCE):
            columns[:, start : start + _TURNED_AT_ONCE] = taken[start : start + _TURNED_AT_ONCE].T
        return columns

    def put(self, rows: IntArray, columns: IntArray) -> None:
        """Put columns back."""
        self._words[rows] = np.ascontiguousarray(columns.T)

    def add_all(self, names: pa.Array, scopes: list[str]) -> IntArray:
        """Rows for devices not known yet, no two alike."""
        rows = self.names.add_all(names)
        self._make_room()
        self._words[rows] = self._new_row
        self._rest[rows] = np.array((LONG_AGO_MS, LONG_AGO_MS, 0, 0, False, False), dtype=_REST)
        self._rest["scope"][rows] = [self._scope_number(scope) for scope in scopes]
        return rows

    # -- one at a time -----------------------------------------------------------------------------------------------
    def hint(self, rows: dict[str, int]) -> None:
        """These names will be asked for next: their rows, -1 for those not known."""
        self._hints = rows

    def row_of(self, name: str) -> int:
        """The row of a name, -1 when it is not known."""
        row = self._hints.get(name, -1)
        return self.names.row_of(name) if row < 0 else row

    def enter(self, row: int, event_ms: int, scope: str) -> bool:
        """Where the device is, as a registry entry says; False: of an entry that is older than the one known."""
        device = self._out.get(row)
        if device is not None:
            if event_ms <= device.entry_ms:
                return False
            device.entry_ms, device.scope = event_ms, scope
            return True
        rest = self._rest[row]
        if event_ms <= rest["entry_ms"]:
            return False
        rest["entry_ms"], rest["scope"] = event_ms, self._scope_number(scope)
        return True

    def find(self, name: str) -> Device | None:
        """The device of a name."""
        device = self._found.get(name)
        if device is None:
            row = self.row_of(name)
            if row < 0:
                return None
            device = self._found[name] = self.device(row, name)
        return device

    def device(self, row: int, name: str | None = None) -> Device:
        """The device of a row, taken out: the columns know nothing of its changes until :meth:`put_back`."""
        device = self._out.get(row)
        if device is None:
            ints = self._words[row].tolist()
            floats = self._words[row].view(np.float64).tolist()
            entry_ms, flap_since_ms, scope, spells, alerted, flapping = self._rest[row].item()
            timeout_ms = None if ints[TIMEOUT] == NO_TIME else ints[TIMEOUT]
            values: list[Any] = [
                row, self.names.name_of(row) if name is None else name, *ints[:TIMEOUT], timeout_ms,
                *ints[MESSAGES:RECENT_FROM], ints[RECENT_FROM:INTS],
                floats[INTERVAL], floats[PEAK], floats[HEIGHTS], floats[INNER], floats[DESIRED],
                self._scopes[scope], entry_ms, flap_since_ms, spells, alerted, flapping, self.named_by.get(row),
            ]  # fmt: skip
            device = self._out[row] = Device(*values)
        return device

    def glance(self, row: int) -> tuple[int, int, float | None]:
        """(status, last sign of life, interval in seconds or None) of a row."""
        device = self._out.get(row)
        if device is not None:
            return device.status, device.last_ms, device.interval_s
        words = self._words[row]
        learned = words[TIMEOUT] != NO_TIME
        return int(words[STATUS]), int(words[LAST]), words.view(np.float64).item(INTERVAL) / 1000.0 if learned else None

    def scope_of(self, row: int) -> str:
        """Where the device of a row is."""
        device = self._out.get(row)
        return device.scope if device is not None else self._scopes[self._rest["scope"][row]]

    def named_by_of(self, row: int) -> str | None:
        """The open group that stands for the silence of a row's device."""
        device = self._out.get(row)
        return device.named_by if device is not None else self.named_by.get(row)

    def add(self, name: str, scope: str) -> Device:
        """A device not known yet."""
        row = self.names.add(name)
        self._make_room()
        self._words[row] = self._new_row
        self._rest[row] = (LONG_AGO_MS, LONG_AGO_MS, self._scope_number(scope), 0, False, False)
        return self.device(row, name)

    def remove(self, device: Device) -> None:
        """Forget a device."""
        row = device.row
        self.names.remove(row)
        self._out.pop(row, None)
        self._found.pop(device.name, None)
        self._hints.pop(device.name, None)
        self._words[row] = self._new_row
        self._rest[row] = (0, 0, 0, 0, False, False)
        self.named_by.pop(row, None)

    def put_back(self) -> None:
        """Write what was taken out."""
        if len(self._scopes) > 2 * len(self) + _SPARE_SCOPES:
            self._forget_scopes()
        for row, one in self._out.items():
            words = self._words[row]
            words[:INTS] = (
                one.status, one.last_ms, one.due_ms, one.queued, NO_TIME if one.timeout_ms is None else one.timeout_ms,
                one.messages, one.misfits, one.first_ms, one.heard_ms, one.heard_event_ms, *one.recent,
            )  # fmt: skip
            words.view(np.float64)[INTS:] = (one.interval_ms, one.peak_ms, *one.heights, *one.inner, *one.desired)
            scope = self._scope_number(one.scope)
            self._rest[row] = (one.entry_ms, one.flap_since_ms, scope, one.spells, one.alerted, one.flapping)
            if one.named_by is not None:
                self.named_by[row] = one.named_by
            else:
                self.named_by.pop(row, None)
        self._out.clear()
        self._found.clear()
        self._hints = {}

    def _make_room(self) -> None:
        rows = self.names.rows
        if rows > len(self._words):
            self._words, self._rest = grown(self._words, rows), grown(self._rest, rows)

    def _scope_number(self, scope: str) -> int:
        number = self._scope_numbers.get(scope)
        if number is None:
            number = self._scope_numbers[scope] = len(self._scopes)
            self._scopes.append(scope)
        return number

    def _forget_scopes(self) -> None:
        """Keep only the scopes that devices have, and the first for rows that are free."""
        used, numbers = np.unique(self._rest["scope"], return_inverse=True)
        self._rest["scope"] = numbers
        self._scopes = [self._scopes[number] for number in used.tolist()]
        self._scope_numbers = {scope: number for number, scope in enumerate(self._scopes)}
