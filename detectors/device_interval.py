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
    HALF,
    HEARD,
    HEARD_EVENT,
    HEIGHTS,
    INNER,
    MESSAGES,
    MISFITS,
    NO_TIMEOUT,
    OBSERVED,
    PEAK,
    TIMEOUT,
    Device,
    DeviceColumns,
    Halves,
    half_of,
    halves_of,
)  # fmt: skip
from detectors.p2_quantile import FIRST_INNER, MARKERS, P2, Floats, Mask
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

    __slots__ = ("_params", "p2")

    def __init__(self, params: IntervalParams) -> None:
        self._params = params
        self.p2 = P2(params.quantile)

    # -- one device --------------------------------------------------------------------------------------------------
    def learn(self, device: Device, now_ms: int, event_ms: int, flagged: bool) -> None:
        """A periodic message came. ``flagged``: the silence before it was called offline."""
        params = self._params
        if device.messages == 0:
            device.messages = 1
            device.heard_ms, device.heard_event = now_ms, half_of(event_ms)
            return
        gap = now_ms - device.heard_ms
        interval = device.interval_ms
        if gap < 0.5 * _since(device.heard_event, event_ms):  # sent in a burst: closer together than they were made
            self._hear(device, gap, now_ms, event_ms)
            return
        if gap < params.same_moment_s * 1000.0:
            return  # the gap goes on from the first message of this moment
        if gap < params.same_moment_ratio * interval:
            self._misfit(device, 1, now_ms, event_ms)
            return
        self._hear(device, gap, now_ms, event_ms)
        if flagged:
            self._misfit(device, params.flagged_weight, now_ms, event_ms)
            return
        if gap < params.short_ratio * interval:
            self._misfit(device, 1, now_ms, event_ms)
        else:
            device.misfits = 0
        self._absorb(device, float(gap))

    def _hear(self, device: Device, gap_ms: int, now_ms: int, event_ms: int) -> None:
        device.heard_ms, device.heard_event = now_ms, half_of(event_ms)
        if device.timeout_ms is None:
            device.observed_ms = min(device.observed_ms + gap_ms, HALF)

    def _absorb(self, device: Device, gap_ms: float) -> None:
        params = self._params
        self.p2.learn(device.heights, device.inner, device.messages - 1, gap_ms)
        device.messages += 1
        device.interval_ms = interval = self.p2.estimate(device.heights, device.messages - 1)
        decayed = device.peak_ms * params.peak_decay
        device.peak_ms = peak = gap_ms if gap_ms > decayed else decayed
        if device.messages < params.min_messages:
            return
        if device.timeout_ms is not None or device.observed_ms >= params.min_observed_s * 1000.0:
            allowed = max(params.factor * interval, params.peak_factor * peak, params.min_timeout_s * 1000.0, 1.0)
            device.timeout_ms = min(int(allowed + params.jitter_s * 1000.0), HALF)

    def _misfit(self, device: Device, weight: int, now_ms: int, event_ms: int) -> None:
        """Count what does not fit; learn anew after enough of it. The old timeout holds until then."""
        device.misfits += weight
        if device.misfits >= self._params.relearn_after:
            device.messages, device.misfits, device.observed_ms = 1, 0, 0
            device.interval_ms = device.peak_ms = 0.0
            device.heights, device.inner = [np.inf] * MARKERS, list(FIRST_INNER)
            device.heard_ms, device.heard_event = now_ms, half_of(event_ms)
            device.timeout_ms = None

    # -- columns -----------------------------------------------------------------------------------------------------
    def learn_columns(self, columns: DeviceColumns, now_ms: IntArray, event_ms: IntArray, chosen: Mask) -> None:
        """A periodic message of each chosen device came, whose silence was not flagged."""
        params = self._params
        halves = columns.halves
        messages, heard, heard_event = halves[MESSAGES], columns.words[HEARD], halves[HEARD_EVENT]
        interval = columns.intervals_ms
        first = chosen & (messages == 0)
        if first.any():
            messages[first] = 1
        gap = now_ms - heard
        event = halves_of(event_ms)
        burst = gap < 0.5 * (event - heard_event).view(np.int32)
        usual = chosen & ~first & ~burst & (gap >= params.same_moment_s * 1000.0)
        crowded = usual & (gap < params.same_moment_ratio * interval)
        told = usual & ~crowded
        moved = told | (burst & chosen & ~first)
        learning = np.flatnonzero(moved & (halves[TIMEOUT] == NO_TIMEOUT))
        if len(learning):
            halves[OBSERVED, learning] = np.minimum(halves[OBSERVED, learning] + gap[learning], HALF)
        moved |= first
        np.copyto(heard, now_ms, where=moved)
        np.copyto(heard_event, event, where=moved)
        short = told & (gap < params.short_ratio * interval)
        np.copyto(halves[MISFITS], 0, where=told & ~short)
        odd = crowded | short
        if odd.any():
            self._misfit_columns(columns, now_ms, event, odd)
        self._absorb_columns(columns, gap.astype(np.float64), told)

    def _absorb_columns(self, columns: DeviceColumns, gap: Floats, told: Mask) -> None:
        params, floats, halves = self._params, columns.floats, columns.halves
        messages, timeout, peak = halves[MESSAGES], halves[TIMEOUT], floats[PEAK]
        heights, seen = floats[HEIGHTS], messages.astype(np.int64) - 1
        self.p2.learn_columns(heights, halves[INNER], seen, gap, told)
        np.copyto(columns.intervals_ms, self.p2.estimates(heights, seen + told), where=told)
        messages += told
        np.maximum(gap, peak * params.peak_decay, out=peak, where=told)
        learned = told & (messages >= params.min_messages)
        learned &= (timeout != NO_TIMEOUT) | (halves[OBSERVED] >= params.min_observed_s * 1000.0)
        allowed = np.maximum(params.factor * columns.intervals_ms, params.peak_factor * peak)
        allowed = np.maximum(allowed, max(params.min_timeout_s * 1000.0, 1.0)) + params.jitter_s * 1000.0
        np.copyto(timeout, np.minimum(allowed, HALF).astype(np.uint32), where=learned)

    def _misfit_columns(self, columns: DeviceColumns, now_ms: IntArray, event: Halves, odd: Mask) -> None:
        halves = columns.halves
        halves[MISFITS] += odd
        anew = np.flatnonzero(odd & (halves[MISFITS] >= self._params.relearn_after))
        if not len(anew):
            return
        for half, value in ((MESSAGES, 1), (MISFITS, 0), (OBSERVED, 0), (TIMEOUT, NO_TIMEOUT)):
            halves[half, anew] = value
        columns.words[HEARD, anew] = now_ms[anew]
        halves[HEARD_EVENT, anew] = event[anew]
        columns.floats[PEAK, anew] = columns.intervals_ms[anew] = 0.0
        columns.floats[HEIGHTS, anew] = np.inf
        halves[INNER, anew] = np.array(FIRST_INNER)[:, None]


def _since(earlier: int, event_ms: int) -> int:
    """Milliseconds from an event time, of which a half is known, to another; at most 25 days either way."""
    return (event_ms - earlier + 2**31) % 2**32 - 2**31
