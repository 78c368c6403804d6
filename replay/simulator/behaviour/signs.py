"""What a person's day leaves behind: sightings, passages at the gate, presence at home, heart rate, SOS calls.

Also false leads: cameras that are not sure (confidence below 0.5) see persons where they are not, and shops in which
somebody lives show presence at night.
"""

from __future__ import annotations

import numpy as np

from replay.simulator.behaviour.care import PersonDay
from replay.simulator.block import Block, Column
from replay.simulator.chance import HOUR_MS, MINUTE_MS, regular
from replay.simulator.day import Day, Told, rounded

SIGHTING = "cn.gridpulse.positions.sighting"
PASSAGE = "cn.gridpulse.passages.passage"
PRESENCE = "cn.gridpulse.readings.presence"
MEASURED = "cn.gridpulse.readings.measured"
SOS = "cn.gridpulse.readings.sos"
SOS_PER_DAY = 0.03
FALSE_SIGHTINGS_PER_DAY = 0.03


def signs(day: Day, plans: tuple[PersonDay, ...]) -> list[Block]:
    """All blocks of the persons under care, and the shops' presence sensors."""
    return [
        *_sightings(day, plans),
        _gate(day, plans),
        *_presence(day, plans),
        _heart_rate(day, plans),
        _sos(day, plans),
    ]


def _sightings(day: Day, plans: tuple[PersonDay, ...]) -> list[Block]:
    rng = day.rng("sightings")
    worn, seen = Told(), Told()
    for plan in plans:
        person = plan.person
        camera = day.world.senders.of("/vision/platform", person.scope)

        def note(moment: int, place: str, plan: PersonDay = plan, camera: int = camera) -> None:
            """By the bracelet, if the person wears one; else by whoever happens to see."""
            bracelet, luck, sure = plan.person.bracelet, rng.random(), round(float(rng.uniform(0.62, 0.99)), 2)
            head = f'"person":"{plan.person.name}","place":"{place}"'
            if bracelet is not None and luck < 0.9:
                method = "bracelet" if luck < 0.7 else "bluetooth"
                worn.add(bracelet, moment, f'{head},"method":"{method}"')
            elif place != plan.person.home:
                seen.add(camera, moment, f'{head},"method":"camera","confidence_ratio":{sure}')
            elif luck < 0.05:
                seen.add(camera, moment, f'{head},"method":"worker"')

        for outing in plan.outings:
            for moment, place in outing.stops:
                note(moment + int(rng.integers(0, 3 * MINUTE_MS)), place)
            note(outing.return_ms + 4 * MINUTE_MS, person.home)
        for moment in range(plan.wake_ms + 20 * MINUTE_MS, plan.sleep_ms, 100 * MINUTE_MS):
            jittered = moment + int(rng.integers(0, 25 * MINUTE_MS))
            if _at_home(plan, jittered):
                note(jittered, person.home)
        if rng.random() < FALSE_SIGHTINGS_PER_DAY:
            wrong = day.world.sites_of(person.community, "street", "shop")
            place = wrong[int(rng.integers(len(wrong)))].name
            moment = day.start_ms + int(rng.uniform(8.5, 17.5) * HOUR_MS)
            sure = round(float(rng.uniform(0.2, 0.45)), 2)
            data = f'"person":"{person.name}","place":"{place}","method":"camera","confidence_ratio":{sure}'
            seen.add(camera, moment, data)
    return [day.device_block(SIGHTING, "si", "%s", *worn.columns()), day.block(SIGHTING, "sc", "%s", *seen.columns())]


def _gate(day: Day, plans: tuple[PersonDay, ...]) -> Block:
    """Out through the gate two minutes after the door, in two minutes before it."""
    rng, told = day.rng("care gates"), Told()
    for plan in plans:
        gate = day.world.device_names[plan.person.gate]
        for outing in plan.outings:
            left, came = outing.depart_ms + 2 * MINUTE_MS, outing.return_ms - 2 * MINUTE_MS
            for moment, direction in ((left, "out"), (came, "in")):
                method = ("face", "card")[int(rng.integers(2))]
                data = f'"gate":"{gate}","kind":"person","direction":"{direction}","method":"{method}"'
                told.add(plan.person.gate, moment, f'{data},"person":"{plan.person.name}"')
    return day.device_block(PASSAGE, "pc", "%s", *told.columns(), loss_ratio=0.0)


def _at_home(plan: PersonDay, moment_ms: int) -> bool:
    if plan.still is not None and plan.still[0] <= moment_ms < plan.still[1]:
        return False
    return not any(outing.depart_ms <= moment_ms < outing.return_ms for outing in plan.outings)


