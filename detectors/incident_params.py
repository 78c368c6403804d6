"""When alerts are said again, clear, fall, fold together, and remind: the parameters of the incident operator.

All waiting is on log time. A pair is (rule or severity, number); zero turns it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Plan = tuple[tuple[int, Literal["reminded", "escalated"]], ...]
"""What is said to those who do not acknowledge, and how many ms after it began; rising."""

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class IncidentParams:
    """Parameters of the incident operator."""

    update_every_min: float = 10.0
    quiet_min: tuple[tuple[str, float], ...] = (  # rule -> minutes without a further detection: it is over
        ("unusual_hour", 120.0),
        ("unknown_place", 60.0),
        ("night_burst", 30.0),
    )
    clear_after_min: tuple[tuple[str, float], ...] = (  # rule -> minutes for which "it is over" must hold
        ("silent", 0.0),
        ("gateway_silent", 0.0),
        ("site_silent", 0.0),
        ("over_limit", 0.0),
        ("louder_than_usual", 0.0),
        ("absent_too_long", 0.0),
        ("no_sign_of_life", 0.0),
    )
    severity_fall_min: float = 10.0  # the severity falls when nothing graver was noticed for so long
    flap_cycles: int = 4  # an alert that has ended so often …
    flap_min: float = 60.0  # … within so long is unstable when it opens again, until it is quiet for as long
    group_wait_s: tuple[tuple[str, float], ...] = (  # rule -> longest gap between alerts that fold together
        ("silent", 0.0),
        ("over_limit", 0.0),
        ("louder_than_usual", 0.0),
        ("night_burst", 0.0),
    )
    group_interval_min: float = 5.0  # a group that grows is said again at most so often
    remind_after_min: tuple[tuple[str, float], ...] = (("critical", 15.0), ("warning", 0.0), ("info", 0.0))
    escalate_after_min: tuple[tuple[str, float], ...] = (("critical", 30.0), ("warning", 0.0), ("info", 0.0))
    escalate_again_min: float = 60.0
    escalations_max: int = 3
    keep_ended_days: float = 7.0  # people can still close, judge and report an alert that has ended
    keep_ended_max: int = 2000  # of a lane; the oldest is let go first


def ms_by_name(pairs: tuple[tuple[str, float], ...], unit_ms: int = _MINUTE_MS) -> dict[str, int]:
    """What is not turned off, in milliseconds."""
    return {name: int(number * unit_ms) for name, number in pairs if number > 0}


def plans(params: IncidentParams) -> dict[str, Plan]:
    """By severity: what is said, and when, while nobody acknowledges."""
    remind, escalate = ms_by_name(params.remind_after_min), ms_by_name(params.escalate_after_min)
    again_ms = int(params.escalate_again_min * _MINUTE_MS)
    found: dict[str, Plan] = {}
    for severity in {**remind, **escalate}:
        steps: list[tuple[int, Literal["reminded", "escalated"]]] = []
        if severity in remind:
            steps.append((remind[severity], "reminded"))
        if severity in escalate:
            times = params.escalations_max if again_ms > 0 else 1
            steps += [(escalate[severity] + number * again_ms, "escalated") for number in range(times)]
        found[severity] = tuple(sorted(steps))
    return found
