"""Grid and property work: cases, repairs and service requests through their life cycles, patrols, volunteers,
health huts, vision findings.

A life cycle begins on one day and goes on for up to a week: each day asks the days before it what is due today.
"""

from __future__ import annotations

import numpy as np

from replay.simulator.block import Block, Rows
from replay.simulator.chance import HOUR_MS, arrivals, generator
from replay.simulator.day import Day, Told

CASE = "cn.gridpulse.civic.case"
REQUEST = "cn.gridpulse.online.service_request"
PATROL = "cn.gridpulse.positions.patrol"
VOLUNTEERING = "cn.gridpulse.civic.volunteering"
HEALTH = "cn.gridpulse.civic.health_measurement"
FINDING = "cn.gridpulse.vision.finding"
LONGEST_DAYS = 7
OFFICE = (1, 0, 0, 0, 0, 1, 2, 5, 10, 12, 11, 8, 4, 5, 9, 10, 9, 7, 5, 4, 4, 3, 2, 1)
WALKING = (0, 0, 0, 0, 0, 0, 1, 6, 10, 10, 9, 4, 2, 3, 9, 10, 8, 5, 3, 3, 2, 0, 0, 0)
EVENING = (2, 1, 1, 0, 0, 1, 3, 6, 6, 5, 5, 6, 6, 4, 4, 5, 6, 9, 11, 11, 10, 8, 6, 3)
# step, median hours after the one before
CASE_STEPS = (
    ("reported", 0.0), ("dispatched", 0.4), ("accepted", 0.9), ("handled", 9.0), ("verified", 4.0), ("closed", 1.5),
    ("rated", 8.0),
)  # fmt: skip
REQUEST_STEPS = (("submitted", 0.0), ("accepted", 1.2), ("completed", 14.0), ("rated", 5.0))
CASE_KINDS = {
    "grid": ("illegal-parking", "exposed-litter", "road-damage", "dispute", "stray-dog", "noise-complaint"),
    "repair": ("lift", "water-leak", "street-lamp", "door-lock", "sewer"),
}
SERVICES = ("pension-certificate", "residence-permit", "medical-insurance", "elderly-card", "parking-permit")
FINDINGS = (
    "ebike_in_lift", "ebike_in_lift", "exposed_litter", "exposed_litter", "road_occupation", "damaged_facility",
    "fire_lane_blocked", "thrown_object", "child_alone_in_lift", "crowd",
)  # fmt: skip
HEALTH_KINDS = (
    ("systolic", 132.0, 14.0), ("diastolic", 81.0, 9.0),
    ("glucose", 6.1, 1.1), ("spo2", 97.0, 1.2), ("bmi", 24.0, 2.6),
)  # fmt: skip
STUCK_RATIO = 0.04  # never go on after some step
RATED_RATIO = 0.55


def civic(day: Day) -> list[Block]:
    """A day of civic work."""
    return [_cases(day), _requests(day), _patrols(day), _volunteering(day), _health(day), _findings(day)]


def _life_cycle(
    rng: np.random.Generator, begin_ms: int, steps: tuple[tuple[str, float], ...]
) -> list[tuple[int, str, int]]:
    """(moment, step, rating) of one life cycle, as far as it comes."""
    moment, found = begin_ms, []
    waits = np.exp(rng.normal(0.0, 0.8, len(steps)))
    stuck, rated, stars = rng.random(len(steps)) < STUCK_RATIO, rng.random() < RATED_RATIO, int(rng.integers(2, 6))
    for nth, (step, median_h) in enumerate(steps):
        if (nth and stuck[nth]) or (step == "rated" and not rated):
            break
        moment += int(median_h * waits[nth] * HOUR_MS)
        found.append((moment, step, stars if step == "rated" else 0))
    return found


def _cases(day: Day) -> Block:
    world, rows = day.world, Rows()
    for begun in range(day.number - LONGEST_DAYS, day.number + 1):
        for community in world.communities:
            rng = generator(world.config.seed, "cases", begun, community.index)
            for service, mean, hours in (("grid", 6.0, 48.0), ("repair", 7.0, 24.0)):
                moments = arrivals(rng, begun, mean * world.config.size, OFFICE)
                for nth, moment in enumerate(moments.tolist()):
                    grid, kinds = int(rng.integers(len(community.grids))), CASE_KINDS[service]
                    name = f"{'gc' if service == 'grid' else 'rp'}-{community.name}-{begun}-{nth}"
                    kind = kinds[int(rng.integers(len(kinds)))]
                    sender = world.senders.of(f"/{service}/platform", community.grids[grid])
                    base = f'"case":"{name}","service":"{service}","kind":"{kind}","step":"%s","deadline_h":{hours}%s'
                    number = (begun % 100_000) * 10_000_000 + community.index * 1_000_000 + nth * 20
                    number += 10 if service == "repair" else 0
                    for step, (at, what, stars) in enumerate(_life_cycle(rng, moment, CASE_STEPS)):
                        rows.add(sender, at, base % (what, f',"rating":{stars}' if stars else ""), number + step)
    return day.rows(CASE, "ca", rows)


