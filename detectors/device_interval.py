"""How often a device speaks, learned from the gaps between its periodic messages.

The interval is the 0.9 quantile of the gaps (:mod:`detectors.p2_quantile`), which a few lost messages do not move; the
longest gap of late (a maximum that decays) covers devices that lose more, or that speak irregularly. Not learned from:
messages at the same moment, buffered messages sent in a burst (they come closer together than they were made), and
silences that were flagged. When the gaps stop fitting, it learns anew.

Twice the same rules: :meth:`IntervalLearner.learn` for one device, :meth:`IntervalLearner.learn_columns` for the next
message of many devices at once; both to the last bit alike. Times are log time, milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.device_table import (
    DESIRED,
    FIRST,
    HEARD,
    HEARD_EVENT,
    HEIGHTS,
    INNER,
    INTERVAL,
    MESSAGES,
    MISFITS,
    NO_TIME,
    PEAK,
    TIMEOUT,
    Device,
)  # fmt: skip
from detectors.p2_quantile import P2, Floats, Mask
from schemas.records import IntArray


@dataclass(frozen=True, slots=True)
class IntervalParams:
    """When a device counts as learned, and how much silence it is allowed."""

    min_messages: int = 10
    min_observed_s: float = 60.0
    quantile: float = 0.9
    factor: float = 3.2  # three messages missed in a row
    peak_factor: float = 2.0
    peak_decay: float = 0.998  # per message: half gone after 350
    jitter_s: float = 2.0
    min_timeout_s: float = 15.0
    same_moment_s: float = 1.0
    same_moment_ratio: float = 0.1  # of the interval: several quantities of one report
    short_ratio: float = 0.5  # of the interval: does not fit
    relearn_after: int = 30  # gaps in a row that do not fit; a flagged silence counts for six
    flagged_weight: int = 6


class IntervalLearner:
    """The rules; what is learned is in the devices' rows. ``timeout_ms`` is None until a device is learned."""

    __slots__ = ("_p2", "_params")

    def __init__(self, params: IntervalParams) -> None:
        self._params = params
        self._p2 = P2(params.quantile)

    @property
    def first_desired(self) -> tuple[float, ...]:
        """Where the quantile's markers begin, for new rows."""
        return self._p2.first_desired

    # -- one device --------------------------------------------------------------------------------------------------
    def learn(self, device: Device, now_ms: int, event_ms: int, flagged: bool) -> None:
        """A periodic message came. ``flagged``: the silence before it was called offline."""
        params = self._params
        if device.messages == 0:
            device.messages = 1
            device.first_ms = device.heard_ms = now_ms
            device.heard_event_ms = event_ms
            return
        gap = now_ms - device.heard_ms
        interval = device.interval_ms
        if gap < 0.5 * (event_ms - device.heard_event_ms):  # sent in a burst: closer together than they were made
            device.heard_ms = now_ms
            device.heard_event_ms = event_ms
            return
        if gap < params.same_moment_s * 1000.0:
            return  # the gap goes on from the first message of this moment
        if gap < params.same_moment_ratio * interval:
            self._misfit(device, 1, now_ms, event_ms)
            return
        device.heard_ms = now_ms
        device.heard_event_ms = event_ms
        if flagged:
            self._misfit(device, params.flagged_weight, now_ms, event_ms)
            return
        if gap < params.short_ratio * interval:
            self._misfit(device, 1, now_ms, event_ms)
        else:
            device.misfits = 0
        self._absorb(device, float(gap), now_ms)

    def _absorb(self, device: Device, gap_ms: float, now_ms: int) -> None:
        params = self._params
        interval = self._p2.learn(device.heights, device.inner, device.desired, device.messages - 1, gap_ms)
        device.messages += 1
        device.interval_ms = interval
        decayed = device.peak_ms * params.peak_decay
        device.peak_ms = peak = gap_ms if gap_ms > decayed else decayed
        if device.messages >= params.min_messages and now_ms - device.first_ms >= params.min_observed_s * 1000.0:
            allowed = max(params.factor * interval, params.peak_factor * peak, params.min_timeout_s * 1000.0)
            device.timeout_ms = int(allowed + params.jitter_s * 1000.0)

    def _misfit(self, device: Device, weight: int, now_ms: int, event_ms: int) -> None:
        """Count what does not fit; learn anew after enough of it. The old timeout holds until then."""
        device.misfits += weight
        if device.misfits >= self._params.relearn_after:
            device.messages, device.misfits = 1, 0
            device.interval_ms = device.peak_ms = 0.0
            device.heights, device.inner = [np.inf] * 5, [2.0, 3.0, 4.0]
            device.desired = list(self._p2.first_desired)
            device.first_ms = device.heard_ms = now_ms
            device.heard_event_ms = event_ms
            device.timeout_ms = None

    # -- columns -----------------------------------------------------------------------------------------------------
    def learn_columns(self, ints: IntArray, now_ms: IntArray, event_ms: IntArray, chosen: Mask) -> None:
        """A periodic message of each chosen device came, whose silence was not flagged. ``ints``: the table's words."""
        params = self._params
        floats = ints.view(np.float64)
        messages, heard, heard_event = ints[MESSAGES], ints[HEARD], ints[HEARD_EVENT]
        interval = floats[INTERVAL]
        first = chosen & (messages == 0)
        if first.any():
            messages[first] = 1
            ints[FIRST][first] = now_ms[first]
        gap = now_ms - heard
        burst = gap < 0.5 * (event_ms - heard_event)
        usual = chosen & ~first & ~burst & (gap >= params.same_moment_s * 1000.0)
        crowded = usual & (gap < params.same_moment_ratio * interval)
        told = usual & ~crowded
        moved = told | first | (burst & chosen)
        np.copyto(heard, now_ms, where=moved)
        np.copyto(heard_event, event_ms, where=moved)
        short = told & (gap < params.short_ratio * interval)
        np.copyto(ints[MISFITS], 0, where=told & ~short)
        odd = crowded | short
        if odd.any():
            self._misfit_columns(ints, now_ms, event_ms, odd)
        self._absorb_columns(ints, floats, gap.astype(np.float64), now_ms, told)

    def _absorb_columns(self, ints: IntArray, floats: Floats, gap: Floats, now_ms: IntArray, told: Mask) -> None:
        params = self._params
        messages, interval, peak = ints[MESSAGES], floats[INTERVAL], floats[PEAK]
        estimates = self._p2.learn_columns(floats[HEIGHTS], floats[INNER], floats[DESIRED], messages - 1, gap, told)
        messages += told
        np.copyto(interval, estimates, where=told)
        np.maximum(gap, peak * params.peak_decay, out=peak, where=told)
        learned = told & (messages >= params.min_messages)
        learned &= now_ms - ints[FIRST] >= params.min_observed_s * 1000.0
        allowed = np.maximum(params.factor * interval, params.peak_factor * peak)
        allowed = np.maximum(allowed, params.min_timeout_s * 1000.0) + params.jitter_s * 1000.0
        np.copyto(ints[TIMEOUT], allowed.astype(np.int64), where=learned)

    def _misfit_columns(self, ints: IntArray, now_ms: IntArray, event_ms: IntArray, odd: Mask) -> None:
        ints[MISFITS] += odd
        anew = np.flatnonzero(odd & (ints[MISFITS] >= self._params.relearn_after))
        if not len(anew):
            return
        floats = ints.view(np.float64)
        for word, value in ((MESSAGES, 1), (MISFITS, 0), (TIMEOUT, NO_TIME)):
            ints[word, anew] = value
        for word in (FIRST, HEARD):
            ints[word, anew] = now_ms[anew]
        ints[HEARD_EVENT, anew] = event_ms[anew]
        floats[INTERVAL, anew] = floats[PEAK, anew] = 0.0
        floats[HEIGHTS, anew] = np.inf
        floats[INNER, anew] = np.array([[2.0], [3.0], [4.0]])
        floats[DESIRED, anew] = np.array(self._p2.first_desired)[:, None]
