"""Errors as RFC 9457 problem details: one catalogue of kinds, one JSON shape, for every route.

``type`` is stable (``urn:gridpulse:problem:<kind>``): clients decide by it. ``title`` and ``detail`` are Chinese with
English beside them in ``title_en`` and ``detail_en``. ``errors`` names each wrong parameter and what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
URN = "urn:gridpulse:problem:"
Kind = Literal[
    "unauthorized", "role-not-allowed", "scope-not-allowed", "not-found", "unknown-metric", "method-not-allowed",
    "ambiguous", "invalid-parameter", "invalid-cursor", "too-many-points", "malformed-body", "too-large",
    "unsupported-media-type", "all-rejected", "conflict", "limit-reached", "log-unavailable", "store-unavailable",
    "query-timeout", "internal", "too-many-clients", "not-now",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What all problems of a kind share."""

    status: int
    title_zh: str
    title_en: str
    retry_after_s: int | None = None


KINDS: dict[Kind, ProblemKind] = {
    "unauthorized": ProblemKind(401, "需要有效的接口密钥", "a valid API key is needed"),
    "role-not-allowed": ProblemKind(403, "密钥角色无此权限", "the key's role may not do this"),
    "scope-not-allowed": ProblemKind(403, "超出密钥的数据范围", "the scope is outside the key's own"),
    "not-found": ProblemKind(404, "未找到", "not found"),
    "unknown-metric": ProblemKind(404, "没有此指标", "no such metric"),
    "method-not-allowed": ProblemKind(405, "不支持此方法", "method not allowed"),
    "ambiguous": ProblemKind(409, "名称不唯一", "the name is not unique in this scope"),
    "not-now": ProblemKind(409, "当前状态不允许此操作", "its state does not allow this now"),
    "invalid-parameter": ProblemKind(422, "参数不合要求", "a parameter is not as it must be"),
    "invalid-cursor": ProblemKind(422, "翻页游标无效", "the cursor does not belong to this list"),
    "too-many-points": ProblemKind(422, "数据点过多", "the answer would have too many points"),
    "malformed-body": ProblemKind(400, "请求体无法解析", "the body can't be read"),
    "too-large": ProblemKind(413, "请求过大", "the request is too large"),
    "unsupported-media-type": ProblemKind(415, "不支持的内容类型", "unsupported content type or encoding"),
    "conflict": ProblemKind(409, "同时被他人修改", "it was changed at the same time"),
    "limit-reached": ProblemKind(409, "已达数量上限", "there are as many as there may be"),
    "all-rejected": ProblemKind(422, "事件全部被拒绝", "every event was rejected"),
    "log-unavailable": ProblemKind(503, "事件日志暂不可用", "the event log can't be reached now", 2),
    "store-unavailable": ProblemKind(503, "查询库暂不可用", "the store can't be reached now", 2),
    "too-many-clients": ProblemKind(503, "实时连接数已满", "as many live streams as may be are open", 10),
    "query-timeout": ProblemKind(504, "查询超时", "the query took too long"),
    "internal": ProblemKind(500, "内部错误", "internal error"),
}


class ProblemError(BaseModel):
    """One wrong parameter."""

    parameter: str = Field(description="where it is, e.g. query.grain")
    problem: str = Field(description="what is wrong and what is allowed")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="stable name of the kind of problem")
    title: str = Field(description="the kind of problem, Chinese")
    title_en: str = Field(description="the kind of problem, English")
    status: int = Field(description="HTTP status")
    detail: str | None = Field(None, description="this case, Chinese")
    detail_en: str | None = Field(None, description="this case, English")
    errors: list[ProblemError] | None = Field(None, description="each wrong parameter")


@dataclass(eq=False)
class Refusal(Exception):
    """Raised by routes: answered as a problem of this kind. An answer, not a fault."""

    kind: Kind
    detail_zh: str | None = None
    detail_en: str | None = None
    errors: tuple[ProblemError, ...] = ()
    extensions: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def wrong_parameter(parameter: str, problem_zh: str, problem_en: str) -> Refusal:
    """A parameter that passed the schema and still is wrong."""
    return Refusal(
        "invalid-parameter", problem_zh, problem_en, (ProblemError(parameter=parameter, problem=problem_en),)
    )


def problem_body(refusal: Refusal) -> dict[str, Any]:
    """The JSON object of a problem."""
    kind = KINDS[refusal.kind]
    body: dict[str, Any] = {
        "type": URN + refusal.kind,
        "title": kind.title_zh,
        "title_en": kind.title_en,
        "status": kind.status,
    }
    if refusal.detail_zh is not None:
        body["detail"] = refusal.detail_zh
    if refusal.detail_en is not None:
        body["detail_en"] = refusal.detail_en
    if refusal.errors:
        body["errors"] = [error.model_dump() for error in refusal.errors]
    return body | refusal.extensions


def problem_response(refusal: Refusal) -> JSONResponse:
    """The HTTP response of a problem."""
    kind = KINDS[refusal.kind]
    headers = dict(refusal.headers)
    if kind.retry_after_s is not None:
        headers["Retry-After"] = str(kind.retry_after_s)
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gridpulse"'
    return JSONResponse(problem_body(refusal), kind.status, headers, MEDIA_TYPE)


_EXAMPLES: dict[Kind, Refusal] = {
    "scope-not-allowed": Refusal(
        "scope-not-allowed", "允许的范围:wuhu/jinghu 及其下级", "allowed: wuhu/jinghu and below"
    ),
    "unknown-metric": Refusal(
        "unknown-metric", "没有指标 noise_laeqq;相近:noise_laeq", "no metric noise_laeqq; near: noise_laeq",
        extensions={"nearest": ["noise_laeq"]},
    ),
    "not-now": Refusal(
        "not-now", "告警已解除,无需确认;仍可说明、判定、上报或关闭",
        "the alert is over: comment on it, judge it, report it as a case or close it",
    ),
    "invalid-parameter": wrong_parameter("query.from", "from 须早于 to", "from must lie before to"),
    "too-many-points": Refusal(
        "too-many-points", "请改用 grain=hour", "take grain=hour", extensions={"suggested_grain": "hour"}
    ),
    "all-rejected": Refusal(
        "all-rejected", "1 个事件均未接收,见 results", "none of 1 events was accepted, see results",
        extensions={
            "accepted": 0, "duplicate": 0, "rejected": 1,
            "results": [{
                "id": "42", "source": "demo", "status": "rejected", "reason": "unknown_type",
                "detail": "no such event type",
            }],
        },
    ),
}  # fmt: skip


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of the given kinds of problem, with an example of each, by status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for name in kinds:
        kind = KINDS[name]
        response = responses.setdefault(
            kind.status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        text = f"{kind.title_zh} {kind.title_en}"
        response["description"] = " / ".join(part for part in (response["description"], text) if part)
        example = problem_body(_EXAMPLES.get(name, Refusal(name)))
        response["content"][MEDIA_TYPE]["examples"][name] = {"summary": kind.title_en, "value": example}
        if kind.retry_after_s is not None:
            response["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}
    return responses
