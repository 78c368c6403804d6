"""The fast path: whole batches read as columns and held to every rule as columns.

Guarantees: it **only accepts**, and only what :func:`schemas.strict.parse_strict` accepts with the same values; what
it doubts it leaves. It never raises on input, and its work is linear in the input whatever that holds.
Records written alike are cut (:mod:`schemas.cut`), what is left is parsed by Arrow (:mod:`schemas.parse`) where there
is enough of a type, and both are admitted by the same rules (:mod:`schemas.admit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.admit import Accepted, FastType, admit
from schemas.cut import cut
from schemas.layout import Content
from schemas.parse import parse
from schemas.records import IntArray
from schemas.strict import Limits

MAX_PIECE_BYTES = 32 * 1024 * 1024  # read at once; bounds memory


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many records of a kind are worth being read together: fewer are sooner read one by one."""

    cut: int = 12
    parse: int = 64


def accept(
    values: Sequence[bytes],
    at: IntArray,
    recorded_time_ms: IntArray,
    kinds: Mapping[str, FastType],
    limits: Limits,
    thresholds: Thresholds,
) -> Iterator[Accepted]:
    """Those records that are certainly events of one of the types (by wire name).

    ``at``: the values' places in the batch; ``recorded_time_ms`` is the whole batch's.
    """
    for rows in _pieces(values, limits):
        piece, piece_at = _chosen(values, rows), at[rows]
        cut_rows = admit(*cut(Content(piece), kinds, piece_at, thresholds.cut), recorded_time_ms, limits)
        if cut_rows is not None:
            yield cut_rows
            left = np.flatnonzero(~np.isin(piece_at, cut_rows.at))
            piece, piece_at = _chosen(piece, left), piece_at[left]
        if len(piece) >= thresholds.parse:
            parsed_rows = admit(*parse(piece, kinds, piece_at, thresholds.parse), recorded_time_ms, limits)
            if parsed_rows is not None:
                yield parsed_rows


def _pieces(values: Sequence[bytes], limits: Limits) -> Iterator[IntArray]:
    """The records that may be events by their size, in pieces of bounded size."""
    size = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
    fitting = np.flatnonzero((size >= 2) & (size <= min(limits.max_event_bytes, MAX_PIECE_BYTES)))
    piece_no = np.cumsum(size[fitting]) // MAX_PIECE_BYTES
    for rows in np.split(fitting, np.flatnonzero(np.diff(piece_no)) + 1):
        if len(rows):
            yield rows


def _chosen(values: Sequence[bytes], rows: IntArray) -> Sequence[bytes]:
    return values if len(rows) == len(values) else [values[row] for row in rows.tolist()]
