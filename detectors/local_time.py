"""Hours and days of the site's own clock, from epoch milliseconds.

The offset is looked up once per UTC hour, so asking costs a few additions. In zones with summer time an hour may
come twice or not at all; China has had none since 1991.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from schemas.records import IntArray

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MINUTE_MS = 60_000
_FIRST_HOUR, _LAST_HOUR = -500_000, 2_000_000  # 1912 to 2198: beyond, the offset stays as it was there
_MONDAY_SHIFT = 3  # 1970-01-01 was a Thursday


class LocalClock:
    """Reads of one time zone; keeps the last offset looked up, which changes no answer."""

    __slots__ = ("_offset_ms", "_utc_hour", "name", "zone")

    def __init__(self, name: str) -> None:
        """:raises zoneinfo.ZoneInfoNotFoundError: no such zone."""
        self.name = name
        self.zone = ZoneInfo(name)
        self._utc_hour = -1
        self._offset_ms = 0

    def local_ms(self, time_ms: int) -> int:
        """Milliseconds of the local wall clock since 1970-01-01 00:00 local."""
        utc_hour = time_ms // HOUR_MS
        if utc_hour != self._utc_hour:
            hour = min(max(utc_hour, _FIRST_HOUR), _LAST_HOUR)
            offset = datetime.fromtimestamp(hour * 3600, UTC).astimezone(self.zone).utcoffset()
            self._offset_ms = 0 if offset is None else int(offset.total_seconds() * 1000)
            self._utc_hour = utc_hour
        return time_ms + self._offset_ms

    def local_ms_of(self, times_ms: IntArray) -> IntArray:
        """:meth:`local_ms` of many."""
        if not len(times_ms):
            return times_ms
        hours = times_ms // HOUR_MS
        if hours[0] == hours[-1] and (hours == hours[0]).all():
            first = int(times_ms[0])
            return times_ms + (self.local_ms(first) - first)
        distinct, which = np.unique(hours, return_inverse=True)
        starts = (distinct * HOUR_MS).tolist()
        offsets = np.array([self.local_ms(start) - start for start in starts], dtype=np.int64)
        return np.asarray(times_ms + offsets[which], dtype=np.int64)

    def hour_index(self, time_ms: int) -> int:
        """Local hours since 1970-01-01 00:00 local; ``% 24`` is the hour, ``// 24`` the day."""
        return self.local_ms(time_ms) // HOUR_MS

    def hhmm(self, time_ms: int) -> str:
        """Local time of day for people, e.g. ``03:05``."""
        minutes = self.local_ms(time_ms) % DAY_MS // MINUTE_MS
        return f"{minutes // 60:02d}:{minutes % 60:02d}"


def is_weekend(local_day: int) -> bool:
    """Saturday or Sunday, by local days since 1970-01-01."""
    return (local_day + _MONDAY_SHIFT) % 7 >= 5
