"""Room for more rows: arrays that grow by a quarter, so that adding stays cheap and little memory lies idle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def grown(array: NDArray[Any], needed_rows: int, fill: int = 0) -> NDArray[Any]:
    """A longer copy with room for at least the needed rows; the new ones hold ``fill``."""
    rows = max(needed_rows, len(array) + len(array) // 4)
    longer = np.zeros((rows, *array.shape[1:]), dtype=array.dtype)  # pages not written yet take no memory
    longer[: len(array)] = array
    if fill:
        longer[len(array) :] = fill
    return longer
