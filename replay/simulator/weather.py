"""The weather and the festivities of a day: what all of a city's sensors feel at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from replay.simulator.chance import FloatArray, generator, is_weekend

RAINY_RATIO = 0.3


@dataclass(frozen=True, slots=True)
class Weather:
    """Hours are local. ``rain_db``: how much louder the rain makes it."""

    rain_from_h: float
    rain_until_h: float
    rain_db: float
    mean_cel: float
    dust: float  # factor on particle counts
    fireworks: bool  # somebody celebrates this evening

    def rains(self, hour: FloatArray) -> FloatArray:
        """1.0 in the rain, 0.0 outside, with soft edges of half an hour."""
        inside = np.minimum(hour - self.rain_from_h, self.rain_until_h - hour)
        return np.clip(inside / 0.5 + 0.5, 0.0, 1.0)


@lru_cache(maxsize=64)
def weather_of(seed: int, day: int) -> Weather:
    """The weather of a day; the season follows the calendar, coldest in late January."""
    rng = generator(seed, "weather", day)
    rainy = rng.random() < RAINY_RATIO
    begin = float(rng.uniform(0.0, 18.0))
    season = 17.0 - 12.5 * np.cos(2 * np.pi * (day % 365.25 - 25) / 365.25)
    return Weather(
        rain_from_h=begin if rainy else 48.0,
        rain_until_h=begin + float(rng.uniform(2.0, 9.0)) if rainy else 48.0,
        rain_db=float(rng.uniform(0.8, 2.0)),
        mean_cel=float(season + rng.normal(0.0, 2.5)),
        dust=float(np.exp(rng.normal(0.0, 0.35))) * (0.6 if rainy else 1.0),
        fireworks=bool(rng.random() < (0.45 if is_weekend(day) else 0.15)),
    )
