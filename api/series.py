"""A metric over whole windows as an answer: for its own route, and for the live stream."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Response

from api.dependencies import ApiContext
from api.models.common import fresh
from api.models.metrics import MetricSeriesOut, PointOut, SeriesOut
from api.parameters import too_many_points, windows
from api.problems import Refusal
from projections.queries.ports import MetricQuery, TooManyPointsError
from projections.queries.windows import Windows
from schemas.metrics import BY_NAME, Metric


def declared_metric(name: str) -> Metric:
    if metric := BY_NAME.get(name):
        return metric
    nearest = difflib.get_close_matches(name, list(BY_NAME), 3, 0.5)
    zh = f"没有指标 {name}" + (f";相近:{'、'.join(nearest)}" if nearest else "")
    en = f"no metric {name}" + (f"; near: {', '.join(nearest)}" if nearest else "")
    raise Refusal("unknown-metric", zh, en, extensions={"nearest": nearest})


def meaning(metric: Metric) -> dict[str, Any]:
    """What its figures are, in the catalogue and beside them."""
    return {
        "title_zh": metric.title_zh,
        "title_en": metric.title_en,
        "unit": metric.unit,
        "aggregate": metric.aggregate,
        "gap": metric.gap,
    }


async def answer_series(
    context: ApiContext,
    scope: str,
    declared: Metric,
    asked: Windows,
    span: tuple[str | None, str | None],
    by: str | None,
    only: Sequence[str],
) -> Response:
    """From the cache, or worked out. ``span``: from and to as they were written. :raises Refusal: too many points."""

    def build() -> MetricSeriesOut:
        freshness = context.freshness.of_metric(declared)
        query = MetricQuery(
            declared, scope, asked, by, tuple(only), context.deps.site_timezone, context.deps.limits.points
        )
        try:
            series = context.deps.queries.metric(query)
        except TooManyPointsError as fault:
            raise too_many_points(asked, fault.limit, fault.series) from None
        return MetricSeriesOut(
            **fresh(freshness, asked.zone),
            metric=declared.name,
            **meaning(declared),
            scope=scope,
            grain=asked.grain,
            timezone=asked.zone.key,
            by=by,
            from_time=asked.start.astimezone(asked.zone),
            to_time=asked.end.astimezone(asked.zone),
            series=[
                SeriesOut(
                    key=one.key,
                    points=[
                        PointOut(window_start=point.window_start.astimezone(asked.zone), value=point.value)
                        for point in one.points
                    ],
                )
                for one in series
            ],
        )

    # As it was written: "the last hour" is the same question a minute later, or all dashboards would miss at once.
    parameters = (declared.name, *span, asked.grain, by, frozenset(only), asked.zone.key)
    return await context.answering.answer("metric", scope, parameters, build)


async def recent_minutes(context: ApiContext, scope: str, name: str) -> bytes:
    """The last two minutes and the one that is not over, as JSON."""
    zone = ZoneInfo(context.deps.site_timezone)
    span = ("-2m", None)
    asked = windows(context.deps.now(), *span, "minute", zone, context.deps.limits.points)
    return bytes((await answer_series(context, scope, declared_metric(name), asked, span, None, ())).body)
