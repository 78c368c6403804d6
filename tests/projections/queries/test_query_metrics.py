"""Metrics put together from rollups, on the real store."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from projections.queries.clickhouse import ClickHouseQueries
from projections.queries.ports import MetricQuery, Series, TooManyPointsError
from projections.queries.windows import Grain, Windows
from projections.rollup import RollupWorker
from schemas.metrics import BY_NAME

A, B = "wuhu/jinghu/tingtang/jianyang", "wuhu/yijiang/zhongshan/tieqiao"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
pytestmark = pytest.mark.usefixtures("seeded")


def ask(
    queries: ClickHouseQueries,
    metric: str,
    scope: str = A,
    grain: Grain = "hour",
    hours: float = 3,
    by: str | None = None,
    only: tuple[str, ...] = (),
    zone: ZoneInfo = SHANGHAI,
    max_points: int = 10_000,
) -> list[Series]:
    windows = Windows.covering(grain, zone, NOON - timedelta(hours=hours), NOON)
    return queries.metric(MetricQuery(BY_NAME[metric], scope, windows, by, only, "Asia/Shanghai", max_points))


def values(series: Series) -> list[float | None]:
    return [None if point.value is None else round(point.value, 6) for point in series.points]


def energy_mean(*levels_db: float) -> float:
    return round(10 * math.log10(sum(10 ** (level / 10) for level in levels_db) / len(levels_db)), 6)


def test_energy_means_are_of_energies_and_gaps_are_null(queries: ClickHouseQueries) -> None:
    (series,) = ask(queries, "noise_laeq")
    assert values(series) == [None, energy_mean(50.0, 60.0), 70.0]
    assert [point.window_start for point in series.points] == [NOON + timedelta(hours=h) for h in (-3, -2, -1)]


def test_a_day_and_a_wider_scope_combine_energies_not_levels(queries: ClickHouseQueries) -> None:
    (day,) = ask(queries, "noise_laeq", grain="day")
    assert values(day) == [energy_mean(50.0, 60.0, 70.0)]
    (both,) = ask(queries, "noise_laeq", scope="wuhu", grain="day")
    assert values(both) == values(day)


def test_counts_add_and_gaps_are_zero(queries: ClickHouseQueries) -> None:
    (one,) = ask(queries, "persons_passed")
    (two,) = ask(queries, "persons_passed", scope="")
    assert values(one) == [0.0, 2.0, 1.0]
    assert values(two) == [0.0, 4.0, 2.0]


def test_distinct_counts_merge_and_do_not_add(queries: ClickHouseQueries) -> None:
    (hours,) = ask(queries, "online_sessions")
    (day,) = ask(queries, "online_sessions", grain="day", hours=31)
    assert values(hours) == [0.0, 1.0, 1.0]
    assert values(day) == [1.0, 2.0]  # s1 seen on both days, and twice on one of them


def test_split_by_dimension_and_only_some(queries: ClickHouseQueries) -> None:
    split = ask(queries, "persons_passed", by="direction")
    assert {series.key: values(series) for series in split} == {"in": [0.0, 2.0, 0.0], "out": [0.0, 0.0, 1.0]}
    assert [series.key for series in ask(queries, "persons_passed", by="direction", only=("out",))] == ["out"]


def test_split_by_scope_goes_one_level_down(queries: ClickHouseQueries) -> None:
    assert [series.key for series in ask(queries, "persons_passed", scope="", by="scope")] == ["wuhu"]
    split = ask(queries, "persons_passed", scope="wuhu", by="scope")
    assert [series.key for series in split] == ["wuhu/jinghu", "wuhu/yijiang"]


def test_days_of_another_zone_come_from_hours(queries: ClickHouseQueries) -> None:
    (series,) = ask(queries, "online_sessions", grain="day", hours=31, zone=ZoneInfo("UTC"))
    assert [point.window_start.hour for point in series.points] == [0, 0, 0]
    assert values(series) == [1.0, 1.0, 2.0]


def test_hours_of_a_half_hour_zone_come_from_minutes(queries: ClickHouseQueries) -> None:
    (series,) = ask(queries, "persons_passed", hours=2, zone=ZoneInfo("Asia/Kolkata"))
    assert {point.window_start.minute for point in series.points} == {30}
    assert sum(value or 0.0 for value in values(series)) == 3.0


def test_every_grain_gives_the_same_total(queries: ClickHouseQueries) -> None:
    grains: tuple[Grain, ...] = ("minute", "hour", "day")
    totals = {grain: sum(v or 0.0 for v in values(ask(queries, "passages", grain=grain)[0])) for grain in grains}
    assert totals == {"minute": 4.0, "hour": 4.0, "day": 4.0}


def test_too_many_points_are_refused(queries: ClickHouseQueries) -> None:
    with pytest.raises(TooManyPointsError) as caught:
        ask(queries, "persons_passed", by="direction", max_points=5)
    assert (caught.value.series, caught.value.windows) == (2, 3)


def test_a_neighbour_with_a_like_name_is_not_below(queries: ClickHouseQueries) -> None:
    (series,) = ask(queries, "persons_passed", scope="wuhu/jing")
    assert values(series) == [0.0, 0.0, 0.0]


def test_hours_and_days_are_as_fresh_as_minutes(
    queries: ClickHouseQueries, insert: object, rollup: RollupWorker
) -> None:
    later = "wuhu/later/x/y/g1"
    at = NOON - timedelta(minutes=5)

    def seen(grain: Grain) -> float:
        return sum(value or 0.0 for value in values(ask(queries, "patrols", scope=later, grain=grain)[0]))

    assert callable(insert)
    insert("positions.patrol", later, at, member="m", place="p")
    rollup.catch_up()
    insert("positions.patrol", later, at, member="m", place="p")
    assert queries.first_not_rolled_up(BY_NAME["patrols"]) == at + timedelta(seconds=1)
    rollup.run_once()  # minutes only: hours and days follow later
    assert queries.first_not_rolled_up(BY_NAME["patrols"]) is None
    assert [seen("minute"), seen("hour"), seen("day")] == [2.0, 2.0, 2.0]
