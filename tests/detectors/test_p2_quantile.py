"""The quantile in columns and for one stream, held against River's own to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from river import stats

from detectors.p2_quantile import FIRST_INNER, P2, SUMS

STREAMS = 30
DRAWS: dict[str, Callable[[random.Random], float]] = {
    "usual": lambda rng: rng.gauss(60_000.0, 800.0) // 1,
    "ties": lambda rng: rng.choice([60_000.0, 60_000.0, 60_001.0, 300_000.0]),
    "wide": lambda rng: rng.lognormvariate(10.0, 2.0) // 1,
    "extremes": lambda rng: rng.choice([5.0, 10.0, 1e9]),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("quantile", [0.9, 0.5, 0.1, 0.95])
def test_the_same_as_river(draw: str, quantile: float) -> None:
    rng, p2 = random.Random(f"{draw}{quantile}"), P2(quantile)
    river = [stats.Quantile(quantile) for _ in range(STREAMS)]
    heights = np.full((5, STREAMS), np.inf)
    inner = np.repeat(np.array(FIRST_INNER, dtype=np.uint32)[:, None], STREAMS, axis=1)
    seen = np.zeros(STREAMS, dtype=np.int64)
    alone = [([np.inf] * 5, list(FIRST_INNER)) for _ in range(STREAMS)]
    for _ in range(150):
        values = np.array([DRAWS[draw](rng) for _ in range(STREAMS)])
        chosen = np.array([rng.random() < 0.8 for _ in range(STREAMS)])
        p2.learn_columns(heights, inner, seen, values, chosen)
        estimates = p2.estimates(heights, seen + chosen)
        for one in np.flatnonzero(chosen).tolist():
            river[one].update(float(values[one]))
            p2.learn(*alone[one], int(seen[one]), float(values[one]))
            assert estimates[one] == river[one].get() == p2.estimate(alone[one][0], int(seen[one]) + 1)
        seen += chosen
    assert [one[0] for one in alone] == heights.T.tolist()
    assert [one[1] for one in alone] == inner.T.tolist()


def test_a_long_stream_goes_on_where_the_sums_end() -> None:
    rng, p2, river = random.Random(5), P2(0.9), stats.Quantile(0.9)
    heights, inner = [np.inf] * 5, list(FIRST_INNER)
    for seen in range(SUMS + 2_000):
        value = rng.gauss(60_000.0, 800.0)
        river.update(value)
        p2.learn(heights, inner, seen, value)
        if seen < SUMS:
            assert p2.estimate(heights, seen + 1) == river.get()
    assert heights[2] == pytest.approx(river.get(), rel=1e-4)
