"""Everything else that measures: climate and dust, smoke and gas, charging piles, hydrants, manholes, water, traffic.

None of it is labelled; cooking, rush hours and rain make it move.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from replay.simulator.block import Block, Column
from replay.simulator.chance import FloatArray, IntArray, regular
from replay.simulator.day import Day, rounded

MEASURED = "cn.gridpulse.readings.measured"
Values = Callable[[Day, np.random.Generator, IntArray, FloatArray], FloatArray]


def _own(device: IntArray) -> FloatArray:
    """A fixed offset of every device, -1 to 1."""
    return ((device * 7919) % 201 - 100) / 100.0


def _smooth(rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    """Slow wandering over the day, per device, about one standard deviation."""
    first = int(device.min()) if len(device) else 0
    table = rng.normal(0.0, 1.0, (int(device.max()) - first + 1 if len(device) else 1, 26))
    slot = np.minimum(hour.astype(np.int64), 24)
    part = hour - slot
    row = device - first
    wandering: FloatArray = table[row, slot] * (1.0 - part) + table[row, slot + 1] * part
    return wandering


def _temperature(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    swing = 4.5 - 2.5 * day.weather.rains(hour)
    wandering = _own(device) + 0.4 * _smooth(rng, device, hour)
    return day.weather.mean_cel + swing * np.cos((hour - 14.5) / 12 * np.pi) + wandering


def _humidity(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    rain = 18.0 * day.weather.rains(hour)
    return np.clip(66 - 12 * np.cos((hour - 14.5) / 12 * np.pi) + rain + 2 * _smooth(rng, device, hour), 15, 100)


def _pm2_5(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    rush = 1 + 0.35 * np.exp(-((hour - 8) ** 2) / 3) + 0.45 * np.exp(-((hour - 19) ** 2) / 4)
    smoke = 1.0 + 1.3 * day.weather.fireworks * np.exp(-((hour - 20.5) ** 2) / 0.8)
    return 38.0 * day.weather.dust * rush * smoke * np.exp(0.15 * _smooth(rng, device, hour))


def _pm10(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    return 1.6 * _pm2_5(day, rng, device, hour) + 5.0 + rng.exponential(4.0, len(hour))


def _smoke(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    return rng.exponential(0.12, len(hour)) + _cooking(rng, hour) * rng.uniform(0.5, 2.8, len(hour))


def _gas(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    return rng.exponential(0.3, len(hour)) + _cooking(rng, hour) * rng.uniform(0.5, 3.5, len(hour))


def _cooking(rng: np.random.Generator, hour: FloatArray) -> FloatArray:
    meal = (abs(hour - 7) < 0.7) | (abs(hour - 11.5) < 0.8) | (abs(hour - 18) < 1.0)
    return (meal & (rng.random(len(hour)) < 0.35)).astype(np.float64)


def _in_use(rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    """Whether a pile charges: by half-hours, mostly in the evening and at night."""
    ratio = np.interp(hour, (0, 5, 8, 17, 19, 22, 24), (0.7, 0.35, 0.2, 0.3, 0.75, 0.9, 0.7))
    first = int(device.min()) if len(device) else 0
    lots = np.repeat(rng.random((int(device.max()) - first + 1 if len(device) else 1, 13)), 4, axis=1)
    return (lots[device - first, (hour * 2).astype(np.int64)] < ratio).astype(np.float64)


def _current(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    return 0.05 + _in_use(rng, device, hour) * (7.0 + 2.0 * _own(device)) + abs(rng.normal(0.0, 0.15, len(hour)))


def _pile_temperature(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    return _temperature(day, rng, device, hour) + 6.0 + 9.0 * _in_use(rng, device, hour)


def _pressure(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    demand = np.exp(-((hour - 7.5) ** 2)) + np.exp(-((hour - 19.0) ** 2) / 2)
    return 310.0 + 35.0 * _own(device) - 22.0 * demand + rng.normal(0.0, 2.0, len(hour))


def _tilt(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    return 1.2 + _own(device) + rng.normal(0.0, 0.15, len(hour))


def _level(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    rain = 0.45 * day.weather.rains(hour - 0.7) * day.weather.rain_db
    return 0.35 + 0.1 * _own(device) + rain + np.abs(rng.normal(0.0, 0.02, len(hour)))


def _water_flow(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    shape = np.interp(hour, (0, 4, 7, 9, 12, 15, 19, 22, 24), (0.2, 0.05, 1.0, 0.6, 0.8, 0.4, 1.2, 0.7, 0.2))
    return 1.8 * shape * (1.15 if day.weekend else 1.0) * np.exp(0.3 * rng.normal(0.0, 1.0, len(hour)))


def _traffic(day: Day, rng: np.random.Generator, device: IntArray, hour: FloatArray) -> FloatArray:
    weekday = np.interp(hour, (0, 5, 8, 10, 17, 18.5, 22, 24), (1.0, 0.5, 14.0, 8.0, 11.0, 15.0, 4.0, 1.0))
    weekend = np.interp(hour, (0, 6, 10, 16, 20, 24), (1.5, 0.5, 9.0, 11.0, 8.0, 1.5))
    return rng.poisson((weekend if day.weekend else weekday) * (1.0 + 0.4 * _own(device)) + 0.1).astype(np.float64)


# (code, device kind, quantity, unit, digits, values)
SERIES: tuple[tuple[str, str, str, str, int, Values], ...] = (
    ("te", "climate", "temperature", "Cel", 1, _temperature),
    ("hu", "climate", "humidity", "%", 1, _humidity),
    ("pm", "climate", "pm2_5", "ug/m3", 1, _pm2_5),
    ("px", "climate", "pm10", "ug/m3", 1, _pm10),
    ("sm", "smoke", "smoke", "%/m", 2, _smoke),
    ("ga", "gas", "gas", "%LEL", 2, _gas),
    ("cu", "charging", "current", "A", 2, _current),
    ("ct", "charging", "temperature", "Cel", 1, _pile_temperature),
    ("pr", "hydrant", "pressure", "kPa", 1, _pressure),
    ("ti", "manhole", "tilt", "deg", 2, _tilt),
    ("lv", "manhole", "level", "m", 3, _level),
    ("wf", "water", "water_flow", "L/s", 3, _water_flow),
    ("tr", "camera", "traffic", "/min", 0, _traffic),
)


def readings(day: Day) -> list[Block]:
    """A block per series: every device of its kind at its own interval."""
    world = day.world
    found = []
    for code, kind, quantity, unit, digits, values in SERIES:
        numbers = world.numbers_of(kind)
        reports_s = [world.devices[i].report_s or 900.0 for i in numbers.tolist()]
        which, time_ms = regular(
            np.array([round(s * 1000) for s in reports_s], dtype=np.int64), world.phase_ms[numbers], day.number
        )
        device = numbers[which]
        hour = (time_ms - day.start_ms) / 3_600_000
        value = values(day, day.rng("series " + code), device, hour)
        template = f'"device":"%s","quantity":"{quantity}","value":%s,"unit":"{unit}"'
        template = template.replace('"%"', '"%%"').replace('"%LEL"', '"%%LEL"').replace('"%/m"', '"%%/m"')
        columns = [Column(device, world.device_names), rounded(value, digits)]
        found.append(day.device_block(MEASURED, code, template, device, time_ms, columns))
    return found
