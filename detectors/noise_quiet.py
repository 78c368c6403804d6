"""A window closes at many noise meters at once: those where all is quiet, in columns.

A meter is left to :mod:`detectors.noise_limit`, untouched, when a condition holds there or when something is to be
said; so this module never speaks. For the others it does exactly what the detector does for one.
"""

from __future__ import annotations

import numpy as np

from detectors.columns import BoolArray, FloatArray
from detectors.gb3096 import level_db
from detectors.noise_meters import NoiseMeters
from detectors.noise_params import NoiseLimitParams
from detectors.noise_windows import Closing, Window
from schemas.records import IntArray


def close_quietly(
    meters: NoiseMeters, rows: IntArray, closing: Closing, limits_db: FloatArray, params: NoiseLimitParams
) -> BoolArray:  # fmt: skip
    """Close the window at those of the meters where nothing is to be said. :returns: which were.

    ``limits_db``: by zone, for this period of the day.
    """
    window, hour_index = closing.window, closing.hour_index
    seconds = window.seconds[rows]
    quiet = (seconds > 0.0) & ~meters.over[rows] & ~meters.louder[rows]
    covered = quiet & (seconds >= params.window_coverage_ratio * params.window_s)
    zoned = covered & (meters.zone[rows] > 0)
    over, under, assessed = _assessed(meters, rows[zoned], closing.same_period, limits_db, params)
    quiet[zoned] &= over < params.over_closes

    learning = rows[covered]
    level = _levels(window.energy[learning] / seconds[covered])
    usual = meters.baselines.usual(learning, hour_index, closing.minute, params.baseline)
    excess = level - usual.level_db
    unusual = usual.known & (excess >= usual.excess_db)
    is_calm = excess < usual.excess_db - params.louder_clear_margin_db
    loud = np.where(unusual, np.minimum(meters.loud[learning], 254) + 1, 0)
    calm = np.where(is_calm, np.minimum(meters.calm[learning], 254) + 1, 0)
    quiet[covered] &= ~usual.known | (loud < params.louder_closes)

    judged = assessed & quiet[zoned]
    meters.over_count[rows[zoned][judged]] = over[judged]
    meters.under_count[rows[zoned][judged]] = under[judged]
    for past in closing.other_period:
        past.clear(rows[zoned & quiet])
    known = usual.known & quiet[covered]
    meters.loud[learning[known]] = loud[known]
    meters.calm[learning[known]] = calm[known]
    learned = quiet[covered]
    meters.baselines.learn(learning[learned], hour_index, level[learned], unusual[learned], params.baseline)
    window.clear(rows[quiet & ~zoned])  # only what was judged is looked back on
    return quiet


def _assessed(
    meters: NoiseMeters, rows: IntArray, windows: list[Window], limits_db: FloatArray, params: NoiseLimitParams
) -> tuple[IntArray, IntArray, BoolArray]:  # fmt: skip
    """LAeq over the windows against the limit: closes over it, closes under it, and whether enough is known."""
    energy_s, seconds = np.zeros(len(rows)), np.zeros(len(rows))
    for past in windows:  # in this order
        energy_s += past.energy[rows]
        seconds += past.seconds[rows]
    enough = seconds >= params.assess_coverage_ratio * params.assess_windows * params.window_s
    excess = np.zeros(len(rows))
    excess[enough] = _levels(energy_s[enough] / seconds[enough]) - limits_db[meters.zone[rows[enough]]]
    over = np.where(excess >= params.over_margin_db, meters.over_count[rows] + 1, 0)
    under = np.where(excess < -params.clear_margin_db, meters.under_count[rows] + 1, 0)
    return np.where(enough, over, -1), under, enough


def _levels(mean_energy: FloatArray) -> FloatArray:
    """Levels, by Python's logarithm: numpy's may differ in the last bit from machine to machine."""
    return np.array([level_db(one) for one in mean_energy.tolist()], dtype=np.float64)
