"""The alerts of a lane: the open ones by key, the latest that ended, and which are moot while another is open.

A cause is the key of an alert, or ``offline:<device>``: what that device did not see says nothing while it is offline.
"""

from __future__ import annotations

from typing import Any

from detectors.contract import Emitted
from detectors.incident_alert import AlertState, Silencer

_DAY_MS = 86_400_000
_OFFLINE = "offline:"


class AlertBook:
    """Open alerts in the order they opened; ended ones for so many days, and so many of them, the oldest go first."""

    def __init__(self, keep_days: float, keep_max: int) -> None:
        self.open: dict[str, AlertState] = {}  # by key
        self._ended: dict[str, AlertState] = {}  # by alert, as they ended
        self._named: dict[str, AlertState] = {}  # the open ones, by alert
        self._dependents: dict[str, set[str]] = {}  # key of a cause -> keys of open alerts that it makes moot
        self._offline: dict[str, None] = {}  # causes of devices that are
        self._keep_ms = int(keep_days * _DAY_MS)
        self._keep_max = keep_max

    def saved(self) -> tuple[Any, ...]:
        """What :meth:`load` takes."""
        return self.open, self._ended, self._offline

    def load(self, saved: tuple[Any, ...]) -> None:
        """Replace everything; the rest follows from the alerts."""
        self.open, self._ended, self._offline = saved
        self._named = {alert.alert: alert for alert in self.open.values()}
        self._dependents = {}
        for alert in self.open.values():
            self._enter(alert)

    def add(self, alert: AlertState) -> None:
        """An alert opened."""
        self.open[alert.key] = alert
        self._named[alert.alert] = alert
        self._ended.pop(alert.alert, None)  # the same cause again
        self._enter(alert)

    def end(self, alert: AlertState, now_ms: int) -> None:
        """An open alert ended; it is kept for a while, so that people can judge it."""
        self.set_causes(alert, ())
        del self.open[alert.key], self._named[alert.alert]
        alert.ended_log_ms = now_ms
        self._ended[alert.alert] = alert
        while len(self._ended) > self._keep_max or self._is_old(next(iter(self._ended.values())), now_ms):
            del self._ended[next(iter(self._ended))]

    def find(self, name: str, now_ms: int) -> AlertState | None:
        """The alert of this name, if it is open or kept."""
        if (alert := self._named.get(name)) is not None:
            return alert
        alert = self._ended.get(name)
        return None if alert is None or self._is_old(alert, now_ms) else alert

    def set_causes(self, alert: AlertState, causes: tuple[str, ...]) -> None:
        """What makes an open alert moot has changed."""
        for cause in alert.causes:
            keys = self._dependents[cause]
            keys.discard(alert.key)
            if not keys:
                del self._dependents[cause]
        alert.causes = causes
        self._enter(alert)

    def inhibitor_of(self, alert: AlertState) -> Silencer | None:
        """The first of its causes that is open, or a device that is offline."""
        for cause in alert.causes:
            if cause in self.open:
                return Silencer("inhibited", self.open[cause].alert)
            if cause.startswith(_OFFLINE):
                return Silencer("inhibited", cause.removeprefix(_OFFLINE))
        return None

    def went_offline(self, device: str) -> None:
        """What opens from now on because that device saw nothing is moot; what is open already is not."""
        self._offline[_OFFLINE + device] = None

    def came_back(self, device: str) -> list[AlertState]:
        """It is no cause any more: the open alerts of which it was one."""
        cause = _OFFLINE + device
        self._offline.pop(cause, None)
        freed = self.dependents(cause)
        for alert in freed:
            self.set_causes(alert, tuple(one for one in alert.causes if one != cause))
        return freed

    def causes_of(self, emitted: Emitted, known: AlertState | None = None) -> tuple[str, ...]:
        """What makes a detection's alert moot; of one that is ``known`` its offline device stays."""
        if known is not None:
            return (*emitted.causes, *(cause for cause in known.causes if cause.startswith(_OFFLINE)))
        cause = f"{_OFFLINE}{emitted.relies_on}"
        return (*emitted.causes, cause) if cause in self._offline else emitted.causes

    def dependents(self, key: str) -> list[AlertState]:
        """Open alerts that are moot while that of the key is open, by name."""
        return [self.open[one] for one in sorted(self._dependents.get(key, ()))]

    def _enter(self, alert: AlertState) -> None:
        for cause in alert.causes:
            self._dependents.setdefault(cause, set()).add(alert.key)

    def _is_old(self, alert: AlertState, now_ms: int) -> bool:
        return now_ms - alert.ended_log_ms > self._keep_ms
