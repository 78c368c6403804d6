"""Answers about devices, alerts and dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.models.common import Fresh, Out, Page
from api.models.life_cycle import AlertCaseOut, AlertTimesOut
from schemas.families.fields import Verdict
from schemas.families.system import AlertStep, Severity, SilencedAs


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
    severity: Severity
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
    acknowledged_by: str | None = Field(description="确认人的密钥编号 id of the key that acknowledged it")
    acknowledged_time: datetime | None
    assignee: str | None = Field(description="负责人 who is to see to it")
    verdict: Verdict | None = Field(description="属实、误报或忽略 what people found")
    case: str | None = Field(description="网格事件 the grid case that it was reported as")
    closed_time: datetime | None
    silenced: bool = Field(description="静默中,不通知 nobody is to be told now")
    silenced_as: SilencedAs | None
    silenced_by: str | None = Field(
        description="静默编号,或作为原因的告警、离线设备 the silence, or the alert or offline device that is its cause"
    )
    unstable: bool = Field(description="反复触发,合为一条 it came and went too often and is kept as one")
    escalation: int = Field(description="已提醒或升级次数 how many times it was reminded of or escalated")
    group: str | None = Field(description="代表其分组的告警 the alert that stands for its group")
    grouped: int = Field(description="所代表的其他告警数 how many further alerts it stands for")


class AlertsOut(Page):
    timezone: str
    alerts: list[AlertOut] = Field(description="新者在前 newest opening first")


class AlertStepOut(Out):
    event_time: datetime
    recorded_time: datetime
    step: AlertStep
    severity: Severity
    count: int
    score: float
    threshold: float
    baseline: float | None
    observed: float | None
    reason_zh: str
    reason_en: str
    actor: str | None = Field(description="操作人的密钥编号 id of the key that took the step; null: GridPulse itself")
    comment: str | None = Field(description="原因或说明 why, or what was found")
    assignee: str | None
    verdict: Verdict | None
    case: str | None
    escalation: int
    silenced_as: SilencedAs | None
    silenced_by: str | None


class AlertAnswer(Fresh):
    timezone: str
    alert: AlertOut
    times: AlertTimesOut | None = Field(description="处置用时 how long people took")
    cases: list[AlertCaseOut] = Field(description="关联的网格事件 the grid cases that it became")
    steps: list[AlertStepOut] = Field(description="全过程:何人、何时、为何,旧者在前 who, when and why, oldest first")


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