def _requests(day: Day) -> Block:
    world, rows = day.world, Rows()
    for begun in range(day.number - LONGEST_DAYS, day.number + 1):
        for community in world.communities:
            rng = generator(world.config.seed, "requests", begun, community.index)
            busy = 0.4 if (begun + 3) % 7 >= 5 else 1.0
            for nth, moment in enumerate(arrivals(rng, begun, 16.0 * busy * world.config.size, OFFICE).tolist()):
                service = SERVICES[int(rng.integers(len(SERVICES)))]
                sender = world.senders.of("/app/wanshitong", community.scope)
                base = f'"request":"sr-{community.name}-{begun}-{nth}","service":"{service}","step":"%s"%s'
                number = (begun % 100_000) * 10_000_000 + community.index * 1_000_000 + nth * 10
                for step, (at, what, stars) in enumerate(_life_cycle(rng, moment, REQUEST_STEPS)):
                    rows.add(sender, at, base % (what, f',"rating":{stars}' if stars else ""), number + step)
    return day.rows(REQUEST, "sr", rows)


def _patrols(day: Day) -> Block:
    world, rng, rows = day.world, day.rng("patrols"), Rows()
    for community in world.communities:
        places = world.sites_of(community, "compound", "building", "shop", "street", "gate")
        for grid, scope in enumerate(community.grids):
            sender = world.senders.of("/app/grid-member", scope)
            near = [place for place in places if place.scope == scope]
            for moment in arrivals(rng, day.number, 6.0 if day.weekend else 13.0, WALKING).tolist():
                place = near[int(rng.integers(len(near)))].name
                rows.add(sender, moment, f'"member":"m-{community.index:x}{grid:03x}","place":"{place}"')
    return day.rows(PATROL, "pt", rows)


def _volunteering(day: Day) -> Block:
    world, rng, rows = day.world, day.rng("volunteering"), Rows()
    for community in world.communities:
        sender = world.senders.of("/app/ejiaren", community.scope)
        mean = (12.0 if day.weekend else 6.0) * world.config.size
        for moment in arrivals(rng, day.number, mean, WALKING).tolist():
            hours, kind = round(float(rng.uniform(0.5, 4.0)), 1), ("patrol", "canteen", "teaching", "cleaning")
            what = kind[int(rng.integers(4))]
            person = f"r-{community.index:x}{int(rng.integers(300)):05x}"
            data = f'"person":"{person}","activity":"{what}","hours":{hours},"points":{int(hours * 10)}'
            rows.add(sender, moment, data)
    return day.rows(VOLUNTEERING, "vo", rows)


def _health(day: Day) -> Block:
    world, rng, rows = day.world, day.rng("health"), Rows()
    for community in world.communities:
        sender = world.senders.of(f"/hut/{community.name}", community.scope)
        for moment in arrivals(rng, day.number, 18.0 * world.config.size, WALKING).tolist():
            kind, mean, spread = HEALTH_KINDS[int(rng.integers(len(HEALTH_KINDS)))]
            value = round(float(min(mean + rng.normal(0.0, spread), 100.0 if kind == "spo2" else 300.0)), 1)
            person = f"r-{community.index:x}{int(rng.integers(600)):05x}"
            data = f'"hut":"{community.name}-hut","kind":"{kind}","value":{value},"person":"{person}"'
            rows.add(sender, moment, data)
    return day.rows(HEALTH, "hm", rows)


def _findings(day: Day) -> Block:
    world, rng, told = day.world, day.rng("findings"), Told()
    cameras = [device for device in world.devices if device.kind == "camera"]
    for community in world.communities:
        mine = [camera for camera in cameras if camera.community == community.index]
        for nth, moment in enumerate(arrivals(rng, day.number, 28.0 * world.config.size, EVENING).tolist()):
            camera, kind = mine[int(rng.integers(len(mine)))], FINDINGS[int(rng.integers(len(FINDINGS)))]
            sure = round(float(rng.beta(9, 2)), 3)
            floor = f',"floor":{int(rng.integers(2, 29))}' if kind == "thrown_object" else ""
            data = f'"camera":"{camera.name}","kind":"{kind}","confidence_ratio":{sure},"site":"{camera.site}"{floor}'
            data += f',"picture":"pic-{community.name}-{day.number}-{nth}"'
            told.add(camera.index, moment, data)
    return day.device_block(FINDING, "fi", "%s", *told.columns(), loss_ratio=0.0)
