"""What GridPulse itself says: ticks, detections, device status, alerts, dead letters and their retries, API keys.

All of it is in the log like everything else, so audit and replay come for free. Ids are derived from what caused the
event, so that saying it again after a crash is harmless.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args

from pydantic import Field

from schemas.base import EventData, EventType, with_lateness
from schemas.families.fields import Ref, SilenceKind, Verdict

Severity = Literal["info", "warning", "critical"]
AlertStep = Literal[
    "opened", "updated", "escalated", "reminded", "acknowledged", "assigned", "commented", "silenced", "unsilenced",
    "reported", "resolved", "closed", "verdict",
]  # fmt: skip
SilencedAs = Literal[SilenceKind, "inhibited"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)  # rising
GRAVITY: Final[dict[Severity, int]] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
ALERT_STEPS: Final[tuple[AlertStep, ...]] = get_args(AlertStep)
Subject = str


class Tick(EventData):
    """Time has come this far in a partition where nothing happened."""

    type_name: ClassVar[str] = "cn.gridpulse.control.tick"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"


class Detection(EventData):
    """A detector noticed something, or noticed that it is over (``active`` false)."""

    type_name: ClassVar[str] = "cn.gridpulse.detections.detection"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "detections"

    detector: Literal["irregular_movement", "device_offline", "noise_limit"] = Field(description="who noticed it")
    rule: str = Field(max_length=64, description="which of the detector's rules, e.g. unusual_hour")
    subject: str = Field(max_length=128, description="person, device, gateway or site it is about")
    active: bool = Field(description="true: noticed; false: over again")
    severity: Severity = Field(description="how grave")
    score: float = Field(description="how unusual, in the detector's own measure; at threshold and above it is flagged")
    threshold: float = Field(description="the score from which it is flagged")
    baseline: float | None = Field(None, description="what was expected, in the unit of the observed value")
    observed: float | None = Field(None, description="what was observed")
    unit: str | None = Field(None, max_length=16, description="unit of observed and baseline")
    model_version: str = Field(max_length=64, description="detector's code and parameters")
    reason_zh: str = Field(max_length=500, description="one sentence, Chinese")
    reason_en: str = Field(max_length=500, description="one sentence, English")
    cause_id: str = Field(max_length=256, description="id of the event, or name of the timer, that triggered it")
    detected_time_ms: int = Field(description="lane clock at detection, epoch ms")


class DeviceStatus(EventData):
    """A device's connection state changed."""

    type_name: ClassVar[str] = "cn.gridpulse.detections.device_status"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "detections"

    device: Ref = Field(description="the device")
    status: Literal["online", "offline", "retired"] = Field(description="state from the event time on")
    cause: Literal["first_seen", "seen_again", "silent", "gateway_silent", "site_silent", "retired"] = Field(
        description="why"
    )
    expected_interval_s: float | None = Field(None, description="learned interval of the device, seconds")
    detected_time_ms: int | None = Field(None, description="lane clock at detection, epoch ms")


class Alert(EventData):
    """One step in an alert's life. Every event carries the whole state of the alert as of this step."""

    type_name: ClassVar[str] = "cn.gridpulse.alerts.alert"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "alerts"

    alert: Ref = Field(description="the alert: a hash of its key and opening detection")
    alert_key: str = Field(max_length=256, description="detector/rule/subject: at most one alert is open per key")
    step: AlertStep = Field(description="what happened to it")
    detector: str = Field(max_length=64, description="who noticed it")
    rule: str = Field(max_length=64, description="which rule")
    subject: str = Field(max_length=128, description="what it is about")
    severity: Severity = Field(description="how grave, now")
    count: int = Field(ge=1, description="detections so far")
    opened_time_ms: int = Field(description="event time of the opening detection, epoch ms")
    updated_time_ms: int = Field(description="event time of the latest detection, epoch ms")
    resolved_time_ms: int | None = Field(None, description="event time of the end, epoch ms")
    score: float = Field(description="latest score")
    threshold: float = Field(description="latest threshold")
    baseline: float | None = Field(None, description="latest baseline")
    observed: float | None = Field(None, description="latest observed value")
    unit: str | None = Field(None, max_length=16, description="unit of observed and baseline")
    model_version: str = Field(max_length=64, description="detector's code and parameters")
    reason_zh: str = Field(max_length=500, description="one sentence, Chinese")
    reason_en: str = Field(max_length=500, description="one sentence, English")
    detected_time_ms: int | None = Field(None, description="lane clock at this step, epoch ms")
    step_number: int | None = Field(None, ge=1, description="which step of this alert it is, from 1; none is left out")
    actor: str | None = Field(None, max_length=200, description="who took this step; null: GridPulse itself")
    comment: str | None = Field(None, max_length=500, description="what the actor said at this step")
    acknowledged_by: str | None = Field(None, max_length=200, description="who acknowledged it first")
    acknowledged_time_ms: int | None = Field(None, description="when it was acknowledged, epoch ms")
    assignee: str | None = Field(None, max_length=200, description="who is to see to it")
    verdict: Verdict | None = Field(None, description="what people found: true, false or ignored")
    case: Ref | None = Field(None, description="the grid case that it was reported as")
    closed_time_ms: int | None = Field(None, description="when a person closed it, epoch ms")
    silenced: bool | None = Field(None, description="true: nobody is to be told now")
    silenced_as: SilencedAs | None = Field(None, description="why it is silenced; inhibited: another is its cause")
    silenced_by: Ref | None = Field(None, description="the silence, or the alert that is its cause")
    unstable: bool | None = Field(None, description="true: came and went too often: kept open till it is quiet")
    escalation: int | None = Field(None, ge=0, le=99, description="how many times it was reminded of or escalated")
    group: Ref | None = Field(None, description="the alert that stands for its group; null: itself, or none does")
    grouped: int | None = Field(None, ge=0, description="how many further alerts it stands for")


