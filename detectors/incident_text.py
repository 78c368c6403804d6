"""Why the incident operator took a step of its own, in words: Chinese first, English beside it."""

from __future__ import annotations

from detectors.device_text import duration_en, duration_zh
from detectors.incident_alert import Silencer

_SILENCED = {
    "silence": ("静默", "a silence"),
    "maintenance": ("检修", "maintenance"),
    "power_cut": ("停电", "a power cut"),
    "inhibited": ("上级告警或离线设备", "the alert or the offline device that is its cause,"),
}


def fell(before: str, now: str, minutes: float) -> str:
    """Nothing as grave was noticed for a while."""
    return (
        f"{minutes:g} 分钟内未再达到 {before}，级别降为 {now}。 · "
        f"Nothing {before} was noticed for {minutes:g} min: it is {now} now."
    )


def silenced(silencer: Silencer) -> str:
    """It became quiet while open."""
    zh, en = _SILENCED[silencer.kind]
    return f"因{zh} {silencer.by} 暂不通知。 · Nobody is told for now, because of {en} {silencer.by}."


def unsilenced(silencer: Silencer) -> str:
    """It is still open after the silence."""
    zh, en = _SILENCED[silencer.kind]
    return f"{zh} {silencer.by} 已结束，告警仍未解除。 · It is still open after the end of {en} {silencer.by}."


def unanswered(waited_s: float) -> str:
    """Nobody acknowledged it."""
    return (
        f"已 {duration_zh(waited_s)}无人确认，请确认。 · "
        f"Nobody has acknowledged it for {duration_en(waited_s)}: acknowledge it."
    )


def steady(minutes: float) -> str:
    """It no longer comes and goes, and is still there."""
    return (
        f"{minutes:g} 分钟内未再反复，告警持续。 · It has not come and gone for {minutes:g} min: it is there to stay."
    )


def grown(grouped: int) -> str:
    """More alerts folded under it."""
    return f"同一位置另有 {grouped} 条同类告警。 · It stands for {grouped} more of its kind in the same place."


def stands(grouped: int) -> str:
    """The alert that stood for its group has left it."""
    more_zh = f"，并代表另外 {grouped} 条" if grouped else ""
    more_en = f" and stands for {grouped} more" if grouped else ""
    return f"原先代表它的告警已退出，现单独通知{more_zh}。 · The alert that stood for it left: it speaks{more_en} now."
