"""Answers about devices, alerts and dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.models.common import Fresh, Out, Page
from schemas.families.system import AlertStep


class DeviceOut(Out):
    scope: str
    device: str
    kind: str
    site: str | None
    gateway: str | None
    noise_zone: str | None = Field(description="GB 3096-2008 声环境功能区 class")
    model: str | None
    status: Literal["online", "offline", "retired", "unknown"]
    status_since: datetime | None
    last_seen: datetime | None = Field(description="最近上报的事件时间 event time of the latest sign of life")
    battery_ratio: float | None


class DevicesOut(Page):
    timezone: str
    devices: list[DeviceOut]


class DeviceAnswer(Fresh):
    timezone: str
    device: DeviceOut


class TimelineEntryOut(Out):
    event_time: datetime
    kind: Literal["status", "alert", "heartbeat_gap"]
    entry_id: str
    status: str | None = Field(description="kind=status: 自此时起的状态 state from then on")
    cause: str | None
    alert: str | None
    step: str | None = Field(description="kind=alert: opened, updated, acknowledged, resolved …")
    detector: str | None
    rule: str | None
    severity: str | None
    reason_zh: str | None
    reason_en: str | None
    gap_s: float | None = Field(description="kind=heartbeat_gap: 静默时长(秒) length of the silence")
    until_time: datetime | None = Field(description="kind=heartbeat_gap: 静默结束 its end")


class TimelineOut(Page):
    timezone: str
    device: str
    from_time: datetime
    to_time: datetime
    entries: list[TimelineEntryOut] = Field(description="新者在前 newest first")


class AlertOut(Out):
    alert: str
    scope: str
    detector: str
    rule: str
    subject: str = Field(description="人员(假名)、设备、网关或场所 person (pseudonym), device, gateway or site")
    severity: Literal["info", "warning", "critical"]
    state: Literal["open", "resolved", "closed"]
    count: int = Field(description="检测次数 detections so far")
    opened_time: datetime
    updated_time: datetime
    resolved_time: datetime | None
    score: float
    threshold: float
    baseline: float | None
    observed: float | None
    unit: str | None
    model_version: str
    reason_zh: str
    reason_en: str


class AlertsOut(Page):
    timezone: str
    alerts: list[AlertOut] = Field(description="新者在前 newest opening first")


class AlertStepOut(Out):
    event_time: datetime
    recorded_time: datetime
    step: AlertStep
    severity: Literal["info", "warning", "critical"]
    count: int
    score: float
    threshold: float
    baseline: float | None
    observed: float | None
    reason_zh: str
    reason_en: str


class AlertAnswer(Fresh):
    timezone: str
    alert: AlertOut
    steps: list[AlertStepOut] = Field(description="旧者在前 oldest first")


class DeadLetterOut(Out):
    event_id: str
    recorded_time: datetime
    scope: str
    stage: str
    reason: str
    detail: str
    origin: str
    raw_base64: str = Field(description="原始字节,可能截断 the bytes as they came, may be cut")
    raw_bytes: int = Field(description="完整长度 their full length")


class DeadLettersOut(Page):
    timezone: str
    dead_letters: list[DeadLetterOut] = Field(description="新者在前 newest first")
