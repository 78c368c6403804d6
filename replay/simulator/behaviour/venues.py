"""Neighbour centres (宜邻中心): opening, footfall, bookings, sales of tenants, activities, the canteen."""

from __future__ import annotations

import numpy as np

from replay.simulator.block import Block, Column, Rows
from replay.simulator.chance import HOUR_MS, MINUTE_MS, arrivals, generator
from replay.simulator.day import Day, rounded
from replay.simulator.entities import Site

SESSION = "cn.gridpulse.venue.session"
VISITORS = "cn.gridpulse.venue.visitors"
BOOKING = "cn.gridpulse.venue.booking"
SALE = "cn.gridpulse.venue.sale"
ACTIVITY = "cn.gridpulse.venue.activity"
CANTEEN = "cn.gridpulse.venue.canteen_order"
OPEN_HOURS = (0, 0, 0, 0, 0, 0, 0, 0, 6, 9, 10, 8, 5, 5, 8, 9, 9, 8, 8, 10, 4, 0, 0, 0)
MEALS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 14, 30, 10, 1, 0, 0, 9, 22, 8, 1, 0, 0, 0, 0)
TENANTS = ("grocery", "barber", "pharmacy", "bakery", "laundry")
TENANT_CNY = (28.0, 35.0, 62.0, 19.0, 24.0)
KINDS = ("书法课", "广场舞", "健康讲座", "亲子阅读", "棋牌赛", "义诊")
COURSES = ("calligraphy", "dance", "yoga", "reading-room", "table-tennis")
BOOKED_AHEAD_DAYS = 3


def venues(day: Day) -> list[Block]:
    """Everything that happens in venues on a day."""
    sites = [site for site in day.world.sites if site.kind == "venue"]
    senders = [day.world.senders.of(f"/venue/{site.name}", site.scope) for site in sites]
    return [
        _visitors(day, sites, senders),
        _sales(day, sites, senders),
        _sessions(day, sites, senders),
        _bookings(day, sites, senders),
        _activities(day, sites, senders),
        _canteen(day, sites, senders),
    ]


def _busy(day: Day) -> float:
    """How much busier than usual the day is."""
    return (1.35 if day.weekend else 1.0) * (0.8 if day.weather.rain_from_h < 24 else 1.0)


def _sessions(day: Day, sites: list[Site], senders: list[int]) -> Block:
    rng, rows = day.rng("venue sessions"), Rows()
    for site, sender in zip(sites, senders, strict=True):
        for state, hour in (("opened", 8.0 + rng.uniform(-0.2, 0.15)), ("closed", 21.0 + rng.uniform(-0.1, 0.4))):
            rows.add(sender, day.start_ms + int(hour * HOUR_MS), f'"venue":"{site.name}","state":"{state}"')
    return day.rows(SESSION, "vs", rows)


def _visitors(day: Day, sites: list[Site], senders: list[int]) -> Block:
    rng = day.rng("visitors")
    quarters = np.arange(33, 85)  # intervals that end between 08:15 and 21:00
    venue = np.repeat(np.arange(len(sites)), len(quarters))
    hour = np.tile(quarters / 4.0, len(sites))
    curve = np.interp(hour, np.arange(24) + 0.5, OPEN_HOURS) * _busy(day)
    entered = rng.poisson(curve)
    left = rng.poisson(np.interp(hour - 0.8, np.arange(24) + 0.5, OPEN_HOURS) * _busy(day))
    columns = [Column(venue, [site.name for site in sites]), Column(entered), Column(left)]
    time_ms = day.start_ms + (hour * HOUR_MS).astype(np.int64)
    return day.block(
        VISITORS, "vv", '"venue":"%s","entered":%s,"left":%s', np.asarray(senders)[venue], time_ms, columns
    )  # fmt: skip


