"""What benchmarks reckon alike. No timing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.figures import bytes_per_event, nearest_rank, percentile
from schemas.records import NewRecord

VALUES = [9.0, 1.0, 4.0, 2.0, 100.0, 7.0]


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_a_percentile_lies_between_the_order_statistics(percent: int) -> None:
    assert percentile(VALUES, percent) == pytest.approx(float(np.percentile(VALUES, percent)))


def test_the_nearest_rank_is_one_of_the_values() -> None:
    assert [nearest_rank(VALUES, ratio) for ratio in (0.0, 0.5, 0.99, 1.0)] == [1.0, 7.0, 100.0, 100.0]


def test_bytes_are_those_of_the_values() -> None:
    assert bytes_per_event([NewRecord("t", 0, b"key", b"x" * size) for size in (10, 20, 31)]) == 20
