"""Records that are written alike, cut into columns instead of being parsed: four times as fast as Arrow's parser.

A sender writes the same attributes in the same order every time, so a few layouts (:mod:`schemas.layout`) cover almost
all records of a batch: those of the envelope are looked for over all types at once, those of the data type by type.
Guarantees: what is cut has the same values as a JSON parser would give; whatever has no layout, an unknown or old type,
unknown fields or odd values is left. The work is linear: a bounded number of layouts is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas.admit import ENVELOPE, OPTIONAL, Candidates, FastType
from schemas.layout import Content, Found, Layout, data_layout, envelope_layout
from schemas.literals import booleans, floats, integers
from schemas.records import IntArray
from schemas.vectors import BoolArray, joined

_MAX_LAYOUTS = 16
_TEXTS = ("specversion", "id", "source", "type", "time", "scope", "partitionkey")
_DEMANDED = frozenset(_TEXTS) - frozenset(OPTIONAL)


def cut(
    content: Content, kinds: Mapping[str, FastType], at: IntArray, min_rows: int
) -> tuple[list[Candidates], dict[str, pa.Array]]:
    """What can be cut: each type's rows, and the envelope's texts of all of them, one type after the other.

    ``at``: the records' places in the batch. Fewer than ``min_rows`` of a layout are left.
    """
    heads = _heads(content, min_rows)
    read = []
    chosen: list[IntArray] = []
    for kind, rows in _by_type(content, heads, kinds, min_rows):
        found = _data(content, kind, heads, rows, min_rows)
        if found is not None:
            rows, data = found
            ok: BoolArray = np.ones(len(rows), dtype=np.bool_)
            read.append(Candidates(kind, at[heads.rows[rows]], ok, data))
            chosen.append(rows)
    if not read:
        return [], {}
    _convert(read)
    return read, heads.places.texts(content, ENVELOPE, np.concatenate(chosen))


class _Places:
    """Where the values of some names stand in records that follow each other; absent at first."""

    def __init__(self, names: Sequence[str], at: IntArray) -> None:
        self._number = {name: number for number, name in enumerate(names)}
        self._ends = np.repeat(at.astype(np.int32)[:, None], 2 * len(names), axis=1)  # start and stop of each name
        self._is_there: BoolArray = np.zeros((len(at), len(names)), dtype=np.bool_)
        self._rises = True  # from name to name, where there

    def put(self, layout: Layout, rows: IntArray, found: Found) -> None:
        """The values of some records, which are of the layout."""
        columns = [column for column, name in enumerate(layout.names) if name in self._number]
        numbers = np.array([self._number[layout.names[column]] for column in columns], dtype=np.int64)
        self._rises &= bool((np.diff(numbers) > 0).all())
        start, stop = found.start, found.stop
        if len(columns) < len(layout.names):
            start, stop = start[:, columns], stop[:, columns]
        if len(rows) == len(found.ok) == len(self._ends):
            self._ends[:, 2 * numbers], self._ends[:, 2 * numbers + 1] = start, stop
            self._is_there[:, numbers] = True
        else:
            where = rows[:, None]
            self._ends[where, 2 * numbers], self._ends[where, 2 * numbers + 1] = start[found.ok], stop[found.ok]
            self._is_there[where, numbers] = True

    def keep(self, rows: IntArray) -> None:
        """Forget the other records."""
        self._ends, self._is_there = self._ends[rows], self._is_there[rows]

    def texts(self, content: Content, names: Sequence[str], order: IntArray) -> dict[str, pa.Array]:
        """Each name's values as texts, null where absent, in the given order of records."""
        numbers = np.array([self._number[name] for name in names], dtype=np.int64)
        if not self._rises and len(names) > 1:
            return {name: self.texts(content, (name,), order)[name] for name in names}
        is_there, ends = self._is_there, self._ends
        if not self._rises:
            is_there, ends = is_there[:, numbers], ends[:, 2 * numbers[0] : 2 * numbers[0] + 2]
            numbers = np.zeros(1, dtype=np.int64)
        width = ends.shape[1]
        is_whole = bool(is_there.all())
        if not is_whole:
            ends = np.maximum.accumulate(ends, axis=1)  # what is absent stands, empty, behind the one before
        flat = np.empty(ends.size + 1, dtype=np.int32)
        flat[:-1], flat[-1] = ends.ravel(), content.size
        between = pa.StringArray.from_buffers(len(flat) - 1, pa.py_buffer(flat), content.buffer)
        absent = None if is_whole else ~is_there[order][:, numbers].T.ravel()
        texts = between.take(pa.array(np.add.outer(2 * numbers, width * order).ravel(), mask=absent))
        return {name: texts.slice(i * len(order), len(order)) for i, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class _Heads:
    """Records whose envelope could be cut, in order: their numbers, the texts' places, where their data begin."""

    rows: IntArray
    places: _Places
    after: IntArray
    quote: IntArray


def _heads(content: Content, min_rows: int) -> _Heads:
    rows = np.flatnonzero(content.readable)
    at, quote = content.start[rows], content.first_quote[rows]
    places = _Places(_TEXTS, at)
    after, next_quote = at.copy(), quote.copy()
    is_cut: BoolArray = np.zeros(len(rows), dtype=np.bool_)
    for layout, hit, found in _by_layout(content, rows, at, quote, min_rows, _envelope_layout):
        places.put(layout, hit, found)
        after[hit], next_quote[hit] = found.after[found.ok], found.quote[found.ok]
        is_cut[hit] = True
    if not is_cut.all():
        kept = np.flatnonzero(is_cut)
        places.keep(kept)
        rows, after, next_quote = rows[kept], after[kept], next_quote[kept]
    return _Heads(rows, places, after, next_quote)


def _envelope_layout(record: bytes) -> Layout | None:
    """Only texts, each demanded one among them; other extensions are accepted and not used."""
    layout = envelope_layout(record)
    if layout is None or not all(layout.is_text) or "data" in layout.names or not set(layout.names) >= _DEMANDED:
        return None
    return layout


def _by_layout(
    content: Content,
    rows: IntArray,
    at: IntArray,
    quote: IntArray,
    min_rows: int,
    layout_of: Callable[[bytes], Layout | None],
    end: IntArray | None = None,
) -> Iterator[tuple[Layout, IntArray, Found]]:
    """Layouts with those (numbers within ``rows``) that are of it: each time the layout of one that is still left."""
    waiting = np.arange(len(rows))
    for _ in range(_MAX_LAYOUTS):
        if len(waiting) < max(min_rows, 1):
            return
        example = waiting[len(waiting) // 2]
        layout = layout_of(content.data[at[example] : content.stop[rows[example]]])
        if layout is None:
            waiting = waiting[waiting != example]
            continue
        found = layout.find(content, at[waiting], quote[waiting], None if end is None else end[waiting])
        yield layout, waiting[found.ok], found
        waiting = waiting[~found.ok]


def _by_type(
    content: Content, heads: _Heads, kinds: Mapping[str, FastType], min_rows: int
) -> Iterator[tuple[FastType, IntArray]]:
    """The heads (their numbers) of each type."""
    types = heads.places.texts(content, ("type",), np.arange(len(heads.rows)))["type"].dictionary_encode()
    codes = types.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(len(types.dictionary) + 1))
    for number, wire_name in enumerate(types.dictionary.to_pylist()):
        rows = order[edges[number] : edges[number + 1]]
        if wire_name in kinds and len(rows) >= min_rows:
            yield kinds[wire_name], rows


def _data(
    content: Content, kind: FastType, heads: _Heads, rows: IntArray, min_rows: int
) -> tuple[IntArray, dict[str, pa.Array]] | None:
    """Those rows of one type whose data could be cut, and the columns, all of them still texts."""

    def layout_of(rest: bytes) -> Layout | None:
        layout = data_layout(rest)
        return layout if layout is not None and _suits(layout, kind) else None

    names, records = kind.model.names, heads.rows[rows]
    after, end = heads.after[rows], content.stop[records]
    places = _Places(names, after)
    is_cut: BoolArray = np.zeros(len(rows), dtype=np.bool_)
    for layout, hit, found in _by_layout(content, records, after, heads.quote[rows], min_rows, layout_of, end):
        places.put(layout, hit, found)
        is_cut[hit] = True
    kept = np.flatnonzero(is_cut)
    if len(kept) == 0:
        return None
    if len(kept) < len(rows):
        rows = rows[kept]
        places.keep(kept)
    return rows, places.texts(content, names, np.arange(len(rows)))


def _convert(read: Sequence[Candidates]) -> None:
    """Numbers and booleans out of their texts, all types' columns at once."""
    for kind, reader in _READERS.items():
        columns = [(rows, field.name) for rows in read for field in rows.kind.model.fields if field.type == kind]
        if columns:
            values, certain = reader(joined([rows.data[name] for rows, name in columns]))
            start = 0
            for rows, name in columns:
                stop = start + len(rows.at)
                rows.data[name] = values.slice(start, stop - start)
                rows.ok[:] &= certain[start:stop]
                start = stop


_READERS: dict[pa.DataType, Callable[[pa.Array], tuple[pa.Array, BoolArray]]] = {
    pa.float64(): floats,
    pa.int64(): integers,
    pa.bool_(): booleans,
}


def _suits(layout: Layout, kind: FastType) -> bool:
    """Whether the names are the model's, the texts where it has texts, and nothing demanded is missing."""
    given = dict(zip(layout.names, layout.is_text, strict=True))
    return given.keys() <= set(kind.model.names) and all(
        given[field.name] == field.is_text if field.name in given else field.is_optional for field in kind.model.fields
    )
