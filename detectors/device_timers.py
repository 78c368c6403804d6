"""Timers of a million devices: when the allowed silence of each is over.

Nearly every message moves its device's timer later, and nearly no timer ever fires. So a device's due time is a word of
its row, and the device waits in a bucket of four seconds of log time, at or before that due time. When the clock gets
to a bucket, the devices whose due times have moved on meanwhile are put into later buckets, all at once. The few that
are really due go into a :class:`~detectors.timers.TimerHeap`, together with the other timers of the detector, which
fires them in its exact order: due time, then key. Moving a timer later costs nothing but the word; moving it earlier
leaves a dead entry behind, which the clock sweeps up. Size: 4 bytes per device beside its row.
"""

from __future__ import annotations

import heapq
from array import array
from typing import Any

import numpy as np

from detectors.device_table import DUE, NEAR, NEVER_MS, NOWHERE, QUEUED, Device, DeviceColumns, DeviceTable
from detectors.timers import TimerHeap
from schemas.records import IntArray

_BUCKET_BITS = 12  # about four seconds
_FEW = 16  # timers that are cheaper to move one by one


class DeviceTimers:
    """The devices' timers (keys ``d:<name>``) in buckets, and all near ones in :attr:`near`."""

    __slots__ = ("_buckets", "_numbers", "_opened", "_table", "near")

    def __init__(self, table: DeviceTable, saved: dict[str, Any] | None = None) -> None:
        self._table = table
        self._buckets: dict[int, array[int]] = {}  # rows
        self._numbers: list[int] = []  # a heap
        self._opened = 0  # buckets below this number are empty: what is due there is near
        self.near = TimerHeap()
        if saved is not None:
            self.near, self._opened = TimerHeap(saved["near"]), saved["opened"]
            queued = table.half(QUEUED)
            waiting = np.flatnonzero((queued != NEAR) & (queued != NOWHERE))
            self._wait(waiting, queued[waiting].astype(np.int64))

    @property
    def nbytes(self) -> int:
        """Memory held by the buckets."""
        return sum(rows.buffer_info()[1] * rows.itemsize + 64 for rows in self._buckets.values())

    def saved(self) -> dict[str, Any]:
        """What is not in the table."""
        return {"near": self.near.saved(), "opened": self._opened}

    held = saved

    def schedule(self, device: Device, due_ms: int) -> None:
        """Set or move the timer of one device."""
        device.due_ms = due_ms
        number = due_ms >> _BUCKET_BITS
        if number < self._opened:
            self.near.schedule(f"d:{device.name}", due_ms)
            device.queued = NEAR
        elif number < device.queued:
            self._bucket(number).append(device.row)
            device.queued = number

    def cancel(self, device: Device) -> None:
        """Drop the timer of a device that is forgotten next."""
        self.near.cancel(f"d:{device.name}")
        device.due_ms, device.queued = NEVER_MS, NOWHERE

    def is_due(self, device: Device, due_ms: int) -> bool:
        """Whether the timer that just came out of the heap is still meant; else it waits where it belongs now."""
        device.queued = NOWHERE
        if device.due_ms <= due_ms:
            device.due_ms = NEVER_MS
            return True
        if device.due_ms < NEVER_MS:
            self.schedule(device, device.due_ms)
        return False

    def moved(self, rows: IntArray, columns: DeviceColumns) -> None:
        """The words ``DUE`` of these devices, taken out as columns, may have changed: brings ``QUEUED`` up to date."""
        due_ms, queued = columns.words[DUE], columns.halves[QUEUED]
        numbers = due_ms >> _BUCKET_BITS
        for at in np.flatnonzero(numbers < self._opened).tolist():
            self.near.schedule(f"d:{self._table.names.name_of(int(rows[at]))}", int(due_ms[at]))
            queued[at] = NEAR
        earlier = np.flatnonzero((numbers < queued) & (due_ms < NEVER_MS))
        if len(earlier):
            queued[earlier] = numbers[earlier]
            self._wait(rows[earlier], numbers[earlier])

    def open(self, clock_ms: int) -> None:
        """Bring everything that may be due before the clock near. No device may be taken out of the table."""
        opened = -(-clock_ms >> _BUCKET_BITS)
        if opened <= self._opened:
            return
        self._opened = opened
        parts: list[IntArray] = []
        numbers: list[int] = []
        while self._numbers and self._numbers[0] < opened:
            numbers.append(heapq.heappop(self._numbers))
            parts.append(np.frombuffer(self._buckets.pop(numbers[-1]), dtype=np.int32).astype(np.int64))
        if not parts:
            return
        rows = np.concatenate(parts)
        queued, dues = self._table.half(QUEUED), self._table.word(DUE)
        rows = np.sort(rows[queued[rows] == np.repeat(numbers, [len(part) for part in parts])])  # no dead entries
        rows = rows[np.concatenate([np.ones(min(1, len(rows)), dtype=bool), rows[1:] != rows[:-1]])]
        due_ms = dues[rows]
        wanted = due_ms >> _BUCKET_BITS
        if len(rows) <= _FEW:
            for row, due, number in zip(rows.tolist(), due_ms.tolist(), wanted.tolist(), strict=True):
                queued[row] = self._put(row, due, number)
            return
        near, later = np.flatnonzero(wanted < opened), np.flatnonzero((wanted >= opened) & (due_ms < NEVER_MS))
        queued[rows] = NOWHERE
        queued[rows[later]] = wanted[later]
        self._wait(rows[later], wanted[later])
        for row, due in zip(rows[near].tolist(), due_ms[near].tolist(), strict=True):
            queued[row] = self._put(row, due, 0)

    def _put(self, row: int, due_ms: int, number: int) -> int:
        """Where a timer waits now, which waited in a bucket that was opened."""
        if number < self._opened:
            self.near.schedule(f"d:{self._table.names.name_of(row)}", due_ms)
            return NEAR
        if due_ms < NEVER_MS:
            self._bucket(number).append(row)
            return number
        return NOWHERE

    def _wait(self, rows: IntArray, numbers: IntArray) -> None:
        if not len(rows):
            return
        order = np.argsort(numbers, kind="stable")
        rows, numbers = rows[order].astype(np.int32), numbers[order]
        starts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            self._bucket(int(numbers[start])).frombytes(rows[start:end].tobytes())

    def _bucket(self, number: int) -> array[int]:
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = array("i")
            heapq.heappush(self._numbers, number)
        return bucket
