"""JSON's numbers and literals out of texts: over whole columns, by RFC 8259's grammar and Arrow's exact conversion.

Each gives the values and which of them are certain; null rows stay null and are certain. Doubted although they are
JSON: exponents, ``-0`` and whatever has more than a few digits.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.vectors import BoolArray, byte_set, is_valid, made_of, text_parts

_LONGEST_FLOAT, _LONGEST_INTEGER = 32, 18  # the latter always fits 64 bits
_of_decimals = made_of(byte_set(b"-.0123456789"))
_of_digits = made_of(byte_set(b"-0123456789"))
_ZERO, _MINUS, _POINT = ord("0"), ord("-"), ord(".")


def floats(texts: pa.Array) -> tuple[pa.Array, BoolArray]:
    """Numbers, whole ones too."""
    return _converted(texts, _is_number(texts, _LONGEST_FLOAT) & _of_decimals(texts), pa.float64())


def integers(texts: pa.Array) -> tuple[pa.Array, BoolArray]:
    """Whole numbers without a fraction."""
    return _converted(texts, _is_number(texts, _LONGEST_INTEGER) & _of_digits(texts), pa.int64())


def booleans(texts: pa.Array) -> tuple[pa.Array, BoolArray]:
    """``true`` and ``false``."""
    is_true = pc.equal(texts, "true")
    return is_true, np.asarray(
        pc.or_(is_true, pc.equal(texts, "false")).fill_null(True).to_numpy(zero_copy_only=False), dtype=np.bool_
    )


def _is_number(texts: pa.Array, longest: int) -> BoolArray:
    """Which texts of digits, points and minus signs begin and end as a JSON number does."""
    at, data = text_parts(texts)
    if at[-1] == 0:
        return ~is_valid(texts)
    begin, size, last = at[:-1], at[1:] - at[:-1], len(data) - 1
    minus = data[np.minimum(begin, last)] == _MINUS
    lead_at = begin + minus
    lead = data[np.minimum(lead_at, last)] - _ZERO
    size_unsigned = size - minus
    follows_point = (data[np.minimum(lead_at + 1, last)] == _POINT) & (size_unsigned > 1)
    ok: BoolArray = (size_unsigned >= 1) & (size <= longest) & (lead <= 9) & (data[at[1:] - 1] - _ZERO <= 9)
    ok &= (lead != 0) | follows_point | ((size_unsigned == 1) & ~minus)
    return ok if texts.null_count == 0 else ok | ~is_valid(texts)


def _converted(texts: pa.Array, ok: BoolArray, kind: pa.DataType) -> tuple[pa.Array, BoolArray]:
    """Doubted ones become null. All are doubted where one can't be converted: ``1-2``, ``1.2.3``."""
    if not ok.all():
        texts = pc.if_else(pa.array(ok), texts, pa.scalar(None, pa.string()))
    try:
        return texts.cast(kind), ok
    except pa.ArrowInvalid:
        return pa.nulls(len(texts), kind), np.zeros(len(texts), dtype=np.bool_)
