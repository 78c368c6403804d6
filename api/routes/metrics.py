"""``/v1/metrics``: the catalogue, and any metric over time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.dependencies import Context
from api.models.common import fresh
from api.models.metrics import MetricOut, MetricSeriesOut, MetricsOut
from api.openapi import METRIC_SERIES, METRICS, answered
from api.parameters import FromParam, ToParam, Zone, windows
from api.problems import documented, wrong_parameter
from api.security import Reader, ReaderScope
from api.series import answer_series, declared_metric, meaning
from projections.queries.windows import Grain
from schemas.metrics import METRICS as CATALOGUE
from schemas.metrics import Metric

router = APIRouter(tags=["metrics"])
MAX_ONLY = 50
ByParam = Annotated[
    str | None,
    Query(
        pattern=r"^[a-z][a-z0-9_]{0,31}$", max_length=32, examples=["scope"],
        description="按指标的维度或下一级 scope 分列 split by one of the metric's dimensions, or scope: one level down",
    ),
]  # fmt: skip
OnlyParam = Annotated[
    list[Annotated[str, Query(min_length=1, max_length=200)]],
    Query(max_length=MAX_ONLY, description="仅这些 by 取值 only these values of by"),
]
GrainParam = Annotated[Grain, Query(description="窗口粒度 length of the windows")]
NameParam = Annotated[str, Path(min_length=1, max_length=64, examples=["noise_laeq"], description="指标名称 its name")]


@router.get(
    "/v1/metrics",
    response_model=MetricsOut,
    summary="指标目录 Catalogue of metrics",
    responses=answered(200, METRICS)
    | documented("unauthorized", "role-not-allowed", "invalid-parameter", "store-unavailable", "query-timeout"),
)
def list_metrics(context: Context, principal: Reader, zone: Zone) -> MetricsOut:
    return MetricsOut(**fresh(context.freshness.now(), zone), metrics=[_described(metric) for metric in CATALOGUE])


def _described(metric: Metric) -> MetricOut:
    return MetricOut(name=metric.name, **meaning(metric), dimensions=list(metric.dimensions))


@router.get(
    "/v1/metrics/{metric}",
    response_model=MetricSeriesOut,
    summary="指标时间序列 A metric over time",
    description=(
        "每个窗口一个点;无事件的窗口按指标声明补零或 null。from 与 to 向外扩到整窗口,故每个数都是整窗口的数。\n\n"
        "One point per window; windows without events are zero or null, as the metric declares. `from` and `to` are "
        "widened to whole windows, so that every figure is that of a whole window. Default: the last hour of minutes, "
        "day of hours, or 30 days."
    ),
    responses=answered(200, METRIC_SERIES)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "unknown-metric", "invalid-parameter",
        "too-many-points", "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
async def get_metric(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    metric: NameParam,
    from_text: FromParam = None,
    to_text: ToParam = None,
    grain: GrainParam = "hour",
    by: ByParam = None,
    only: OnlyParam = [],  # noqa: B006 - FastAPI copies defaults
) -> Response:
    declared = declared_metric(metric)
    _check_split(declared, by, only)
    asked = windows(context.deps.now(), from_text, to_text, grain, zone, context.deps.limits.points)
    return await answer_series(context, scope, declared, asked, (from_text, to_text), by, only)


def _check_split(metric: Metric, by: str | None, only: list[str]) -> None:
    allowed = ("scope", *metric.dimensions)
    if by is not None and by not in allowed:
        raise wrong_parameter("query.by", f"可用:{'、'.join(allowed)}", f"allowed: {', '.join(allowed)}")
    if only and by is None:
        raise wrong_parameter("query.only", "only 须与 by 同用", "only goes with by")
