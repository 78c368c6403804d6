"""Limits of GB 3096-2008 (声环境质量标准, environmental quality standard for noise), and adding up levels.

Table 1 (clause 5.1): equivalent level LAeq in dB(A) by class of area (声环境功能区) and period. Clause 3: day is
06:00-22:00, night 22:00-06:00 local time (local governments may shift it; see ``DAY_START_H``). Clause 5.4: the
highest level of a sudden noise at night may not exceed the night limit by more than 15 dB(A). Class 4a: beside main
roads; 4b: beside railway lines.

Levels are averaged by energy, never arithmetically: half an hour of 60 dB and half an hour of 80 dB are 77.0 dB.
"""

from __future__ import annotations

import math
from typing import Literal

Period = Literal["day", "night"]

LIMITS_DB: dict[str, tuple[float, float]] = {  # class -> (day, night), dB(A)
    "0": (50.0, 40.0),
    "1": (55.0, 45.0),
    "2": (60.0, 50.0),
    "3": (65.0, 55.0),
    "4a": (70.0, 55.0),
    "4b": (70.0, 60.0),
}
NIGHT_BURST_ALLOWANCE_DB = 15.0
DAY_START_H = 6
NIGHT_START_H = 22


def period_of(local_hour: int) -> Period:
    """Day or night, by the hour of the local clock (0-23)."""
    return "day" if DAY_START_H <= local_hour < NIGHT_START_H else "night"


def limit_db(zone: str, period: Period) -> float | None:
    """The limit of a class of area; None for a class that the standard does not know."""
    limits = LIMITS_DB.get(zone)
    return None if limits is None else limits[0 if period == "day" else 1]


def energy(level_db: float) -> float:
    """Relative sound energy of a level: what may be added and averaged."""
    return float(10.0 ** (level_db / 10.0))


def level_db(mean_energy: float) -> float:
    """Back from mean energy to a level; minus infinity for none."""
    return 10.0 * math.log10(mean_energy) if mean_energy > 0.0 else -math.inf
