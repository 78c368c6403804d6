"""Places in the log as the ``id:`` of a message: opaque to clients, compact, and good in every API process.

A position says for every partition of the alerts topic below which offset everything has been given. It holds no
authority: what a client may see is decided by its key each time. Text: base64url of a version, a mark of the log, the
number of partitions, the offsets as varints, and a CRC-32, so that a cut or altered text is never taken for another
place.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

Offsets = tuple[int, ...]
MAX_CHARS = 12_288  # 1,024 partitions with offsets of 48 bits
PATTERN = r"^[A-Za-z0-9_-]*$"
_VERSION = 1
_HEAD_BYTES, _CRC_BYTES = 5, 4
_LARGEST = 1 << 63


class PositionError(ValueError):
    """The text is no position."""


def mark_of(identity: str) -> int:
    """What tells a log from others, in 32 bits."""
    return zlib.crc32(identity.encode())


def encode(mark: int, offsets: Sequence[int]) -> str:
    """The text of a position; ``mark`` names the log that it is of."""
    out = bytearray((_VERSION, *mark.to_bytes(4, "big")))
    for number in (len(offsets), *offsets):
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    out += zlib.crc32(out).to_bytes(_CRC_BYTES, "big")
    return base64.urlsafe_b64encode(out).rstrip(b"=").decode()


def decode(text: str) -> tuple[int, Offsets]:
    """Mark and offsets. :raises PositionError: it was not made by :func:`encode`, or was changed since."""
    if len(text) > MAX_CHARS:
        raise PositionError("too long")
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise PositionError("not base64url") from None
    body, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if len(body) <= _HEAD_BYTES or body[0] != _VERSION or zlib.crc32(body).to_bytes(_CRC_BYTES, "big") != crc:
        raise PositionError("not a position")
    numbers = _varints(body[_HEAD_BYTES:])
    if not numbers or numbers[0] != len(numbers) - 1:
        raise PositionError("not a position")
    return int.from_bytes(body[1:_HEAD_BYTES], "big"), tuple(numbers[1:])


def _varints(raw: bytes) -> list[int]:
    numbers: list[int] = []
    number, shift = 0, 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        if number >= _LARGEST:
            raise PositionError("an offset is too large")
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(number)
            number, shift = 0, 0
    if shift:
        raise PositionError("cut short")
    return numbers
