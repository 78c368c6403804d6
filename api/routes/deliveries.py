"""``/v1/subscriptions/{subscription}/deliveries`` and ``/redeliver``: what came of telling, and telling again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from api.cursors import decode_time_and_id, encode_time_and_id, fingerprint
from api.dependencies import ApiContext, Context
from api.json_bodies import BODY_PROBLEMS, JsonBodyRoute
from api.models.common import fields_in_zone, fresh
from api.models.deliveries import DeliveriesOut, DeliveryOut, RedeliverIn, RedeliveryOut
from api.openapi import DELIVERIES, REDELIVERY, answered
from api.parameters import CursorParam, FromParam, LimitParam, ToParam, Zone, open_span, parse_time
from api.problems import Refusal, documented, wrong_parameter
from api.routes.subscriptions import SubscriptionParam, refusals, registrar_of
from api.security import Operator
from projections.queries.delivery_ports import DeliveryQuery
from schemas.families.deliveries import DeliveryOutcome
from streams.webhooks.subscriptions import Subscription

router = APIRouter(tags=["subscriptions"], route_class=JsonBodyRoute)
What = Literal["one", "failed", "span"]
OutcomeParam = Annotated[DeliveryOutcome | None, Query(description="结果 what came of it")]


@router.get(
    "/v1/subscriptions/{subscription}/deliveries",
    response_model=DeliveriesOut,
    summary="推送记录 Attempts to deliver to a subscription",
    description="按尝试时间倒序;from 与 to 限定尝试时间。\n\nNewest first; `from` and `to` bound the attempt.",
    responses=answered(200, DELIVERIES)
    | documented(
        "unauthorized", "role-not-allowed", "not-found", "invalid-parameter", "invalid-cursor", "log-unavailable",
        "store-unavailable", "query-timeout", *BODY_PROBLEMS,
    ),
)  # fmt: skip
async def list_deliveries(
    context: Context,
    principal: Operator,
    zone: Zone,
    subscription: SubscriptionParam,
    outcome: OutcomeParam = None,
    from_text: FromParam = None,
    to_text: ToParam = None,
    limit: LimitParam = 100,
    cursor: CursorParam = None,
) -> DeliveriesOut:
    from_time, to_time = open_span(context.deps.now(), from_text, to_text)
    filters = fingerprint("deliveries", subscription, outcome, from_text, to_text)
    before = decode_time_and_id(filters, cursor)
    with refusals():
        known = await run_in_threadpool(registrar_of(context).get, principal, subscription)
    scope = known.state.subscription_scope

    def build() -> DeliveriesOut:
        freshness = context.freshness.now()
        query = DeliveryQuery(scope, subscription, outcome, from_time, to_time, before, limit + 1)
        rows = context.deps.queries.deliveries(query)
        page, more = rows[:limit], len(rows) > limit
        return DeliveriesOut(
            **fresh(freshness, zone),
            subscription=subscription,
            timezone=zone.key,
            deliveries=[DeliveryOut(**fields_in_zone(row, zone)) for row in page],
            next_cursor=encode_time_and_id(filters, page[-1].attempted_time, page[-1].attempt_id) if more else None,
        )

    return await run_in_threadpool(build)


@router.post(
    "/v1/subscriptions/{subscription}/redeliver",
    status_code=202,
    response_model=RedeliveryOut,
    summary="重新推送 Deliver again: one, all that were abandoned, or a span of time",
    description=(
        "webhook-id 不变,接收端可据此去重。\n\nThe webhook-id stays the same, so receivers can tell what they have."
    ),
    responses=answered(202, REDELIVERY)
    | documented(
        "unauthorized", "role-not-allowed", "not-found", "invalid-parameter", "not-now", "log-unavailable",
        "store-unavailable", "query-timeout", *BODY_PROBLEMS,
    ),
)  # fmt: skip
async def redeliver(
    context: Context, principal: Operator, subscription: SubscriptionParam, wanted: RedeliverIn
) -> RedeliveryOut:
    registrar = registrar_of(context)
    with refusals():
        known = await run_in_threadpool(registrar.get, principal, subscription)
    what = _what(wanted)
    alert_event: str | None = None
    span_ms: tuple[int, int] | None = None
    if what == "one":
        alert_event, span_ms = await run_in_threadpool(_one, context, known, wanted.event_id or "")
    elif what == "span":
        span_ms = _span(context, wanted)
    with refusals():
        order = await run_in_threadpool(registrar.redeliver, principal, subscription, what, alert_event, span_ms)
    return RedeliveryOut(subscription=subscription, redelivery=order, what=what)


def _what(wanted: RedeliverIn) -> What:
    """:raises ProblemError: not exactly one is wanted."""
    chosen: list[What] = []
    if wanted.event_id is not None:
        chosen.append("one")
    if wanted.failed:
        chosen.append("failed")
    if wanted.from_ is not None or wanted.to is not None:
        chosen.append("span")
    if len(chosen) != 1 or (chosen == ["span"] and wanted.from_ is None):
        raise wrong_parameter(
            "body",
            '须三选一:{"event_id": …}、{"failed": true} 或 {"from": …, "to": …}',
            'give exactly one of {"event_id": …}, {"failed": true} and {"from": …, "to": …}',
        )
    return chosen[0]


def _one(context: ApiContext, known: Subscription, name: str) -> tuple[str, tuple[int, int]]:
    step = context.deps.queries.deliverable(known.state.subscription_scope, known.subscription, name)
    if step is None:
        raise Refusal(
            "not-found",
            f"此订阅没有消息 {name},其范围内也没有这一告警步骤",
            f"this subscription has no message {name}, and its scope no such alert step",
        )
    recorded_ms = round(step.recorded_time.timestamp() * 1000.0)
    return step.alert_event, (recorded_ms, recorded_ms + 1)


def _span(context: ApiContext, wanted: RedeliverIn) -> tuple[int, int]:
    now = context.deps.now()
    from_time = parse_time(wanted.from_ or "", now, "body.from")
    to_time = parse_time(wanted.to, now, "body.to") if wanted.to else now
    if from_time >= to_time:
        raise wrong_parameter("body.from", "from 须早于 to", "from must lie before to")
    return round(from_time.timestamp() * 1000.0), round(to_time.timestamp() * 1000.0)
