"""A run compared with live or with another run: one hash of either side, and the difference row by row.

Both sides are read in the same way within the same window: the bounds, scopes and settled ends that both have in
common. ClickHouse does the matching, so memory here does not depend on how much differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from detectors.lane import DetectorParams
from projections.client import Client
from projections.digest import combined, table_digest
from replay.difference_sql import COMPARED, SPILLING, difference_insert, window
from replay.parameters import changes
from schemas.times import rfc3339

KINDS = ("added", "gone", "moved", "relabelled")
_NEVER_MS = -(2**62)
_INCIDENTS = "incidents"


@dataclass(frozen=True, slots=True)
class Window:
    """The rows to compare: detected from ``from_ms`` on and, per lane, before its end; within both sides' scopes."""

    from_ms: int | None
    ends_ms: tuple[int, ...]
    scopes: tuple[str, ...] = ()
    other_scopes: tuple[str, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """The bound parameters of :func:`replay.difference_sql.window`."""
        return {
            "from_ms": _NEVER_MS if self.from_ms is None else self.from_ms, "ends_ms": list(self.ends_ms),
            "scopes": list(self.scopes), "other_scopes": list(self.other_scopes),
        }  # fmt: skip

    def common_with(self, other: Window) -> Window:
        """What both cover."""
        starts = [start for start in (self.from_ms, other.from_ms) if start is not None]
        ends = tuple(min(pair) for pair in zip(self.ends_ms, other.ends_ms, strict=False))
        return Window(max(starts, default=None), ends, self.scopes, other.scopes)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: ``live`` or a run's id, where its rows are, and the parameters they were made with."""

    name: str
    client: Client
    params: DetectorParams = field(default_factory=DetectorParams)


def side_hash(side: Side, rows: Window) -> str:
    """One hash of what the detectors said on this side, within the window. :raises StoreError:"""
    parameters = rows.parameters()
    return combined({table.name: table_digest(side.client, table, window(table), parameters) for table in COMPARED})


def store_difference(live: Client, run: Side, base: Side, rows: Window) -> dict[str, int]:
    """Compute and store how ``run`` differs from ``base``, in place of what was stored; the counts by kind.

    :raises StoreError: nothing, or a part, is stored; asking again does it anew
    """
    forget_difference(live, run.name, base.name)
    owners, in_zh, in_en = _changes_in_words(run.params, base.params)
    parameters = {
        **rows.parameters(), "run_name": run.name, "base_name": base.name, "owners": owners, "changes_zh": in_zh,
        "changes_en": in_en,
    }  # fmt: skip
    for table in COMPARED:
        sql = difference_insert(live.database, run.client.database, base.client.database, table)
        live.command(sql, parameters, SPILLING)
    return stored_counts(live, run.name, base.name)


def stored_counts(live: Client, run: str, base: str) -> dict[str, int]:
    """How many rows of each kind are stored."""
    found = live.query(
        "SELECT kind, count() FROM run_differences WHERE run = {run:String} AND base = {base:String} GROUP BY kind",
        {"run": run, "base": base},
    ).rows
    return {**dict.fromkeys(KINDS, 0), **{str(kind): int(count) for kind, count in found}}


def stored_rows(live: Client, run: str, base: str, limit: int) -> list[dict[str, Any]]:
    """The first rows that were added, are gone or moved, in order of time."""
    found = live.query(
        "SELECT kind, source_table, scope, detector, rule, subject, step, detected_time, base_detected_time, moved_s, "
        "score, base_score, threshold, base_threshold, changed, reason_zh, reason_en FROM run_differences "
        "WHERE run = {run:String} AND base = {base:String} AND kind != 'relabelled' "
        "ORDER BY ifNull(detected_time, base_detected_time), source_table, subject, step LIMIT {limit:UInt32}",
        {"run": run, "base": base, "limit": limit},
    ).dicts()
    return [{name: _readable(value) for name, value in row.items()} for row in found]


def forget_difference(live: Client, run: str, base: str) -> None:
    """Remove what is stored of two."""
    live.command(
        "DELETE FROM run_differences WHERE run = {run:String} AND base = {base:String}", {"run": run, "base": base}
    )


def _changes_in_words(here: DetectorParams, there: DetectorParams) -> tuple[list[str], list[str], list[str]]:
    """Per detector what was changed, in words. Rules of incidents concern the alerts of every detector."""
    found: Mapping[str, Sequence[tuple[str, str, str]]] = changes(here, there)
    everywhere = [change for owner in (_INCIDENTS, "timezone") for change in found.get(owner, ())]
    owners, in_zh, in_en = [], [], []
    for owner in ("device_offline", "noise_limit", "irregular_movement"):
        changed = [*found.get(owner, ()), *everywhere]
        if changed:
            text = ", ".join(f"{name} {before} → {now}" for name, before, now in changed)
            owners.append(owner)
            in_zh.append(f"参数 {text}")
            in_en.append(f"parameter {text}")
    return owners, in_zh, in_en


def _readable(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(round(value.timestamp() * 1000))
    return value
