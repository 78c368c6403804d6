"""The quantile in columns and for one stream, held against River's own to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from river import stats

from detectors.p2_quantile import P2

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
    inner = np.repeat([[2.0], [3.0], [4.0]], STREAMS, axis=1)
    desired = np.repeat(np.array(p2.first_desired)[:, None], STREAMS, axis=1)
    seen = np.zeros(STREAMS, dtype=np.int64)
    alone = [([np.inf] * 5, [2.0, 3.0, 4.0], list(p2.first_desired)) for _ in range(STREAMS)]
    for _ in range(150):
        values = np.array([DRAWS[draw](rng) for _ in range(STREAMS)])
        chosen = np.array([rng.random() < 0.8 for _ in range(STREAMS)])
        estimates = p2.learn_columns(heights, inner, desired, seen, values, chosen)
        for one in np.flatnonzero(chosen).tolist():
            river[one].update(float(values[one]))
            expected = river[one].get()
            assert estimates[one] == expected
            assert p2.learn(*alone[one], int(seen[one]), float(values[one])) == expected
        seen += chosen
    assert [one[0] for one in alone] == heights.T.tolist()
    assert [one[1] for one in alone] == inner.T.tolist()
    assert [one[2] for one in alone] == desired.T.tolist()
