"""Metrics over time, put together from rollups without loss.

Counts and sums add, means are sums over counts, energy means are energies over counts, distinct counts merge their
states. Days of the site's zone come from the daily rollup, other zones' days from hours (or minutes, where the zone's
offset is no whole hour).

The rollup brings hours and days up to date less often than minutes. Windows that it has touched since are put together
from the finer rollup here (:mod:`projections.queries.touched`), so every grain is as fresh as the minutes. Days count
late events, hours and minutes do not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from projections.queries.ports import MetricQuery, Point, Series, TooManyPointsError
from projections.queries.running import (
    SCOPE_RULE,
    Runner,
    from_epoch_ms,
    numbered_starts,
    scope_parameters,
    window_number_sql,
    window_parameters,
)
from projections.queries.touched import BETWEEN_DAYS, BETWEEN_HOURS, IN_SPAN, Touched, touched
from projections.queries.windows import Grain
from projections.tables import EVENT_TABLES
from schemas.catalogue import BY_NAME
from schemas.metrics import Aggregate, Metric
from schemas.topics import topic_of

VALUE_SQL: dict[Aggregate, str] = {
    "count": "toFloat64(sum(count))",
    "sum": "sum(sum)",
    "mean": "sum(sum) / sum(count)",
    "min": "min(min)",
    "max": "max(max)",
    "energy_mean": "10 * log10(sum(energy_sum) / sum(count))",
    "uniq": "toFloat64(uniqMerge(uniq_state))",
}

ROLLED_UP_SQL = """SELECT written.number AS number, done.done_to AS rolled_up
FROM (SELECT DISTINCT partition AS number FROM projection_progress WHERE topic = {topic:String}) AS written
LEFT JOIN (
    SELECT partition AS number, done_to FROM rollup_progress FINAL WHERE step = 'minute' AND source = {source:String}
) AS done ON written.number = done.number
ORDER BY number"""


def series(runner: Runner, query: MetricQuery) -> list[Series]:
    """See :meth:`projections.queries.ports.QueryPort.metric`."""
    starts = numbered_starts(query.windows)
    grain, parameters = _rollup(query), _parameters(query)
    finer = touched(runner, grain, parameters)
    source, parameters = _source(query, grain, finer), parameters | finer.parameters()
    rows = runner.rows(
        f"SELECT {_key_sql(query)} AS key, {window_number_sql(query.windows, 'window_start')} AS number, "
        f"{VALUE_SQL[query.metric.aggregate]} AS value\n{source}\nGROUP BY key, number\nORDER BY key, number\n"
        "LIMIT {max_rows:UInt64}",
        parameters | {"max_rows": max(query.max_points, len(starts)) + 1},
    )
    if query.by is not None:
        _check_points(runner, query, source, parameters, rows, len(starts))
    return _filled(query, starts, rows)


def _filled(query: MetricQuery, starts: dict[int, datetime], rows: list[dict[str, Any]]) -> list[Series]:
    gap = 0.0 if query.metric.gap == "zero" else None
    values: dict[str, dict[int, float]] = {} if query.by is not None else {"": {}}
    for row in rows:
        values.setdefault(row["key"], {})[row["number"]] = row["value"]
    return [
        Series(
            key if query.by is not None else None,
            tuple(Point(start, of_key.get(number, gap)) for number, start in starts.items()),
        )
        for key, of_key in values.items()
    ]


def _check_points(
    runner: Runner,
    query: MetricQuery,
    source: str,
    parameters: dict[str, Any],
    rows: list[dict[str, Any]],
    windows: int,
) -> None:
    """:raises TooManyPointsError: the answer would have more points than allowed."""
    keys = len({row["key"] for row in rows})
    if len(rows) > query.max_points:  # and may have been cut: how many it would be has to be asked
        keys = runner.rows(f"SELECT uniqExact({_key_sql(query)}) AS keys\n{source}", parameters)[0]["keys"]
    if keys * windows > query.max_points:
        raise TooManyPointsError(keys, windows, query.max_points)


def _source(query: MetricQuery, grain: Grain, finer: Touched) -> str:
    """The rows to put together, as a FROM clause."""
    if grain == "minute":
        selects = [_rows("metrics_minute")]
    elif grain == "hour":
        selects = _hours(finer)
    else:
        selects = [_rows("metrics_day", *_unless(finer.days, finer.in_days)), *_touched_days(finer)]
    if query.windows.grain == "day" and grain != "day":
        selects.append(_rows("metrics_late"))  # days of any zone count late events
    only = f"\nWHERE has({{only:Array(String)}}, {_key_sql(query)})" if query.only else ""
    return "FROM (\n" + "\nUNION ALL\n".join(selects) + f"\n){only}"


def _hours(finer: Touched) -> list[str]:
    selects = [_rows("metrics_hour", *_unless(finer.hours, finer.in_hours))]
    if finer.hours:
        selects.append(_rows("metrics_minute", BETWEEN_HOURS, finer.in_hours))
    return selects


def _touched_days(finer: Touched) -> list[str]:
    if not finer.days:
        return []
    hours = _rows("metrics_hour", BETWEEN_DAYS, finer.in_days, *_unless(finer.hours, finer.in_hours))
    selects = [hours, _rows("metrics_late", BETWEEN_DAYS, finer.in_days)]
    if finer.hours:
        selects.append(_rows("metrics_minute", BETWEEN_HOURS, finer.in_hours, finer.in_days))
    return selects


def _unless(windows: tuple[int, ...], condition: str) -> list[str]:
    return [f"NOT {condition}"] if windows else []


def _rows(table: str, *conditions: str) -> str:
    rules = "\n  AND ".join(("metric = {metric:String}", IN_SPAN, SCOPE_RULE, *conditions))
    return (
        "SELECT scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state\n"
        f"FROM {table} FINAL\nWHERE {rules}"
    )


def _rollup(query: MetricQuery) -> Grain:
    """The coarsest rollup that the windows can be put together from."""
    windows = query.windows
    if windows.grain == "minute" or not windows.whole_hours():
        return "minute"
    return "day" if windows.grain == "day" and windows.zone.key == query.site_timezone else "hour"


def _key_sql(query: MetricQuery) -> str:
    if query.by is None:
        return "''"
    if query.by == "scope":
        return "arrayStringConcat(arraySlice(splitByChar('/', toString(scope)), 1, {depth:UInt8}), '/')"
    return f"dim_{query.metric.dimensions.index(query.by) + 1}"


def _parameters(query: MetricQuery) -> dict[str, Any]:
    depth = query.scope.count("/") + 2 if query.scope else 1
    own = {"metric": query.metric.name, "depth": depth, "only": list(query.only)}
    return own | scope_parameters(query.scope) | window_parameters(query.windows)


def first_not_rolled_up(runner: Runner, metric: Metric) -> datetime | None:
    """See :meth:`projections.queries.ports.QueryPort.first_not_rolled_up`."""
    table = EVENT_TABLES[metric.type_name].name
    done = runner.rows(ROLLED_UP_SQL, {"source": table, "topic": topic_of(BY_NAME[metric.type_name].family)})
    offsets = [row["rolled_up"] for row in done] or [0]
    row = runner.rows(
        # the second condition is the exact one; the first lets the by_offset index skip what is long done
        f"SELECT count() AS rows, toUnixTimestamp64Milli(min(recorded_time)) AS first_ms FROM {table}\n"
        "WHERE log_offset >= {least:UInt64}\n"
        "  AND log_offset >= transform(log_partition, {partitions:Array(UInt32)}, {offsets:Array(UInt64)}, 0)",
        {"partitions": [row["number"] for row in done] or [0], "offsets": offsets, "least": min(offsets)},
    )[0]
    return from_epoch_ms(row["first_ms"]) if row["rows"] else None
