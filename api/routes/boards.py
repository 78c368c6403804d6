"""``/v1/boards``: figures side by side, ready to be shown."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from api.dependencies import Context
from api.models.boards import (
    AlertTrendOut,
    ConnectionOut,
    DeviceKindOut,
    DevicesSummaryOut,
    GateFlowOut,
    OpenAlarmOut,
    PerceptionOut,
)
from api.models.common import fields_in_zone, fresh
from api.openapi import PERCEPTION, answered
from api.parameters import FromParam, ToParam, Zone, windows
from api.problems import documented
from api.security import ReaderScope
from projections.queries.ports import AlertTrend, BoardQuery

router = APIRouter(tags=["boards"])


@router.get(
    "/v1/boards/perception",
    response_model=PerceptionOut,
    summary="一图感知 Perception board",
    description=(
        "设备总数与在线、在线率走势、未解除告警、各门岗人车进出、各类告警与上期之比。\n\n"
        "Devices in all and by kind, online now and over time, availability, open alerts, persons and vehicles per "
        "gate, alerts by kind against the span before. Default: the last 24 hours."
    ),
    responses=answered(200, PERCEPTION)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", "too-many-points",
        "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
async def get_perception(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    from_text: FromParam = None,
    to_text: ToParam = None,
    grain: Annotated[Literal["hour", "day"], Query(description="窗口粒度 length of the windows")] = "hour",
) -> Response:
    limits = context.deps.limits
    now = context.deps.now()
    asked = windows(now, from_text, to_text, grain, zone, limits.board_windows)

    def build() -> PerceptionOut:
        freshness = context.freshness.now()
        board = context.deps.queries.perception(BoardQuery(scope, asked, now, limits.board_gates))
        return PerceptionOut(
            **fresh(freshness, zone),
            scope=scope,
            grain=grain,
            timezone=zone.key,
            from_time=asked.start.astimezone(zone),
            to_time=asked.end.astimezone(zone),
            devices=DevicesSummaryOut(
                total=sum(row.total for row in board.devices),
                online=sum(row.online for row in board.devices),
                offline=sum(row.offline for row in board.devices),
                unknown=sum(row.unknown for row in board.devices),
                availability_ratio=board.availability_ratio,
                by_kind=[DeviceKindOut(**fields_in_zone(row, zone)) for row in board.devices],
                over_time=[ConnectionOut(**fields_in_zone(row, zone)) for row in board.connection],
            ),
            open_alarms=[OpenAlarmOut(**fields_in_zone(row, zone)) for row in board.open_alarms],
            passages=[GateFlowOut(**fields_in_zone(row, zone)) for row in board.passages],
            gates_cut=board.gates_cut,
            alert_trend=[
                AlertTrendOut(**fields_in_zone(row, zone), change_ratio=_change_ratio(row)) for row in board.alert_trend
            ],
        )

    # The span as it was written: "the last 24 hours" is the same question when the next hour has begun.
    parameters = (from_text, to_text, grain, zone.key)
    return await context.answering.answer("perception", scope, parameters, build)


def _change_ratio(row: AlertTrend) -> float | None:
    return None if row.opened_before == 0 else round(row.opened / row.opened_before - 1.0, 4)
