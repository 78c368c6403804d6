"""Windows of time over changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.queries.windows import Grain, Windows

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-07-01", 24)])
def test_a_day_has_as_many_hours_as_its_clock_gives_it(day: str, hours: int) -> None:
    noon = datetime.fromisoformat(day + "T12:00").replace(tzinfo=BERLIN)
    (start,) = Windows.covering("day", BERLIN, noon, noon + timedelta(seconds=1)).starts()
    windows = Windows.covering("day", BERLIN, noon, noon + timedelta(seconds=1))
    assert windows.end - start == timedelta(hours=hours)
    inner = Windows.covering("hour", BERLIN, windows.start, windows.end)
    assert len(list(inner.starts())) == hours


def test_borders_are_kept_and_others_widened() -> None:
    exact = Windows.covering("hour", SHANGHAI, at("2026-03-01T08:00+08:00"), at("2026-03-01T10:00+08:00"))
    assert (exact.start, exact.end) == (at("2026-03-01T08:00+08:00"), at("2026-03-01T10:00+08:00"))
    wide = Windows.covering("hour", SHANGHAI, at("2026-03-01T08:00:00.001+08:00"), at("2026-03-01T10:00:00.001+08:00"))
    assert (wide.start, wide.end) == (at("2026-03-01T08:00+08:00"), at("2026-03-01T11:00+08:00"))


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(ValueError, match="before"):
        Windows.covering("hour", SHANGHAI, at("2026-03-01T08:00+08:00"), at("2026-03-01T08:00+08:00"))


def test_zones_with_half_hours_are_known_for_what_they_are() -> None:
    span = at("2026-03-01T08:00+08:00"), at("2026-03-03T08:00+08:00")
    assert Windows.covering("day", SHANGHAI, *span).whole_hours()
    assert not Windows.covering("day", ZoneInfo("Asia/Kolkata"), *span).whole_hours()


@given(
    grain=st.sampled_from(["minute", "hour", "day"]),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo"]),
    start=st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - made aware below
    seconds=st.integers(1, 400_000),
)
def test_windows_join_and_cover(grain: Grain, zone: str, start: datetime, seconds: int) -> None:
    from_time = start.replace(tzinfo=UTC)
    to_time = from_time + timedelta(seconds=seconds)
    windows = Windows.covering(grain, ZoneInfo(zone), from_time, to_time)
    starts = list(windows.starts())
    assert starts[0] == windows.start <= from_time < to_time <= windows.end
    assert starts == sorted(set(starts))
    assert starts[-1] < to_time  # the last window is needed
    assert len(starts) == 1 or starts[1] > from_time  # and so is the first
    assert abs(windows.count() - len(starts)) <= 1
