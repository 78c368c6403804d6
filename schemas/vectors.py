"""Checks over whole columns: each returns which rows are *certainly* right, as a boolean mask.

A check may doubt what is right (the strict path decides then), never the other way round. Lengths are bounded by
bytes, which are never fewer than characters; so long texts beyond ASCII may be doubted. Null rows come out true: who
must not be null is checked apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import IntArray
from schemas.times import MAX_TIME_MS, MIN_TIME_MS

BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]
Check = Callable[[pa.Array], BoolArray]


def byte_set(allowed: Iterable[int]) -> BoolArray:
    """A table of 256 entries that says which bytes are allowed."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(allowed)] = True
    return table


def text_parts(texts: pa.Array) -> tuple[IntArray, ByteArray]:
    """Offsets (rows + 1) and bytes of a string array, without copying the bytes."""
    _, offsets, content = texts.buffers()
    if len(texts) == 0 or offsets is None:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    at = np.frombuffer(offsets, dtype=np.int32, count=texts.offset + len(texts) + 1)[texts.offset :]
    data = np.frombuffer(content, dtype=np.uint8) if content is not None else np.zeros(0, dtype=np.uint8)
    return at.astype(np.int64), data


def joined(arrays: Sequence[pa.Array]) -> pa.Array:
    """Arrays one after the other; not copied when there is only one."""
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)


def is_valid(array: pa.Array) -> BoolArray:
    """Which rows are not null."""
    if array.null_count == 0:
        return np.ones(len(array), dtype=np.bool_)
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def made_of(allowed: BoolArray) -> Check:
    """Texts that hold only allowed bytes."""
    allowed_bytes = bytes(np.flatnonzero(allowed).tolist())

    def check(texts: pa.Array) -> BoolArray:
        at, data = text_parts(texts)
        content = data[at[0] : at[-1]]
        if not content.tobytes().translate(None, allowed_bytes):
            return np.ones(len(texts), dtype=np.bool_)
        faults = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(~allowed[content])))
        at = at - at[0]
        return np.asarray(faults[at[1:]] == faults[at[:-1]])

    return check


def control_free(texts: pa.Array) -> BoolArray:
    """Texts without control characters (of ASCII)."""
    at, data = text_parts(texts)
    content = data[at[0] : at[-1]]
    if len(content) == 0 or (content.min() >= _FIRST_PRINTABLE and not (content == _DELETE).any()):
        return np.ones(len(texts), dtype=np.bool_)
    return _of_printables(texts)


def texts_of(
    minimum: int, maximum: int | None, allowed: BoolArray | None = None, first: BoolArray | None = None
) -> Check:
    """Texts of ``minimum`` to ``maximum`` characters, all of allowed bytes, the first byte one of ``first``.

    A minimum beyond 1 needs ``allowed`` to be ASCII.
    """
    made_of_allowed = None if allowed is None else made_of(allowed)

    def check(texts: pa.Array) -> BoolArray:
        at, data = text_parts(texts)
        begin = at[:-1]
        size = at[1:] - begin
        ok: BoolArray = size >= minimum
        if maximum is not None:
            ok &= size <= maximum
        if made_of_allowed is not None:
            ok &= made_of_allowed(texts)
        if first is not None:
            ok &= size > 0
            if at[-1]:
                ok &= first[data[np.minimum(begin, at[-1] - 1)]]
        return ok if texts.null_count == 0 else ok | ~is_valid(texts)

    return check


_FIRST_PRINTABLE, _DELETE = 0x20, 0x7F
_of_printables = made_of(byte_set({*range(_FIRST_PRINTABLE, 256)} - {_DELETE}))


def constant(expected: str) -> Check:
    """Texts that all read the same."""
    needle = expected.encode()

    def check(texts: pa.Array) -> BoolArray:
        at, data = text_parts(texts)
        has_size = bool((at[1:] - at[:-1] == len(needle)).all())
        if texts.null_count == 0 and has_size and data[at[0] : at[-1]].tobytes() == needle * len(texts):
            return np.ones(len(texts), dtype=np.bool_)
        return _mask(pc.equal(texts, expected))

    return check


