"""Silences, maintenance windows and power cuts of a lane: which are on, and which of them an alert falls under.

A silence is on from its start to its end by the lane's clock. It reaches no further than the scope of the event that
declared it. The latest event about it (by event time) counts; a lifted one is remembered until its end, so that an
older event about it that comes again does not bring it back.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.incident_alert import AlertState, Silencer
from detectors.incident_people import PersonSaid
from schemas.families.civic import AlertSilence
from schemas.topics import covers


@dataclass(slots=True)
class _Declared:
    data: AlertSilence
    event_ms: int
    is_on: bool


class Silences:
    """The silences of one lane that have not ended."""

    def __init__(self, saved: dict[str, _Declared] | None = None) -> None:
        self._declared = saved or {}

    def saved(self) -> dict[str, _Declared]:
        """What to build it from again."""
        return self._declared

    def take(self, spoken: PersonSaid, data: AlertSilence) -> bool:
        """Take in what was said about a silence; whether it counts."""
        known = self._declared.get(data.silence)
        if known is not None and spoken.event_ms < known.event_ms:
            return False
        if data.starts_time_ms >= data.ends_time_ms or not covers(spoken.scope, data.silenced_scope):
            return False
        now_ms = spoken.detected_ms
        if data.ends_time_ms <= now_ms:
            return self._declared.pop(data.silence, None) is not None
        is_on = data.status == "active" and data.starts_time_ms <= now_ms
        self._declared[data.silence] = _Declared(data, spoken.event_ms, is_on)
        return True

    def times_ms(self, silence: str) -> tuple[int, int] | None:
        """Its start and end; None when it is not known."""
        known = self._declared.get(silence)
        return None if known is None else (known.data.starts_time_ms, known.data.ends_time_ms)

    def start(self, silence: str) -> None:
        """Its time has come."""
        known = self._declared[silence]
        known.is_on = known.data.status == "active"

    def end(self, silence: str) -> None:
        """Its time is over."""
        del self._declared[silence]

    def over(self, alert: AlertState) -> Silencer | None:
        """What silences the alert: of several the first by name."""
        if not self._declared:
            return None
        on = (name for name, one in self._declared.items() if one.is_on and _matches(one.data, alert))
        name = min(on, default=None)
        return None if name is None else Silencer(self._declared[name].data.kind, name)


def _matches(data: AlertSilence, alert: AlertState) -> bool:
    last = alert.last
    return (
        covers(data.silenced_scope, alert.scope)
        and data.detector in (None, last.detector)
        and data.rule in (None, last.rule)
        and data.subject in (None, last.subject)
    )
