"""Opaque cursors: the key of the last row seen, bound to the list and the filters that it belongs to.

A cursor holds no authority: every page filters by the principal's scope again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from api.problems import Refusal

MAX_CURSOR_CHARS = 1024
_REFUSAL = Refusal(
    "invalid-cursor", "请从第一页重新开始,筛选条件须与上一页一致", "start from the first page, with the same filters"
)


def fingerprint(*filters: object) -> str:
    """What the filters of a list come to; a cursor is good for the same ones only."""
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:16]


def encode(filters: str, key: Sequence[str | int]) -> str:
    text = orjson.dumps([filters, *key])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_time_and_id(filters: str, cursor: str | None) -> tuple[datetime, str] | None:
    """The key of a list by time: epoch milliseconds and an id."""
    key = _decode(filters, cursor)
    if key is None:
        return None
    match key:
        case [int(time_ms), str(row_id)] if 0 <= time_ms < 1 << 43 and not isinstance(time_ms, bool):
            return datetime.fromtimestamp(time_ms / 1000.0, UTC), row_id
    raise _REFUSAL


def decode_two_names(filters: str, cursor: str | None) -> tuple[str, str] | None:
    """The key of a list by two names."""
    key = _decode(filters, cursor)
    if key is None:
        return None
    match key:
        case [str(first), str(second)]:
            return first, second
    raise _REFUSAL


def encode_time_and_id(filters: str, at: datetime, row_id: str) -> str:
    return encode(filters, (round(at.timestamp() * 1000.0), row_id))


def _decode(filters: str, cursor: str | None) -> list[object] | None:
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        value = orjson.loads(base64.urlsafe_b64decode(padded))
    except ValueError:  # not ASCII, not base64, not JSON
        raise _REFUSAL from None
    if not isinstance(value, list) or not value or value[0] != filters:
        raise _REFUSAL
    return value[1:]