class DeadLetter(EventData):
    """Input that could not be accepted, kept as it came."""

    type_name: ClassVar[str] = "cn.gridpulse.deadletters.dead_letter"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "deadletters"

    stage: Literal["ingest", "import", "bridge", "decode"] = Field(description="where it failed")
    reason: str = Field(max_length=64, description="reason code")
    detail: str = Field(max_length=500, description="what is wrong and what is allowed")
    origin: str = Field(max_length=256, description="topic/partition/offset, or file:line")
    raw_base64: str = Field(description="the bytes as they came, base64; cut at the size limit")
    raw_bytes: int = Field(ge=0, description="their full length")


class DeadLetterRetry(EventData):
    """A dead letter was sent in again: the link from what could not be accepted to what became of it."""

    type_name: ClassVar[str] = "cn.gridpulse.deadletters.retry"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "deadletters"

    letter: Ref = Field(description="id of the dead letter")
    outcome: Literal["accepted", "duplicate", "rejected"] = Field(
        description="accepted: appended now; duplicate: the event was there already; rejected: still not acceptable"
    )
    reason: str | None = Field(None, max_length=64, description="reason code, when rejected")
    detail: str | None = Field(None, max_length=500, description="what is wrong and what is allowed, when rejected")
    retried_id: str | None = Field(None, max_length=128, description="id of the event as it was sent in")
    retried_source: str | None = Field(None, max_length=256, description="source of the event as it was sent in")
    retried_type: str | None = Field(None, max_length=128, description="type of the event, when it is one")
    transform: str | None = Field(None, max_length=500, description="what changed it: a JSON merge patch or a file")
    actor: str | None = Field(None, max_length=200, description="who sent it in again")


class ApiKey(EventData):
    """An API key was issued or revoked. The key itself is nowhere, only its hash."""

    type_name: ClassVar[str] = "cn.gridpulse.control.api_key"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"

    key_id: Ref = Field(description="public part of the key")
    key_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the secret part")
    role: Literal["reader", "writer", "operator", "admin"] = Field(
        description="reader: query; writer: send events; operator: query and act on alerts; admin: all of it"
    )
    key_scope: str = Field(max_length=200, description="the subtree it is good for; empty for all")
    status: Literal["active", "revoked"] = Field(description="its state from now on")
    note: str | None = Field(None, max_length=200, description="who it is for")


# Our own words: a replay says them at another time, so lateness would make live and replayed figures differ.
EVENT_TYPES = with_lateness(
    None,
    EventType(Tick.type_name, "control", "时钟", "ticks", "", (Tick,)),
    EventType(Detection.type_name, "detections", "检测结果", "detections", "detections", (Detection,)),
    EventType(
        DeviceStatus.type_name, "detections", "设备状态变化", "device status", "device_status_log", (DeviceStatus,)
    ),
    EventType(Alert.type_name, "alerts", "告警过程", "alert steps", "alert_log", (Alert,)),
    EventType(DeadLetter.type_name, "deadletters", "死信", "dead letters", "dead_letters", (DeadLetter,)),
    EventType(
        DeadLetterRetry.type_name,
        "deadletters",
        "死信重试",
        "dead letter retries",
        "dead_letter_retries",
        (DeadLetterRetry,),
    ),
    EventType(ApiKey.type_name, "control", "接口密钥", "API keys", "api_keys", (ApiKey,)),
)
