"""Which rows of a batch a replay takes. What is left out still moves the lane's clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replay.run_spec import RunSpec
from schemas.catalogue import BY_NAME
from schemas.columns import EventBatch, TypedRows
from schemas.families.fields import Ref
from schemas.vectors import BoolArray

_REF_PATTERN = Ref.__metadata__[0].metadata[-1].pattern  # type: ignore[attr-defined]


@cache
def key_columns(type_name: str) -> tuple[str, ...]:
    """The data columns of a type that name a device, person, gateway, site …: its references."""
    fields = BY_NAME[type_name].latest.model_fields
    return tuple(
        name
        for name, info in fields.items()
        if any(_REF_PATTERN in repr(part) for part in (*info.metadata, info.annotation))
    )


class RowFilter:
    """Scope subtrees, types and keys of a run; empty ones let everything through."""

    def __init__(self, spec: RunSpec) -> None:
        self._scopes, self._types = spec.scopes, frozenset(spec.types)
        self._keys = pa.array(spec.keys, pa.string())

    def __call__(self, batch: EventBatch) -> EventBatch:
        """The batch with the chosen rows only, and with every recorded time as before."""
        chosen = {
            name: rows
            for name, typed in batch.types.items()
            if (not self._types or name in self._types) and len(rows := self._rows(typed))
        }
        return replace(batch, types=chosen)

    def _rows(self, typed: TypedRows) -> TypedRows:
        wanted = np.ones(len(typed), dtype=np.bool_)
        if self._scopes:
            wanted &= in_scopes(typed.envelope.column("scope"), self._scopes)
        if len(self._keys):
            wanted &= self._names_a_key(typed)
        if wanted.all():
            return typed
        at = np.flatnonzero(wanted)
        return TypedRows(typed.type_name, typed.positions[at], typed.envelope.take(at), typed.data.take(at))

    def _names_a_key(self, typed: TypedRows) -> BoolArray:
        named = np.zeros(len(typed), dtype=np.bool_)
        for column in key_columns(typed.type_name):
            named |= _bools(pc.is_in(typed.data.column(column), value_set=self._keys))
        return named


def in_scopes(column: pa.ChunkedArray, scopes: Iterable[str]) -> BoolArray:
    """Which rows lie in one of the subtrees."""
    inside = np.zeros(len(column), dtype=np.bool_)
    for scope in scopes:
        inside |= _bools(pc.equal(column, scope)) | _bools(pc.starts_with(column, scope + "/"))
    return inside


def _bools(mask: pa.ChunkedArray) -> BoolArray:
    return np.asarray(mask.to_numpy(), dtype=np.bool_)
