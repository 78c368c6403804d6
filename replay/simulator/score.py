"""Alerts against the truth: what was hit, what was missed, what was false.

An alert belongs to a label of its kind about the same subject (or, for a gateway or site, about one of its members)
when it was opened within the label's time, with some tolerance before and grace after it; the rule does not matter.
An alert that belongs to no label is false. A label with an alert is hit, however many alerts it has; one without is
missed, unless the stream ended before it was detectable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from replay.simulator.chance import MINUTE_MS
from replay.simulator.truth import KINDS, Kind, Label


@dataclass(frozen=True, slots=True)
class ScoredAlert:
    """What scoring needs of an alert. Times are event times, epoch ms; ``resolved_time_ms`` None: still open."""

    detector: str
    rule: str
    subject: str
    opened_time_ms: int
    resolved_time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Slack:
    """How far before a label's start and after its end an alert still belongs to it."""

    before_ms: int
    after_ms: int


DEFAULT_SLACK: Mapping[Kind, Slack] = {
    "irregular_movement": Slack(15 * MINUTE_MS, 60 * MINUTE_MS),
    "device_offline": Slack(15 * MINUTE_MS, 60 * MINUTE_MS),
    "noise_limit": Slack(20 * MINUTE_MS, 40 * MINUTE_MS),
}


def score(
    labels: Iterable[Label],
    alerts: Iterable[ScoredAlert],
    *,
    until_ms: int,
    from_ms: int | None = None,
    slack: Mapping[Kind, Slack] = DEFAULT_SLACK,
) -> dict[str, dict[str, int]]:
    """``{kind: {hit, missed, false}}`` of a stream that was watched from ``from_ms`` (or ever) to ``until_ms``.

    Alerts opened and labels begun before ``from_ms`` are left out; alerts of other detectors too.
    """
    tallies = {kind: {"hit": 0, "missed": 0, "false": 0} for kind in KINDS}
    watched = [
        label for label in labels if label.start_ms < until_ms and (from_ms is None or label.start_ms >= from_ms)
    ]
    by_subject: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in watched:
        for subject in {label.subject, *label.members}:
            by_subject[(label.kind, subject)].append(label)
    hit: set[Label] = set()
    for alert in alerts:
        if alert.detector not in tallies or (from_ms is not None and alert.opened_time_ms < from_ms):
            continue
        belongs = [
            label
            for label in by_subject[(alert.detector, alert.subject)]
            if _within(alert.opened_time_ms, label, slack[label.kind])
        ]
        hit.update(belongs)
        tallies[alert.detector]["false"] += not belongs
    for label in watched:
        if label in hit:
            tallies[label.kind]["hit"] += 1
        elif label.detectable_by_ms <= until_ms:
            tallies[label.kind]["missed"] += 1
    return {str(kind): tally for kind, tally in tallies.items()}


def _within(time_ms: int, label: Label, slack: Slack) -> bool:
    return label.start_ms - slack.before_ms <= time_ms <= label.end_ms + slack.after_ms
