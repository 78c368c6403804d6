"""Records of one event type, parsed as columns by Arrow: for those that are not written alike (:mod:`schemas.cut`).

Guarantees: what is parsed has the values that JSON's rules give; what can't be is left. Never raises on input, and its
work is linear in the input whatever that holds.

Why the guards around Arrow's JSON parser: it takes NaN and Infinity for numbers (so every float is checked to be
finite), reads several objects in one record and lets broken UTF-8 through. A record that begins with ``{`` and ends
with ``}`` can't be continued by the next one (a newline between them is legal in no string, and ``{`` can't follow
``}``), so as many rows as records means one object in each.
Unexpected fields make the parse fail, so extension attributes that are not listed here, and unknown data fields, go
the strict path. Never let it skip or infer them: it recurses through what it skips, and deep nesting ends the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json

from schemas.admit import ENVELOPE, Candidates, FastType
from schemas.layout import is_utf8
from schemas.records import IntArray
from schemas.vectors import BoolArray, constant, is_valid, joined

MIN_ROWS = 64  # fewer are parsed sooner one by one
_PARSE_BUDGET = 4  # how often, at most, each record is parsed while looking for the ones that can't be

_TYPE_KEY, _SPACED_TYPE_KEY = b'"type":"c', b'"type": "c'  # a rare last byte makes the search twice as fast
_IGNORED = (  # accepted and not used; others go the strict path
    "recordedtime", "subject", "datacontenttype", "dataschema", "dataref", "traceparent", "tracestate", "sequence",
    "sequencetype", "correlationid", "causationid",
)  # fmt: skip


def parse(
    values: Sequence[bytes], kinds: Mapping[str, FastType], at: IntArray, min_rows: int
) -> tuple[list[Candidates], dict[str, pa.Array]]:
    """What can be parsed: each type's rows, and the envelope's texts of all of them, one type after the other.

    ``at``: the records' places in the batch. Fewer than ``min_rows`` of a type are left.
    """
    read: list[Candidates] = []
    tables: list[pa.Table] = []
    for wire_name, rows in _by_type(values).items():
        kind = kinds.get(wire_name.decode("utf-8", "replace"))
        if kind is None or len(rows) < min_rows:
            continue
        parsed = _parsed(kind, [values[row] for row in rows], min_rows)
        if parsed is not None:
            kept, table = parsed
            read.append(_candidates(kind, at[np.asarray(rows, dtype=np.int64)[kept]], table))
            tables.append(table)
    return read, {name: _joined([table.column(name) for table in tables]) for name in ENVELOPE} if tables else {}


def _by_type(values: Sequence[bytes]) -> dict[bytes, list[int]]:
    """The records by type. A mere guess: the parsed type is checked."""
    guesses: dict[bytes, list[int]] = {}
    for row, value in enumerate(values):
        start = value.find(_TYPE_KEY)
        if start < 0:
            start = value.find(_SPACED_TYPE_KEY) + 1
        start += 8
        guesses.setdefault(value[start : value.find(b'"', start)], []).append(row)
    return guesses


def _candidates(kind: FastType, at: IntArray, table: pa.Table) -> Candidates:
    data = _joined([table.column("data")])
    ok = constant(kind.wire_name)(_joined([table.column("type")])) & is_valid(data)
    return Candidates(kind, at, ok, dict(zip(kind.model.names, data.flatten(), strict=True)))


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Columns one after the other, in one piece."""
    return joined([chunk for column in columns for chunk in column.chunks])


@cache
def _schema(model_schema: pa.Schema) -> pa.Schema:
    """What a record of the type may hold; anything may be null here."""
    texts = ("specversion", "id", "source", "type", "scope", "time", "partitionkey", *_IGNORED)
    data = pa.struct([field.with_nullable(True) for field in model_schema])
    return pa.schema([*((name, pa.string()) for name in texts), ("data", data)])


def _parsed(kind: FastType, values: Sequence[bytes], min_rows: int) -> tuple[IntArray, pa.Table] | None:
    """The rows that Arrow could parse, and their table."""
    size = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
    rows = np.arange(len(values), dtype=np.int64)
    content = _join(values, rows)
    harmless = _is_harmless(content, size)
    if not harmless.all():
        rows = rows[harmless]
        content = _join(values, rows)
    pieces = _parse_or_halve(_schema(kind.model.schema), values, rows, content, min_rows) if len(rows) else []
    if not pieces:
        return None
    return np.concatenate([rows for rows, _ in pieces]), pa.concat_tables([table for _, table in pieces])


# -- guards -----------------------------------------------------------------------------------------------------------


def _join(values: Sequence[bytes], rows: IntArray) -> bytes:
    return b"\n".join(values if len(rows) == len(values) else [values[row] for row in rows.tolist()])


def _is_harmless(joined: bytes, size: IntArray) -> BoolArray:
    """Which records hold nothing that Arrow takes and JSON does not; almost always answered for all at once."""
    content = np.frombuffer(joined, dtype=np.uint8)
    end = np.cumsum(size + 1) - 1
    start = end - size
    ok: BoolArray = (content[start] == ord("{")) & (content[end - 1] == ord("}"))
    if not is_utf8(joined):
        for row in np.flatnonzero(ok).tolist():
            ok[row] = is_utf8(joined[start[row] : end[row]])
    return ok


# -- parsing ----------------------------------------------------------------------------------------------------------


def _parse_or_halve(
    schema: pa.Schema, values: Sequence[bytes], rows: IntArray, joined: bytes, min_rows: int
) -> list[tuple[IntArray, pa.Table]]:
    """What can be parsed, in order. One bad record fails a whole parse: halve until it is alone, but not for ever."""
    parsed: list[tuple[IntArray, pa.Table]] = []
    budget_rows = _PARSE_BUDGET * len(rows)
    waiting: list[tuple[IntArray, bytes | None]] = [(rows, joined)]
    while waiting and budget_rows > 0:
        rows, known = waiting.pop()
        budget_rows -= len(rows)
        table = _parse(schema, _join(values, rows) if known is None else known)
        if table is not None and table.num_rows == len(rows):
            parsed.append((rows, table))
        elif len(rows) >= 2 * min_rows:
            half = len(rows) // 2
            waiting += [(rows[half:], None), (rows[:half], None)]
    return parsed


def _parse(schema: pa.Schema, joined: bytes) -> pa.Table | None:
    """All objects in ``joined`` as a table of the schema, None when Arrow can't."""
    try:
        return pa_json.read_json(
            pa.BufferReader(joined),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=len(joined) + 1),
            parse_options=pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except (pa.ArrowException, ValueError):  # ValueError: Arrow's own message can't be decoded
        return None
