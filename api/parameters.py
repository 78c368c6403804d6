"""Parameters that several routes share: spans of time, time zones, page sizes.

Times are RFC 3339 with an offset, or relative to now: ``now``, ``-90s``, ``-15m``, ``-24h``, ``-7d``, ``-4w``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, Query

from api.dependencies import Context
from api.problems import Refusal, wrong_parameter
from projections.queries.windows import Grain, Windows

_RELATIVE = re.compile(r"-(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)  # out of range and yet a time, so that going back can't overflow
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
TIME_PATTERN = r"^(now|-[0-9]{1,6}[smhdw]|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{8,18}([Zz]|[+ -][0-9]{2}:[0-9]{2}))$"

FromParam = Annotated[
    str | None,
    Query(
        alias="from", pattern=TIME_PATTERN, max_length=40, examples=["-24h", "2026-03-01T00:00:00+08:00"],
        description="起始(含) from, inclusive: RFC 3339, or relative to now: -24h, -7d",
    ),
]  # fmt: skip
ToParam = Annotated[
    str | None,
    Query(
        alias="to", pattern=TIME_PATTERN, max_length=40, examples=["now", "2026-03-02T00:00:00+08:00"],
        description="结束(不含) to, exclusive: RFC 3339, or relative to now",
    ),
]  # fmt: skip
ZoneParam = Annotated[
    str | None,
    Query(
        alias="timezone", pattern=r"^[A-Za-z0-9_+/-]{1,64}$", max_length=64, examples=["Asia/Shanghai"],
        description="时区,IANA 名称;默认为站点时区 IANA name; default: the site's own",
    ),
]  # fmt: skip
LimitParam = Annotated[int, Query(alias="limit", ge=1, le=500, description="每页行数 rows per page")]
CursorParam = Annotated[
    str | None, Query(alias="cursor", max_length=1024, description="上一页的 next_cursor the last page's next_cursor")
]


def parse_time(text: str, now: datetime, parameter: str) -> datetime:
    """A time parameter as aware UTC."""
    if text == "now":
        return now
    if relative := _RELATIVE.fullmatch(text):
        back = timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        return _within(now - min(back, now - _LONG_AGO), parameter)
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", text)  # a + that was not percent-encoded arrives as a space
    if _RFC3339.fullmatch(text):
        try:
            return _within(datetime.fromisoformat(text.upper()).astimezone(UTC), parameter)
        except (ValueError, OverflowError):
            pass
    raise wrong_parameter(
        parameter,
        "须为带时区的 RFC 3339 时间,或 -24h、-7d 等相对时间",
        "must be an RFC 3339 time with an offset, or relative such as -24h or -7d",
    )


def _within(at: datetime, parameter: str) -> datetime:
    if _EARLIEST <= at < _LATEST:
        return at
    raise wrong_parameter(parameter, "须在 1970 至 2099 年之间", "must lie between the years 1970 and 2099")


def span(now: datetime, from_text: str | None, to_text: str | None, default_s: float) -> tuple[datetime, datetime]:
    """``[from, to)``; default: the last ``default_s`` before ``to``, which is now by default."""
    to_time = parse_time(to_text, now, "query.to") if to_text else now
    if from_text:
        from_time = parse_time(from_text, now, "query.from")
    else:
        from_time = max(_EARLIEST, to_time - timedelta(seconds=default_s))
    _require_rising(from_time, to_time)
    return from_time, to_time


def open_span(now: datetime, from_text: str | None, to_text: str | None) -> tuple[datetime | None, datetime | None]:
    """``[from, to)`` as far as it was given; ``None``: no bound."""
    from_time = parse_time(from_text, now, "query.from") if from_text else None
    to_time = parse_time(to_text, now, "query.to") if to_text else None
    if from_time and to_time:
        _require_rising(from_time, to_time)
    return from_time, to_time


def _require_rising(from_time: datetime, to_time: datetime) -> None:
    if from_time >= to_time:
        raise wrong_parameter("query.from", "from 须早于 to", "from must lie before to")


async def _zone(context: Context, name: ZoneParam = None) -> ZoneInfo:
    if name is None:
        return ZoneInfo(context.deps.site_timezone)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong_parameter(
            "query.timezone", "须为 IANA 时区名,例如 Asia/Shanghai", "must be an IANA name such as Asia/Shanghai"
        ) from None


Zone = Annotated[ZoneInfo, Depends(_zone)]
_COARSER: dict[Grain, tuple[Grain, ...]] = {"minute": ("hour", "day"), "hour": ("day",), "day": ()}
_DEFAULT_SPAN_S: dict[Grain, float] = {"minute": 3600.0, "hour": 86_400.0, "day": 30 * 86_400.0}


def windows(
    now: datetime, from_text: str | None, to_text: str | None, grain: Grain, zone: ZoneInfo, max_windows: int
) -> Windows:
    """The whole windows over ``[from, to)``; refused when more than ``max_windows``, naming the grain that fits."""
    from_time, to_time = span(now, from_text, to_text, _DEFAULT_SPAN_S[grain])
    asked = Windows.covering(grain, zone, from_time, to_time)
    if asked.count() > max_windows:
        raise too_many_points(asked, max_windows, 1)
    return asked


def too_many_points(asked: Windows, limit: int, series: int) -> Refusal:
    """Says which grain fits, or that none does."""
    for grain in _COARSER[asked.grain]:
        fitting = Windows.covering(grain, asked.zone, asked.start, asked.end)
        if fitting.count() * series <= limit:
            return Refusal(
                "too-many-points",
                f"最多 {limit} 个数据点;请改用 grain={grain}",
                f"at most {limit} points; take grain={grain}",
                extensions={"suggested_grain": grain, "limit": limit},
            )
    return Refusal(
        "too-many-points",
        f"最多 {limit} 个数据点;请缩短时间范围或缩小 scope",
        f"at most {limit} points; take a shorter span or a narrower scope",
        extensions={"limit": limit},
    )
