"""Who is under care, what watches over them, and how they live: early markets, noon at home, dances at night.

Every person's day is their own: wake and sleep, one to three regular outings on their weekdays with routes taken in
turn, so that a threshold fitting one person misjudges the next (morning exercise at five is usual, as is coming home
from the dance after ten).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from replay.simulator.chance import generator
from replay.simulator.entities import CarePerson, Community, Habit

if TYPE_CHECKING:
    from replay.simulator.world import World

CATEGORIES = ("living_alone", "living_alone", "living_alone", "dementia", "disabled", "living_alone", "mental", "child")
EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
SOME_DAYS = (EVERY_DAY, WORKDAYS, frozenset({0, 2, 4}), frozenset({1, 3, 5}), frozenset({0, 1, 3, 4, 5}))
PER_COMMUNITY = 12


def care_people(world: World, community: Community) -> None:
    """Add a community's persons under care, and their devices, to the world."""
    rng = generator(world.config.seed, "care people", entity=community.index)
    homes = world.sites_of(community, "home")
    gates = [d.index for d in world.devices if d.kind == "gate" and d.community == community.index]
    places = [site.name for site in world.sites_of(community, "venue", "shop", "street", "other")]
    wanted = world.count(PER_COMMUNITY)
    for nth in range(wanted):
        home = homes[(nth * max(1, len(homes) // wanted) + 1) % len(homes)]
        name = f"p-{int(rng.integers(16**10)):010x}"
        watched_by = int(rng.integers(4))  # bracelet, infrared and door, or some of them
        bracelet = infrared = door = None
        if watched_by != 0:
            beat = (1200.0, 1800.0)[int(rng.integers(2))]
            bracelet = world.add_device(
                "wearable", home, rng, beat, report_s=1800.0, battery_days=3.0, person=name
            ).index
        if watched_by != 1:
            infrared = world.add_device("presence", home, rng, 3600.0, battery_days=300.0, person=name).index
        if watched_by in (0, 3):
            door = world.add_device("door", home, rng, 3600.0, battery_days=400.0, person=name).index
        category = CATEGORIES[(nth + community.index) % len(CATEGORIES)]
        world.people.append(
            CarePerson(
                index=len(world.people),
                name=name,
                category=category,
                consent=bool(rng.random() > 0.12),
                home=home.name,
                scope=home.scope,
                community=community.index,
                gate=gates[nth % len(gates)],
                bracelet=bracelet,
                infrared=infrared,
                door=door,
                wake_h=float(rng.uniform(4.6, 6.8)),
                sleep_h=float(rng.uniform(20.8, 22.8)),
                liveliness=float(rng.uniform(3.5, 6.0)),
                habits=_habits(rng, category, places),
            )
        )


def _habits(rng: np.random.Generator, category: str, places: list[str]) -> tuple[Habit, ...]:
    known = [places[i] for i in rng.permutation(len(places))[:5]]

    def outing(depart_h: float, stay_h: float, weekdays: frozenset[int], first: int) -> Habit:
        route = (known[first % len(known)], known[(first + 1) % len(known)])
        routes = (route[:1], route)
        return Habit(depart_h, float(rng.uniform(0.1, 0.3)), stay_h, weekdays, routes, float(rng.uniform(0.02, 0.08)))

    if category == "child":
        return (outing(7.3, 9.3, WORKDAYS, 0), outing(float(rng.uniform(9, 14)), 2.0, frozenset({5, 6}), 2))
    habits = [outing(float(rng.uniform(5.1, 8.5)), float(rng.uniform(0.7, 2.0)), EVERY_DAY, 0)]
    if rng.random() < 0.75:
        days = SOME_DAYS[int(rng.integers(len(SOME_DAYS)))]
        habits.append(outing(float(rng.uniform(13.8, 15.5)), float(rng.uniform(0.8, 2.2)), days, 2))
    if rng.random() < 0.45 and category != "dementia":
        days = SOME_DAYS[int(rng.integers(len(SOME_DAYS)))]
        habits.append(outing(float(rng.uniform(18.6, 19.8)), float(rng.uniform(1.2, 2.8)), days, 3))
    return tuple(habits)
