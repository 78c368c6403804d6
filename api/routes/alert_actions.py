"""``POST /v1/alerts/{alert}/…``: what people do about an alert, each a route of its own.

The answer 202 says that the action is durable in the log; the incident operator takes it up in the lane's order. An
action that would do nothing is refused here, as far as the alert's state is known; the operator has the last word.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends

from api.actions import IdempotencyKey, event_of, named_id, say, words_of
from api.dependencies import ApiContext, Context
from api.json_bodies import BODY_PROBLEMS, JsonBodyRoute
from api.models.life_cycle import ActionAnswer, AssignIn, CaseIn, CommentIn, VerdictIn, WhyIn
from api.openapi import ACTION, answered
from api.problems import Refusal, documented
from api.routes.alerts import AlertParam
from api.security import Operator
from projections.queries.ports import AlertRow
from schemas.families.civic import AlertAction
from schemas.rules import WEBHOOKS_DETECTOR
from streams.ports import Principal

router = APIRouter(tags=["alerts"], route_class=JsonBodyRoute)
Action = Literal["acknowledge", "assign", "comment", "resolve", "close", "verdict", "report_case"]
_NOTHING = WhyIn()


class Acting:
    """One request to act: who, on which alert, under which idempotency key."""

    def __init__(
        self, context: Context, principal: Operator, alert: AlertParam, idempotency_key: IdempotencyKey = None
    ) -> None:
        self._context: ApiContext = context
        self._principal: Principal = principal
        self._alert = alert
        self._idempotency_key = idempotency_key

    def take(self, action: Action, **said: Any) -> ActionAnswer:
        """Append the action at the alert's scope."""
        row = self._context.deps.queries.alert(self._principal.scope, self._alert)
        if row is None:
            raise Refusal(
                "not-found",
                f"此范围内没有告警 {self._alert};若刚触发,请稍后重试",
                f"no alert {self._alert} in this scope; if it was opened just now, try again in a second",
            )
        data = AlertAction(alert=row.alert, action=action, actor=self._principal.key_id, **said)
        event_id = named_id(self._principal, self._idempotency_key, words_of(data))
        event = event_of(self._context, data, event_id, row.scope)
        if not self._context.deps.ingest.knows(event) and (why := _why_not(row, action)):
            raise Refusal("not-now", *why)
        is_new = say(self._context, event, self._principal)
        return ActionAnswer(
            alert=row.alert, action=action, event_id=event_id, status="accepted" if is_new else "duplicate"
        )


def _why_not(row: AlertRow, action: Action) -> tuple[str, str] | None:
    """Why the action would do nothing, and what to do instead."""
    if row.detector == WEBHOOKS_DETECTOR:  # no lane has it: the delivery worker speaks for itself
        return (
            "此告警关于订阅推送,不在此处置;请检查接收地址,然后恢复、修改或删除订阅",
            "this alert is about a subscription: look at its address, then resume, change or delete it",
        )
    if action == "acknowledge" and row.acknowledged_by is not None:
        return (
            f"已由 {row.acknowledged_by} 确认;可说明或指派",
            f"{row.acknowledged_by} has acknowledged it: comment on it, or assign it",
        )
    if action in ("acknowledge", "resolve") and row.state != "open":
        return (
            "告警已解除;仍可说明、判定、上报或关闭",
            "the alert is over: comment on it, judge it, report it as a case or close it",
        )
    if action in ("assign", "close") and row.state == "closed":
        return "告警已关闭;仍可说明、判定或上报", "the alert is closed: comment on it, judge it or report it as a case"
    return None


Act = Annotated[Acting, Depends()]
_WHY = Annotated[WhyIn, Body()]


def _route(action: str, example: str) -> dict[str, Any]:
    """What the routes' declarations share."""
    return {
        "status_code": 202,
        "response_model": ActionAnswer,
        "description": "操作者是所用密钥;写入日志后答复 202。\n\nWho acts is the key. 202: it is durable in the log.",
        "responses": answered(202, ACTION | {"action": example})
        | documented(
            "unauthorized", "role-not-allowed", "not-found", "not-now", "invalid-parameter", *BODY_PROBLEMS,
            "log-unavailable", "store-unavailable", "query-timeout",
        ),
        "operation_id": f"alert_{action}",
    }  # fmt: skip


@router.post("/v1/alerts/{alert}/acknowledge", summary="确认 Acknowledge", **_route("acknowledge", "acknowledge"))
def acknowledge(act: Act, said: _WHY = _NOTHING) -> ActionAnswer:
    return act.take("acknowledge", comment=said.comment)


@router.post("/v1/alerts/{alert}/assign", summary="指派 Assign", **_route("assign", "assign"))
def assign(act: Act, said: AssignIn) -> ActionAnswer:
    return act.take("assign", assignee=said.assignee, comment=said.comment)


@router.post("/v1/alerts/{alert}/comment", summary="说明 Comment", **_route("comment", "comment"))
def comment(act: Act, said: CommentIn) -> ActionAnswer:
    return act.take("comment", comment=said.comment)


@router.post("/v1/alerts/{alert}/resolve", summary="手动解除 Resolve by hand", **_route("resolve", "resolve"))
def resolve(act: Act, said: _WHY = _NOTHING) -> ActionAnswer:
    return act.take("resolve", comment=said.comment)


@router.post("/v1/alerts/{alert}/close", summary="关闭 Close", **_route("close", "close"))
def close(act: Act, said: _WHY = _NOTHING) -> ActionAnswer:
    return act.take("close", comment=said.comment)


@router.post("/v1/alerts/{alert}/verdict", summary="判定 Give a verdict", **_route("verdict", "verdict"))
def verdict(act: Act, said: VerdictIn) -> ActionAnswer:
    return act.take("verdict", verdict=said.verdict, comment=said.comment)


@router.post("/v1/alerts/{alert}/case", summary="上报为网格事件 Report as a grid case", **_route("case", "report_case"))
def report_case(act: Act, said: CaseIn) -> ActionAnswer:
    return act.take("report_case", case=said.case, comment=said.comment)
