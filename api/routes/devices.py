"""``/v1/devices``: devices as they are now, and what happened to one."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, get_args

from fastapi import APIRouter, Path, Query, Response

from api.cursors import decode_time_and_id, decode_two_names, encode, encode_time_and_id, fingerprint
from api.dependencies import ApiContext, Context
from api.models.common import fields_in_zone, fresh
from api.models.things import DeviceAnswer, DeviceOut, DevicesOut, TimelineEntryOut, TimelineOut
from api.openapi import DEVICE, DEVICES, TIMELINE, answered
from api.parameters import CursorParam, FromParam, LimitParam, ToParam, Zone, span
from api.problems import Refusal, documented, wrong_parameter
from api.security import ReaderScope
from projections.queries.ports import DeviceQuery, DeviceRow, DeviceState, TimelineQuery
from schemas.families.registry import DeviceKind

router = APIRouter(tags=["devices"])
REF = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
DEFAULT_GAP_S = 900.0
DeviceParam = Annotated[str, Path(pattern=REF, max_length=64, examples=["noise-0007"], description="设备 the device")]
KindParam = Annotated[DeviceKind | None, Query(description=f"设备类别 kind: {', '.join(get_args(DeviceKind))}")]
StatusParam = Annotated[DeviceState | None, Query(description="连接状态 connection state now")]
SiteParam = Annotated[str | None, Query(pattern=REF, max_length=64, description="所在场所 the site it stands at")]
GapParam = Annotated[
    float, Query(ge=1.0, le=86_400.0, description="心跳静默超过此秒数即列出 silences longer than this are listed")
]


@router.get(
    "/v1/devices",
    response_model=DevicesOut,
    summary="设备列表 Devices",
    responses=answered(200, DEVICES)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", "invalid-cursor",
        "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
async def list_devices(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    kind: KindParam = None,
    status: StatusParam = None,
    site: SiteParam = None,
    limit: LimitParam = 100,
    cursor: CursorParam = None,
) -> Response:
    filters = fingerprint("devices", scope, kind, status, site)
    query = DeviceQuery(scope, kind, status, site, decode_two_names(filters, cursor), limit + 1)

    def build() -> DevicesOut:
        freshness = context.freshness.now()
        rows = context.deps.queries.devices(query)
        page = rows[:limit]
        more = len(rows) > limit
        return DevicesOut(
            **fresh(freshness, zone),
            timezone=zone.key,
            devices=[DeviceOut(**fields_in_zone(row, zone)) for row in page],
            next_cursor=encode(filters, (page[-1].scope, page[-1].device)) if more else None,
        )

    return await context.answering.answer("devices", scope, (query, zone.key), build)


@router.get(
    "/v1/devices/{device}",
    response_model=DeviceAnswer,
    summary="设备详情 One device",
    responses=answered(200, DEVICE)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "not-found", "ambiguous", "invalid-parameter",
        "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
async def get_device(context: Context, scope: ReaderScope, zone: Zone, device: DeviceParam) -> Response:
    def build() -> DeviceAnswer:
        freshness = context.freshness.now()
        row = _the_device(context, scope, device)
        return DeviceAnswer(**fresh(freshness, zone), timezone=zone.key, device=DeviceOut(**fields_in_zone(row, zone)))

    return await context.answering.answer("device", scope, (device, zone.key), build)


@router.get(
    "/v1/devices/{device}/timeline",
    response_model=TimelineOut,
    summary="设备时间线 What happened to a device",
    description=(
        "状态变化、告警、心跳静默,按时间倒序合并。默认最近 7 天。\n\n"
        "Changes of state, alerts and silences between heartbeats, merged, newest first. Default: the last 7 days."
    ),
    responses=answered(200, TIMELINE)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "not-found", "ambiguous", "invalid-parameter",
        "invalid-cursor", "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
async def get_timeline(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    device: DeviceParam,
    from_text: FromParam = None,
    to_text: ToParam = None,
    gap_s: GapParam = DEFAULT_GAP_S,
    limit: LimitParam = 100,
    cursor: CursorParam = None,
) -> Response:
    from_time, to_time = span(context.deps.now(), from_text, to_text, 7 * 86_400.0)
    days = context.deps.limits.timeline_days
    if to_time - from_time > timedelta(days=days):
        raise wrong_parameter("query.from", f"时间范围最长 {days} 天", f"a span has at most {days} days")
    # The span as it was written: "the last 7 days" is the same question a moment later.
    asked = (device, from_text, to_text, gap_s)
    filters = fingerprint("timeline", scope, *asked)
    before = decode_time_and_id(filters, cursor)

    def build() -> TimelineOut:
        freshness = context.freshness.now()
        community = _the_device(context, scope, device).community
        query = TimelineQuery(scope, community, device, from_time, to_time, gap_s, before, limit + 1)
        rows = context.deps.queries.timeline(query)
        page = rows[:limit]
        more = len(rows) > limit
        return TimelineOut(
            **fresh(freshness, zone),
            timezone=zone.key,
            device=device,
            from_time=from_time.astimezone(zone),
            to_time=to_time.astimezone(zone),
            entries=[TimelineEntryOut(**fields_in_zone(row, zone)) for row in page],
            next_cursor=encode_time_and_id(filters, page[-1].event_time, page[-1].entry_id) if more else None,
        )

    return await context.answering.answer("timeline", scope, (*asked, before, limit, zone.key), build)


def _the_device(context: ApiContext, scope: str, device: str) -> DeviceRow:
    """The device of that name; names are unique within a community, so a wide scope may hold several."""
    rows = context.deps.queries.device(scope, device)
    if not rows:
        raise Refusal("not-found", f"此范围内没有设备 {device}", f"no device {device} in this scope")
    if len(rows) > 1:
        scopes = sorted({row.scope for row in rows})
        raise Refusal(
            "ambiguous",
            f"有 {len(rows)} 台设备名为 {device};请以 scope 指明",
            f"{len(rows)} devices are named {device}; say which by scope",
            extensions={"scopes": scopes},
        )
    return rows[0]
