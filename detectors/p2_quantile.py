"""The P2 quantile estimator (Jain & Chlamtac, CACM 28(10), 1985) for many streams at once, and for one.

Five markers per stream: heights, three inner positions and the positions desired for them. The same IEEE operations
in the same order as ``river.stats.Quantile`` of River 0.26 (its Rust crate ``watermill``, ``src/quantile.rs``), so
estimates are equal to the last bit; River's class takes one object per stream. Columns of one stream lie below one
another: heights ``(5, n)``, positions and desired ``(3, n)``. Markers not filled yet are ``inf``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.records import IntArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
One = TypeVar("One", float, Floats)

MARKERS = 5
_INNER = range(1, 4)


@dataclass(frozen=True, slots=True)
class P2:
    """The constants of one quantile."""

    quantile: float
    steps: tuple[float, float, float] = field(init=False)  # desired positions move by these
    first_desired: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        q = self.quantile
        object.__setattr__(self, "steps", (q / 2.0, q, (1.0 + q) / 2.0))
        object.__setattr__(self, "first_desired", (1.0 + 2.0 * q, 1.0 + 4.0 * q, 3.0 + 2.0 * q))

    def rank(self, seen: int) -> int:
        """Which of the first few values, sorted, is the estimate."""
        return int(min(max(seen - 1.0, 0.0), seen * self.quantile))

    # -- one stream --------------------------------------------------------------------------------------------------
    def learn(self, heights: list[float], inner: list[float], desired: list[float], seen: int, value: float) -> float:
        """Take a value into one stream that has seen so many; the estimate."""
        if seen < MARKERS:
            heights[seen] = value
            heights.sort()
            return heights[self.rank(seen + 1)]
        for i in _INNER:
            if value < heights[i]:
                inner[i - 1] += 1.0
            desired[i - 1] += self.steps[i - 1]
        heights[0] = min(heights[0], value)
        heights[4] = max(heights[4], value)
        at = [1.0, *inner, seen + 1.0]
        for i in _INNER:
            here = at[i]
            off = desired[i - 1] - here
            if (off >= 1.0 and at[i + 1] - here > 1.0) or (off <= -1.0 and at[i - 1] - here < -1.0):
                sign = 1 if off > 0.0 else -1
                below, height, above = heights[i - 1 : i + 2]
                new = _parabola(sign, below, height, above, at[i - 1], here, at[i + 1])
                if not below < new < above:
                    new = height + sign * (heights[i + sign] - height) / (at[i + sign] - here)
                heights[i] = new
                at[i] = inner[i - 1] = here + sign
        return heights[2]

    # -- columns -----------------------------------------------------------------------------------------------------
    def learn_columns(
        self, heights: Floats, inner: Floats, desired: Floats, seen: IntArray, values: Floats, chosen: Mask
    ) -> Floats:
        """Take a value into each of the chosen streams, in place; the estimates (any number for the others)."""
        estimates: Floats = heights[2].copy()
        settled = chosen & (seen >= MARKERS)
        if settled.any():
            self._move(heights, inner, desired, seen, values, settled)
            estimates = heights[2].copy()
        young = np.flatnonzero(chosen & (seen < MARKERS))
        if len(young):
            count = seen[young]
            first = heights[:, young]
            first[count, np.arange(len(young))] = values[young]
            first.sort(axis=0)
            heights[:, young] = first
            ranks = np.array([self.rank(n + 1) for n in range(MARKERS)])[count]
            estimates[young] = first[ranks, np.arange(len(young))]
        return estimates

    def _move(
        self, heights: Floats, inner: Floats, desired: Floats, seen: IntArray, values: Floats, chosen: Mask
    ) -> None:
        inner += (values < heights[1:4]) & chosen
        np.add(desired, np.array(self.steps)[:, None], out=desired, where=chosen)
        np.minimum(heights[0], values, out=heights[0], where=chosen)
        np.maximum(heights[4], values, out=heights[4], where=chosen)
        off = desired - inner
        far = ((off >= 1.0) | (off <= -1.0)) & chosen
        for i in _INNER:
            which = np.flatnonzero(far[i - 1])
            if len(which):
                self._shift(heights, inner, seen, i, which, np.copysign(1.0, off[i - 1][which]))

    def _shift(self, heights: Floats, inner: Floats, seen: IntArray, i: int, which: IntArray, sign: Floats) -> None:
        """Move marker ``i`` of these streams by one place, where there is room."""
        here = inner[i - 1][which]
        before = inner[i - 2][which] if i > 1 else np.ones(len(which))
        after = inner[i][which] if i < 3 else seen[which] + 1.0
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
