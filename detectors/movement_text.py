"""What the movement detector says, in words: Chinese first, English beside it. Persons are pseudonyms."""

from __future__ import annotations

from detectors.local_time import LocalClock


def unusual_hour(clock: LocalClock, person: str, event_ms: int, share: float, place: str | None) -> tuple[str, str]:
    """Out at an hour at which this person is practically never out."""
    at = clock.hhmm(event_ms)
    where_zh = f"出现在 {place}" if place else "外出"
    where_en = f"was seen at {place}" if place else "went out"
    return (
        f"{person} 于 {at} {where_zh},此人过去在这一时段前后外出的日子仅占 {share:.1%}。",
        f"{person} {where_en} at {at}; on only {share:.1%} of past days was this person out around that hour.",
    )


def home_again(clock: LocalClock, person: str, event_ms: int) -> tuple[str, str]:
    """Back home."""
    at = clock.hhmm(event_ms)
    return f"{person} 已于 {at} 回到家中。", f"{person} was home again at {at}."


def absent(
    clock: LocalClock, person: str, since_ms: int, away_h: float, usual_h: float, allowed_h: float
) -> tuple[str, str]:
    """Away longer than habit allows."""
    since = clock.hhmm(since_ms)
    return (
        f"{person} 自 {since} 外出已 {away_h:.1f} 小时未归,平时最长约 {usual_h:.1f} 小时(允许 {allowed_h:.1f} 小时)。",
        f"{person} has been away for {away_h:.1f} h since {since}; usually at most about {usual_h:.1f} h "
        f"({allowed_h:.1f} h allowed).",
    )


def no_sign(
    clock: LocalClock, person: str, since_ms: int, gap_h: float, usual_h: float, allowed_h: float
) -> tuple[str, str]:
    """At home without a sign of life."""
    since = clock.hhmm(since_ms)
    return (
        f"{person} 在家自 {since} 起已 {gap_h:.1f} 小时无活动迹象,平时这一时段最长约 {usual_h:.1f} 小时"
        f"(允许 {allowed_h:.1f} 小时)。",
        f"No sign of life from {person} at home for {gap_h:.1f} h since {since}; usually at most about "
        f"{usual_h:.1f} h from that hour on ({allowed_h:.1f} h allowed).",
    )


def sign_again(clock: LocalClock, person: str, event_ms: int) -> tuple[str, str]:
    """Active again."""
    at = clock.hhmm(event_ms)
    return f"{person} 于 {at} 恢复活动。", f"{person} is active again at {at}."


def unknown_place(
    clock: LocalClock, person: str, place: str, event_ms: int, visits: int, known: int
) -> tuple[str, str]:
    """At a place this person does not go to."""
    at = clock.hhmm(event_ms)
    return (
        f"{person} 于 {at} 出现在 {place},此前到访 {visits} 次,不在其熟悉的 {known} 处场所之列。",
        f"{person} was seen at {place} at {at}, visited {visits} times before and not among the {known} places this "
        "person is known to go to.",
    )


def no_longer_watched(person: str) -> tuple[str, str]:
    """Consent was withdrawn or care has ended."""
    return f"{person} 已撤回同意或结束关爱,停止判断。", f"{person} is no longer watched over."