_FEW = 128  # in Python sooner than Arrow's functions begin


def one_of(values: Iterable[str]) -> Check:
    """Texts out of a fixed set."""
    known = frozenset(values)
    allowed = pa.array(sorted(known), type=pa.string())

    def check(texts: pa.Array) -> BoolArray:
        if len(texts) < _FEW and texts.null_count == 0 and known.issuperset(texts.to_pylist()):
            return np.ones(len(texts), dtype=np.bool_)
        return _mask(pc.is_in(texts, value_set=allowed, skip_nulls=True)) | ~is_valid(texts)

    return check


def matches_often(pattern: re.Pattern[str]) -> Check:
    """Texts that match a pattern as a whole; for columns with few different values."""

    def check(texts: pa.Array) -> BoolArray:
        encoded = texts.dictionary_encode()
        good = [text is not None and pattern.fullmatch(text) is not None for text in encoded.dictionary.to_pylist()]
        index = encoded.indices.fill_null(len(good)).to_numpy(zero_copy_only=False)
        return np.asarray(np.asarray([*good, True], dtype=np.bool_)[index], dtype=np.bool_)

    return check


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """The numbers of a float or int column, not copied; what stands at null rows is not said."""
    kind = np.float64 if pa.types.is_floating(array.type) else np.int64
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.zeros(len(array), dtype=kind)
    return np.frombuffer(buffer, dtype=kind, count=array.offset + len(array))[array.offset :]


@cache  # so that equal ones are the same, and one call does for all columns of a kind
def within(
    *, ge: float | None = None, gt: float | None = None, le: float | None = None, lt: float | None = None
) -> Check:
    """Finite numbers within bounds."""

    def check(array: pa.Array) -> BoolArray:
        value = numbers(array)
        ok: BoolArray = np.isfinite(value)
        if ge is not None:
            ok &= value >= ge
        if gt is not None:
            ok &= value > gt
        if le is not None:
            ok &= value <= le
        if lt is not None:
            ok &= value < lt
        return ok if array.null_count == 0 else ok | ~is_valid(array)

    return check


def _mask(answers: pa.Array) -> BoolArray:
    filled = answers.fill_null(False) if answers.null_count else answers
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.bool_)


# -- times ------------------------------------------------------------------------------------------------------------

_ZERO, _NINE, _Z = ord("0"), ord("9"), ord("Z")
_LITERALS = ((4, ord("-")), (7, ord("-")), (10, ord("T")), (13, ord(":")), (16, ord(":")))
_DIGITS = [i for i in range(19) if i not in {place for place, _ in _LITERALS}]
_LONGEST_TIME = 35
_CANONICAL = b"0000-00-00T00:00:00.000Z"
_CANONICAL_TYPE = pa.timestamp("ms", "UTC")


def times_ms(texts: pa.Array) -> tuple[IntArray, BoolArray]:
    """RFC 3339 texts as epoch milliseconds, and which of them are certain (null rows and leap seconds are not)."""
    at, data = text_parts(texts)
    size = at[1:] - at[:-1]
    result = np.zeros(len(size), dtype=np.int64)
    certain = np.zeros(len(size), dtype=np.bool_)
    rows = _canonical(at, size, data)
    if len(rows):
        try:
            found = (texts if len(rows) == len(texts) else texts.take(pa.array(rows))).cast(_CANONICAL_TYPE)
        except pa.ArrowInvalid:  # one of them does not exist: which one is found below
            pass
        else:
            result[rows] = time_ms = found.view(pa.int64()).to_numpy()
            certain[rows] = (time_ms >= MIN_TIME_MS) & (time_ms <= MAX_TIME_MS)
            size[rows] = 0
    plausible = (size >= 20) & (size <= _LONGEST_TIME)
    if not plausible.any():
        return result, certain
    zulu = np.zeros(len(size), dtype=np.bool_)
    zulu[plausible] = data[at[1:][plausible] - 1] == _Z
    for length in np.unique(size[plausible]):
        for is_zulu in (True, False):
            rows = np.flatnonzero(plausible & (size == length) & (zulu == is_zulu))
            fraction = int(length) - 20 - (0 if is_zulu else 5)  # the point and its digits
            if len(rows) and fraction in (0, 2, 3, 4, 5, 6, 7, 8, 9, 10):
                letters = data[at[rows][:, None] + np.arange(length)]
                result[rows], certain[rows] = _times_of_one_shape(letters, fraction, is_zulu)
    return result, certain


