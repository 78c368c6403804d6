"""``/v1/alerts/times``: how long people took, per grid and kind, from the alert log and the cases alerts became."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.dependencies import Context
from api.models.common import fresh
from api.models.life_cycle import AlertTimesAnswer, TimesOut
from api.openapi import ALERT_TIMES, answered
from api.parameters import FromParam, ToParam, Zone, span
from api.problems import documented
from api.routes.alerts import DetectorParam, RuleParam
from api.security import ReaderScope
from projections.queries.life_cycle_ports import AlertTimesQuery, TimesBy

router = APIRouter(tags=["alerts"])
MAX_ROWS = 1_000
_DEFAULT_SPAN_S = 30 * 86_400.0
ByParam = Annotated[TimesBy, Query(description="按网格、按类型(检测器与规则)或两者 what to tell apart")]


@router.get(
    "/v1/alerts/times",
    response_model=AlertTimesAnswer,
    summary="处置用时 Times to acknowledge, act, resolve and close",
    description=(
        "统计 from 至 to 之间触发的告警,默认 30 天。确认、处置、关闭自告知起算;解除按事件时间。\n\n"
        "Of the alerts opened between `from` and `to`, by default 30 days. Times to acknowledge, act and close begin "
        "when the alert was first said; an alert that became a grid case is closed when the case is."
    ),
    responses=answered(200, ALERT_TIMES)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", "store-unavailable",
        "query-timeout",
    ),
)  # fmt: skip
async def get_alert_times(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    by: ByParam = "grid_and_kind",
    detector: DetectorParam = None,
    rule: RuleParam = None,
    from_text: FromParam = None,
    to_text: ToParam = None,
) -> Response:
    from_time, to_time = span(context.deps.now(), from_text, to_text, _DEFAULT_SPAN_S)
    query = AlertTimesQuery(scope, by, detector, rule, from_time, to_time, MAX_ROWS + 1)

    def build() -> AlertTimesAnswer:
        freshness = context.freshness.now()
        rows = context.deps.queries.alert_times(query)
        return AlertTimesAnswer(
            **fresh(freshness, zone),
            timezone=zone.key,
            scope=scope,
            by=by,
            from_time=from_time.astimezone(zone),
            to_time=to_time.astimezone(zone),
            times=[TimesOut.model_validate(asdict(row)) for row in rows[:MAX_ROWS]],
            cut=len(rows) > MAX_ROWS,
        )

    asked = (by, detector, rule, from_text, to_text, zone.key)
    return await context.answering.answer("alert_times", scope, asked, build)
