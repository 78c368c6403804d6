"""Room for more rows: arrays that grow by a quarter, so that adding stays cheap and little memory lies idle."""

from __future__ import annotations

import contextlib
import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OWN_PAGES_FROM = 1 << 20  # bytes


def grown(array: NDArray[Any], needed_rows: int, fill: int = 0) -> NDArray[Any]:
    """A longer copy with room for at least the needed rows; the new ones hold ``fill``."""
    rows = max(needed_rows, len(array) + len(array) // 4)
    longer = zeros((rows, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    if fill:
        longer[len(array) :] = fill
    return longer


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of zeros; a large one has pages of its own.

    Those not written yet take no memory, and all go back to the system as soon as the array is outgrown: malloc would
    keep the gaps that arrays leave as they grow past each other, a hundred bytes for each of a million devices.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _OWN_PAGES_FROM:
        return np.zeros(shape, dtype=dtype)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(AttributeError, OSError):  # where the system knows them, as numpy does
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype=dtype).reshape(shape)
