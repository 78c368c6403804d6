"""Irregular movement of a person under care 轨迹异常, from that person's own learned habits.

Only for persons registered with ``consent``. Inputs: sightings, passages with ``person``, presence (by ``person``, or
by a device registered with one; signal ``power`` is not taken as a person). Home is where presence, a passage ``in``
or a sighting at the home site says so; out is a passage ``out`` or a sighting anywhere else.

Learning takes 7 days and 60 observations of the person; nothing is flagged before. Then (:mod:`detectors.habit`):
``unusual_hour``    out at an hour (weekday/weekend, +-2 h) at which this person is practically never out: on under 4%
                    of days at 22:00-06:00, under 1.2% (so after two weeks or more) by day. Once per outing; over
                    when home again.
``absent_too_long`` out longer than 1.5 x the 0.95 quantile of past absences (begun in that quarter of the day, from 5
                    of them on, else of all) + 45 min, at least 3 h. Over when home again.
``no_sign_of_life`` at home without activity; only with 5 signs a day or more. By day (last sign 05:00-20:00): longer
                    than 1.3 x the 0.95 quantile of past days' longest gaps (begun in those two hours of the day, or
                    the two before or after) + 45 min, at least 2 h. By night: until 90 min after the 0.95 quantile
                    of past first signs of the day. Over with the next sign.
``unknown_place``   seen (confidence 0.5 or more) at a place not visited while learning, nor since (persons with
                    dementia or mental illness, children: on fewer than two occasions 2 h apart), nor within 90 days;
                    not for a person who keeps going to new places: fewer than 5% of visits (15% for the former) were
                    to places visited just once.

Guarantees: outputs depend on the log alone. Hours, lengths and order within a person come from event time; timers
from log time. An observation more than 5 min older than the person's latest is not used; an event that comes again is
ignored while it is among the last 16 of the person, and later too once it is those 5 min old. Withdrawn consent or
retirement erases what was learned. State: under 4 kB per person.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from detectors import movement_text as text
from detectors.contract import Emitted
from detectors.gb3096 import period_of
from detectors.irregular_movement import IrregularMovementParams
from detectors.local_time import DAY_MS, HOUR_MS, MINUTE_MS, LocalClock
from detectors.state import model_version, pack, unpack
from detectors.timers import TimerHeap
from schemas.columns import EventBatch
from schemas.families.movement import Passage, Sighting
from schemas.families.readings import Presence
from schemas.families.registry import Device as DeviceEntry
from schemas.families.registry import Person as PersonEntry
from schemas.families.system import Detection, Severity
from tests.detectors.reference.habit_objects import Habit
from tests.detectors.reference.rows_as_tuples import Row, event_id_at, rows_of

_PERSON, _DEVICE, _SIGHTING, _PASSAGE, _PRESENCE = range(5)
_WANTED = (
    (PersonEntry.type_name, _PERSON, ("person", "change", "category", "home", "consent")),
    (DeviceEntry.type_name, _DEVICE, ("device", "change", "person")),
    (Sighting.type_name, _SIGHTING, ("person", "place", "confidence_ratio")),
    (Passage.type_name, _PASSAGE, ("person", "direction")),
    (Presence.type_name, _PRESENCE, ("device", "person", "signal")),
)
_UNKNOWN, _HOME, _OUT = range(3)
_RECENT = 16
_AHEAD_MS = 15 * MINUTE_MS  # event times further ahead of the log are nonsense
_NEVER_MS = -(2**62)
_FRAIL = ("dementia", "child", "mental")  # for whom being somewhere else is grave


class _Person:
    """What is known of one person: where, since when, what is flagged, and the habits."""

    __slots__ = (
        "absent", "category", "entry_ms", "first_ms", "habit", "home", "last_ms", "no_sign", "observations",
        "out_since_ms", "recent", "scope", "sign_ms", "unusual", "where",
    )  # fmt: skip

    def __init__(self, scope: str, home: str, category: str, entry_ms: int) -> None:
        self.scope = scope
        self.home = home
        self.category = category
        self.entry_ms = entry_ms  # event time of the registry entry
        self.first_ms = 0
        self.last_ms = _NEVER_MS  # latest event time observed
        self.observations = 0
        self.recent: list[tuple[int, str]] = []
        self.where = _UNKNOWN
        self.out_since_ms = 0
        self.sign_ms = 0  # latest sign of life at home
        self.unusual = False  # flagged in this outing
        self.absent = False
        self.no_sign = False
        self.habit = Habit()


class IrregularMovement:
    """The detector of one lane; see the module's header."""

    name: ClassVar[str] = "irregular_movement"
    state_version: ClassVar[int] = 1

    def __init__(self, params: IrregularMovementParams | None = None) -> None:
        self.params = params = params or IrregularMovementParams()
        self.model_version = model_version(self.name, 1, params)
        self._clock = LocalClock(params.timezone)
        self._out: list[Emitted] = []
        self._batch: EventBatch | None = None
        self._persons: dict[str, _Person] = {}
        self._withdrawn: dict[str, int] = {}  # event time of the entry that ended the watch
        self._person_of: dict[str, tuple[str | None, int]] = {}  # device -> person, event time of the entry
        self._timers = TimerHeap()

    # -- the detector's contract -------------------------------------------------------------------------------------
    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed."""
        self._out, self._batch = [], batch
        for row in rows_of(batch, _WANTED):
            if self._timers.next_ms < row[1]:
                self._fire(row[1])
            self._take(row)
        clock_ms = batch.clock_ms
        if clock_ms is not None:
            self._fire(clock_ms)
        out, self._out, self._batch = self._out, [], None
        return out

    def snapshot(self) -> bytes:
        """The whole state."""
        persons = {name: _saved(person) for name, person in self._persons.items()}
        payload = (persons, self._withdrawn, self._person_of, self._timers.saved())
        return pack(self.name, self.state_version, payload)

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        persons, self._withdrawn, self._person_of, timers = unpack(self.name, self.state_version, saved)
        self._persons = {name: _person_of(values) for name, values in persons.items()}
        self._timers = TimerHeap(timers)

    # -- rows --------------------------------------------------------------------------------------------------------
    def _take(self, row: Row) -> None:
        tag = row[3]
        if tag == _PRESENCE:
            name = row[6] or self._person_of.get(row[5], (None, 0))[0]
            if name is not None and row[7] in self.params.life_signals:
                self._observe(row, name, _HOME, row[7], None)
        elif tag == _PASSAGE:
            if row[5] is not None:
                self._observe(row, row[5], _HOME if row[6] == "in" else _OUT, row[6], None)
        elif tag == _SIGHTING:
            if row[7] is None or row[7] >= self.params.min_confidence_ratio:
                person = self._persons.get(row[5])
                where = _HOME if person is not None and row[6] == person.home else _OUT
                self._observe(row, row[5], where, row[6], row[6] if where == _OUT else None)
        elif tag == _PERSON:
            self._registered(row)
        else:
            name, change, person_of = row[5:8]
            if row[2] > self._person_of.get(name, (None, _NEVER_MS))[1]:
                if change == "retired" or person_of is None:
                    self._person_of.pop(name, None)
                else:
                    self._person_of[sys.intern(name)] = (sys.intern(person_of), row[2])

    def _registered(self, row: Row) -> None:
        position, now_ms, event_ms, _tag, scope, name, change, category, home, consent = row
        person = self._persons.get(name)
        watched = consent and change != "retired"
        if event_ms <= (person.entry_ms if person is not None else self._withdrawn.get(name, _NEVER_MS)):
            return  # came again, or out of order
        if not watched:
            self._withdrawn[name] = event_ms
            if person is not None:
                self._forget(name, person, now_ms, position)
            return
        self._withdrawn.pop(name, None)
        if person is not None and person.home != home:
            self._forget(name, person, now_ms, position)  # moved: habits begin anew
            person = None
        if person is None:
            self._persons[sys.intern(name)] = _Person(sys.intern(scope), home, category, event_ms)
        else:
            person.scope, person.category, person.entry_ms = sys.intern(scope), category, event_ms

    def _forget(self, name: str, person: _Person, now_ms: int, position: int) -> None:
        for rule, active in (
            ("unusual_hour", person.unusual), ("absent_too_long", person.absent), ("no_sign_of_life", person.no_sign)
        ):  # fmt: skip
            if active:
                words = text.no_longer_watched(name)
                self._say(name, person, rule, False, "info", words, now_ms, now_ms, position)
        del self._persons[name]
        self._timers.cancel(f"a:{name}")
        self._timers.cancel(f"l:{name}")

    def _observe(self, row: Row, name: str, where: int, what: str, place: str | None) -> None:
        """A person under care was noticed. ``place``: seen there, away from home."""
        person = self._persons.get(name)
        if person is None:
            return
        position, now_ms, event_ms = row[0], row[1], row[2]
        if event_ms < person.last_ms - self.params.reorder_min * MINUTE_MS or event_ms > now_ms + _AHEAD_MS:
            return
        mark = (event_ms, what)
        if mark in person.recent:
            return  # came again
        person.recent.append(mark)
        if len(person.recent) > _RECENT:
            del person.recent[0]
        if person.observations == 0:
            person.first_ms = event_ms
        person.observations += 1
        person.last_ms = max(person.last_ms, event_ms)
        params = self.params
        known_for_ms = event_ms - person.first_ms
        learned = known_for_ms >= params.learn_days * DAY_MS and person.observations >= params.learn_observations
        self._live_through(person, event_ms)
        if where == _HOME:
            self._at_home(name, person, event_ms, now_ms, position, learned)
        else:
            self._out_of_home(name, person, event_ms, now_ms, position, learned, place)
            if place is not None:
                self._visit(name, person, place, event_ms, now_ms, position, learned)

    def _live_through(self, person: _Person, event_ms: int) -> None:
        weight = None
        if person.where == _HOME:
            weight = 0.0
        elif person.where == _OUT:
            weight = self.params.habit.flagged_weight if person.unusual or person.absent else 1.0
        person.habit.live_through(self._clock.hour_index(event_ms), weight, self.params.habit)
        person.habit.learn_wake(self._clock.local_ms(event_ms), self.params.habit)

    def _at_home(
        self, name: str, person: _Person, event_ms: int, now_ms: int, position: int, learned: bool
    ) -> None:  # fmt: skip
        habit, params = person.habit, self.params.habit
        if person.where == _HOME:
            self._end_gap(name, person, event_ms, now_ms, position)
        elif person.where == _OUT:
            minutes = (event_ms - person.out_since_ms) / MINUTE_MS
            habit.learn_absence(self._clock.hour_index(person.out_since_ms), minutes, params)
            self._timers.cancel(f"a:{name}")
            words = text.home_again(self._clock, name, event_ms)
            if person.unusual:
                self._say(name, person, "unusual_hour", False, "info", words, event_ms, now_ms, position)
            if person.absent:
                self._say(name, person, "absent_too_long", False, "info", words, event_ms, now_ms, position)
            person.unusual = person.absent = False
        person.where = _HOME
        person.sign_ms = max(person.sign_ms, event_ms)
        habit.signs += 1
        if learned:  # at the least; what is really allowed is asked when that has passed, which is seldom
            due_ms = person.sign_ms + int(params.gap_least_min * MINUTE_MS)
            self._timers.schedule(f"l:{name}", max(due_ms, now_ms))

    def _end_gap(self, name: str, person: _Person, event_ms: int, now_ms: int, position: int) -> None:
        """A sign of life ends the silence at home."""
        minutes = (event_ms - person.sign_ms) / MINUTE_MS
        person.habit.learn_gap(self._clock.local_ms(person.sign_ms), minutes, self.params.habit)
        if person.no_sign:
            person.no_sign = False
            words = text.sign_again(self._clock, name, event_ms)
            self._say(name, person, "no_sign_of_life", False, "info", words, event_ms, now_ms, position)

    def _out_of_home(
        self, name: str, person: _Person, event_ms: int, now_ms: int, position: int, learned: bool, place: str | None
    ) -> None:  # fmt: skip
        habit, params = person.habit, self.params
        hour_index = self._clock.hour_index(event_ms)
        if person.where != _OUT:
            if person.where == _HOME:
                self._end_gap(name, person, event_ms, now_ms, position)
            person.where = _OUT
            person.out_since_ms = event_ms
            self._timers.cancel(f"l:{name}")
            allowed = habit.absence_allowed(hour_index, params.habit) if learned else None
            if allowed is not None:
                self._timers.schedule(f"a:{name}", max(event_ms + int(allowed[1] * MINUTE_MS), now_ms))
        if learned and not person.unusual:
            night = period_of(hour_index % 24) == "night"
            from_share = params.night_share if night else params.day_share
            share = habit.share_out(hour_index, params.habit)
            if share < from_share:
                person.unusual = True
                severity: Severity = "critical" if night and person.category in _FRAIL else "warning"
                words = text.unusual_hour(self._clock, name, event_ms, share, place)
                self._say(
                    name, person, "unusual_hour", True, severity, words, event_ms, now_ms, position,
                    score=1.0 - share, threshold=1.0 - from_share, baseline=share, observed=1.0, unit="1",
                )  # fmt: skip
        habit.out_now(params.habit.flagged_weight if person.unusual else 1.0)

    def _visit(
        self, name: str, person: _Person, place: str, event_ms: int, now_ms: int, position: int, learned: bool,
    ) -> None:  # fmt: skip
        habit, params = person.habit, self.params.habit
        frail = person.category in _FRAIL
        enough = params.known_visits_frail if frail else params.known_visits
        visits, unknown = habit.visit(place, event_ms, not learned, frail, params)
        if not unknown:
            return
        known = sum(is_known and other != place for other, (_, _, is_known) in habit.places.items())
        words = text.unknown_place(self._clock, name, place, event_ms, visits, known)
        self._say(
            name, person, "unknown_place", True, "warning" if person.category in _FRAIL else "info", words,
            event_ms, now_ms, position, score=1.0 / (1 + visits), threshold=1.0 / enough,
            baseline=float(enough), observed=float(visits), unit="1",
        )  # fmt: skip

    # -- timers ------------------------------------------------------------------------------------------------------
    def _fire(self, clock_ms: int) -> None:
        for due_ms, key in self._timers.due(clock_ms):
            name = key[2:]
            person = self._persons[name]
            if key[0] == "a":
                self._absent(name, person, due_ms)
            else:
                self._silent(name, person, due_ms)

    def _absent(self, name: str, person: _Person, due_ms: int) -> None:
        allowed = person.habit.absence_allowed(self._clock.hour_index(person.out_since_ms), self.params.habit)
        if allowed is None or person.where != _OUT:
            return
        person.absent = True
        away_h = (due_ms - person.out_since_ms) / HOUR_MS
        usual_h, allowed_h = allowed[0] / 60.0, allowed[1] / 60.0
        words = text.absent(self._clock, name, person.out_since_ms, away_h, usual_h, allowed_h)
        severity: Severity = "critical" if person.category in _FRAIL else "warning"
        self._say(
            name, person, "absent_too_long", True, severity, words, due_ms, due_ms, None,
            score=away_h / allowed_h, threshold=1.0, baseline=usual_h, observed=away_h, unit="h",
        )  # fmt: skip

    def _silent(self, name: str, person: _Person, due_ms: int) -> None:
        days = (person.last_ms - person.first_ms) / DAY_MS
        allowed = person.habit.gap_allowed(self._clock.local_ms(person.sign_ms), days, self.params.habit)
        if allowed is None or person.where != _HOME:
            return
        over_ms = person.sign_ms + int(allowed[1] * MINUTE_MS)
        if over_ms > due_ms:
            self._timers.schedule(f"l:{name}", over_ms)
            return
        person.no_sign = True
        gap_h = (due_ms - person.sign_ms) / HOUR_MS
        usual_h, allowed_h = allowed[0] / 60.0, allowed[1] / 60.0
        words = text.no_sign(self._clock, name, person.sign_ms, gap_h, usual_h, allowed_h)
        self._say(
            name, person, "no_sign_of_life", True, "critical", words, due_ms, due_ms, None,
            score=gap_h / allowed_h, threshold=1.0, baseline=usual_h, observed=gap_h, unit="h",
        )  # fmt: skip

    # -- saying it ---------------------------------------------------------------------------------------------------
    def _say(
        self, name: str, person: _Person, rule: str, active: bool, severity: Severity, words: tuple[str, str],
        event_ms: int, now_ms: int, position: int | None, *, score: float = 0.0, threshold: float = 1.0,
        baseline: float | None = None, observed: float | None = None, unit: str | None = None,
    ) -> None:  # fmt: skip
        """``position`` None: said by a timer."""
        cause = f"timer:{rule}:{name}@{now_ms}"
        if position is not None and self._batch is not None:
            cause = event_id_at(self._batch, position)
        data = Detection(
            detector="irregular_movement", rule=rule, subject=name, active=active, severity=severity, score=score,
            threshold=threshold, baseline=baseline, observed=observed, unit=unit, model_version=self.model_version,
            reason_zh=words[0], reason_en=words[1], cause_id=cause, detected_time_ms=now_ms,
        )  # fmt: skip
        self._out.append(Emitted(now_ms, position is None, position or 0, person.scope, event_ms, data))


def _saved(person: _Person) -> tuple[Any, ...]:
    values = [getattr(person, name) for name in _Person.__slots__ if name != "habit"]
    return (*values, person.habit.saved())


def _person_of(values: tuple[Any, ...]) -> _Person:
    person = _Person("", "", "", 0)
    names = [name for name in _Person.__slots__ if name != "habit"]
    for name, value in zip(names, values, strict=False):
        setattr(person, name, value)
    person.habit = Habit.of(values[-1])
    return person
