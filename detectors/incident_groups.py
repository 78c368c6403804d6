"""Alerts of one rule in one place that open together: the first stands for all.

An alert folds under the first one while that is open, nothing graver is noticed in it, and no more than the rule's
wait has passed since the last one that folded. When the first one leaves (it ended or was silenced), the next one
stands for those that are left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.incident_alert import AlertState
from schemas.families.system import GRAVITY


@dataclass(slots=True)
class _Group:
    place: str
    joined_ms: int  # log time: when the latest came
    members: dict[str, None] = field(default_factory=dict)  # keys of open alerts, as they came; the first leads


@dataclass(slots=True)
class Groups:
    """Open groups of a lane: by the alert that stands for each, and the one that is joined at a place."""

    groups: dict[str, _Group] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)

    def join(self, alert: AlertState, now_ms: int, wait_ms: int, alerts: dict[str, AlertState]) -> AlertState | None:
        """Fold a new alert under another, which is returned, or let it be the first of a new group."""
        last = alert.last
        place = f"{last.detector}/{last.rule}@{alert.scope}"
        group = self.groups.get(self.joined.get(place, ""))
        if group is not None and now_ms - group.joined_ms <= wait_ms:
            first = alerts[next(iter(group.members))]
            if GRAVITY[alert.severity] <= GRAVITY[first.severity]:
                group.members[alert.key] = None
                group.joined_ms = now_ms
                alert.group, first.grouped = first.alert, len(group.members) - 1
                return first
        self.groups[alert.alert] = _Group(place, now_ms, {alert.key: None})
        self.joined[place] = alert.alert
        return None

    def leave(self, alert: AlertState, alerts: dict[str, AlertState]) -> AlertState | None:
        """Take an alert out; the one that now stands for the others, when it was the first of several."""
        name = alert.group or alert.alert
        group = self.groups.get(name)
        if group is None or alert.key not in group.members:
            return None
        del group.members[alert.key]
        if name != alert.alert:
            alerts[next(iter(group.members))].grouped = len(group.members) - 1
            return None
        del self.groups[name]
        is_joined = self.joined.get(group.place) == name
        if not group.members:
            if is_joined:
                del self.joined[group.place]
            return None
        first, *others = (alerts[key] for key in group.members)
        first.group, first.grouped = None, len(others)
        for other in others:
            other.group = first.alert
        self.groups[first.alert] = group
        if is_joined:
            self.joined[group.place] = first.alert
        return first
