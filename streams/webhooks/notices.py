"""What is told, in words: one alert step or a ping as titled lines, Chinese first and English beside it. Pure.

Robots and email share these words; what stands in them from outside (names, comments) is one line, cut to a length at
which every robot's limit holds. Times are the site's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from schemas.families.system import Alert, AlertStep, Severity

DETECTOR_WORDS: Final[dict[str, tuple[str, str]]] = {
    "irregular_movement": ("活动异常", "irregular movement"),
    "device_offline": ("设备离线", "device offline"),
    "noise_limit": ("噪声超标", "noise over its limit"),
    "webhooks": ("订阅推送停用", "deliveries stopped"),
}
STEP_WORDS: Final[dict[AlertStep, tuple[str, str]]] = {
    "opened": ("新告警", "new alert"),
    "updated": ("告警更新", "alert updated"),
    "escalated": ("告警升级", "alert escalated"),
    "reminded": ("告警提醒", "reminder"),
    "acknowledged": ("已确认", "acknowledged"),
    "assigned": ("已指派", "assigned"),
    "commented": ("新备注", "commented"),
    "silenced": ("已静默", "silenced"),
    "unsilenced": ("静默结束", "no longer silenced"),
    "reported": ("已上报事件", "reported as a case"),
    "resolved": ("告警解除", "resolved"),
    "closed": ("已关闭", "closed"),
    "verdict": ("已核实", "verdict given"),
}
SEVERITY_WORDS: Final[dict[Severity, tuple[str, str]]] = {
    "info": ("提示", "info"), "warning": ("警告", "warning"), "critical": ("严重", "critical"),
}  # fmt: skip
VERDICT_WORDS: Final = {"true": ("属实", "true"), "false": ("误报", "false"), "ignored": ("忽略", "ignored")}
OVER_STEPS: Final[frozenset[AlertStep]] = frozenset({"resolved", "closed"})
_MAX_WORDS: Final = 160
_MAX_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class AlertNotice:
    """One step of an alert; ``event_id`` is the alert event's."""

    event_id: str
    scope: str
    event_time_ms: int
    alert: Alert


@dataclass(frozen=True, slots=True)
class PingNotice:
    """A test: nothing has happened. ``event_id`` is the ping's."""

    event_id: str
    subscription: str
    event_time_ms: int


Notice = AlertNotice | PingNotice


@dataclass(frozen=True, slots=True)
class Words:
    """A notice in words: lines of a label and a text. ``is_over``: good news; ``severity`` None: no alert at all."""

    title: str
    lines: tuple[tuple[str, str], ...]
    severity: Severity | None
    is_over: bool = False


def in_words(notice: Notice, zone: ZoneInfo) -> Words:
    """The words of a notice; nothing in them has a line break or a control character."""
    if isinstance(notice, PingNotice):
        return _ping(notice, zone)
    alert = notice.alert
    severity_zh, severity_en = SEVERITY_WORDS[alert.severity]
    step_zh, step_en = STEP_WORDS[alert.step]
    detector = _line(alert.detector)
    what_zh, what_en = DETECTOR_WORDS.get(detector, (detector, detector))
    title = f"【{severity_zh}】{step_zh}:{what_zh} · [{severity_en}] {step_en}: {what_en}"
    lines = [
        ("对象 subject", _line(alert.subject, _MAX_NAME)),
        ("范围 scope", notice.scope),
        ("时间 time", _local(notice.event_time_ms, zone)),
        ("原因", _line(alert.reason_zh)),
        ("reason", _line(alert.reason_en)),
        *_by_people(alert),
        *_state(alert, zone),
        ("规则 rule", _line(f"{alert.detector}/{alert.rule}", _MAX_NAME)),
        ("告警编号 alert", alert.alert),
    ]
    return Words(title, tuple(lines), alert.severity, alert.step in OVER_STEPS)


def _by_people(alert: Alert) -> list[tuple[str, str]]:
    """Who took the step, and what they said."""
    verdict_zh, verdict_en = VERDICT_WORDS[alert.verdict] if alert.verdict else ("", "")
    said = [
        ("处置人 by", alert.actor),
        ("备注 comment", alert.comment),
        ("负责人 assignee", alert.assignee),
        ("结论 verdict", f"{verdict_zh} {verdict_en}" if alert.verdict else None),
        ("事件单 case", alert.case),
    ]
    return [(label, _line(text)) for label, text in said if text]


def _state(alert: Alert, zone: ZoneInfo) -> list[tuple[str, str]]:
    lines = [("首次 opened", _local(alert.opened_time_ms, zone)), ("次数 count", str(alert.count))]
    if alert.grouped:
        lines.append(("同组告警 grouped", str(alert.grouped)))
    if alert.unstable:
        lines.append(("状态 state", "反复,已合并 unstable"))
    return lines


def _ping(notice: PingNotice, zone: ZoneInfo) -> Words:
    return Words(
        "GridPulse 订阅测试 · subscription test",
        (
            ("说明", "这是一条测试消息,没有发生告警。"),
            ("note", "This is a test; nothing has happened."),
            ("订阅 subscription", notice.subscription),
            ("时间 time", _local(notice.event_time_ms, zone)),
        ),
        None,
    )


def _local(time_ms: int, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M:%S} ({zone.key})"


def _line(text: str, most: int = _MAX_WORDS) -> str:
    """One printable line of at most ``most`` characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
