"""Names to row numbers, for millions of names: found a whole column at a time, with no Python object per name.

A hash table with open addressing in numpy. Names lie as UTF-8 in 64-bit words, one after another, padded with zeros;
an array gives each row's place among them and its length. A lookup hashes and compares word by word, all names of a
column at once, so waits for memory overlap and a million names cost hardly more than a thousand. Rows of removed names
are given out again. Size: 8 bytes a row, 7 to 16 for the table, and the name itself.

Which row a name gets follows from the order of adding and removing alone. The hash never shows.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.growing import grown, zeros
from schemas.records import IntArray

_EMPTY, _GONE = -1, -2
_FIRST_ROWS = 64
_BITS = (1 << 64) - 1
_STEP_SHIFT = 40
_FULL, _OF = 3, 5  # more than this share of the table is not taken; when it is built, less than half
_BUILT_AT_ONCE = 65_536  # names: what is made for them is small, and given back
_LENGTH_BITS = 16  # of a place: the name's bytes; the rest is its first word
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_FACTOR = 0x9E3779B97F4A7C15
_SEED = secrets.randbits(64)  # another one in every process, so nobody can send names that all fall into one place
_KEEP = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)  # the first bytes of a word
_WORD = np.dtype("<u8")

Words = NDArray[np.uint64]
# The n-th words of all names, zeros after their ends, and which names have one; None: all.
_NthWords = list[tuple[IntArray | None, Words]]


class NameIndex:
    """Names by row and rows by name; see the module's header."""

    __slots__ = ("_free", "_gone", "_places", "_rows", "_slots", "_spare_words", "_used_words", "_words")

    def __init__(self, saved: dict[str, Any] | None = None) -> None:
        self._places: IntArray = np.zeros(_FIRST_ROWS, dtype=np.int64)  # -1: free
        self._words = np.zeros(_FIRST_ROWS * 4, dtype=_WORD)
        self._free: list[int] = []
        self._rows = 0  # given out so far, free ones among them
        self._used_words = 0
        self._spare_words = 0  # of removed names
        if saved is not None:
            self._places, self._words = saved["places"].copy(), saved["words"].copy()
            self._free = list(saved["free"])
            self._rows, self._used_words, self._spare_words = len(self._places), len(self._words), saved["spare_words"]
        self._gone = 0
        self._slots = np.empty(0, dtype=np.int32)
        self._build_slots()

    def __len__(self) -> int:
        return self._rows - len(self._free)

    @property
    def rows(self) -> int:
        """All rows are below this."""
        return self._rows

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self._places.nbytes + self._words.nbytes + self._slots.nbytes

    def saved(self) -> dict[str, Any]:
        """Arrays to build it from again; views of this one's, so pickle them before going on."""
        return {
            "places": self._places[: self._rows],
            "words": self._words[: self._used_words],
            "free": self._free,
            "spare_words": self._spare_words,
        }

    held = saved

    # -- one name ----------------------------------------------------------------------------------------------------
    def name_of(self, row: int) -> str:
        """The name of a row."""
        place = int(self._places[row])
        start, length = place >> _LENGTH_BITS, place & _LENGTH_MASK
        return self._words[start : start + (length + 7) // 8].tobytes()[:length].decode()

    def row_of(self, name: str) -> int:
        """The row of a name, -1 when it has none."""
        data = name.encode()
        slot = self._slot_of(data, _hash(data))
        return -1 if slot < 0 else int(self._slots[slot])

    def add(self, name: str) -> int:
        """A row for a new name."""
        data = name.encode()
        return self._add(data, _hash(data))

    def row_or_new(self, name: str) -> tuple[int, bool]:
        """The row of a name, and whether it was given just now."""
        data = name.encode()
        mixed = _hash(data)
        slot = self._slot_of(data, mixed)
        return (self._add(data, mixed), True) if slot < 0 else (int(self._slots[slot]), False)

    def _add(self, data: bytes, mixed: int) -> int:
        if not len(data) <= _LENGTH_MASK:
            raise ValueError(f"a name of {len(data)} bytes is too long")
        row = self._free.pop() if self._free else self._new_row()
        words = (len(data) + 7) // 8
        self._make_room(words)
        start = self._used_words
        self._words[start : start + words] = np.frombuffer(data.ljust(words * 8, b"\0"), dtype=_WORD)
        self._used_words += words
        self._places[row] = start << _LENGTH_BITS | len(data)
        if self._crowded():
            self._build_slots()
        else:
            mask = len(self._slots) - 1
            slot, step = mixed & mask, mixed >> _STEP_SHIFT | 1
            while (found := self._slots[slot]) >= 0:
                slot = (slot + step) & mask
            self._gone -= int(found == _GONE)
            self._slots[slot] = row
        return row

    def remove(self, row: int) -> None:
        """Forget a name; its row is given out again."""
        place = int(self._places[row])
        data = self.name_of(row).encode()
        slot = self._slot_of(data, _hash(data))
        self._slots[slot] = _GONE
        self._gone += 1
        self._places[row] = -1
        self._spare_words += ((place & _LENGTH_MASK) + 7) // 8
        self._free.append(row)

    def _slot_of(self, data: bytes, mixed: int) -> int:
        mask = len(self._slots) - 1
        slot, step = mixed & mask, mixed >> _STEP_SHIFT | 1
        length = len(data)
        words = (length + 7) // 8
        padded = data.ljust(words * 8, b"\0")
        while (row := self._slots[slot]) != _EMPTY:
            if row >= 0:
                place = int(self._places[row])
                start = place >> _LENGTH_BITS
                if place & _LENGTH_MASK == length and self._words[start : start + words].tobytes() == padded:
                    return slot
            slot = (slot + step) & mask
        return -1

    # -- a column of names -------------------------------------------------------------------------------------------
    def rows_of(self, names: pa.ChunkedArray | pa.Array) -> IntArray:
        """The row of each name, -1 where it has none."""
        starts, lengths, view = _bytes_of(names)
        found = np.full(len(lengths), -1, dtype=np.int64)
        if not len(lengths) or not len(self):
            return found
        words, hashes = _words_of(starts, lengths, view)
        mask = len(self._slots) - 1
        slots, steps = _ways(hashes, mask)
        asked: IntArray = np.arange(len(lengths), dtype=np.int64)
        while len(asked):
            rows = self._slots[slots]
            places = self._places.take(rows, mode="clip")
            same = (places & _LENGTH_MASK) == lengths
            same &= rows >= 0
            firsts = places >> _LENGTH_BITS
            for number, (which, values) in enumerate(words):
                if which is None:
                    same &= self._words.take(firsts + number, mode="clip") == values
                else:
                    same[which] &= self._words.take(firsts[which] + number, mode="clip") == values
            found[asked[same]] = rows[same]
            going_on = np.flatnonzero(~same & (rows != _EMPTY))
            if not len(going_on):
                break
            asked = asked[going_on]
            steps = steps[going_on]
            slots = (slots[going_on] + steps) & mask
            lengths = lengths[going_on]
            words = _chosen(words, going_on, len(rows))
        return found

    def add_all(self, names: pa.Array) -> IntArray:
        """A row for each of several new names, no two alike."""
        starts, lengths, view = _bytes_of(names)
        words, hashes = _words_of(starts, lengths, view)
        again = self._free[len(self._free) - min(len(self._free), len(lengths)) :]
        del self._free[len(self._free) - len(again) :]
        first, self._rows = self._rows, self._rows + len(lengths) - len(again)
        if self._rows > len(self._places):
            self._places = grown(self._places, self._rows)
        rows: IntArray = np.concatenate([np.array(again, dtype=np.int64), np.arange(first, self._rows)])
        counts = (lengths + 7) // 8
        ends = np.cumsum(counts)
        self._make_room(int(ends[-1]) if len(ends) else 0)
        places = self._used_words + ends - counts
        for number, (which, values) in enumerate(words):
            self._words[(places if which is None else places[which]) + number] = values
        self._used_words += int(counts.sum())
        self._places[rows] = places << _LENGTH_BITS | lengths
        if self._crowded():
            self._build_slots()
        else:
            _insert(self._slots, rows, hashes)
        return rows

    # -- room --------------------------------------------------------------------------------------------------------
    def _new_row(self) -> int:
        row = self._rows
        if row == len(self._places):
            self._places = grown(self._places, row + 1)
        self._rows = row + 1
        return row

    def _make_room(self, words: int) -> None:
        if self._used_words + words <= len(self._words):
            return
        if self._spare_words > self._used_words // 4:
            self._pack_words()
        if self._used_words + words > len(self._words):
            self._words = grown(self._words, self._used_words + words)

    def _pack_words(self) -> None:
        """Close the gaps of removed names."""
        live = np.flatnonzero(self._places[: self._rows] >= 0)
        places = self._places[live]
        counts = ((places & _LENGTH_MASK) + 7) // 8
        ends = np.cumsum(counts)
        starts = ends - counts
        total = int(ends[-1]) if len(ends) else 0
        sources = np.repeat((places >> _LENGTH_BITS) - starts, counts) + np.arange(total)
        self._words[:total] = self._words[sources]
        self._places[live] = starts << _LENGTH_BITS | (places & _LENGTH_MASK)
        self._used_words, self._spare_words = total, 0

    def _crowded(self) -> bool:
        return _OF * (len(self) + self._gone) > _FULL * len(self._slots)

    def _build_slots(self) -> None:
        size = 1 << max(8, (2 * len(self)).bit_length())
        self._slots = slots = zeros((size,), np.dtype(np.int32))
        self._gone = 0
        slots.fill(_EMPTY)
        view = _overlapping(self._words.view(np.uint8))
        for first in range(0, self._rows, _BUILT_AT_ONCE):
            places = self._places[first : min(first + _BUILT_AT_ONCE, self._rows)]
            named = np.flatnonzero(places >= 0)
            places = places[named]
            hashes = _words_of((places >> _LENGTH_BITS) * 8, places & _LENGTH_MASK, view)[1]
            _insert(slots, named + first, hashes)


def _insert(slots: NDArray[np.int32], rows: IntArray, hashes: Words) -> None:
    mask = len(slots) - 1
    wanted, steps = _ways(hashes, mask)
    while len(rows):
        room = slots[wanted] == _EMPTY
        slots[wanted[room]] = rows[room]  # of several, the last stays
        left = slots[wanted] != rows
        rows, steps = rows[left], steps[left]
        wanted = (wanted[left] + steps) & mask


def _ways(hashes: Words, mask: int) -> tuple[IntArray, IntArray]:
    """Where to look for a name first, and how to go on from there: each its own way, so that no crowds form."""
    return (hashes & np.uint64(mask)).astype(np.int64), (hashes >> np.uint64(_STEP_SHIFT) | np.uint64(1)).astype(
        np.int64
    )


def _hash(data: bytes) -> int:
    """As :func:`_words_of` does it, for one name."""
    mixed = _SEED * len(data) & _BITS
    for at in range(0, len(data), 8):
        mixed = (mixed ^ int.from_bytes(data[at : at + 8], "little")) * _FACTOR & _BITS
        mixed ^= mixed >> 29
    return mixed


def _words_of(starts: IntArray, lengths: IntArray, view: Words) -> tuple[_NthWords, Words]:
    """The names' words and hashes; ``view[n]``: the word that begins at byte n."""
    hashes = lengths.astype(np.uint64) * np.uint64(_SEED)
    words: _NthWords = []
    shortest, longest = (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)
    for at in range(0, longest, 8):
        if at < shortest:
            values = view[starts + at] if at else view[starts]
            if shortest < at + 8:
                values &= _KEEP[np.minimum(lengths - at, 8)]
            words.append((None, values))
            hashes ^= values
            hashes *= np.uint64(_FACTOR)
            hashes ^= hashes >> np.uint64(29)
        else:
            which = np.flatnonzero(lengths > at)
            values = view[starts[which] + at] & _KEEP[np.minimum(lengths[which] - at, 8)]
            words.append((which, values))
            mixed = (hashes[which] ^ values) * np.uint64(_FACTOR)
            hashes[which] = mixed ^ (mixed >> np.uint64(29))
    return words, hashes


def _chosen(words: _NthWords, chosen: IntArray, names: int) -> _NthWords:
    """Only the chosen names, numbered anew."""
    out: _NthWords = []
    for which, values in words:
        if which is None:
            out.append((None, values[chosen]))
            continue
        place = np.full(names, -1, dtype=np.int64)
        place[which] = np.arange(len(which))
        place = place[chosen]
        kept = np.flatnonzero(place >= 0)
        out.append((kept, values[place[kept]]))
    return out


def _bytes_of(names: pa.ChunkedArray | pa.Array) -> tuple[IntArray, IntArray, Words]:
    """(start, length) in bytes of each name, and the word that begins at each byte."""
    array = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    if array.type != pa.string():
        array = array.cast(pa.string())
    count = len(array)
    if not count:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), _overlapping(np.zeros(8, dtype=np.uint8))
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + count + 1].astype(np.int64)
    first, last = int(ends[0]), int(ends[-1])
    text = np.zeros(last - first + 8, dtype=np.uint8)  # a whole word can be read from every byte
    if last > first:
        text[:-8] = np.frombuffer(data, dtype=np.uint8)[first:last]
    return ends[:-1] - first, np.diff(ends), _overlapping(text)


def _overlapping(text: NDArray[np.uint8]) -> Words:
    if len(text) < _WORD.itemsize:  # no name at all
        text = np.zeros(_WORD.itemsize, dtype=np.uint8)
    return np.ndarray((len(text) - 7,), dtype=_WORD, buffer=text.data, strides=(1,))
