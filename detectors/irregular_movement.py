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
                    of past first signs of the day. Over with the next sign. Relies on the device that gave the
                    last sign: when that is offline by then, the silence says nothing about the person.
``unknown_place``   seen (confidence 0.5 or more) at a place not visited while learning, nor since (persons with
                    dementia or mental illness, children: on fewer than two occasions 2 h apart), nor within 90 days;
                    not for a person who keeps going to new places: fewer than 5% of visits (15% for the former) were
                    to places visited just once.

Guarantees: outputs depend on the log alone. Hours, lengths and order within a person come from event time; timers
from log time. An observation more than 5 min older than the person's latest is not used; an event that comes again is
ignored while it is among the last 16 of the person, and later too once it is those 5 min old. Withdrawn consent or
retirement erases what was learned. State: about 1.3 kB a person, and 40 bytes for each place.

Persons do not depend on each other. So those of whom a batch brings one ordinary sign of life at home, most of all,
are taken in together, as columns; every other sign goes one by one, in log order, after the person's own timer.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from detectors import movement_text as text
from detectors.columns import BoolArray
from detectors.contract import Emitted
from detectors.gb3096 import period_of
from detectors.habit import HabitParams
from detectors.local_time import DAY_MS, HOUR_MS, MINUTE_MS, LocalClock
from detectors.movement_persons import HOME, LONG_AGO_MS, OUT, RECENT, Persons
from detectors.movement_signs import CAME_IN, PERSON, SIGHTED, LifeSignals, Signs, entries_of, signs_of
from detectors.rows import Row, event_id_at
from detectors.state import model_version, pack, unpack
from detectors.timers import NEVER_MS
from schemas.columns import EventBatch
from schemas.families.system import Detection, Severity
from schemas.records import IntArray

_AHEAD_MS = 15 * MINUTE_MS  # event times further ahead of the log are nonsense
_FRAIL = ("dementia", "child", "mental")  # for whom being somewhere else is grave
_MANY = 24  # signs, from which columns are cheaper than one by one


@dataclass(frozen=True, slots=True)
class IrregularMovementParams:
    """Parameters of the movement detector."""

    timezone: str = "Asia/Shanghai"
    learn_days: float = 7.0
    learn_observations: int = 60
    night_share: float = 0.04  # out on fewer days than this is unusual, 22:00-06:00
    day_share: float = 0.012  # by day
    min_confidence_ratio: float = 0.5
    reorder_min: float = 5.0
    life_signals: tuple[str, ...] = ("infrared", "door_open", "door_close", "water")
    habit: HabitParams = field(default_factory=HabitParams)


