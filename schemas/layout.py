"""How a record is written: the bytes between its values, and the values' places in records written alike.

A :class:`Layout` is read off one record by JSON's own rules: keys, commas, colons and braces are its *runs*, what
stands between two runs is a value. Guarantees: where :meth:`Layout.find` says that a record is of a layout, every run
stands there byte for byte and the values fill the gaps, so the record is the same JSON with other values, provided that
its texts hold no quote (they can't: a text ends at the next one), no backslash and no control character (see
:func:`readable`) and that each bare value is a number or literal (the reader of the value checks that).
Nothing is known of more than flat objects: whatever has an array, a null or a further object in it has no layout.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.records import IntArray
from schemas.vectors import BoolArray, ByteArray

_LONGEST_RUN = 512
_QUOTE, _BACKSLASH, _FIRST_PRINTABLE = ord('"'), ord("\\"), 0x20
_MAX_MEMBERS = 64
_BEGIN = re.compile(rb"\{")
_MEMBER = re.compile(rb' *"([^"]*)" *: *(?:"([^"]*)"|([-+.0-9A-Za-z]+)) *(,)?')
_DATA_OPENS = re.compile(rb' *"data" *: *\{')
_RECORD_CLOSES = re.compile(rb" *\} *\}\Z")


class Content:
    """The bytes of many records, one after the other, and where their quotes are."""

    def __init__(self, values: Sequence[bytes]) -> None:
        size = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
        self.stop: IntArray = np.cumsum(size)
        self.start: IntArray = self.stop - size
        padding = b'"'.ljust(_LONGEST_RUN + 8, b"\0")  # a last quote; and a run may be looked for at any place
        self.data = b"".join((*values, padding))
        self.size = len(self.data) - len(padding)
        self.buffer = pa.py_buffer(self.data)
        self._letters: ByteArray = np.frombuffer(self.data, dtype=np.uint8, count=self.size + 1)

    @cached_property
    def _quotes(self) -> IntArray:
        """Where the quotes are; the last one stands behind all records."""
        return np.flatnonzero(self._letters == _QUOTE)

    @cached_property
    def first_quote(self) -> IntArray:
        """The number of each record's first quote."""
        return np.searchsorted(self._quotes, self.start)

    @cached_property
    def readable(self) -> BoolArray:
        """Which records are UTF-8 without backslashes and control characters."""
        ok = self._is_utf8()
        if self.size and (self._letters.min() < _FIRST_PRINTABLE or b"\\" in self.data):
            odd = np.flatnonzero((self._letters < _FIRST_PRINTABLE) | (self._letters == _BACKSLASH))
            ok[np.searchsorted(self.stop, odd, side="right")] = False
        return ok

    def _is_utf8(self) -> BoolArray:
        if is_utf8(self.data):
            return np.ones(len(self.start), dtype=np.bool_)
        return np.array([is_utf8(self.record(row)) for row in range(len(self.start))], dtype=np.bool_)

    def record(self, row: int) -> bytes:
        return self.data[self.start[row] : self.stop[row]]

    def quote(self, number: IntArray) -> IntArray:
        """The place of the quote with that number; beyond the last one, the last one's."""
        return self._quotes[np.minimum(number, len(self._quotes) - 1)]

    def windows(self, at: IntArray, words: int) -> npt.NDArray[np.uint64]:
        """So many words of eight bytes from each of the places; beyond the end anything may be in them."""
        windows = np.ndarray((self.size + 1,), dtype=f"V{8 * words}", buffer=self.data, strides=(1,))
        found = windows[np.clip(at, 0, self.size)]
        return found.view(np.uint64).reshape((*at.shape, words))


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8. By Arrow: Python decodes what is not ASCII fifty times slower."""
    if content.isascii():
        return True
    ends = pa.py_buffer(np.array([0, len(content)], dtype=np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(content)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Found:
    """The records of a layout among those looked at: parallel to these. Places mean nothing where ``ok`` is false."""

    ok: BoolArray
    start: IntArray  # of each value: one row per record, one column per name
    stop: IntArray
    after: IntArray  # where the last run ends, and the number of the next quote there
    quote: IntArray


class Layout:
    """``runs[i]`` stands before the value ``names[i]``; the last one after all. A text's quotes belong to the runs."""

    def __init__(self, names: tuple[str, ...], is_text: tuple[bool, ...], runs: tuple[bytes, ...]) -> None:
        self.names = names
        self.is_text = is_text
        quotes = np.array([run.count(b'"') for run in runs], dtype=np.int64)
        self._lengths = np.array([len(run) for run in runs], dtype=np.int64)
        self._quotes = int(quotes.sum())
        self._quotes_before = np.cumsum(quotes) - quotes
        self._first_quote = np.array([run.find(b'"') for run in runs], dtype=np.int64)  # within the run
        self._bare = [number for number, text in enumerate(is_text) if not text]
        self._words = -(-int(self._lengths.max()) // 8)
        size = 8 * self._words
        self._wanted = _words([run.ljust(size, b"\0") for run in runs])
        self._mask = _words([(b"\xff" * len(run)).ljust(size, b"\0") for run in runs])

    def find(self, content: Content, at: IntArray, quote: IntArray, end: IntArray | None = None) -> Found:
        """Those that begin at the given places (``quote``: number of the first quote from there) and stop at ``end``.

        Without ``end`` the last value must be a text. A run is looked for where its first quote would have to be.
        """
        run_at = content.quote(quote[:, None] + self._quotes_before) - self._first_quote
        run_at[:, 0] = at
        if end is not None and len(self.names) and self._first_quote[-1] < 0:
            run_at[:, -1] = end - self._lengths[-1]
        run_end = run_at + self._lengths
        start, stop = run_end[:, :-1], run_at[:, 1:]
        strange = content.windows(run_at, self._words)
        strange ^= self._wanted
        strange &= self._mask
        ok: BoolArray = np.asarray(~strange.any(axis=(1, 2)))
        for bare in self._bare:  # a text ends at the next quote, which can't come before it
            ok &= start[:, bare] < stop[:, bare]
        after = run_end[:, -1]
        if end is not None:
            ok &= after == end
        return Found(ok, start, stop, after, quote + self._quotes)


def _words(texts: list[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(texts), dtype=np.uint64).reshape(len(texts), -1)


@lru_cache(maxsize=4096)
def _layout_of(names: tuple[str, ...], is_text: tuple[bool, ...], runs: tuple[bytes, ...]) -> Layout:
    """The same few layouts are met again and again."""
    return Layout(names, is_text, runs)


def envelope_layout(record: bytes) -> Layout | None:
    """The layout of a record as far as the brace that opens its ``data``, which must be its last attribute."""
    begin = _BEGIN.match(record)
    return None if begin is None else _layout(record, begin.end(), _DATA_OPENS, comma_before_last=True)


def data_layout(rest: bytes) -> Layout | None:
    """The layout of what follows that brace, to the record's end."""
    return _layout(rest, 0, _RECORD_CLOSES, comma_before_last=False)


def _layout(text: bytes, at: int, last: re.Pattern[bytes], comma_before_last: bool) -> Layout | None:
    """Members, parted by commas, as far as ``last``; None when that is not how it reads, or a key is there twice."""
    names: list[str] = []
    is_text: list[bool] = []
    runs: list[bytes] = []
    run_start, may_go_on = 0, True
    while (end := last.match(text, at)) is None or (names and may_go_on != comma_before_last):
        member = _MEMBER.match(text, at) if may_go_on and len(names) < _MAX_MEMBERS else None
        if member is None or (name := member[1].decode()) in names:
            return None
        value = 3 if member[2] is None else 2
        names.append(name)
        is_text.append(value == 2)
        runs.append(text[run_start : member.start(value)])
        run_start, may_go_on = member.end(value), member[4] is not None
        at = member.end()
    runs.append(text[run_start : end.end()])
    return None if max(map(len, runs)) > _LONGEST_RUN else _layout_of(tuple(names), tuple(is_text), tuple(runs))
