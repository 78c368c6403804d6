"""The fast path: records of one event type, parsed and checked as columns by Arrow and numpy.

Guarantees: it **only accepts**, and only what :func:`schemas.strict.parse_strict` accepts with the same values; what
it doubts it leaves. It never raises on input, and its work is linear in the input whatever that holds.

Why the guards around Arrow's JSON parser: it takes NaN and Infinity for numbers (so every float is checked to be
finite), reads several objects in one record and lets broken UTF-8 through. A record that begins with ``{`` and ends
with ``}`` can't be continued by the next one (a newline between them is legal in no string, and ``{`` can't follow
``}``), so as many rows as records means one object in each.
Unexpected fields make the parse fail, so extension attributes that are not listed here, and unknown data fields, go
the strict path. Never let it skip or infer them: it recurses through what it skips, and deep nesting ends the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json

from schemas.base import EventType
from schemas.compile import CompiledModel, compile_model
from schemas.event import SPEC_VERSION
from schemas.records import IntArray
from schemas.strict import (
    CONTROL_CHARACTERS,
    MAX_ID_LENGTH,
    MAX_KEY_LENGTH,
    MAX_SOURCE_LENGTH,
    SCOPE_PATTERN,
    SOURCE_FORBIDDEN,
    Limits,
)
from schemas.times import MAX_TIME_MS, MIN_TIME_MS
from schemas.vectors import BoolArray, Check, byte_set, constant, is_valid, lengths, made_of, matches_often, times_ms

MIN_ROWS = 64  # fewer are parsed sooner one by one
MAX_PIECE_BYTES = 32 * 1024 * 1024  # of one parse; bounds memory
_PARSE_BUDGET = 4  # how often, at most, each record is parsed while looking for the ones that can't be

_CONTROL_FREE = byte_set(set(range(256)) - set(CONTROL_CHARACTERS.encode()))
_SOURCE_BYTES = byte_set(set(range(256)) - set(SOURCE_FORBIDDEN.encode()))
_ENVELOPE_CHECKS: dict[str, tuple[Check, ...]] = {
    "specversion": (constant(SPEC_VERSION),),
    "id": (lengths(1, MAX_ID_LENGTH), made_of(_CONTROL_FREE)),
    "source": (lengths(1, MAX_SOURCE_LENGTH), made_of(_SOURCE_BYTES)),
    "scope": (matches_often(re.compile(SCOPE_PATTERN)),),
    "partitionkey": (lengths(1, MAX_KEY_LENGTH), made_of(_CONTROL_FREE)),
}
_OPTIONAL = ("time", "partitionkey")
_ENVELOPE = (*_ENVELOPE_CHECKS, "time")
_IGNORED = (  # accepted and not used; others go the strict path
    "recordedtime", "subject", "datacontenttype", "dataschema", "dataref", "traceparent", "tracestate", "sequence",
    "sequencetype", "correlationid", "causationid",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FastType:
    """What the fast path knows of one wire type."""

    event_type: EventType
    model: CompiledModel
    parse_schema: pa.Schema
    type_check: Check

    @staticmethod
    def of(event_type: EventType) -> FastType | None:
        """None when the type's model can't be compiled."""
        model = compile_model(event_type.latest)
        if model is None:
            return None
        texts = ("specversion", "id", "source", "type", "scope", *_OPTIONAL, *_IGNORED)
        data = pa.struct([field.with_nullable(True) for field in model.schema])
        schema = pa.schema([*((name, pa.string()) for name in texts), ("data", data)])
        return FastType(event_type, model, schema, constant(event_type.wire_name))


@dataclass(frozen=True, slots=True)
class Group:
    """Records that seem to be of one type: their places in the batch and their bytes, in order."""

    kind: FastType
    at: IntArray
    values: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Accepted rows of one type, in order: ``at`` are their places in the batch; the others are parallel to it."""

    event_type: EventType
    at: IntArray
    id: pa.Array
    source: pa.Array
    scope: pa.Array
    event_time_ms: IntArray
    data: pa.Table


def accept(
    groups: Iterable[Group], recorded_time_ms: IntArray, limits: Limits, min_rows: int = MIN_ROWS
) -> list[Accepted]:
    """Those records that are certainly events of their group's type; ``recorded_time_ms`` is the whole batch's."""
    parsed = [found for group in groups if (found := _parsed(group, limits, min_rows)) is not None]
    if not parsed:
        return []
    at = np.concatenate([group.at for group in parsed])
    envelope = {name: _joined([group.table.column(name) for group in parsed]) for name in _ENVELOPE}
    event_time_ms, ok = _envelope_checked(envelope, recorded_time_ms[at], limits)
    accepted = []
    start = 0
    for group in parsed:
        stop = start + len(group.at)
        texts = [envelope[name].slice(start, stop - start) for name in ("id", "source", "scope")]
        rows = _accepted(group, texts, event_time_ms[start:stop], ok[start:stop])
        if rows is not None:
            accepted.append(rows)
        start = stop
    return accepted


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A group's records as far as Arrow could parse them."""

    kind: FastType
    at: IntArray
    table: pa.Table


