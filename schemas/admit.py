"""What the fast path admits: columns read off many records, held to every rule of the envelope and of their types.

Guarantees: only what :func:`schemas.strict.parse_strict` accepts is admitted; what is doubted is left. How the columns
were read is not known here: see :mod:`schemas.cut` and :mod:`schemas.parse`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas.base import EventType
from schemas.compile import COLUMN_UPCASTERS, Columns, ColumnUpcaster, CompiledModel, compile_model
from schemas.event import SPEC_VERSION
from schemas.records import IntArray
from schemas.strict import (
    MAX_ID_LENGTH,
    MAX_KEY_LENGTH,
    MAX_SOURCE_LENGTH,
    SCOPE_PATTERN,
    SOURCE_FORBIDDEN,
    Limits,
)
from schemas.times import MAX_TIME_MS, MIN_TIME_MS
from schemas.vectors import (
    BoolArray,
    Check,
    byte_set,
    constant,
    control_free,
    is_valid,
    joined,
    matches_often,
    texts_of,
    times_ms,
)

_SOURCE_BYTES = byte_set(set(range(256)) - set(SOURCE_FORBIDDEN.encode()))
_ENVELOPE_CHECKS: dict[str, tuple[Check, ...]] = {
    "specversion": (constant(SPEC_VERSION),),
    "id": (texts_of(1, MAX_ID_LENGTH), control_free),
    "source": (texts_of(1, MAX_SOURCE_LENGTH, _SOURCE_BYTES),),
    "scope": (matches_often(re.compile(SCOPE_PATTERN)),),
    "partitionkey": (texts_of(1, MAX_KEY_LENGTH), control_free),
}
OPTIONAL = ("time", "partitionkey")
ENVELOPE = (*_ENVELOPE_CHECKS, "time")  # "type" is held against its own type's name


@dataclass(frozen=True, slots=True)
class FastType:
    """What the fast path knows of one wire type: the rules of its version, and how it is raised to the latest."""

    event_type: EventType
    wire_name: str
    model: CompiledModel
    latest: CompiledModel
    upcasters: tuple[ColumnUpcaster, ...]

    @staticmethod
    def of(event_type: EventType) -> dict[str, FastType]:
        """The versions of a type that can be checked and raised as columns, by wire name."""
        models = [compile_model(model) for model in event_type.models]
        raisers = [COLUMN_UPCASTERS.get(upcaster) for upcaster in event_type.upcasters]
        found = {}
        for version, model in enumerate(models, start=1):
            steps = [step for step in raisers[version - 1 :] if step is not None]
            if model is not None and models[-1] is not None and len(steps) == event_type.version - version:
                wire_name = f"{event_type.name}.v{version}"
                found[wire_name] = FastType(event_type, wire_name, model, models[-1], tuple(steps))
        return found


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of one type that were read but not yet held to the rules."""

    kind: FastType
    at: IntArray  # their places in the batch
    ok: BoolArray  # false where the reading left a doubt
    data: dict[str, pa.Array]  # of its own version's model


@dataclass(frozen=True, slots=True)
class Admitted:
    """The rows of one type among :class:`Accepted`: where they stand there, and their data."""

    event_type: EventType
    rows: slice
    data: pa.Table


@dataclass(frozen=True, slots=True)
class Accepted:
    """Admitted rows, one type after the other: ``at`` are their places in the batch; the others are parallel to it."""

    at: IntArray
    id: pa.Array
    source: pa.Array
    scope: pa.Array
    event_time_ms: IntArray
    types: Sequence[Admitted]


def admit(
    read: Sequence[Candidates], envelope: Mapping[str, pa.Array], recorded_time_ms: IntArray, limits: Limits
) -> Accepted | None:
    """Those rows of which every rule is certain to hold; None when there are none.

    ``envelope`` (each of :data:`ENVELOPE`) holds the rows of all types, one type after the other;
    ``recorded_time_ms`` is the whole batch's.
    """
    if not read:
        return None
    at = np.concatenate([rows.at for rows in read])
    held = [rows.ok.copy() for rows in read]
    raised = _raised(read, held)
    ok = np.concatenate(held)
    for name, checks in _ENVELOPE_CHECKS.items():
        _hold(checks, envelope[name], name in OPTIONAL, ok)
    event_time_ms = _event_time_ms(envelope["time"], recorded_time_ms[at], limits, ok)
    types: list[Admitted] = []
    start = count = 0
    for rows, data in zip(read, raised, strict=True):
        stop = start + len(rows.at)
        certain = ok[start:stop]
        fresh = int(np.count_nonzero(certain))
        if fresh:
            table = pa.Table.from_arrays(_kept(data, certain), schema=rows.kind.latest.schema)
            types.append(Admitted(rows.kind.event_type, slice(count, count + fresh), table))
        start, count = stop, count + fresh
    if not types:
        return None
    texts = _kept([envelope[name] for name in ("id", "source", "scope")], ok)
    return Accepted(at[ok], texts[0], texts[1], texts[2], event_time_ms[ok], types)


def _raised(read: Sequence[Candidates], held: Sequence[BoolArray]) -> list[list[pa.Array]]:
    """Each type's columns in its latest version. Clears ``held`` where a rule of its own version or of that fails."""
    checks = _Checks()
    columns = []
    for rows, ok in zip(read, held, strict=True):
        kind = rows.kind
        data: Columns = rows.data
        checks.add_model(kind.model, data, ok)
        for upcaster in kind.upcasters:
            data = upcaster(data)
        if kind.upcasters:
            checks.add_model(kind.latest, data, ok)
        columns.append([data[name] for name in kind.latest.names])
    checks.run()
    return columns


class _Checks:
    """Checks put off, so that each is called once for the columns of all types: most types have few rows."""

    def __init__(self) -> None:
        self._columns: dict[tuple[Check, int], list[tuple[pa.Array, BoolArray]]] = {}  # by check and Arrow type

    def add_model(self, model: CompiledModel, data: Columns, ok: BoolArray) -> None:
        """All rules of a model; they will clear ``ok`` where one fails."""
        for field in model.fields:
            array = data[field.name]
            if array.null_count and not field.is_optional:
                ok &= is_valid(array)
            if array.null_count < len(array):
                for check in field.checks:
                    self._columns.setdefault((check, array.type.id), []).append((array, ok))
        if model.rule is not None:
            ok &= model.rule(data)

    def run(self) -> None:
        for (check, _), columns in self._columns.items():
            passed = check(joined([array for array, _ in columns]))
            start = 0
            for array, ok in columns:
                ok &= passed[start : start + len(array)]
                start += len(array)


def _kept(arrays: Sequence[pa.Array], ok: BoolArray) -> list[pa.Array]:
    """The rows that hold; nothing is copied when all do."""
    if ok.all():
        return list(arrays)
    mask = pa.array(ok)
    return [array.filter(mask) for array in arrays]


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
