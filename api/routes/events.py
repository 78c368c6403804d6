"""``POST /v1/events``: events in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.bodies import BATCH, BINARY, NDJSON, STRUCTURED, read_body, split, unpack
from api.dependencies import ApiContext, Context
from api.models.events import EventsAnswer
from api.openapi import EVENT, EVENTS_ANSWER, answered
from api.problems import Refusal, documented
from api.security import Writer
from streams.ports import Answer, Principal

router = APIRouter(tags=["events"])
_STATUS = attrgetter("status")
_BINARY_HEADERS = ("specversion", "id", "source", "type", "time", "scope")


def _body_schema() -> dict[str, Any]:
    event = {"type": "object", "description": "CloudEvents 1.0, see docs/events.md"}
    return {
        "required": True,
        "content": {
            STRUCTURED: {"schema": event, "example": EVENT},
            BATCH: {"schema": {"type": "array", "items": event}, "example": [EVENT]},
            NDJSON: {"schema": {"type": "string"}, "example": '{"specversion":"1.0","id":"1"}\n'},
            BINARY: {"schema": {"type": "object", "description": "data, with ce- headers"}, "example": EVENT["data"]},
        },
    }


@router.post(
    "/v1/events",
    status_code=202,
    response_model=EventsAnswer,
    summary="发送事件 Send events",
    description=(
        "一个事件(structured 或 binary)、一批(JSON 数组)或 NDJSON,可用 gzip 压缩。"
        "202:已接收与重复的事件均已持久写入日志;每个事件各有答复。全部被拒绝为 422。可安全重发。\n\n"
        "One event (structured or binary), a batch (JSON array) or NDJSON, gzip allowed. 202: what was accepted or is "
        "a duplicate is durable in the log; each event has its answer. 422: none was. Sending again is always safe. "
        "Binary mode: attributes as headers " + ", ".join(f"`ce-{name}`" for name in _BINARY_HEADERS) + "."
    ),
    responses=answered(202, EVENTS_ANSWER)
    | documented(
        "unauthorized", "role-not-allowed", "malformed-body", "too-large", "unsupported-media-type", "all-rejected",
        "log-unavailable",
    ),
    openapi_extra={"requestBody": _body_schema()},
)  # fmt: skip
async def send_events(request: Request, context: Context, principal: Writer) -> Response:
    limits = context.deps.limits
    body = await read_body(request.stream(), request.headers.get("content-length"), limits.body_bytes)
    return await run_in_threadpool(_accept, context, principal, body, request.headers.items())


def _accept(context: ApiContext, principal: Principal, body: bytes, headers: Sequence[tuple[str, str]]) -> Response:
    limits = context.deps.limits
    encoding = dict(headers).get("content-encoding", "").strip().lower()
    raws = split(unpack(body, encoding, limits.decompressed_bytes), headers, limits.events)
    answers = context.deps.ingest.accept(raws, principal.scope)
    context.telemetry.ingested(answers)
    answer = _answer(answers)
    if answers and answer["rejected"] == len(answers):
        raise Refusal(
            "all-rejected",
            f"{len(answers)} 个事件均未接收,见 results",
            f"none of {len(answers)} events was accepted, see results",
            extensions=answer,
        )
    return Response(orjson.dumps(answer), 202, media_type="application/json")


def _answer(answers: Sequence[Answer]) -> dict[str, Any]:
    """An :class:`EventsAnswer` as it is sent. Not made as one: checking it costs more than taking the events in."""
    counts = Counter(map(_STATUS, answers))
    return {
        "accepted": counts["accepted"],
        "duplicate": counts["duplicate"],
        "rejected": counts["rejected"],
        "results": [
            {"id": event_id, "source": source, "status": status, "reason": reason, "detail": detail}
            for status, event_id, source, reason, detail in answers
        ],
    }