def _parsed(group: Group, limits: Limits, min_rows: int) -> _Parsed | None:
    pieces: list[tuple[IntArray, pa.Table]] = []
    for rows, joined in _harmless_pieces(group.values, limits):
        pieces += _parse_or_halve(group.kind.parse_schema, group.values, rows, joined, min_rows)
    if not pieces:
        return None
    at = group.at[pieces[0][0] if len(pieces) == 1 else np.concatenate([rows for rows, _ in pieces])]
    return _Parsed(group.kind, at, pa.concat_tables([table for _, table in pieces]))


# -- guards -----------------------------------------------------------------------------------------------------------


def _harmless_pieces(values: Sequence[bytes], limits: Limits) -> Iterator[tuple[IntArray, bytes]]:
    """The records that Arrow may be shown, joined by newlines, in pieces of bounded size."""
    size = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
    fitting = np.flatnonzero((size >= 2) & (size <= min(limits.max_event_bytes, MAX_PIECE_BYTES)))
    if len(fitting) == 0:
        return
    piece_no = np.cumsum(size[fitting] + 1) // MAX_PIECE_BYTES
    for rows in np.split(fitting, np.flatnonzero(np.diff(piece_no)) + 1):
        joined = _join(values, rows)
        harmless = _is_harmless(joined, size[rows])
        if not harmless.all():
            rows = rows[harmless]
            joined = _join(values, rows)
        if len(rows):
            yield rows, joined


def _join(values: Sequence[bytes], rows: IntArray) -> bytes:
    return b"\n".join(values if len(rows) == len(values) else [values[row] for row in rows.tolist()])


def _is_harmless(joined: bytes, size: IntArray) -> BoolArray:
    """Which records hold nothing that Arrow takes and JSON does not; almost always answered for all at once."""
    content = np.frombuffer(joined, dtype=np.uint8)
    end = np.cumsum(size + 1) - 1
    start = end - size
    ok: BoolArray = (content[start] == ord("{")) & (content[end - 1] == ord("}"))
    if not _is_utf8(joined):
        for row in np.flatnonzero(ok).tolist():
            ok[row] = _is_utf8(joined[start[row] : end[row]])
    return ok


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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


# -- checking ---------------------------------------------------------------------------------------------------------


def _envelope_checked(
    envelope: Mapping[str, pa.Array], recorded_time_ms: IntArray, limits: Limits
) -> tuple[IntArray, BoolArray]:
    """The event times of all rows, and which rows' envelopes are certainly right (but for the type)."""
    ok: BoolArray = np.ones(len(recorded_time_ms), dtype=np.bool_)
    for name, checks in _ENVELOPE_CHECKS.items():
        _hold(checks, envelope[name], name in _OPTIONAL, ok)
    return _event_time_ms(envelope["time"], recorded_time_ms, limits, ok), ok


def _accepted(group: _Parsed, texts: Sequence[pa.Array], event_time_ms: IntArray, ok: BoolArray) -> Accepted | None:
    """The rows of one type of which every rule is certain to hold. ``texts``: their id, source and scope."""
    kind, at = group.kind, group.at
    ok &= kind.type_check(_joined([group.table.column("type")]))
    data = _joined([group.table.column("data")])
    ok &= is_valid(data)
    columns = dict(zip(kind.model.schema.names, data.flatten(), strict=True))
    for field, checks in zip(kind.model.schema, kind.model.checks, strict=True):
        _hold(checks, columns[field.name], field.nullable, ok)
    if kind.model.rule is not None:
        ok &= kind.model.rule(columns)
    arrays = [*texts, *columns.values()]
    if not ok.all():
        if not ok.any():
            return None
        mask = pa.array(ok)
        arrays = [array.filter(mask) for array in arrays]
        at, event_time_ms = at[ok], event_time_ms[ok]
    table = pa.Table.from_arrays(arrays[3:], schema=kind.model.schema)
    return Accepted(kind.event_type, at, arrays[0], arrays[1], arrays[2], event_time_ms, table)


def _hold(checks: tuple[Check, ...], array: pa.Array, is_optional: bool, ok: BoolArray) -> None:
    """Clear ``ok`` where a check fails or a demanded value is absent."""
    if array.null_count and not is_optional:
        ok &= is_valid(array)
    if array.null_count < len(array):
        for check in checks:
            ok &= check(array)


def _event_time_ms(texts: pa.Array, recorded_time_ms: IntArray, limits: Limits, ok: BoolArray) -> IntArray:
    """Event times; an absent one is the recorded time. Clears ``ok`` where one is uncertain or too far ahead."""
    event_time_ms, certain = times_ms(texts)
    if texts.null_count:
        absent = ~is_valid(texts)
        event_time_ms = np.where(absent, recorded_time_ms, event_time_ms)
        certain |= absent & (recorded_time_ms >= MIN_TIME_MS) & (recorded_time_ms <= MAX_TIME_MS)
    ok &= certain & (event_time_ms - recorded_time_ms <= limits.max_ahead_ms)
    return event_time_ms


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Columns one after the other, in one piece; not copied when there is only one."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
