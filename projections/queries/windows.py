"""Windows of time: minutes, hours or local days that cover a half-open span. Pure.

Minutes and hours have equal length and start on the local clock's full minute or hour at the span's start. Days begin
at local midnight, so one with a change to or from summer time has 23 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Grain = Literal["minute", "hour", "day"]
GRAIN_S: dict[Grain, int] = {"minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Windows:
    """The whole windows that overlap ``[start, end)``; ``start`` and ``end`` are window borders, aware UTC."""

    grain: Grain
    zone: ZoneInfo
    start: datetime
    end: datetime

    @staticmethod
    def covering(grain: Grain, zone: ZoneInfo, from_time: datetime, to_time: datetime) -> Windows:
        """Widen ``[from_time, to_time)`` to whole windows. :raises ValueError: the span is empty."""
        if from_time >= to_time:
            raise ValueError("from must lie before to")
        start = _floor(grain, zone, from_time)
        if grain == "day":
            end = _floor(grain, zone, to_time)
            return Windows(grain, zone, start, end if end >= to_time else _next_day(end, zone))
        step_s = GRAIN_S[grain]
        whole = -(-int((to_time - start) / timedelta(microseconds=1)) // (step_s * 1_000_000))
        return Windows(grain, zone, start, start + timedelta(seconds=whole * step_s))

    def starts(self) -> Iterator[datetime]:
        """The start of each window, rising."""
        step = timedelta(seconds=GRAIN_S[self.grain])
        at = self.start
        while at < self.end:
            yield at
            at = _next_day(at, self.zone) if self.grain == "day" else at + step

    def count(self) -> int:
        """How many windows there are (for days without counting them out: within one)."""
        span_s = (self.end - self.start).total_seconds()
        return max(1, round(span_s / GRAIN_S[self.grain]))

    def whole_hours(self) -> bool:
        """Whether every border lies on a full hour of UTC, so that hours can be put together to these windows."""
        return all(_offset_s(self.zone, at) % 3600 == 0 for at in (self.start, self.end, *self._samples()))

    def _samples(self) -> Iterator[datetime]:
        """Times a month apart: no zone's offset has changed for less than that since 1970."""
        at = self.start
        while at < self.end:
            yield at
            at += timedelta(days=28)


def _offset_s(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _floor(grain: Grain, zone: ZoneInfo, at: datetime) -> datetime:
    local = at.astimezone(zone)
    if grain == "day":
        return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
    past = timedelta(seconds=local.second, microseconds=local.microsecond)
    if grain == "hour":
        past += timedelta(minutes=local.minute)
    return at.astimezone(UTC) - past


def _next_day(start: datetime, zone: ZoneInfo) -> datetime:
    """The local midnight after the one at ``start``."""
    noon = start.astimezone(zone) + timedelta(hours=36)  # wall-clock arithmetic: within the next local day
    return noon.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
