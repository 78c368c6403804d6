"""What the noise detector says, in words: Chinese first, English beside it."""

from __future__ import annotations

from detectors.local_time import LocalClock

_PERIOD_ZH = {"day": "昼间", "night": "夜间"}


def over_limit(
    clock: LocalClock, meter: str, zone: str, period: str, level_db: float, limit_db: float, minutes: int, end_ms: int
) -> tuple[str, str]:
    """The limit of the class of area is exceeded."""
    at = clock.hhmm(end_ms)
    return (
        f"噪声点 {meter} 截至 {at} 的 {minutes} 分钟等效声级为 {level_db:.1f} dB(A),"
        f"超过 {zone} 类区{_PERIOD_ZH[period]}限值 {limit_db:.0f} dB(A)(GB 3096-2008)。",
        f"At {meter} LAeq over {minutes} min up to {at} was {level_db:.1f} dB(A), above the {period} limit of "
        f"{limit_db:.0f} dB(A) for class {zone} (GB 3096-2008).",
    )


def within_limit(
    clock: LocalClock, meter: str, level_db: float, limit_db: float, minutes: int, end_ms: int
) -> tuple[str, str]:
    """Below the limit again."""
    at = clock.hhmm(end_ms)
    return (
        f"噪声点 {meter} 截至 {at} 的 {minutes} 分钟等效声级降至 {level_db:.1f} dB(A),低于限值 {limit_db:.0f} dB(A)。",
        f"At {meter} LAeq over {minutes} min up to {at} fell to {level_db:.1f} dB(A), below the limit of "
        f"{limit_db:.0f} dB(A).",
    )


def night_burst(
    clock: LocalClock, meter: str, zone: str, level_db: float, limit_db: float, allowance_db: float, event_ms: int
) -> tuple[str, str]:
    """A sudden noise at night."""
    at = clock.hhmm(event_ms)
    over = level_db - limit_db
    return (
        f"噪声点 {meter} 于夜间 {at} 突发噪声 {level_db:.1f} dB(A),超过 {zone} 类区夜间限值 {limit_db:.0f} dB(A) "
        f"达 {over:.1f} dB(允许 {allowance_db:.0f} dB)。",
        f"At {meter} a sudden noise of {level_db:.1f} dB(A) at {at} exceeded the night limit of {limit_db:.0f} dB(A) "
        f"for class {zone} by {over:.1f} dB ({allowance_db:.0f} dB are allowed).",
    )


def louder(
    clock: LocalClock, meter: str, level_db: float, usual_db: float, minutes: int, end_ms: int
) -> tuple[str, str]:
    """Louder than usual here at this hour."""
    at = clock.hhmm(end_ms)
    over = level_db - usual_db
    return (
        f"噪声点 {meter} 截至 {at} 已持续 {minutes} 分钟偏高:{level_db:.1f} dB(A),"
        f"比此处该时段平时的 {usual_db:.1f} dB(A) 高 {over:.1f} dB。",
        f"{meter} has been louder than usual for {minutes} min up to {at}: {level_db:.1f} dB(A), {over:.1f} dB above "
        f"the {usual_db:.1f} dB(A) usual here at this hour.",
    )


def usual_again(clock: LocalClock, meter: str, level_db: float, usual_db: float, end_ms: int) -> tuple[str, str]:
    """As loud as usual again."""
    at = clock.hhmm(end_ms)
    return (
        f"噪声点 {meter} 截至 {at} 恢复正常:{level_db:.1f} dB(A),平时 {usual_db:.1f} dB(A)。",
        f"{meter} is as usual again at {at}: {level_db:.1f} dB(A), usually {usual_db:.1f} dB(A).",
    )


def no_data(clock: LocalClock, meter: str, now_ms: int) -> tuple[str, str]:
    """The meter sends nothing any more, or its place is no longer known."""
    at = clock.hhmm(now_ms)
    return f"噪声点 {meter} 截至 {at} 无数据,无法继续判断。", f"{meter} has no data as of {at}; no further judgement."
