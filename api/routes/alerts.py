"""``/v1/alerts``: alerts as they stand, and the steps of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.cursors import decode_time_and_id, encode_time_and_id, fingerprint
from api.dependencies import Context
from api.models.common import fields_in_zone, fresh
from api.models.life_cycle import AlertCaseOut, AlertTimesOut
from api.models.things import AlertAnswer, AlertOut, AlertsOut, AlertStepOut
from api.openapi import ALERT, ALERTS, answered
from api.parameters import CursorParam, FromParam, LimitParam, ToParam, Zone, open_span
from api.problems import Refusal, documented
from api.security import ReaderScope
from projections.queries.ports import AlertQuery, AlertState
from schemas.families.system import Severity

router = APIRouter(tags=["alerts"])
NAME = r"^[A-Za-z0-9_.-]+$"
StateParam = Annotated[AlertState | None, Query(description="未解除、已解除或已关闭 open, resolved or closed")]
DetectorParam = Annotated[
    str | None, Query(pattern=NAME, max_length=64, examples=["noise_limit"], description="检测器 who noticed it")
]
RuleParam = Annotated[str | None, Query(pattern=NAME, max_length=64, description="规则 which of its rules")]
SeverityParam = Annotated[Severity | None, Query(description="严重程度 how grave, now")]
SubjectParam = Annotated[str | None, Query(min_length=1, max_length=128, description="对象 what it is about")]
AlertParam = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=64, description="告警 the alert")]


@router.get(
    "/v1/alerts",
    response_model=AlertsOut,
    summary="告警列表 Alerts",
    description="按触发时间倒序;from 与 to 限定触发时间。\n\nNewest opening first; `from` and `to` bound the opening.",
    responses=answered(200, ALERTS)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", "invalid-cursor",
        "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
async def list_alerts(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    state: StateParam = None,
    detector: DetectorParam = None,
    rule: RuleParam = None,
    severity: SeverityParam = None,
    subject: SubjectParam = None,
    from_text: FromParam = None,
    to_text: ToParam = None,
    limit: LimitParam = 100,
    cursor: CursorParam = None,
) -> Response:
    from_time, to_time = open_span(context.deps.now(), from_text, to_text)
    # The span as it was written: "the last 24 hours" is the same question a moment later.
    asked = (state, detector, rule, severity, subject, from_text, to_text)
    filters = fingerprint("alerts", scope, *asked)
    before = decode_time_and_id(filters, cursor)
    query = AlertQuery(scope, state, detector, rule, severity, subject, from_time, to_time, before, limit + 1)

    def build() -> AlertsOut:
        freshness = context.freshness.now()
        rows = context.deps.queries.alerts(query)
        page = rows[:limit]
        more = len(rows) > limit
        return AlertsOut(
            **fresh(freshness, zone),
            timezone=zone.key,
            alerts=[AlertOut(**fields_in_zone(row, zone)) for row in page],
            next_cursor=encode_time_and_id(filters, page[-1].opened_time, page[-1].alert) if more else None,
        )

    return await context.answering.answer("alerts", scope, (*asked, before, limit, zone.key), build)


@router.get(
    "/v1/alerts/{alert}",
    response_model=AlertAnswer,
    summary="告警详情与过程 One alert with its steps",
    responses=answered(200, ALERT)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "not-found", "invalid-parameter", "store-unavailable",
        "query-timeout",
    ),
)  # fmt: skip
async def get_alert(context: Context, scope: ReaderScope, zone: Zone, alert: AlertParam) -> Response:
    def build() -> AlertAnswer:
        freshness = context.freshness.now()
        row = context.deps.queries.alert(scope, alert)
        if row is None:
            raise Refusal("not-found", f"此范围内没有告警 {alert}", f"no alert {alert} in this scope")
        steps = context.deps.queries.alert_steps(scope, alert)
        times = context.deps.queries.alert_times_of(row.scope, alert)
        cases = context.deps.queries.alert_cases(row.scope, alert, row.case)
        return AlertAnswer(
            **fresh(freshness, zone),
            timezone=zone.key,
            alert=AlertOut(**fields_in_zone(row, zone)),
            times=None if times is None else AlertTimesOut(**fields_in_zone(times, zone)),
            cases=[AlertCaseOut(**fields_in_zone(case, zone)) for case in cases],
            steps=[AlertStepOut(**fields_in_zone(step, zone)) for step in steps],
        )

    return await context.answering.answer("alert", scope, (alert, zone.key), build)
