"""Residents: gates at rush hours, online services by hour and weekday, participation, waste, parking."""

from __future__ import annotations

import numpy as np

from replay.simulator.block import Block, Column, Rows
from replay.simulator.chance import HOUR_MS, MINUTE_MS, FloatArray, IntArray, arrivals
from replay.simulator.day import Day, rounded
from replay.simulator.entities import Community

PASSAGE = "cn.gridpulse.passages.passage"
INTERACTION = "cn.gridpulse.online.interaction"
PARTICIPATION = "cn.gridpulse.online.participation"
WASTE = "cn.gridpulse.civic.waste_deposit"
PARKING = "cn.gridpulse.civic.parking"
LEAVING = (1, 1, 0, 0, 1, 4, 12, 30, 28, 14, 9, 7, 6, 6, 7, 7, 7, 9, 12, 10, 5, 3, 2, 1)
COMING = (2, 1, 0, 0, 0, 1, 3, 6, 7, 7, 8, 12, 11, 6, 6, 7, 11, 24, 30, 18, 12, 9, 6, 4)
LEISURELY = (1, 0, 0, 0, 0, 2, 4, 7, 11, 14, 14, 11, 8, 8, 12, 13, 12, 11, 9, 8, 6, 4, 2, 1)
ONLINE = (2, 1, 1, 0, 0, 1, 4, 8, 12, 14, 13, 10, 15, 9, 8, 9, 9, 10, 12, 16, 20, 18, 11, 5)
WASTE_HOURS = (0, 0, 0, 0, 0, 2, 14, 20, 10, 3, 2, 3, 3, 2, 2, 2, 3, 8, 18, 20, 10, 3, 1, 0)
APPS = ("djkk", "wanshitong", "ejiaren")
PAGES = (
    "home", "news", "repair", "canteen-menu", "venue-booking", "pension", "medical-insurance", "vote", "parking-fee",
    "activity-list", "points-mall", "job-fair", "residence-permit", "notice",
)  # fmt: skip
METHODS = ("face", "face", "card", "code", "phone", "guard")


def passages(day: Day) -> list[Block]:
    """Persons and vehicles through the gates; two in three persons are known."""
    world, rng = day.world, day.rng("passages")
    gates = [device for device in world.devices if device.kind == "gate"]
    mean = 170.0 * (0.8 if day.weekend else 1.0) * (1.0 - 0.1 * (day.weather.rain_from_h < 24))
    found = []
    for code, kind, share in (("pp", "person", 1.0), ("pv", "vehicle", 0.4)):
        device, time_ms, out = [], [], []
        for gate in gates:
            for leaving in (True, False):
                hourly = LEISURELY if day.weekend else LEAVING if leaving else COMING
                moments = arrivals(rng, day.number, mean * share, hourly)
                device.append(np.full(len(moments), gate.index))
                time_ms.append(moments)
                out.append(np.full(len(moments), leaving))
        who = np.concatenate(device)
        count = len(who)
        if kind == "person":
            methods = [f'"{m}"' for m in METHODS]
            fragments = ['"person":"r-%s"']
        else:
            methods, fragments = ['"plate"'], ['"plate":"v-%s"']
        known = rng.random(count) < 0.66
        reference = [
            "," + fragments[0] % f"{community:x}{n:05x}" if is_known else ""
            for community, n, is_known in zip(
                [world.devices[i].community for i in who.tolist()],
                _zipf(rng, count, 2400).tolist(),
                known.tolist(),
                strict=True,
            )
        ]
        columns = [
            Column(who, world.device_names),
            Column(np.concatenate(out).astype(np.int64), ("in", "out")),
            Column(rng.integers(0, len(methods), count), methods),
            Column(np.arange(count), reference),
        ]
        template = f'"gate":"%s","kind":"{kind}","direction":"%s","method":%s%s'
        found.append(day.device_block(PASSAGE, code, template, who, np.concatenate(time_ms), columns, loss_ratio=0.0))
    return found


def _zipf(rng: np.random.Generator, count: int, of: int) -> IntArray:
    """Numbers below ``of``, the first ones far more often."""
    return (of ** rng.random(count)).astype(np.int64) * 37 % of


def online(day: Day) -> list[Block]:
    """Sessions of a few pages each, most at noon and in the evening, more at weekends."""
    world, rng = day.world, day.rng("online")
    sender, time_ms, app = list[IntArray](), list[IntArray](), list[IntArray]()
    session = list[IntArray]()
    mean = 85.0 * world.config.size * (1.15 if day.weekend else 1.0) * (1.3 if day.weekday == 0 else 1.0)
    for community in world.communities:
        begins = arrivals(rng, day.number, mean, ONLINE)
        pages = rng.geometric(0.22, len(begins))
        index = np.repeat(np.arange(len(begins)), pages)
        nth = np.arange(len(index)) - np.repeat(np.cumsum(pages) - pages, pages)
        grid = np.array([world.senders.of("/app/gateway", scope) for scope in community.grids])
        sender.append(grid[rng.integers(0, len(grid), len(begins))][index])
        time_ms.append(begins[index] + nth * 14_000 + rng.integers(0, 9_000, len(index)))
        app.append(rng.integers(0, len(APPS), len(begins))[index])
        session.append(index + sum(int(part.max(initial=-1)) + 1 for part in session))
    who = np.concatenate(session)
    count = len(who)
    names = [f"s{day.number}x{n:x}" for n in range(int(who.max(initial=0)) + 1)]
    kinds = np.searchsorted((0.62, 0.91), rng.random(count), side="right")
    columns = [
        Column(np.concatenate(app), APPS),
        Column(kinds, ("page_view", "click", "search")),
        Column(_zipf(rng, count, len(PAGES)), PAGES),
        Column(who, names),
    ]
    template = '"app":"%s","kind":"%s","page":"%s","session":"%s"'
    times = np.concatenate(time_ms)
    return [day.block(INTERACTION, "ol", template, np.concatenate(sender), times, columns), _participation(day)]


