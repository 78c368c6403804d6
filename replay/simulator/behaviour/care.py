"""Persons under care: where each of them is over a day, with legitimate variation, and the labelled irregularities.

``unusual_hour`` (out after one in the night), ``absent_too_long``, ``no_sign_of_life`` (at home, nothing moves),
``unknown_place``. At most one per person every second day, after the learning time, never while an outage blinds what
watches over the person. Persons without consent have them too, without a label: nothing may be said about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from replay.simulator.chance import DAY_MS, HOUR_MS, MINUTE_MS, day_start_ms, generator, weekday
from replay.simulator.entities import CarePerson, Habit
from replay.simulator.outages import Outages
from replay.simulator.truth import Label
from replay.simulator.world import World

IRREGULAR_PER_DAY = 0.10  # per person and eligible day
RULES = ("unusual_hour", "absent_too_long", "no_sign_of_life", "unknown_place")
SHIFTED_RATIO = 0.03  # of outings go three quarters of an hour off
LATEST_RETURN_H = 23.4


@dataclass(slots=True)
class Outing:
    """One time out: ``stops`` are (moment, place)."""

    depart_ms: int
    return_ms: int
    stops: list[tuple[int, str]]


@dataclass(slots=True)
class PersonDay:
    """A person's day. ``still``: at home without a sign of life, if so."""

    person: CarePerson
    wake_ms: int
    sleep_ms: int
    outings: list[Outing] = field(default_factory=list)
    still: tuple[int, int] | None = None
    label: Label | None = None


