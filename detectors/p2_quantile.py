"""The P2 quantile estimator (Jain & Chlamtac, CACM 28(10), 1985) for many streams at once, and for one.

Five markers per stream: heights, and three inner positions. The same IEEE operations in the same order as
``river.stats.Quantile`` of River 0.26 (its Rust crate ``watermill``, ``src/quantile.rs``), so estimates are equal to
the last bit; River's class takes one object per stream. Columns of one stream lie below one another: heights
``(5, n)``, positions ``(3, n)``. Markers not filled yet are ``inf``.

The positions desired for the inner markers follow from how many values a stream has seen, so they are no state but a
table that all streams share: River's sums, each rounded as its own. Beyond ``SUMS`` values they are multiplied out
from there, which differs from River in the last bits, and so in when a marker moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.records import IntArray

Floats = NDArray[np.float64]
Counts = NDArray[np.uint32]
Mask = NDArray[np.bool_]
One = TypeVar("One", float, Floats)

MARKERS = 5
FIRST_INNER = (2, 3, 4)  # positions
SUMS = 16_384
_INNER = range(1, 4)


@dataclass(frozen=True, slots=True)
class P2:
    """The constants of one quantile."""

    quantile: float
    steps: tuple[float, float, float] = field(init=False)  # desired positions move by these
    sums: Floats = field(init=False, repr=False, compare=False)  # (3, SUMS): desired after so many of them

    def __post_init__(self) -> None:
        q = self.quantile
        first, steps = (1.0 + 2.0 * q, 1.0 + 4.0 * q, 3.0 + 2.0 * q), (q / 2.0, q, (1.0 + q) / 2.0)
        sums = np.repeat(np.array(steps)[:, None], SUMS, axis=1)
        sums[:, 0] = first
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "sums", np.add.accumulate(sums, axis=1))  # one after another

    def rank(self, seen: int) -> int:
        """Which of the first few values, sorted, is the estimate."""
        return int(min(max(seen - 1.0, 0.0), seen * self.quantile))

    # -- one stream --------------------------------------------------------------------------------------------------
    def estimate(self, heights: list[float], seen: int) -> float:
        """The estimate of a stream that has seen so many values; 0 of none."""
        if seen > MARKERS:
            return heights[2]
        return heights[self.rank(seen)] if seen > 0 else 0.0

    def learn(self, heights: list[float], inner: list[int], seen: int, value: float) -> None:
        """Take a value into one stream that has seen so many."""
        if seen < MARKERS:
            heights[seen] = value
            heights.sort()
            return
        for i in _INNER:
            if value < heights[i]:
                inner[i - 1] += 1
        heights[0] = min(heights[0], value)
        heights[4] = max(heights[4], value)
        count = seen - MARKERS + 1
        beyond = max(count - (SUMS - 1), 0)
        at = [1, *inner, seen + 1]
        for i in _INNER:
            here = at[i]
            off = self.sums.item(i - 1, count - beyond) + beyond * self.steps[i - 1] - here
            if (off >= 1.0 and at[i + 1] - here > 1) or (off <= -1.0 and at[i - 1] - here < -1):
                sign = 1 if off > 0.0 else -1
                below, height, above = heights[i - 1 : i + 2]
                new = _parabola(sign, below, height, above, at[i - 1], here, at[i + 1])
                if not below < new < above:
                    new = height + sign * (heights[i + sign] - height) / (at[i + sign] - here)
                heights[i] = new
                at[i] = inner[i - 1] = here + sign

    # -- columns -----------------------------------------------------------------------------------------------------
    def estimates(self, heights: Floats, seen: IntArray) -> Floats:
        """:meth:`estimate` of each stream: a copy."""
        estimates: Floats = heights[2].copy()
        young = np.flatnonzero(seen <= MARKERS)
        if len(young):
            counts = np.maximum(seen[young], 0)
            ranks = np.array([self.rank(n) for n in range(MARKERS + 1)])[counts]
            estimates[young] = np.where(counts > 0, heights[ranks, young], 0.0)
        return estimates

    def learn_columns(self, heights: Floats, inner: Counts, seen: IntArray, values: Floats, chosen: Mask) -> None:
        """Take a value into each of the chosen streams, which have seen so many, in place."""
        settled = chosen & (seen >= MARKERS)
        if settled.any():
            self._move(heights, inner, seen, values, settled)
        young = np.flatnonzero(chosen & (seen < MARKERS))
        if len(young):
            first = heights[:, young]
            first[seen[young], np.arange(len(young))] = values[young]
            first.sort(axis=0)
            heights[:, young] = first

    def _desired(self, count: IntArray) -> Floats:
        """Positions ``(3, n)`` desired after so many values beyond the first five."""
        desired: Floats = self.sums.take(count, axis=1, mode="clip")
        beyond = count - (SUMS - 1)
        if (beyond > 0).any():
            desired += np.maximum(beyond, 0) * np.array(self.steps)[:, None]
        return desired

    def _move(self, heights: Floats, inner: Counts, seen: IntArray, values: Floats, chosen: Mask) -> None:
        inner += (values < heights[1:4]) & chosen
        np.minimum(heights[0], values, out=heights[0], where=chosen)
        np.maximum(heights[4], values, out=heights[4], where=chosen)
        off = self._desired(seen - (MARKERS - 1)) - inner
        far = ((off >= 1.0) | (off <= -1.0)) & chosen
        for i in _INNER:
            which = np.flatnonzero(far[i - 1])
            if len(which):
                self._shift(heights, inner, seen, i, which, np.copysign(1.0, off[i - 1][which]))

    def _shift(self, heights: Floats, inner: Counts, seen: IntArray, i: int, which: IntArray, sign: Floats) -> None:
        """Move marker ``i`` of these streams by one place, where there is room."""
        here = inner[i - 1][which].astype(np.float64)
        before = inner[i - 2][which].astype(np.float64) if i > 1 else np.ones(len(which))
        after = inner[i][which].astype(np.float64) if i < 3 else seen[which] + 1.0
        room = np.where(sign > 0.0, after - here, here - before) > 1.0
        if not room.all():
            which, sign, here, before, after = which[room], sign[room], here[room], before[room], after[room]
        below, height, above = heights[i - 1][which], heights[i][which], heights[i + 1][which]
        new = _parabola(sign, below, height, above, before, here, after)
        outside = np.flatnonzero(~((below < new) & (new < above)))
        if len(outside):
            rising = sign[outside] > 0.0
            other = np.where(rising, above[outside], below[outside])
            place = np.where(rising, after[outside], before[outside])
            flat = height[outside]
            new[outside] = flat + sign[outside] * (other - flat) / (place - here[outside])
        heights[i][which] = new
        inner[i - 1][which] = here + sign


def _parabola(sign: One, below: One, height: One, above: One, before: One, here: One, after: One) -> One:
    outer = sign / (after - before)
    left = (here - before + sign) * (above - height) / (after - here)
    right = (after - here - sign) * (height - below) / (here - before)
    return height + outer * (left + right)
