"""Answers about boards."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.models.common import Fresh, Out


class DeviceKindOut(Out):
    kind: str
    total: int
    online: int
    offline: int
    unknown: int = Field(description="登记后从未上报 registered, never heard of")


class ConnectionOut(Out):
    window_start: datetime
    online: int = Field(description="窗口结束时在线数 online at the window's end")
    offline: int
    availability_ratio: float | None = Field(description="在线时长占比 share of known device time that was online")


class DevicesSummaryOut(Out):
    total: int
    online: int
    offline: int
    unknown: int
    availability_ratio: float | None = Field(description="整段时间的在线时长占比 over the whole span")
    by_kind: list[DeviceKindOut]
    over_time: list[ConnectionOut]


class OpenAlarmOut(Out):
    detector: str
    rule: str
    severity: str
    open: int = Field(description="未解除告警数 open alerts")
    subjects: int = Field(description="涉及对象数 devices, persons or sites concerned")


class GateFlowOut(Out):
    community: str = Field(description="社区的范围路径 scope path of the community; a gate's name is unique within it")
    gate: str
    window_start: datetime
    persons_in: int
    persons_out: int
    vehicles_in: int
    vehicles_out: int


class AlertTrendOut(Out):
    detector: str
    rule: str
    opened: int
    opened_before: int = Field(description="上一等长时段 in the equally long span before")
    change_ratio: float | None = Field(
        description="较上期变化,上期为零则为 null change; null when there were none before"
    )


class PerceptionOut(Fresh):
    """一图感知 Perception board of one scope."""

    scope: str = Field(description="空为全部 empty: everything")
    grain: Literal["hour", "day"]
    timezone: str
    from_time: datetime
    to_time: datetime
    devices: DevicesSummaryOut
    open_alarms: list[OpenAlarmOut]
    passages: list[GateFlowOut] = Field(description="仅含有出入的窗口 windows with passages only")
    gates_cut: bool = Field(description="门岗过多,只列最繁忙者 only the busiest gates are listed")
    alert_trend: list[AlertTrendOut]
