"""The alerts of a lane: the open ones by key, the latest that ended, and which are moot while another is open."""

from __future__ import annotations

from typing import Any

from detectors.incident_alert import AlertState

_DAY_MS = 86_400_000


class AlertBook:
    """Open alerts in the order they opened; ended ones for so many days, and so many of them, the oldest go first."""

    def __init__(self, keep_days: float, keep_max: int) -> None:
        self.open: dict[str, AlertState] = {}  # by key
        self._ended: dict[str, AlertState] = {}  # by alert, as they ended
        self._named: dict[str, AlertState] = {}  # the open ones, by alert
        self._dependents: dict[str, set[str]] = {}  # key of a cause -> keys of open alerts that it makes moot
        self._keep_ms = int(keep_days * _DAY_MS)
        self._keep_max = keep_max

    def saved(self) -> tuple[Any, ...]:
        """What :meth:`load` takes."""
        return self.open, self._ended

    def load(self, saved: tuple[Any, ...]) -> None:
        """Replace everything; the rest follows from the alerts."""
        self.open, self._ended = saved
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

    def cause_of(self, alert: AlertState) -> AlertState | None:
        """The first of its causes that is open."""
        return next((self.open[cause] for cause in alert.causes if cause in self.open), None)

    def dependents(self, key: str) -> list[AlertState]:
        """Open alerts that are moot while that of the key is open, by name."""
        return [self.open[one] for one in sorted(self._dependents.get(key, ()))]

    def _enter(self, alert: AlertState) -> None:
        for cause in alert.causes:
            self._dependents.setdefault(cause, set()).add(alert.key)

    def _is_old(self, alert: AlertState, now_ms: int) -> bool:
        return now_ms - alert.ended_log_ms > self._keep_ms
