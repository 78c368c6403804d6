"""The account of a storm of alerts: what was caused, what the log says, and what each subscriber took. Pure.

A cause is one subject at one time, made so that it opens exactly one alert. Each subscriber's takings are in order of
first arrival, repeats by ``webhook-id`` left out; whatever is still there twice then has two ids. The log may say a
step again after a crash, under the same event id: the first counts.

missing        per subscriber: steps it asked for, that a cause should have brought or the log has, and it did not take.
out_of_order   takings that are earlier in the log than another one of their subject that the subscriber took before.
raised_twice   alerts opened beyond the first for one cause, in the log or at a subscriber.
unexplained    alerts that nothing caused, and takings that the log does not have or the subscriber did not ask for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

_SHOWN: Final = 5
Cause = tuple[str, int]
"""Subject, and when it happened, epoch ms."""


class Told(NamedTuple):
    """What a delivery says: one step of an alert."""

    alert: str
    step: str
    step_number: int
    subject: str


@dataclass(frozen=True, slots=True)
class Logged:
    """An alert step in the log."""

    event_id: str
    told: Told
    opened_time_ms: int


@dataclass(frozen=True, slots=True)
class Subscriber:
    """``steps``: those that it asked for; ``took``: first arrivals by webhook-id, in order."""

    name: str
    steps: frozenset[str]
    took: Sequence[Told]


@dataclass(frozen=True, slots=True)
class AlertsAccount:
    """``alerts``: different ones that were opened. ``said_again``: records of the log under an id that it had before,
    which is not wrong. ``examples``: a few of what is wrong."""

    alerts: int
    said_again: int
    missing: int
    out_of_order: int
    raised_twice: int
    unexplained: int
    examples: tuple[str, ...]


class _Wrong:
    """Counts, with a few examples."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []

    def add(self, example: str) -> None:
        self.count += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(example)


@dataclass(frozen=True, slots=True)
class _Said:
    """The log: each step once, with its place; the steps that each cause brought; and how much of it was said again."""

    place: dict[Told, int]
    of_cause: dict[Cause, set[str]]
    alerts: int
    again: int


def account(causes: Iterable[Cause], logged: Iterable[Logged], subscribers: Iterable[Subscriber]) -> AlertsAccount:
    """Hold all three against each other. ``logged``: in log order, as far as each subject goes."""
    missing, disordered, twice, unexplained = _Wrong(), _Wrong(), _Wrong(), _Wrong()
    caused = set(causes)
    said = _said(caused, logged, twice, unexplained)
    for one in subscribers:
        for cause in sorted(caused):
            for step in sorted(one.steps - said.of_cause.get(cause, set())):
                missing.add(f"{one.name}: no alert was {step} in the log for {cause[0]} at {cause[1]}")
        _held(one, said, missing, disordered, twice, unexplained)
    return AlertsAccount(
        alerts=said.alerts,
        said_again=said.again,
        missing=missing.count,
        out_of_order=disordered.count,
        raised_twice=twice.count,
        unexplained=unexplained.count,
        examples=(*missing.examples, *disordered.examples, *twice.examples, *unexplained.examples),
    )


def _said(caused: set[Cause], logged: Iterable[Logged], twice: _Wrong, unexplained: _Wrong) -> _Said:
    place: dict[Told, int] = {}
    of_cause: dict[Cause, set[str]] = defaultdict(set)
    opened: dict[Cause, str] = {}  # event id
    seen: set[str] = set()
    alerts: set[str] = set()
    again = 0
    for number, one in enumerate(logged):
        if one.event_id in seen:
            again += 1
            continue
        seen.add(one.event_id)
        told, cause = one.told, (one.told.subject, one.opened_time_ms)
        place.setdefault(told, number)
        of_cause[cause].add(told.step)
        if told.step != "opened":
            continue
        alerts.add(told.alert)
        if cause not in caused:
            unexplained.add(f"in the log: alert {told.alert} about {told.subject} was caused by nothing that was sent")
        elif opened.setdefault(cause, one.event_id) != one.event_id:
            twice.add(f"in the log: {told.subject} at {cause[1]}: events {opened[cause]} and {one.event_id}")
    return _Said(place, of_cause, len(alerts), again)


def _held(
    one: Subscriber, said: _Said, missing: _Wrong, disordered: _Wrong, twice: _Wrong, unexplained: _Wrong
) -> None:
    took: set[Told] = set()
    latest: dict[str, int] = {}  # subject: the furthest place in the log
    for told in one.took:
        if told in took:
            twice.add(f"{one.name}: took {told.step} of {told.alert} about {told.subject} under two webhook-ids")
            continue
        took.add(told)
        place = said.place.get(told)
        if place is None:
            unexplained.add(f"{one.name}: took {told.step} of {told.alert}, which the log does not have")
            continue
        if told.step not in one.steps:
            unexplained.add(f"{one.name}: took {told.step} of {told.alert}, which it did not ask for")
        if place < latest.get(told.subject, -1):
            disordered.add(f"{one.name}: took {told.step} of {told.alert} about {told.subject} after a later step")
        latest[told.subject] = max(place, latest.get(told.subject, -1))
    for told in said.place:
        if told.step in one.steps and told not in took:
            missing.add(f"{one.name}: never took {told.step} of {told.alert} about {told.subject}")
