"""What the device detector says, in words: Chinese first, English beside it."""

from __future__ import annotations

from detectors.local_time import LocalClock


def duration_zh(seconds: float) -> str:
    """E.g. 45 秒, 3.5 分钟, 2.0 小时."""
    if seconds < 90:
        return f"{seconds:.0f} 秒"
    return f"{seconds / 60:.1f} 分钟" if seconds < 5400 else f"{seconds / 3600:.1f} 小时"


def duration_en(seconds: float) -> str:
    """E.g. 45 s, 3.5 min, 2.0 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def silent(
    clock: LocalClock, device: str, last_ms: int, silence_s: float, interval_s: float, allowed_s: float
) -> tuple[str, str]:
    """A device fell silent."""
    seen = clock.hhmm(last_ms)
    return (
        f"设备 {device} 自 {seen} 起已静默 {duration_zh(silence_s)},平时每 {duration_zh(interval_s)}上报一次,"
        f"超过允许的 {duration_zh(allowed_s)}。",
        f"Device {device} has been silent for {duration_en(silence_s)} since {seen}; it usually reports every "
        f"{duration_en(interval_s)}, {duration_en(allowed_s)} are allowed.",
    )


def seen_again(clock: LocalClock, device: str, now_ms: int, silence_s: float) -> tuple[str, str]:
    """A device is back."""
    at = clock.hhmm(now_ms)
    return (
        f"设备 {device} 于 {at} 恢复上报,此前静默 {duration_zh(silence_s)}。",
        f"Device {device} reported again at {at} after {duration_en(silence_s)} of silence.",
    )


def group_silent(clock: LocalClock, kind: str, name: str, out: int, heard: int, since_ms: int) -> tuple[str, str]:
    """A whole gateway or site fell silent; ``heard``: devices that should have been heard."""
    since = clock.hhmm(since_ms)
    title = "网关" if kind == "gateway" else "场所"
    return (
        f"{title} {name} 整体离线:应上报的 {heard} 台设备中有 {out} 台自 {since} 起静默。",
        f"The whole {kind} {name} dropped out: {out} of {heard} devices due to report have been silent since {since}.",
    )


def group_back(clock: LocalClock, kind: str, name: str, back: int, out: int, now_ms: int) -> tuple[str, str]:
    """The greater part of a gateway or site is back."""
    at = clock.hhmm(now_ms)
    title = "网关" if kind == "gateway" else "场所"
    return (
        f"{title} {name} 于 {at} 恢复:离线的 {out} 台设备中已有 {back} 台重新上报。",
        f"{kind.capitalize()} {name} is back at {at}: {back} of its {out} silent devices report again.",
    )


def flapping(clock: LocalClock, device: str, spells: int, since_ms: int) -> tuple[str, str]:
    """A device goes off and on again and again."""
    since = clock.hhmm(since_ms)
    return (
        f"设备 {device} 自 {since} 起反复掉线,已达 {spells} 次。",
        f"Device {device} keeps dropping out: {spells} times since {since}.",
    )


def steady(clock: LocalClock, device: str, now_ms: int, hold_s: float) -> tuple[str, str]:
    """A flapping device has settled."""
    at = clock.hhmm(now_ms)
    return (
        f"设备 {device} 截至 {at} 已连续 {duration_zh(hold_s)}没有再次掉线。",
        f"Device {device} has not dropped out again for {duration_en(hold_s)}, as of {at}.",
    )


def retired(device: str) -> tuple[str, str]:
    """A silent device was taken out of service."""
    return f"设备 {device} 已停用。", f"Device {device} was retired."