def _presence(day: Day, plans: tuple[PersonDay, ...]) -> list[Block]:
    """Movements by the hour: getting up, meals, a nap, the evening, and to the toilet at night; doors; water."""
    rng, told = day.rng("presence"), Told()
    for plan in plans:
        person = plan.person
        if person.infrared is None:
            continue
        name = f'"device":"{day.world.device_names[person.infrared]}","signal":'
        moments = _movements(day, rng, plan)
        for moment, lot in zip(moments, rng.random(len(moments)).tolist(), strict=True):
            signal = "infrared" if lot < 0.86 else "water" if lot < 0.97 else "power"
            told.add(person.infrared, moment, f'{name}"{signal}","person":"{person.name}"')
        if person.door is not None:
            door, whose = f'"device":"{day.world.device_names[person.door]}","signal":', f',"person":"{person.name}"'
            for moment in (m for outing in plan.outings for m in (outing.depart_ms, outing.return_ms)):
                told.add(person.door, moment, f'{door}"door_open"{whose}')
                told.add(person.door, moment + int(rng.integers(4_000, 15_000)), f'{door}"door_close"{whose}')
    return [day.device_block(PRESENCE, "pe", "%s", *told.columns()), _shops(day)]


def _movements(day: Day, rng: np.random.Generator, plan: PersonDay) -> list[int]:
    person = plan.person
    awake_h = np.arange(day.start_ms, day.end_ms, 10 * MINUTE_MS)
    hour = (awake_h - day.start_ms) / HOUR_MS
    awake = (awake_h >= plan.wake_ms) & (awake_h < plan.sleep_ms)
    meal = (abs(hour - 11.6) < 0.6) | (abs(hour - 17.6) < 0.6) | (abs(awake_h - plan.wake_ms) < 45 * MINUTE_MS)
    nap = (hour >= 12.6) & (hour < 13.8)
    per_hour = person.liveliness * np.where(awake, np.where(meal, 2.2, np.where(nap, 0.3, 1.0)), 0.04)
    counts = rng.poisson(per_hour / 6.0)
    moments = np.repeat(awake_h, counts) + rng.integers(0, 10 * MINUTE_MS, int(counts.sum()))
    nightly = day.start_ms + (rng.uniform(0.3, person.wake_h - 0.4, int(rng.poisson(1.6))) * HOUR_MS).astype(np.int64)
    there_and_back = np.concatenate((nightly, nightly + rng.integers(90_000, 400_000, len(nightly))))
    known = [outing.return_ms + 5 * MINUTE_MS for outing in plan.outings] + [plan.wake_ms + MINUTE_MS]
    at = np.sort(np.concatenate((moments, there_and_back, np.asarray(known, dtype=np.int64)))).tolist()
    return [moment for moment in at if _at_home(plan, moment)]


def _shops(day: Day) -> Block:
    """Shops: presence while they are open; in every fourth somebody lives (三合一)."""
    world, rng, told = day.world, day.rng("shops"), Told()
    shops = [d for d in world.devices if d.kind == "presence" and d.person is None]
    for nth, device in enumerate(shops):
        hours = np.concatenate((rng.uniform(8.0, 20.5, 22), rng.uniform(0.2, 6.0, 5 if nth % 4 == 1 else 0)))
        for hour in np.sort(hours).tolist():
            told.add(device.index, day.start_ms + int(hour * HOUR_MS), f'"device":"{device.name}","signal":"infrared"')
    return day.device_block(PRESENCE, "ps", "%s", *told.columns())


def _heart_rate(day: Day, plans: tuple[PersonDay, ...]) -> Block:
    """From bracelets that are worn: slow in sleep, quicker outside; nothing while the person lies still somewhere."""
    rng, world = day.rng("heart rate"), day.world
    worn = [plan for plan in plans if plan.person.bracelet is not None]
    numbers = np.array([plan.person.bracelet for plan in worn], dtype=np.int64)
    which, time_ms = regular(np.full(len(worn), 1_800_000), world.phase_ms[numbers], day.number)
    rate = 74.0 + 5.0 * ((numbers[which] * 7919) % 201 - 100) / 100.0 + rng.normal(0.0, 3.0, len(which))
    kept = np.ones(len(which), dtype=np.bool_)
    for row, plan in enumerate(worn):
        mine = which == row
        rate[mine & ((time_ms < plan.wake_ms) | (time_ms >= plan.sleep_ms))] -= 12.0
        for outing in plan.outings:
            rate[mine & (time_ms >= outing.depart_ms) & (time_ms < outing.return_ms)] += 14.0
        if plan.still is not None:
            kept &= ~(mine & (time_ms >= plan.still[0]) & (time_ms < plan.still[1]))
    device = numbers[which][kept]
    template = '"device":"%s","quantity":"heart_rate","value":%s,"unit":"/min"'
    columns = [Column(device, world.device_names), rounded(rate[kept], 0)]
    return day.device_block(MEASURED, "hr", template, device, time_ms[kept], columns)


def _sos(day: Day, plans: tuple[PersonDay, ...]) -> Block:
    rng, told = day.rng("sos"), Told()
    for plan in plans:
        lot, hour, bracelet = rng.random(), rng.uniform(7.0, 21.0), plan.person.bracelet
        if bracelet is None or lot >= SOS_PER_DAY:
            continue
        data = f'"device":"{day.world.device_names[bracelet]}","person":"{plan.person.name}"'
        told.add(bracelet, day.start_ms + int(hour * HOUR_MS), data)
    return day.device_block(SOS, "so", "%s", *told.columns(), loss_ratio=0.0)