def _sales(day: Day, sites: list[Site], senders: list[int]) -> Block:
    rng = day.rng("sales")
    moments = [arrivals(rng, day.number, 90.0 * _busy(day), OPEN_HOURS) for _ in sites]
    venue = np.repeat(np.arange(len(sites)), [len(part) for part in moments])
    tenant = rng.integers(0, len(TENANTS), len(venue))
    amount = np.asarray(TENANT_CNY)[tenant] * rng.lognormal(-0.2, 0.6, len(venue))
    columns = [
        Column(venue, [site.name for site in sites]),
        Column(venue * len(TENANTS) + tenant, [f"{site.name}-{tenant}" for site in sites for tenant in TENANTS]),
        rounded(amount, 2),
    ]
    template = '"venue":"%s","tenant":"%s","amount_cny":%s'
    return day.block(SALE, "sa", template, np.asarray(senders)[venue], np.concatenate(moments), columns)


def _bookings(day: Day, sites: list[Site], senders: list[int]) -> Block:
    """Made up to three days ahead; some are cancelled, some nobody shows up for."""
    rows = Rows()
    for ahead in range(BOOKED_AHEAD_DAYS + 1):
        due = day.number + ahead
        rng = generator(day.world.config.seed, "bookings", due)
        due_start = day.start_ms + ahead * 24 * HOUR_MS
        for place, (site, sender) in enumerate(zip(sites, senders, strict=True)):
            for nth in range(int(rng.poisson(7))):
                made_before, hour, lot = rng.integers(0, 4), rng.uniform(9, 19), rng.random()
                made_hour = rng.uniform(8, 22)
                course = COURSES[int(rng.integers(len(COURSES)))]
                due_ms = due_start + int(hour * HOUR_MS)
                made_ms = min(due_start - int(made_before) * 24 * HOUR_MS + int(made_hour * HOUR_MS), due_ms - HOUR_MS)
                base = f'"venue":"{site.name}","booking":"bk-{site.name}-{due}-{nth}","step":"%s","service":"{course}"'
                serial = due * 10_000_000 + place * 1000 + nth * 10
                rows.add(sender, made_ms, base % "made", serial)
                last = "cancelled" if lot < 0.1 else "no_show" if lot < 0.2 else "attended"
                cancelled_ms = max(made_ms + MINUTE_MS, due_ms - 3 * HOUR_MS)
                last_ms = {"cancelled": cancelled_ms, "no_show": due_ms + HOUR_MS // 2}
                rows.add(sender, last_ms.get(last, due_ms), base % last, serial + 1)
    return day.rows(BOOKING, "bo", rows)


def _activities(day: Day, sites: list[Site], senders: list[int]) -> Block:
    rng, rows = day.rng("activities"), Rows()
    for site, sender in zip(sites, senders, strict=True):
        for nth in range(int(rng.integers(1, 4 if day.weekend else 3))):
            kind = KINDS[int(rng.integers(len(KINDS)))]
            moment = day.start_ms + int((9.5 + 4.5 * nth + rng.uniform(0, 1.5)) * HOUR_MS)
            attended = int(rng.poisson(24 * _busy(day)))
            rows.add(
                sender, moment,
                f'"venue":"{site.name}","activity":"act-{site.name}-{day.number}-{nth}","kind":"{kind}","attended":{attended}',
            )  # fmt: skip
    return day.rows(ACTIVITY, "ac", rows)


def _canteen(day: Day, sites: list[Site], senders: list[int]) -> Block:
    rng, rows = day.rng("canteen"), Rows()
    for site, sender in zip(sites, senders, strict=True):
        moments = arrivals(rng, day.number, 42.0, MEALS)
        for nth, moment in enumerate(moments.tolist()):
            amount = round(float(rng.uniform(8, 26)), 1)
            order = f"co-{site.name}-{day.number}-{nth}"
            base = f'"venue":"{site.name}","order":"{order}","step":"%s","amount_cny":{amount}'
            rows.add(sender, moment, base % "placed")
            step, wait_min = ("cancelled", 3.0) if rng.random() < 0.03 else ("delivered", float(rng.uniform(10, 40)))
            rows.add(sender, moment + int(wait_min * MINUTE_MS), base % step)
    return day.rows(CANTEEN, "cn", rows)
