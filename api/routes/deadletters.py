"""``/v1/deadletters``: input that could not be accepted; for admins, since it is raw."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.cursors import decode_time_and_id, encode_time_and_id, fingerprint
from api.dependencies import Context
from api.models.common import fields_in_zone, fresh
from api.models.things import DeadLetterOut, DeadLettersOut
from api.openapi import DEAD_LETTERS, answered
from api.parameters import CursorParam, FromParam, LimitParam, ToParam, Zone, open_span
from api.problems import documented
from api.security import AdminScope
from projections.queries.ports import DeadLetterQuery

router = APIRouter(tags=["dead letters"])
StageParam = Annotated[
    Literal["ingest", "import", "bridge", "decode"] | None, Query(description="环节 where it failed")
]
ReasonParam = Annotated[
    str | None, Query(pattern=r"^[a-z0-9_]+$", max_length=64, description="原因代码 reason code, see docs/events.md")
]


@router.get(
    "/v1/deadletters",
    response_model=DeadLettersOut,
    summary="死信 Dead letters",
    description="按记录时间倒序,仅管理员。\n\nNewest record first; from and to bound the recording. Admins only.",
    responses=answered(200, DEAD_LETTERS)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", "invalid-cursor",
        "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
def list_dead_letters(
    context: Context,
    scope: AdminScope,
    zone: Zone,
    stage: StageParam = None,
    reason: ReasonParam = None,
    from_text: FromParam = None,
    to_text: ToParam = None,
    limit: LimitParam = 100,
    cursor: CursorParam = None,
) -> DeadLettersOut:
    from_time, to_time = open_span(context.deps.now(), from_text, to_text)
    filters = fingerprint("deadletters", scope, stage, reason, from_text, to_text)
    before = decode_time_and_id(filters, cursor)
    freshness = context.freshness.now()
    rows = context.deps.queries.dead_letters(
        DeadLetterQuery(scope, stage, reason, from_time, to_time, before, limit + 1)
    )
    page = rows[:limit]
    more = len(rows) > limit
    return DeadLettersOut(
        **fresh(freshness, zone),
        timezone=zone.key,
        dead_letters=[DeadLetterOut(**fields_in_zone(row, zone)) for row in page],
        next_cursor=encode_time_and_id(filters, page[-1].recorded_time, page[-1].event_id) if more else None,
    )