def _canonical(at: IntArray, size: IntArray, data: ByteArray) -> IntArray:
    """Texts of the canonical shape, UTC with milliseconds: what Arrow's conversion then takes is RFC 3339."""
    rows = np.flatnonzero(size == len(_CANONICAL))
    if len(rows) == 0:
        return rows
    windows = np.ndarray((len(data) - len(_CANONICAL) + 1,), f"V{len(_CANONICAL)}", data, strides=(1,))
    letters = windows[at[:-1][rows]].view(np.uint8).reshape(len(rows), len(_CANONICAL))
    ok: BoolArray = np.ones(len(rows), dtype=np.bool_)
    for place, literal in enumerate(_CANONICAL):
        if literal != _ZERO:
            ok &= letters[:, place] == literal
    return rows if ok.all() else rows[ok]


def _times_of_one_shape(letters: ByteArray, fraction: int, is_zulu: bool) -> tuple[IntArray, BoolArray]:
    """Times of equal length, one per row of ``letters``."""
    ok: BoolArray = np.ones(len(letters), dtype=np.bool_)
    for place, literal in _LITERALS:
        ok &= letters[:, place] == literal
    digit_places = list(_DIGITS)
    if fraction:
        ok &= letters[:, 19] == ord(".")
        digit_places += range(20, 19 + fraction)
    end = 19 + fraction
    offset_min: IntArray | int = 0
    if not is_zulu:
        sign = letters[:, end]
        ok &= ((sign == ord("+")) | (sign == ord("-"))) & (letters[:, end + 3] == ord(":"))
        digit_places += [end + 1, end + 2, end + 4, end + 5]
    digits = letters[:, digit_places]
    ok &= ((digits >= _ZERO) & (digits <= _NINE)).all(axis=1)
    value = letters.astype(np.int64) - _ZERO

    def number(start: int, stop: int) -> IntArray:
        total = np.zeros(len(letters), dtype=np.int64)
        for place in range(start, stop):
            total = total * 10 + value[:, place]
        return total

    if not is_zulu:
        offset_h, rest_min = number(end + 1, end + 3), number(end + 4, end + 6)
        ok &= (offset_h <= 23) & (rest_min <= 59)
        offset_min = (offset_h * 60 + rest_min) * np.where(sign == ord("-"), -1, 1)
    day_ms, real = _midnight_ms(number(0, 4), number(5, 7), number(8, 10))
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    ok &= real & (hour <= 23) & (minute <= 59) & (second <= 59)
    shown = min(max(fraction - 1, 0), 3)
    thousandths = number(20, 20 + shown) * 10 ** (3 - shown) if shown else 0
    time_ms: IntArray = day_ms + (hour * 60 + minute - offset_min) * 60_000 + second * 1000 + thousandths
    return time_ms, ok & (time_ms >= MIN_TIME_MS) & (time_ms <= MAX_TIME_MS)


def _midnight_ms(year: IntArray, month: IntArray, day: IntArray) -> tuple[IntArray, BoolArray]:
    """Epoch milliseconds of days at 00:00 UTC, and which of the days exist."""
    months = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month, 1, 12) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    real = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= following - first)
    return (first + day - 1) * 86_400_000, real