def _participation(day: Day) -> Block:
    world, rng, rows = day.world, day.rng("participation"), Rows()
    for community in world.communities:
        sender = world.senders.of("/app/ejiaren", community.scope)
        for moment in arrivals(rng, day.number, 14.0 * world.config.size, ONLINE).tolist():
            kind = ("vote", "vote", "post", "sign_up")[int(rng.integers(4))]
            topic = f"{community.name}-{kind}-{day.number // 7}-{int(rng.integers(3))}"
            person = f"r-{community.index:x}{int(rng.integers(2400)):05x}"
            rows.add(sender, moment, f'"kind":"{kind}","topic":"{topic}","person":"{person}"')
    return day.rows(PARTICIPATION, "pa", rows)


def waste(day: Day) -> Block:
    """Morning and evening; most households sort rightly, a few hardly ever."""
    world, rng = day.world, day.rng("waste")
    sender, time_ms, household, station = [], [], [], []
    for community in world.communities:
        moments = arrivals(rng, day.number, 230.0 * world.config.size, WASTE_HOURS)
        grid = np.array([world.senders.of(f"/waste/{community.name}", scope) for scope in community.grids])
        where = rng.integers(0, len(grid), len(moments))
        sender.append(grid[where])
        time_ms.append(moments)
        household.append(rng.integers(0, 400, len(moments)) + 1000 * community.index)
        station.append(where + 100 * community.index)
    homes, stations, count = np.concatenate(household), np.concatenate(station), sum(map(len, time_ms))
    careless = homes % 23 == 0
    correct = (rng.random(count) > np.where(careless, 0.7, 0.06)).astype(np.int64)
    kinds = np.searchsorted((0.45, 0.65, 0.67), rng.random(count), side="right")
    columns = [
        Column(np.arange(count), [f"{world.communities[n // 100 % 100].name}-ws{n % 100}" for n in stations.tolist()]),
        Column(kinds, ("kitchen", "recyclable", "hazardous", "other")),
        Column(correct, ("false", "true")),
        rounded(np.clip(rng.lognormal(0.1, 0.6, count), 0.05, 60.0), 2),
        Column(homes, _Names("hh-{:05d}")),
    ]
    template = '"station":"%s","kind":"%s","correct":%s,"mass_kg":%s,"person":"%s"'
    return day.block(WASTE, "wa", template, np.concatenate(sender), np.concatenate(time_ms), columns)


class _Names:
    """Names by number, without a table of them."""

    def __init__(self, form: str) -> None:
        self._form = form

    def __getitem__(self, number: int, /) -> str:
        return self._form.format(number)


def parking(day: Day) -> Block:
    """Residents leave in the morning and return at night; visitors come and go and pay."""
    world, rng, rows = day.world, day.rng("parking"), Rows()
    for community in world.communities:
        for lot in world.sites_of(community, "parking"):
            sender = world.senders.of(f"/parking/{lot.name}", lot.scope)
            _resident_bays(day, rows, community, sender, lot.name)
            for bay in range(40, 52):
                slot_h = 15.0 / (3 + bay % 3)
                for nth in range(3 + bay % 3):
                    begin, stay_h = 7.0 + nth * slot_h + rng.uniform(0, slot_h * 0.35), slot_h * rng.uniform(0.1, 0.6)
                    if rng.random() < (0.75 if day.weekend else 0.6):
                        _stay(day, rows, sender, f'"lot":"{lot.name}","bay":"{lot.name}-{bay}"', begin, stay_h)
    return day.rows(PARKING, "pk", rows)


def _stay(day: Day, rows: Rows, sender: int, where: str, begin_h: float, stay_h: float) -> None:
    arrive = day.start_ms + int(begin_h * HOUR_MS)
    fee = 3.0 * max(0, int(stay_h - 0.5) + 1)
    rows.add(sender, arrive, f'{where},"state":"occupied"')
    free = arrive + max(MINUTE_MS, int(stay_h * HOUR_MS))
    rows.add(sender, free, f'{where},"state":"free","stay_min":{round(stay_h * 60, 1)},"fee_cny":{fee}')


def _resident_bays(day: Day, rows: Rows, community: Community, sender: int, lot: str) -> None:
    leave, back, out = _commute(day, community, day.number)
    _, back_before, out_before = _commute(day, community, day.number - 1)
    for bay in range(len(leave)):
        if not out[bay]:
            continue
        where = f'"lot":"{lot}","bay":"{lot}-{bay}"'
        stay = f',"stay_min":{round(float(24 - back_before[bay] + leave[bay]) * 60, 1)}' if out_before[bay] else ""
        rows.add(sender, day.start_ms + int(leave[bay] * HOUR_MS), f'{where},"state":"free"{stay},"fee_cny":0.0')
        rows.add(sender, day.start_ms + int(back[bay] * HOUR_MS), f'{where},"state":"occupied"')


def _commute(day: Day, community: Community, number: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """When residents' cars leave and return (hours), and whether they do: of any day, so that stays span nights."""
    other = Day(day.world, number, [])
    rng = other.rng("commute", community.index)
    leave = np.clip(rng.normal(9.5 if other.weekend else 7.7, 0.9, 40), 5.0, 12.0)
    back = np.clip(leave + rng.normal(5.0 if other.weekend else 10.4, 1.2, 40), leave + 0.3, 23.5)
    return leave, back, (rng.random(40) < (0.55 if other.weekend else 0.8)).astype(np.float64)
