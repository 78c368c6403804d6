"""Rows of a few names: a small dictionary beside the index, since a column's lookup costs as much for one as for many.

Only for small batches of lanes that know few names; it holds at most ``MOST_NAMES`` and is no part of the state.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from detectors.name_index import NameIndex
from schemas.records import IntArray

FEW = 256  # names of a batch, from which the index is faster
MOST_NAMES = 16_384


class KnownNames:
    """Looks names up in an index; :meth:`forget` whatever is removed there."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[str | None, int] = {}

    def rows_of(self, index: NameIndex, names: pa.ChunkedArray | pa.Array) -> IntArray:
        """The row of each name, -1 where it has none."""
        if len(names) >= FEW or len(index) > MOST_NAMES:
            self._rows.clear()
            return index.rows_of(names)
        known, texts = self._rows, names.to_pylist()
        rows = [known.get(name, -1) for name in texts]
        if -1 in rows:
            rows = index.rows_of(names).tolist()
            known.update((name, row) for name, row in zip(texts, rows, strict=True) if row >= 0)
        return np.array(rows, dtype=np.int64)

    def forget(self, name: str) -> None:
        """The name was removed from the index."""
        self._rows.pop(name, None)
