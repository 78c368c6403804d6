"""What is known of every device, in columns: a row each, found by name.

A row lies together in memory (160 bytes: words of eight bytes, then halves of four), since a million devices do not fit
into the processor's caches and a message should wait for memory once, not once per column. Batches take the rows that
they need out, turned into columns, and put them back. Where rules look at one device at a time it is an object,
:class:`Device`, taken out and put back in the same way.

Size: about 200 bytes per device, its name included. Times are milliseconds. Of event times that are only compared with
near ones a half is kept: the time modulo 2**32, 50 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.growing import grown
from detectors.name_index import NameIndex
from detectors.p2_quantile import FIRST_INNER, MARKERS, P2, Floats
from schemas.records import IntArray

NEW, ONLINE, PENDING, OFFLINE = range(4)
LONG_AGO_MS = -(2**62)
NEVER_MS = 2**62
RECENT = 6  # event times remembered per device, to recognise repetitions
HALF = 2**32 - 1  # the bits of a half, and the largest number in it
NO_TIMEOUT = 0
NEAR, NOWHERE = 0, HALF  # instead of a bucket, where a device's timer waits: in the heap, or not at all

# Words of a row: whole numbers, floats, then what only the rules about one device need.
LAST, DUE, HEARD, PEAK = range(4)
HEIGHTS = slice(4, 4 + MARKERS)
_WORDS_TAKEN = 4 + MARKERS
_ENTRY, _FLAP_SINCE, _WORDS = range(_WORDS_TAKEN, _WORDS_TAKEN + 3)
# Halves of a row, in the same order.
STATUS, QUEUED, TIMEOUT, MESSAGES, MISFITS, OBSERVED, HEARD_EVENT = range(7)
RECENTS = slice(7, 7 + RECENT)
INNER = slice(7 + RECENT, 10 + RECENT)
_HALVES_TAKEN = 10 + RECENT
_SCOPE, _SPELLS, _HALVES = range(_HALVES_TAKEN, _HALVES_TAKEN + 3)
_WIDTH = _WORDS + _HALVES // 2

_ALERTED, _FLAPPING, _SPELLS_SHIFT = 1, 2, 2  # in the half of the spells
_TURNED_AT_ONCE = 512  # rows: they stay in the fastest cache
_SPARE_SCOPES = 64

Halves = NDArray[np.uint32]


def half_of(time_ms: int) -> int:
    """What is kept of an event time in a half."""
    return time_ms & HALF


def halves_of(times_ms: IntArray) -> Halves:
    """:func:`half_of` of each."""
    return times_ms.astype(np.uint32)


@dataclass(frozen=True, slots=True)
class DeviceColumns:
    """Rows of some devices, taken out of the table: one column for each of them, without what only rules need."""

    words: IntArray  # (words, devices)
    halves: Halves  # (halves, devices)
    intervals_ms: Floats  # as learned so far, 0 of nothing: follows from the others, and is kept up to date
    rows: IntArray  # the rows that were taken

    @property
    def floats(self) -> Floats:
        """The words, as floats."""
        return self.words.view(np.float64)

    def first(self, devices: int) -> DeviceColumns:
        """The first so many: views."""
        return DeviceColumns(
            self.words[:, :devices], self.halves[:, :devices], self.intervals_ms[:devices], self.rows[:devices]
        )


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
    observed_ms: int  # from the first of its messages to the last, until its interval is learned
    heard_ms: int  # recorded time of the last periodic message, and a half of its event time
    heard_event: int
    recent: list[int]  # halves
    interval_ms: float
    peak_ms: float
    heights: list[float]
    inner: list[int]
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
    """All devices; see the module's header. ``p2``: of their intervals."""

    __slots__ = (
        "_found",
        "_hints",
        "_new_row",
        "_out",
        "_p2",
        "_scope_numbers",
        "_scopes",
        "_table",
        "named_by",
        "names",
    )

    def __init__(self, p2: P2, saved: dict[str, Any] | None = None) -> None:
        self._p2 = p2
        self._new_row = _new_row()
        self._out: dict[int, Device] = {}  # by row
        self._found: dict[str, Device] = {}  # those of them that were asked for by name
        self._hints: dict[str, int] = {}
        self.names = NameIndex()
        self._table: IntArray = np.zeros((0, _WIDTH), dtype=np.int64)
        self._scopes: list[str] = []
        self.named_by: dict[int, str] = {}
        if saved is not None:
            self.names = NameIndex(saved["names"])
            self._table = saved["table"].copy()
            self._scopes, self.named_by = list(saved["scopes"]), dict(saved["named_by"])
        self._scope_numbers = {scope: number for number, scope in enumerate(self._scopes)}

    def __len__(self) -> int:
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Memory held, but for the scopes and the devices that an open group stands for."""
        return self._table.nbytes + self.names.nbytes

    def saved(self) -> dict[str, Any]:
        """Arrays to build it from again; views of this one's, so pickle them before going on."""
        return {
            "names": self.names.saved(),
            "table": self._table[: self.names.rows],
            "scopes": self._scopes,
            "named_by": self.named_by,
        }

    held = saved

    # -- columns -----------------------------------------------------------------------------------------------------
    def statuses(self, rows: IntArray) -> IntArray | Halves:
        """The status of each row, NEW for -1."""
        if not len(self._table):
            return np.full(len(rows), NEW, dtype=np.int64)
        return np.where(rows < 0, NEW, self.half(STATUS)[rows])

    def word(self, word: int) -> IntArray:
        """One word of all rows, to read and to write."""
        return self._table[:, word]

    def half(self, half: int) -> Halves:
        """One half of all rows, to read and to write."""
        return _halves(self._table)[:, half]

    def take(self, rows: IntArray) -> DeviceColumns:
        """The rows as columns: a copy."""
        taken = self._table.take(rows, axis=0)
        words = np.empty((_WORDS_TAKEN, len(rows)), dtype=np.int64)
        halves = np.empty((_HALVES_TAKEN, len(rows)), dtype=np.uint32)
        for part in _parts(len(rows)):
            words[:, part] = taken[part, :_WORDS_TAKEN].T
            halves[:, part] = _halves(taken[part])[:, :_HALVES_TAKEN].T
        seen = halves[MESSAGES].astype(np.int64) - 1
        return DeviceColumns(words, halves, self._p2.estimates(words[HEIGHTS].view(np.float64), seen), taken)

    def put(self, rows: IntArray, columns: DeviceColumns) -> None:
        """Put columns back."""
        for part in _parts(len(rows)):
            columns.rows[part, :_WORDS_TAKEN] = columns.words[:, part].T
            _halves(columns.rows[part])[:, :_HALVES_TAKEN] = columns.halves[:, part].T
        self._table[rows] = columns.rows

    def add_all(self, names: pa.Array, scopes: list[str]) -> IntArray:
        """Rows for devices not known yet, no two alike."""
        rows = self.names.add_all(names)
        self._make_room()
        self._table[rows] = self._new_row
        self.half(_SCOPE)[rows] = [self._scope_number(scope) for scope in scopes]
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
        if event_ms <= self._table.item(row, _ENTRY):
            return False
        self._table[row, _ENTRY] = event_ms
        self.half(_SCOPE)[row] = self._scope_number(scope)
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
            words = self._table[row]
            last_ms, due_ms, heard_ms = words[:PEAK].tolist()
            peak_ms, *heights = words[PEAK:_WORDS_TAKEN].view(np.float64).tolist()
            entry_ms, flap_since_ms = words[_ENTRY:_WORDS].tolist()
            halves = _halves(words).tolist()
            status, queued, timeout_ms, messages, misfits, observed_ms, heard_event = halves[: RECENTS.start]
            spells = halves[_SPELLS]
            device = self._out[row] = Device(
                row, self.names.name_of(row) if name is None else name, status, last_ms, due_ms, queued,
                None if timeout_ms == NO_TIMEOUT else timeout_ms, messages, misfits, observed_ms, heard_ms,
                heard_event, halves[RECENTS], self._p2.estimate(heights, messages - 1), peak_ms, heights,
                halves[INNER], self._scopes[halves[_SCOPE]], entry_ms, flap_since_ms, spells >> _SPELLS_SHIFT,
                bool(spells & _ALERTED), bool(spells & _FLAPPING), self.named_by.get(row),
            )  # fmt: skip
        return device

    def glance(self, row: int) -> tuple[int, int, float | None]:
        """(status, last sign of life, interval in seconds or None) of a row."""
        device = self._out.get(row)
        if device is not None:
            return device.status, device.last_ms, device.interval_s
        words = self._table[row]
        status, _, timeout_ms, messages = _halves(words)[: MESSAGES + 1].tolist()
        if timeout_ms == NO_TIMEOUT:
            return status, words.item(LAST), None
        interval_ms = self._p2.estimate(words[HEIGHTS].view(np.float64).tolist(), messages - 1)
        return status, words.item(LAST), interval_ms / 1000.0

    def scope_of(self, row: int) -> str:
        """Where the device of a row is."""
        device = self._out.get(row)
        return device.scope if device is not None else self._scopes[int(self.half(_SCOPE)[row])]

    def named_by_of(self, row: int) -> str | None:
        """The open group that stands for the silence of a row's device."""
        device = self._out.get(row)
        return device.named_by if device is not None else self.named_by.get(row)

    def add(self, name: str, scope: str) -> Device:
        """A device not known yet."""
        row = self.names.add(name)
        self._make_room()
        self._table[row] = self._new_row
        self.half(_SCOPE)[row] = self._scope_number(scope)
        return self.device(row, name)

    def remove(self, device: Device) -> None:
        """Forget a device."""
        row = device.row
        self.names.remove(row)
        self._out.pop(row, None)
        self._found.pop(device.name, None)
        self._hints.pop(device.name, None)
        self._table[row] = self._new_row
        self.named_by.pop(row, None)

    def put_back(self) -> None:
        """Write what was taken out."""
        if len(self._scopes) > 2 * len(self) + _SPARE_SCOPES:
            self._forget_scopes()
        for row, one in self._out.items():
            words = self._table[row]
            words[:PEAK] = one.last_ms, one.due_ms, one.heard_ms
            words[PEAK:_WORDS_TAKEN].view(np.float64)[:] = (one.peak_ms, *one.heights)
            words[_ENTRY:_WORDS] = one.entry_ms, one.flap_since_ms
            _halves(words)[:] = (
                one.status, one.queued, NO_TIMEOUT if one.timeout_ms is None else one.timeout_ms, one.messages,
                one.misfits, one.observed_ms, one.heard_event, *one.recent, *one.inner, self._scope_number(one.scope),
                one.spells << _SPELLS_SHIFT | one.flapping * _FLAPPING | one.alerted * _ALERTED,
            )  # fmt: skip
            if one.named_by is not None:
                self.named_by[row] = one.named_by
            else:
                self.named_by.pop(row, None)
        self._out.clear()
        self._found.clear()
        self._hints = {}

    def _make_room(self) -> None:
        rows = self.names.rows
        if rows > len(self._table):
            self._table = grown(self._table, rows)

    def _scope_number(self, scope: str) -> int:
        number = self._scope_numbers.get(scope)
        if number is None:
            number = self._scope_numbers[scope] = len(self._scopes)
            self._scopes.append(scope)
        return number

    def _forget_scopes(self) -> None:
        """Keep only the scopes that devices have, and the first for rows that are free."""
        used, numbers = np.unique(self.half(_SCOPE), return_inverse=True)
        self.half(_SCOPE)[:] = numbers
        self._scopes = [self._scopes[number] for number in used.tolist()]
        self._scope_numbers = {scope: number for number, scope in enumerate(self._scopes)}


def _halves(table: IntArray) -> Halves:
    """The halves of rows, or of one: a view."""
    return table.view(np.uint32)[..., 2 * _WORDS :]


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _TURNED_AT_ONCE) for start in range(0, count, _TURNED_AT_ONCE))


def _new_row() -> IntArray:
    row: IntArray = np.zeros(_WIDTH, dtype=np.int64)
    row[[DUE, _ENTRY, _FLAP_SINCE]] = NEVER_MS, LONG_AGO_MS, LONG_AGO_MS
    row[HEIGHTS].view(np.float64)[:] = np.inf
    halves = _halves(row)
    halves[QUEUED] = NOWHERE
    halves[INNER] = FIRST_INNER
    return row
