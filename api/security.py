"""Who may do what: keys from ``Authorization: Bearer`` or ``X-API-Key``, roles, scopes.

Roles are what a key's holder needs and no more. A *reader* (dashboards) queries. A *writer* (devices, gateways) sends
events: the key of a stolen gateway must neither read nor quieten alarms. An *operator* (people on duty) queries and
acts on alerts and silences, but sends no events: whoever acts can't make up what there is to act on. An *admin* does
all of it and sees dead letters.

Every route but health and readiness needs a key. A principal sees its own subtree and nothing beside it; what lies
elsewhere is answered as if it did not exist, except a scope asked for by name, which is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Query, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api.dependencies import Context
from api.problems import Refusal
from schemas.strict import SCOPE_PATTERN
from streams.ports import Principal, Role

MAX_KEY_CHARS = 256
_bearer = HTTPBearer(auto_error=False, scheme_name="bearerKey", description="gp_<key id>_<secret>")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="headerKey")


async def _presented(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> str:
    """The key as it was sent; empty when there is none. Nobody has looked whether it is good."""
    return (bearer.credentials if bearer else header) or ""


PresentedKey = Annotated[str, Depends(_presented)]


async def _principal(context: Context, presented: PresentedKey) -> Principal:
    if not presented:
        raise Refusal(
            "unauthorized",
            "请在 Authorization: Bearer 或 X-API-Key 中给出密钥",
            "send the key in Authorization: Bearer or X-API-Key",
        )
    principal = await context.keys.verify(presented) if len(presented) <= MAX_KEY_CHARS else None
    if principal is None:
        raise Refusal("unauthorized", "密钥未知、错误或已吊销", "the key is unknown, wrong or revoked")
    return principal


def _with_role(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    async def check(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        if principal.role not in roles:
            allowed = ", ".join(roles)
            raise Refusal("role-not-allowed", f"需要角色:{allowed}", f"needs one of the roles: {allowed}")
        return principal

    return check


AnyKey = Annotated[Principal, Depends(_principal)]
Reader = Annotated[Principal, Depends(_with_role("reader", "operator", "admin"))]
Writer = Annotated[Principal, Depends(_with_role("writer", "admin"))]
Operator = Annotated[Principal, Depends(_with_role("operator", "admin"))]
Admin = Annotated[Principal, Depends(_with_role("admin"))]


def allowed_scope(principal: Principal, wanted: str | None) -> str:
    """The scope to answer about: the wanted one if it is the principal's, else the principal's own."""
    if wanted is None:
        return principal.scope
    if not principal.covers(wanted):
        raise Refusal(
            "scope-not-allowed",
            f"允许的范围:{principal.scope} 及其下级",
            f"allowed: {principal.scope} and below",
            extensions={"allowed_scope": principal.scope},
        )
    return wanted


ScopeParam = Annotated[
    str | None,
    Query(
        alias="scope", pattern=f"^{SCOPE_PATTERN}$", max_length=164, examples=["wuhu/jinghu/tingtang"],
        description="范围:市/区/街道/社区/网格,含下级;默认为密钥的范围 subtree; default: the key's own",
    ),
]  # fmt: skip


async def _reader_scope(principal: Reader, wanted: ScopeParam = None) -> str:
    return allowed_scope(principal, wanted)


async def _admin_scope(principal: Admin, wanted: ScopeParam = None) -> str:
    return allowed_scope(principal, wanted)


ReaderScope = Annotated[str, Depends(_reader_scope)]
AdminScope = Annotated[str, Depends(_admin_scope)]