class IrregularMovement:
    """The detector of one lane; see the module's header."""

    name: ClassVar[str] = "irregular_movement"
    state_version: ClassVar[int] = 3

    def __init__(self, params: IrregularMovementParams | None = None) -> None:
        self.params = params = params or IrregularMovementParams()
        self.model_version = model_version(self.name, 1, params)
        self._clock = LocalClock(params.timezone)
        self._life_signals = LifeSignals(params.life_signals)
        self._out: list[Emitted] = []
        self._batch: EventBatch | None = None
        self._persons = Persons(params.habit)
        self._withdrawn: dict[str, int] = {}  # event time of the entry that ended the watch
        self._person_of: dict[str, tuple[str, int]] = {}  # device -> person, event time of the entry
        self._next_ms = NEVER_MS  # nothing is due before

    # -- the detector's contract -------------------------------------------------------------------------------------
    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed."""
        self._out, self._batch = [], batch
        entries = entries_of(batch, self._person_of)
        by_device = bool(self._person_of) or any(entry[3] != PERSON for entry in entries)
        signs = signs_of(batch, self._life_signals, self.params.min_confidence_ratio, by_device)
        done = 0
        for entry in entries:
            if signs is not None:
                until = int(np.searchsorted(signs.position, entry[0]))
                if until > done:
                    self._take(signs.between(done, until))
                    done = until
            if entry[3] == PERSON:
                self._registered(entry)
            else:
                self._placed(entry)
        if signs is not None and done < len(signs):
            self._take(signs.between(done, len(signs)))
        clock_ms = batch.clock_ms
        if clock_ms is not None and self._next_ms < clock_ms:
            due_ms = self._persons.due_ms[: self._persons.names.rows]
            for row in np.flatnonzero(due_ms < clock_ms).tolist():
                self._fire(row, clock_ms)
            self._next_ms = self._persons.next_due_ms()
        out, self._out, self._batch = self._out, [], None
        return out

    def held(self) -> dict[str, Any]:
        """The whole state; arrays are views."""
        return {"persons": self._persons.held(), "withdrawn": self._withdrawn, "person_of": self._person_of}

    def snapshot(self) -> bytes:
        """The whole state."""
        return pack(self.name, self.state_version, self.held())

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        state = unpack(self.name, self.state_version, saved)
        self._persons = Persons.of(state["persons"], self.params.habit)
        self._withdrawn, self._person_of = state["withdrawn"], state["person_of"]
        self._next_ms = self._persons.next_due_ms()

    @property
    def bytes_held(self) -> int:
        """Memory of what is known of persons."""
        return self._persons.bytes_held

    # -- registry ----------------------------------------------------------------------------------------------------
    def _placed(self, entry: Row) -> None:
        """A device stands with a person, or no longer."""
        event_ms = entry[2]
        name, change, person_of = entry[5:8]
        if event_ms > self._person_of.get(name, (None, LONG_AGO_MS))[1]:
            if change == "retired" or person_of is None:
                self._person_of.pop(name, None)
            else:
                self._person_of[sys.intern(name)] = (sys.intern(person_of), event_ms)

    def _registered(self, entry: Row) -> None:
        position, now_ms, event_ms, _tag, scope, name, change, category, home, consent = entry
        persons, row = self._persons, self._persons.names.row_of(name)
        known_ms = int(persons.entry_ms_at[row]) if row >= 0 else self._withdrawn.get(name, LONG_AGO_MS)
        if row >= 0:
            self._fire(row, now_ms)
        if event_ms <= known_ms:
            return  # came again, or out of order
        if not consent or change == "retired":
            self._withdrawn[name] = event_ms
            if row >= 0:
                self._forget(row, now_ms, position)
            return
        self._withdrawn.pop(name, None)
        if row >= 0 and persons.homes[row] != home:
            self._forget(row, now_ms, position)  # moved: habits begin anew
            row = -1
        if row < 0:
            persons.add(name, scope, home, category, event_ms)
        else:
            persons.scopes[row], persons.categories[row] = sys.intern(scope), sys.intern(category)
            persons.entry_ms_at[row] = event_ms

    def _forget(self, row: int, now_ms: int, position: int) -> None:
        persons = self._persons
        for rule, active in (
            ("unusual_hour", persons.unusual_at[row]), ("absent_too_long", persons.absent_at[row]),
            ("no_sign_of_life", persons.no_sign_at[row]),
        ):  # fmt: skip
            if active:
                words = text.no_longer_watched(persons.names.name_of(row))
                self._say(row, rule, False, "info", words, now_ms, now_ms, position)
        persons.remove(row)

    # -- signs -------------------------------------------------------------------------------------------------------
    def _take(self, signs: Signs) -> None:
        """Signs between two registry entries."""
        rows = self._rows_of(signs)
        of_known = np.flatnonzero(rows >= 0)
        if not len(of_known):
            return
        if len(of_known) >= _MANY:
            of_known = of_known[~self._take_ordinary(signs, of_known, rows[of_known])]
        persons = self._persons
        columns = (rows, signs.where, signs.what, signs.event_ms, signs.now_ms, signs.position)
        one_by_one = zip(of_known.tolist(), *(column[of_known].tolist() for column in columns), strict=True)
        for at, row, where, what, event_ms, now_ms, position in one_by_one:
            if persons.due_ms_at[row] < now_ms:
                self._fire(row, now_ms)
            place = device = None
            if where == HOME and what != CAME_IN:
                device = signs.by[at].as_py()
            if where == SIGHTED:
                seen_at = signs.by[at].as_py()
                where, place = (HOME, None) if seen_at == persons.homes[row] else (OUT, seen_at)
            self._observe(row, where, what, place, device, event_ms, now_ms, position)

    def _rows_of(self, signs: Signs) -> IntArray:
        """The row of each sign's person, -1 for who is not watched."""
        rows = self._persons.known.rows_of(self._persons.names, signs.person)
        if self._person_of and signs.person.null_count:
            nameless = np.flatnonzero(np.asarray(signs.person.is_null().to_numpy(zero_copy_only=False), dtype=bool))
            for at in nameless.tolist():
                found = self._person_of.get(signs.by[at].as_py())
                rows[at] = self._persons.names.row_of(found[0]) if found is not None else -1
        return rows

    def _take_ordinary(self, signs: Signs, index: IntArray, rows: IntArray) -> BoolArray:
        """Take in, as columns, the only sign of a person who is and was at home, where nothing is to be said.

        It does what :meth:`_observe` does. :returns: which of the signs at ``index`` were taken.
        """
        persons, params, habits = self._persons, self.params, self._persons.habits
        now_ms, event_ms = signs.now_ms[index], signs.event_ms[index]
        taken = _single(rows) & (signs.where[index] == HOME) & (persons.where[rows] == HOME) & ~persons.no_sign[rows]
        taken &= (persons.due_ms[rows] >= now_ms) & (event_ms <= now_ms + _AHEAD_MS)
        taken &= event_ms >= persons.last_ms[rows] - params.reorder_min * MINUTE_MS
        taken &= ~(persons.recent_ms[rows] == event_ms[:, None]).any(axis=1)
        sign_ms = persons.sign_ms[rows]
        local_ms, sign_local_ms = self._clock.local_ms_of(event_ms), self._clock.local_ms_of(sign_ms)
        gap_min = (event_ms - sign_ms) / MINUTE_MS
        taken &= habits.is_ordinary(rows, local_ms, sign_local_ms, gap_min)
        rows, now_ms, event_ms = rows[taken], now_ms[taken], event_ms[taken]
        place = persons.recent_next[rows]
        persons.recent_ms[rows, place], persons.recent_what[rows, place] = event_ms, signs.what[index[taken]]
        persons.recent_next[rows] = (place + 1) % RECENT
        persons.observations[rows] += 1
        persons.last_ms[rows] = np.maximum(persons.last_ms[rows], event_ms)
        habits.learn_ordinary(rows, local_ms[taken], sign_local_ms[taken], gap_min[taken])
        self._note_devices(signs, index[taken], rows, event_ms >= sign_ms[taken])
        sign_ms = np.maximum(sign_ms[taken], event_ms)
        persons.sign_ms[rows] = sign_ms
        learned = event_ms - persons.first_ms[rows] >= params.learn_days * DAY_MS
        learned &= persons.observations[rows] >= params.learn_observations
        due_ms = np.maximum(sign_ms + int(params.habit.gap_least_min * MINUTE_MS), now_ms)[learned]
        if len(due_ms):
            persons.due_ms[rows[learned]] = due_ms
            self._next_ms = min(self._next_ms, int(due_ms.min()))
        return np.asarray(taken, dtype=bool)

    def _note_devices(self, signs: Signs, index: IntArray, rows: IntArray, is_latest: BoolArray) -> None:
        """Who gave the latest sign of each."""
        devices = signs.by.take(pa.array(index[is_latest])).to_pylist()
        came_in = signs.what[index[is_latest]] == CAME_IN
        sign_by = self._persons.sign_by
        for row, device, is_passage in zip(rows[is_latest].tolist(), devices, came_in.tolist(), strict=True):
            if is_passage or sign_by[row] != device:
                sign_by[row] = "" if is_passage else sys.intern(device)

    def _observe(
        self, row: int, where: int, what: int, place: str | None, device: str | None, event_ms: int, now_ms: int,
        position: int,
    ) -> None:  # fmt: skip
        """A person under care was noticed. ``place``: seen there, away from home. ``device``: of the home, by it."""
        persons, params = self._persons, self.params
        last_ms = persons.last_ms_at[row]
        if event_ms < last_ms - params.reorder_min * MINUTE_MS or event_ms > now_ms + _AHEAD_MS:
            return
        if not persons.is_new(row, event_ms, what):
            return  # came again
        observations = persons.observations_at[row]
        if observations == 0:
            persons.first_ms_at[row] = event_ms
        persons.observations_at[row] = observations + 1
        persons.last_ms_at[row] = max(last_ms, event_ms)
        known_for_ms = event_ms - persons.first_ms_at[row]
        learned = known_for_ms >= params.learn_days * DAY_MS and observations + 1 >= params.learn_observations
        self._live_through(row, event_ms)
        if where == HOME:
            self._at_home(row, device, event_ms, now_ms, position, learned)
        else:
            self._out_of_home(row, event_ms, now_ms, position, learned, place)
            if place is not None:
                self._visit(row, place, event_ms, now_ms, position, learned)

    def _live_through(self, row: int, event_ms: int) -> None:
        persons, weight = self._persons, None
        where = persons.where_at[row]
        if where == HOME:
            weight = 0.0
        elif where == OUT:
            flagged = persons.unusual_at[row] or persons.absent_at[row]
            weight = self.params.habit.flagged_weight if flagged else 1.0
        persons.habits.live_through(row, self._clock.hour_index(event_ms), weight)
        persons.habits.learn_wake(row, self._clock.local_ms(event_ms))

    def _at_home(
        self, row: int, device: str | None, event_ms: int, now_ms: int, position: int, learned: bool
    ) -> None:  # fmt: skip
        persons, habits = self._persons, self._persons.habits
        where = persons.where_at[row]
        if where == HOME:
            self._end_gap(row, event_ms, now_ms, position)
        elif where == OUT:
            out_since_ms = persons.out_since_ms_at[row]
            habits.learn_absence(row, self._clock.hour_index(out_since_ms), (event_ms - out_since_ms) / MINUTE_MS)
            persons.due_ms_at[row] = NEVER_MS
            words = text.home_again(self._clock, persons.names.name_of(row), event_ms)
            if persons.unusual_at[row]:
                self._say(row, "unusual_hour", False, "info", words, event_ms, now_ms, position)
            if persons.absent_at[row]:
                self._say(row, "absent_too_long", False, "info", words, event_ms, now_ms, position)
            persons.unusual_at[row] = persons.absent_at[row] = False
        persons.where_at[row] = HOME
        if event_ms >= persons.sign_ms_at[row]:
            persons.sign_by[row] = sys.intern(device or "")
        sign_ms = persons.sign_ms_at[row] = max(persons.sign_ms_at[row], event_ms)
        habits.signs_at[row] += 1
        if learned:  # at the least; what is really allowed is asked when that has passed, which is seldom
            self._schedule(row, max(sign_ms + int(self.params.habit.gap_least_min * MINUTE_MS), now_ms))

    def _end_gap(self, row: int, event_ms: int, now_ms: int, position: int) -> None:
        """A sign of life ends the silence at home."""
        persons, sign_ms = self._persons, self._persons.sign_ms_at[row]
        persons.habits.learn_gap(row, self._clock.local_ms(sign_ms), (event_ms - sign_ms) / MINUTE_MS)
        if persons.no_sign_at[row]:
            persons.no_sign_at[row] = False
            words = text.sign_again(self._clock, persons.names.name_of(row), event_ms)
            self._say(row, "no_sign_of_life", False, "info", words, event_ms, now_ms, position)

    def _out_of_home(
        self, row: int, event_ms: int, now_ms: int, position: int, learned: bool, place: str | None
    ) -> None:  # fmt: skip
        persons, habits, params = self._persons, self._persons.habits, self.params
        hour_index = self._clock.hour_index(event_ms)
        where = persons.where_at[row]
        if where != OUT:
            if where == HOME:
                self._end_gap(row, event_ms, now_ms, position)
            persons.where_at[row] = OUT
            persons.out_since_ms_at[row] = event_ms
            persons.due_ms_at[row] = NEVER_MS
            allowed = habits.absence_allowed(row, hour_index) if learned else None
            if allowed is not None:
                self._schedule(row, max(event_ms + int(allowed[1] * MINUTE_MS), now_ms))
        if learned and not persons.unusual_at[row]:
            night = period_of(hour_index % 24) == "night"
            from_share = params.night_share if night else params.day_share
            share = habits.share_out(row, hour_index)
            if share < from_share:
                persons.unusual_at[row] = True
                severity: Severity = "critical" if night and persons.categories[row] in _FRAIL else "warning"
                words = text.unusual_hour(self._clock, persons.names.name_of(row), event_ms, share, place)
                self._say(
                    row, "unusual_hour", True, severity, words, event_ms, now_ms, position,
                    score=1.0 - share, threshold=1.0 - from_share, baseline=share, observed=1.0, unit="1",
                )  # fmt: skip
        habits.out_now(row, params.habit.flagged_weight if persons.unusual_at[row] else 1.0)

    def _visit(self, row: int, place: str, event_ms: int, now_ms: int, position: int, learned: bool) -> None:
        persons, params = self._persons, self.params.habit
        frail = persons.categories[row] in _FRAIL
        enough = params.known_visits_frail if frail else params.known_visits
        visits, unknown = persons.habits.visit(row, place, event_ms, not learned, frail)
        if not unknown:
            return
        places = persons.habits.places_of(row)
        known = sum(is_known and other != place for other, (_, _, is_known) in places.items())
        words = text.unknown_place(self._clock, persons.names.name_of(row), place, event_ms, visits, known)
        self._say(
            row, "unknown_place", True, "warning" if frail else "info", words, event_ms, now_ms, position,
            score=1.0 / (1 + visits), threshold=1.0 / enough, baseline=float(enough), observed=float(visits), unit="1",
        )  # fmt: skip

    # -- timers ------------------------------------------------------------------------------------------------------
    def _schedule(self, row: int, due_ms: int) -> None:
        self._persons.due_ms_at[row] = due_ms
        self._next_ms = min(self._next_ms, due_ms)

    def _fire(self, row: int, clock_ms: int) -> None:
        """What is due with a person strictly before the clock."""
        persons = self._persons
        while (due_ms := persons.due_ms_at[row]) < clock_ms:
            persons.due_ms_at[row] = NEVER_MS
            if persons.where_at[row] == OUT:
                self._absent(row, due_ms)
            else:
                self._silent(row, due_ms)

    def _absent(self, row: int, due_ms: int) -> None:
        persons, since_ms = self._persons, self._persons.out_since_ms_at[row]
        allowed = persons.habits.absence_allowed(row, self._clock.hour_index(since_ms))
        if allowed is None:
            return
        persons.absent_at[row] = True
        away_h = (due_ms - since_ms) / HOUR_MS
        usual_h, allowed_h = allowed[0] / 60.0, allowed[1] / 60.0
        words = text.absent(self._clock, persons.names.name_of(row), since_ms, away_h, usual_h, allowed_h)
        severity: Severity = "critical" if persons.categories[row] in _FRAIL else "warning"
        self._say(
            row, "absent_too_long", True, severity, words, due_ms, due_ms, None,
            score=away_h / allowed_h, threshold=1.0, baseline=usual_h, observed=away_h, unit="h",
        )  # fmt: skip

    def _silent(self, row: int, due_ms: int) -> None:
        persons, sign_ms = self._persons, self._persons.sign_ms_at[row]
        days = (persons.last_ms_at[row] - persons.first_ms_at[row]) / DAY_MS
        allowed = persons.habits.gap_allowed(row, self._clock.local_ms(sign_ms), days)
        if allowed is None:
            return
        over_ms = sign_ms + int(allowed[1] * MINUTE_MS)
        if over_ms > due_ms:
            self._schedule(row, over_ms)
            return
        persons.no_sign_at[row] = True
        gap_h = (due_ms - sign_ms) / HOUR_MS
        usual_h, allowed_h = allowed[0] / 60.0, allowed[1] / 60.0
        words = text.no_sign(self._clock, persons.names.name_of(row), sign_ms, gap_h, usual_h, allowed_h)
        self._say(
            row, "no_sign_of_life", True, "critical", words, due_ms, due_ms, None,
            score=gap_h / allowed_h, threshold=1.0, baseline=usual_h, observed=gap_h, unit="h",
            relies_on=persons.sign_by[row] or None,
        )  # fmt: skip

    # -- saying it ---------------------------------------------------------------------------------------------------
    def _say(
        self, row: int, rule: str, active: bool, severity: Severity, words: tuple[str, str], event_ms: int,
        now_ms: int, position: int | None, *, score: float = 0.0, threshold: float = 1.0,
        baseline: float | None = None, observed: float | None = None, unit: str | None = None,
        relies_on: str | None = None,
    ) -> None:  # fmt: skip
        """``position`` None: said by a timer."""
        name = self._persons.names.name_of(row)
        cause = f"timer:{rule}:{name}@{now_ms}"
        if position is not None and self._batch is not None:
            cause = event_id_at(self._batch, position)
        data = Detection(
            detector="irregular_movement", rule=rule, subject=name, active=active, severity=severity, score=score,
            threshold=threshold, baseline=baseline, observed=observed, unit=unit, model_version=self.model_version,
            reason_zh=words[0], reason_en=words[1], cause_id=cause, detected_time_ms=now_ms,
        )  # fmt: skip
        scope = self._persons.scopes[row]
        self._out.append(Emitted(now_ms, position is None, position or 0, scope, event_ms, data, relies_on=relies_on))


def _single(rows: IntArray) -> BoolArray:
    """Which rows come only once."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    same = ordered[1:] == ordered[:-1]
    out = np.ones(len(rows), dtype=bool)
    out[order[1:]] &= ~same
    out[order[:-1]] &= ~same
    return out