class Care:
    """The persons under care of a world, day by day."""

    def __init__(self, world: World, outages: Outages) -> None:
        self._world, self._outages = world, outages
        self.of_day = lru_cache(maxsize=4)(self._draw)
        self._public = [
            site.name for site in world.sites if site.kind in ("venue", "shop", "street", "other", "parking")
        ]

    def labels(self, day: int) -> list[Label]:
        """The labelled irregularities of a day."""
        return [person_day.label for person_day in self.of_day(day) if person_day.label is not None]

    def _draw(self, day: int) -> tuple[PersonDay, ...]:
        blind = [*self._outages.of_day(day - 1), *self._outages.of_day(day)]
        blinded = {i for outage in blind if outage.rule for i in outage.devices}
        return tuple(self._person_day(person, day, blinded) for person in self._world.people)

    def _person_day(self, person: CarePerson, day: int, blinded: set[int]) -> PersonDay:
        rng = generator(self._world.config.seed, "person day", day, person.index)
        start = day_start_ms(day)

        def at(hour: float) -> int:
            return start + int(hour * HOUR_MS)

        plan = PersonDay(person, at(person.wake_h + rng.normal(0, 0.2)), at(person.sleep_h + rng.normal(0, 0.25)))
        free_h = 0.0
        for habit in sorted(person.habits, key=lambda habit: habit.depart_h):
            outing = self._outing(rng, habit, day, free_h)
            if outing is not None:
                plan.outings.append(outing)
                free_h = (outing.return_ms - start) / HOUR_MS + 0.5
        rule = self._rule(person, day)
        watched = {i for i in (person.bracelet, person.infrared, person.door) if i is not None}
        if rule is not None and not watched & blinded:
            self._make_irregular(plan, rule, day)
            if not person.consent:
                plan.label = None
        return plan

    def _outing(self, rng: np.random.Generator, habit: Habit, day: int, free_h: float) -> Outing | None:
        skipped, shifted, noise, stay_noise = rng.random(), rng.random(), rng.normal(), rng.normal()
        if weekday(day) not in habit.weekdays or skipped < habit.skip_ratio:
            return None
        depart_h = habit.depart_h + habit.depart_sd_h * noise
        if shifted < SHIFTED_RATIO:
            depart_h += 0.75 if shifted < SHIFTED_RATIO / 2 else -0.5
        stay_h = habit.stay_h * float(np.exp(0.12 * stay_noise))
        if depart_h < free_h or depart_h + stay_h > LATEST_RETURN_H:
            return None
        nth = sorted(habit.weekdays).index(weekday(day))  # every route is taken within a week
        route = habit.routes[nth % len(habit.routes)]
        depart_ms = day_start_ms(day) + int(depart_h * HOUR_MS)
        return_ms = depart_ms + int(stay_h * HOUR_MS)
        return Outing(depart_ms, return_ms, _stops(depart_ms, return_ms, route))

    def _rule(self, person: CarePerson, day: int) -> str | None:
        """What goes wrong with a person on a day, drawn independently of how the day goes."""
        config = self._world.config
        if (day + person.index) % 2 or day_start_ms(day) < config.learning_until_ms:
            return None
        rng = generator(config.seed, "irregular", day, person.index)
        if rng.random() >= IRREGULAR_PER_DAY * config.anomaly_rate:
            return None
        return RULES[int(rng.integers(len(RULES)))]

    def _make_irregular(self, plan: PersonDay, rule: str, day: int) -> None:
        rng = generator(self._world.config.seed, "irregular how", day, plan.person.index)
        make = {
            "unusual_hour": self._out_at_night,
            "absent_too_long": self._absent,
            "no_sign_of_life": self._still,
            "unknown_place": self._astray,
        }[rule]
        found = make(plan, rng)
        if found is not None:
            start_ms, end_ms, detectable_ms = found
            person = plan.person
            plan.label = Label(
                start_ms, "irregular_movement", rule, person.name, person.scope, end_ms, min(end_ms, detectable_ms)
            )

    def _out_at_night(self, plan: PersonDay, rng: np.random.Generator) -> tuple[int, int, int]:
        """Out around three; an hour's walk to a place the person knows."""
        earliest_h = min((habit.depart_h for habit in plan.person.habits), default=8.0)
        depart_h = float(rng.uniform(0.9, min(3.6, earliest_h - 2.7)))
        depart_ms = self._midnight(plan) + int(depart_h * HOUR_MS)
        return_ms = depart_ms + int(rng.uniform(0.5, 1.4) * HOUR_MS)
        known = plan.person.habits[0].routes[0]
        plan.outings.insert(0, Outing(depart_ms, return_ms, _stops(depart_ms, return_ms, known)))
        return depart_ms, return_ms, depart_ms + 30 * MINUTE_MS

    def _absent(self, plan: PersonDay, rng: np.random.Generator) -> tuple[int, int, int] | None:
        """An ordinary outing from which the person comes back many hours late."""
        latest_ms = self._midnight(plan) + int(LATEST_RETURN_H * HOUR_MS)
        for nth, outing in enumerate(plan.outings):
            usual_ms = outing.return_ms - outing.depart_ms
            longest_ms = max(round(h.stay_h * HOUR_MS) for h in plan.person.habits)
            return_ms = outing.depart_ms + round(1.9 * longest_ms) + int(rng.uniform(3.2, 6.0) * HOUR_MS)
            if return_ms > latest_ms:
                return None
            plan.outings = [*plan.outings[:nth], Outing(outing.depart_ms, return_ms, outing.stops)]
            return outing.depart_ms + usual_ms, return_ms, return_ms
        return None

    def _still(self, plan: PersonDay, rng: np.random.Generator) -> tuple[int, int, int] | None:
        """At home, nothing moves from the morning on for eight to twelve hours."""
        start_ms = plan.wake_ms + int(rng.uniform(-0.3, 3.5) * HOUR_MS)
        end_ms = start_ms + int(rng.uniform(8.0, 12.0) * HOUR_MS)
        before = [outing for outing in plan.outings if outing.return_ms + 30 * MINUTE_MS < start_ms]
        if any(outing.depart_ms < start_ms for outing in plan.outings[len(before) :]):
            start_ms = plan.outings[len(before)].return_ms + 40 * MINUTE_MS
            end_ms = start_ms + int(8.5 * HOUR_MS)
            before = plan.outings[: len(before) + 1]
        if end_ms > self._midnight(plan) + 22 * HOUR_MS:
            return None
        plan.outings = [*before, *(o for o in plan.outings[len(before) :] if o.depart_ms > end_ms + HOUR_MS)]
        plan.still = (start_ms, end_ms)
        return start_ms, end_ms, start_ms + 7 * HOUR_MS

    def _astray(self, plan: PersonDay, rng: np.random.Generator) -> tuple[int, int, int] | None:
        """An ordinary outing that ends up where this person never goes."""
        if not plan.outings:
            return None
        known = {place for habit in plan.person.habits for route in habit.routes for place in route}
        strange = [place for place in self._public if place not in known]
        outing = plan.outings[int(rng.integers(len(plan.outings)))]
        middle_ms = (outing.depart_ms + outing.return_ms) // 2
        place = strange[int(rng.integers(len(strange)))]
        outing.stops = [stop for stop in outing.stops if stop[0] < middle_ms]
        outing.stops += [(middle_ms + nth * 7 * MINUTE_MS, place) for nth in range(3)]
        outing.return_ms = max(outing.return_ms, middle_ms + 25 * MINUTE_MS)
        return middle_ms, outing.return_ms, middle_ms + 25 * MINUTE_MS

    @staticmethod
    def _midnight(plan: PersonDay) -> int:
        """The local midnight before the person woke."""
        return plan.wake_ms - (plan.wake_ms + 8 * HOUR_MS) % DAY_MS


def _stops(depart_ms: int, return_ms: int, route: tuple[str, ...]) -> list[tuple[int, str]]:
    """Moments at the places of a route: seen on arrival and every half hour or so, last ten minutes before home."""
    away_ms = return_ms - depart_ms
    stops = []
    for nth, place in enumerate(route):
        arrive = depart_ms + away_ms * (2 * nth + 1) // (2 * len(route) + 1)
        leave = depart_ms + away_ms * (2 * nth + 3) // (2 * len(route) + 1)
        stops += [(moment, place) for moment in range(arrive, max(arrive + 1, leave - 10 * MINUTE_MS), 35 * MINUTE_MS)]
    return stops
