"""``/v1/subscriptions``: who is told of alerts, and where. For operators and admins, within their scope."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import ApiContext, Context
from api.json_bodies import BODY_PROBLEMS, JsonBodyRoute
from api.models.subscriptions import (
    PauseIn,
    PingOut,
    RotateIn,
    SubscriptionChange,
    SubscriptionIn,
    SubscriptionMade,
    SubscriptionOut,
    SubscriptionsOut,
)
from api.openapi import PING, SUBSCRIPTION, SUBSCRIPTION_MADE, SUBSCRIPTIONS, answered
from api.parameters import LimitParam, Zone
from api.problems import Kind, Refusal, documented, wrong_parameter
from api.security import Operator, allowed_scope
from schemas.families.subscriptions import SubscriptionKind
from streams.webhooks.addresses import AddressRefusedError, check_addresses
from streams.webhooks.filters import FilterError
from streams.webhooks.registrar import (
    ConflictError,
    NotActiveError,
    Registrar,
    TooManyError,
    UnknownSubscriptionError,
    Wish,
)
from streams.webhooks.subscriptions import Subscription

RESOLVE_TIMEOUT_S = 5.0
router = APIRouter(tags=["subscriptions"], route_class=JsonBodyRoute)
_ALWAYS: tuple[Kind, ...] = ("unauthorized", "role-not-allowed", "invalid-parameter", "log-unavailable", *BODY_PROBLEMS)
_ONE: tuple[Kind, ...] = (*_ALWAYS, "not-found")
NAME = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
SubscriptionParam = Annotated[str, Path(pattern=NAME, max_length=64, description="订阅 the subscription")]
AfterParam = Annotated[
    str | None,
    Query(alias="cursor", pattern=NAME, max_length=64, description="上一页的 next_cursor the last page's next_cursor"),
]


@router.post(
    "/v1/subscriptions",
    status_code=201,
    response_model=SubscriptionMade,
    summary="订阅告警 Subscribe to alerts",
    description=(
        "签名密钥只在此答复中出现一次。接收端示例见 docs/webhooks.md。\n\n"
        "The signing secret is shown in this answer and never again. Receivers: docs/webhooks.md."
    ),
    responses=answered(201, SUBSCRIPTION_MADE) | documented(*_ALWAYS, "scope-not-allowed", "conflict", "limit-reached"),
)
async def create_subscription(
    context: Context, principal: Operator, zone: Zone, wanted: SubscriptionIn
) -> SubscriptionMade:
    scope = allowed_scope(principal, wanted.scope)
    fields = wanted.model_dump(exclude={"kind", "scope"})
    with refusals():
        await _check_target(context, wanted.kind, wanted.url)
        made, secret = await run_in_threadpool(
            registrar_of(context).create, principal, wanted.kind, scope, Wish(**fields)
        )
    return SubscriptionMade(**_fields(made, zone), secret=secret if wanted.kind == "standard" else None)


@router.get(
    "/v1/subscriptions",
    response_model=SubscriptionsOut,
    summary="订阅列表 Subscriptions",
    description="密钥范围内的全部订阅,按编号。\n\nAll within the key's scope, by id.",
    responses=answered(200, SUBSCRIPTIONS) | documented(*_ALWAYS),
)
async def list_subscriptions(
    context: Context, principal: Operator, zone: Zone, limit: LimitParam = 100, cursor: AfterParam = None
) -> SubscriptionsOut:
    found = await run_in_threadpool(registrar_of(context).all, principal)
    rest = [each for each in found if cursor is None or each.subscription > cursor]
    return SubscriptionsOut(
        next_cursor=rest[limit - 1].subscription if len(rest) > limit else None,
        subscriptions=[SubscriptionOut(**_fields(each, zone)) for each in rest[:limit]],
    )


@router.get(
    "/v1/subscriptions/{subscription}",
    response_model=SubscriptionOut,
    summary="订阅详情 One subscription",
    responses=answered(200, SUBSCRIPTION) | documented(*_ONE),
)
async def get_subscription(
    context: Context, principal: Operator, zone: Zone, subscription: SubscriptionParam
) -> SubscriptionOut:
    with refusals():
        found = await run_in_threadpool(registrar_of(context).get, principal, subscription)
    return SubscriptionOut(**_fields(found, zone))


@router.patch(
    "/v1/subscriptions/{subscription}",
    response_model=SubscriptionOut,
    summary="修改订阅 Change a subscription: its URL, its filter, its note",
    responses=answered(200, SUBSCRIPTION) | documented(*_ONE, "conflict"),
)
async def change_subscription(
    context: Context, principal: Operator, zone: Zone, subscription: SubscriptionParam, wanted: SubscriptionChange
) -> SubscriptionOut:
    registrar = registrar_of(context)
    with refusals():
        if wanted.url is not None:
            known = await run_in_threadpool(registrar.get, principal, subscription)
            await _check_target(context, known.state.kind, wanted.url)
        changed = await run_in_threadpool(registrar.change, principal, subscription, Wish(**wanted.model_dump()))
    return SubscriptionOut(**_fields(changed, zone))


@router.post(
    "/v1/subscriptions/{subscription}/pause",
    response_model=SubscriptionOut,
    summary="暂停订阅 Pause a subscription",
    description="暂停期间的告警不补发。\n\nAlerts of that time are not delivered afterwards.",
    responses=answered(200, SUBSCRIPTION | {"status": "paused", "status_reason": "交接班 shift change"})
    | documented(*_ONE, "conflict"),
)
async def pause_subscription(
    context: Context,
    principal: Operator,
    zone: Zone,
    subscription: SubscriptionParam,
    wanted: PauseIn | None = None,
) -> SubscriptionOut:
    reason = wanted.reason if wanted else None
    with refusals():
        changed = await run_in_threadpool(
            registrar_of(context).set_status, principal, subscription, "paused", reason or None
        )
    return SubscriptionOut(**_fields(changed, zone))


@router.post(
    "/v1/subscriptions/{subscription}/resume",
    response_model=SubscriptionOut,
    summary="恢复订阅 Resume a subscription that was paused or disabled",
    responses=answered(200, SUBSCRIPTION) | documented(*_ONE, "conflict"),
)
async def resume_subscription(
    context: Context, principal: Operator, zone: Zone, subscription: SubscriptionParam
) -> SubscriptionOut:
    with refusals():
        changed = await run_in_threadpool(registrar_of(context).set_status, principal, subscription, "active")
    return SubscriptionOut(**_fields(changed, zone))


@router.post(
    "/v1/subscriptions/{subscription}/test",
    status_code=202,
    response_model=PingOut,
    summary="测试订阅 Send a test: a ping is delivered like an alert",
    description=(
        "暂停的订阅也会收到;已停用的须先恢复。\n\n"
        "A paused subscription gets it too; one that is disabled must be resumed first."
    ),
    responses=answered(202, PING) | documented(*_ONE, "not-now"),
)
async def send_test(
    context: Context, principal: Operator, response: Response, subscription: SubscriptionParam
) -> PingOut:
    with refusals():
        ping = await run_in_threadpool(registrar_of(context).ping, principal, subscription)
    return PingOut(subscription=subscription, ping=ping)


@router.post(
    "/v1/subscriptions/{subscription}/rotate-secret",
    response_model=SubscriptionMade,
    summary="更换签名密钥 A new signing secret",
    description=(
        "旧密钥在 overlap_s 内(默认 24 小时)继续签名:每次投递带两个签名。\n\n"
        "The old secret signs beside the new one for `overlap_s`, a day by default: each delivery has both signatures."
    ),
    responses=answered(200, SUBSCRIPTION_MADE) | documented(*_ONE, "conflict"),
)
async def rotate_secret(
    context: Context,
    principal: Operator,
    zone: Zone,
    subscription: SubscriptionParam,
    wanted: RotateIn | None = None,
) -> SubscriptionMade:
    overlap_s = (wanted or RotateIn()).overlap_s
    with refusals():
        changed, secret = await run_in_threadpool(
            registrar_of(context).rotate_secret, principal, subscription, overlap_s
        )
    return SubscriptionMade(**_fields(changed, zone), secret=secret)


@router.delete(
    "/v1/subscriptions/{subscription}",
    response_model=SubscriptionOut,
    summary="删除订阅 Delete a subscription, for ever",
    responses=answered(200, SUBSCRIPTION | {"status": "deleted"}) | documented(*_ONE, "conflict"),
)
async def delete_subscription(
    context: Context, principal: Operator, zone: Zone, subscription: SubscriptionParam
) -> SubscriptionOut:
    with refusals():
        changed = await run_in_threadpool(registrar_of(context).set_status, principal, subscription, "deleted")
    return SubscriptionOut(**_fields(changed, zone))


def registrar_of(context: ApiContext) -> Registrar:
    registrar = context.deps.subscriptions
    if registrar is None:
        raise Refusal("not-found", "此接口进程未启用订阅", "this API has no subscriptions")
    return registrar


async def _check_target(context: ApiContext, kind: SubscriptionKind, url: str) -> None:
    """Whether a URL may be delivered to, and is anywhere. :raises AddressRefusedError: it may not, or is not."""
    registrar, resolve = registrar_of(context), context.deps.resolve
    target = registrar.target(kind, url)
    if target is None or target.address is not None or resolve is None:
        return
    try:
        addresses = await asyncio.wait_for(resolve(target.host), RESOLVE_TIMEOUT_S)
    except (OSError, UnicodeError, TimeoutError):
        raise AddressRefusedError(
            f"域名 {target.host} 无法解析;请检查拼写与本机的 DNS",
            f"{target.host} can't be resolved; check its spelling, and this machine's DNS",
        ) from None
    check_addresses(addresses, registrar.rule)


@contextmanager
def refusals() -> Iterator[None]:
    """What the registrar refuses, as problems."""
    try:
        yield
    except FilterError as error:
        raise wrong_parameter(f"body.{error.field}", error.problem_zh, error.problem_en) from None
    except AddressRefusedError as error:
        raise wrong_parameter("body.url", error.problem_zh, error.problem_en) from None
    except UnknownSubscriptionError as error:
        raise Refusal("not-found", f"此范围内没有订阅 {error}", f"no subscription {error} in this scope") from None
    except NotActiveError:
        raise Refusal(
            "not-now", "订阅未启用,请先恢复(resume)", "the subscription is not active: resume it first"
        ) from None
    except ConflictError:
        raise Refusal(
            "conflict", "请重新读取后再改", "somebody changed it at the same time: read it again, then change it"
        ) from None
    except TooManyError as error:
        raise Refusal(
            "limit-reached",
            f"每个密钥最多 {error} 个订阅;请删除不用的",
            f"a key has at most {error} subscriptions; delete those that nobody needs",
        ) from None


def _fields(subscription: Subscription, zone: ZoneInfo) -> dict[str, Any]:
    state = subscription.state
    expires_ms = state.previous_secret_expires_time_ms
    same = state.model_dump(
        include={
            "subscription", "revision", "kind", "min_severity", "silenced", "status", "status_reason", "note", "key_id",
            "actor",
        }
    )  # fmt: skip
    return same | {
        "scope": state.subscription_scope,
        "url": state.shown_url,
        "detectors": _words(state.detectors),
        "rules": _words(state.rules),
        "steps": _words(state.steps),
        "sign_secret": state.sealed_sign_secret is not None,
        "previous_secret_expires_time": (
            None if expires_ms is None else datetime.fromtimestamp(expires_ms / 1000.0, UTC).astimezone(zone)
        ),
    }


def _words(words: str | None) -> list[str]:
    return words.split(",") if words else []
