"""RFC 3339 times to epoch milliseconds and back, exactly; no float and no host time zone is involved.

Accepted: ``YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)``, ``t`` and ``z`` too; finer than a millisecond is cut off.
A leap second (``:60`` at 23:59 UTC) is the last millisecond of its minute. Range: 1900 to 2299, what ClickHouse's
``DateTime64`` holds. Source: RFC 3339, section 5.6.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from schemas.reasons import Reason

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
MIN_TIME_MS = (datetime(1900, 1, 1, tzinfo=UTC) - EPOCH) // _MS
MAX_TIME_MS = (datetime(2300, 1, 1, tzinfo=UTC) - EPOCH) // _MS - 1

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:)([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))?"
)


class TimeError(ValueError):
    """A text that is no usable time; ``reason`` says whether only the offset is missing."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def parse_rfc3339_ms(text: str) -> int:
    """Epoch milliseconds. :raises TimeError: not RFC 3339, without offset, or out of range."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise TimeError(Reason.invalid_time, "time is not RFC 3339, e.g. 2026-05-01T08:00:00.000+08:00")
    day, clock, second, fraction, zulu, sign, offset_h, offset_min = match.groups()
    if zulu is None and sign is None:
        raise TimeError(Reason.naive_time, "time has no UTC offset; append Z or e.g. +08:00")
    leap = second == "60"
    try:
        local = datetime.fromisoformat(f"{day}T{clock}{'59' if leap else second}+00:00")
    except ValueError as error:
        raise TimeError(Reason.invalid_time, f"time does not exist: {error}") from None
    offset_ms = 0
    if sign is not None:
        if int(offset_h) > 23 or int(offset_min) > 59:
            raise TimeError(Reason.invalid_time, "time has an impossible UTC offset")
        offset_ms = (int(offset_h) * 60 + int(offset_min)) * 60_000 * (-1 if sign == "-" else 1)
    whole_ms = (local - EPOCH) // _MS - offset_ms
    if leap and whole_ms % 86_400_000 != 86_399_000:
        raise TimeError(Reason.invalid_time, "a leap second is only possible at 23:59:60 UTC")
    time_ms = whole_ms + (999 if leap else int((fraction or "0").ljust(3, "0")[:3]))
    if not MIN_TIME_MS <= time_ms <= MAX_TIME_MS:
        raise TimeError(Reason.invalid_time, "time lies outside the years 1900 to 2299")
    return time_ms


def rfc3339(time_ms: int) -> str:
    """The canonical text of a time: UTC, milliseconds, ``Z``."""
    return (EPOCH + time_ms * _MS).isoformat(timespec="milliseconds")[:-6] + "Z"
