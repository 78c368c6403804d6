"""Holds the tables of one database against those of another that was built from the log, and names what differs.

First both sides are added up: number of rows and sum of their hashes, per partition of the log and day (event tables),
day (rollups) or share of the keys (the present): one streaming pass each. Only where these differ, rows are put beside
each other by key. What is found goes into a table of the built database, so that everything is counted, a few are
listed, and memory is bounded on both ends whatever the damage. All of it is read with ``FINAL``: what people see.

A difference is *missing* (in the log, not in ClickHouse), *added* (in ClickHouse, not in the log) or *changed*.
*Pending* is what a running system may rightly be still at work on: the caller says in SQL what that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from projections.client import Client
from projections.compare_sql import NO_DAY, recorded, share_and_day, value_columns, whole_row_hash
from projections.ddl import Table

CHUNK_ROWS, CHUNK_SHARES = 2_000_000, 1_000  # so much is put beside each other at once
MIB = 1024 * 1024
SETTINGS: Mapping[str, Any] = {
    "max_threads": 2,
    "max_memory_usage": 2048 * MIB,
    "max_bytes_before_external_group_by": 256 * MIB,
    "max_bytes_before_external_sort": 256 * MIB,
    "use_skip_indexes_if_final": 0,  # a row that another one replaces must not be left out of the choice
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not as the log says. ``changes``: per column the value in ClickHouse and the log's."""

    table: str
    kind: str  # missing, added, changed
    key: Mapping[str, Any]
    log_topic: str | None = None
    log_partition: int | None = None
    log_offset: int | None = None
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one table. ``checked``: rows of the side that has more."""

    table: str
    checked: int
    missing: int = 0
    added: int = 0
    changed: int = 0
    pending: int = 0

    @property
    def differences(self) -> int:
        return self.missing + self.added + self.changed


@dataclass(frozen=True, slots=True)
class _Sum:
    """What one share of a table adds up to."""

    day: date
    rows: int
    hashes: int


class Comparison:
    """One table of a live database against the same of ``built``; ``where`` is SQL of the rows that are looked at."""

    def __init__(self, built: Client, live_database: str, table: Table, where: str = "1") -> None:
        self._client, self._table, self._where = built, table, where
        self._live, self._log = f"{live_database}.{table.name}", f"{built.database}.{table.name}"
        self._found = f"{built.database}.differing_{table.name}"
        self._keys = ", ".join(table.order_by)
        self._checked = 0
        self._differs = False

    def find(self) -> bool:
        """Compare; whether anything differs, pending or not. :raises StoreError:"""
        live, log = self._sums()
        self._checked = max(sum(one.rows for one in side.values()) for side in (live, log))
        differing = {share: _day_and_rows(live.get(share), log.get(share)) for share in _differing(live, log)}
        self._differs = False
        if differing:
            self._make_found()
            for chunk in _chunks(differing):
                self._put_beside(chunk)
            self._differs = bool(self._client.query(f"SELECT count() FROM {self._found}").rows[0][0])
        return self._differs

    def result(self, pending: str = "0") -> Compared:
        """The counts; ``pending`` is SQL over the key's columns and ``last_recorded``. :raises StoreError:"""
        if not self._differs:
            return Compared(self._table.name, self._checked)
        counts = self._client.query(
            "SELECT countIf(NOT late AND NOT in_live), countIf(NOT late AND NOT in_log), "
            "countIf(NOT late AND in_live AND in_log), countIf(late) "
            f"FROM (SELECT in_live, in_log, ({pending}) AS late FROM {self._found})",
            settings=SETTINGS,
        ).rows[0]
        return Compared(self._table.name, self._checked, *(int(count) for count in counts))

    def differences(self, limit: int, pending: str = "0") -> Iterator[Difference]:
        """The first differences by key. :raises StoreError:"""
        if not self._differs or limit <= 0:
            return
        keys = self._keys
        chosen = f"SELECT {keys} FROM {self._found} WHERE NOT ({pending}) ORDER BY {keys} LIMIT {limit}"
        listed = self._client.query(f"{chosen}", settings=SETTINGS).rows
        live, log = self._rows(self._live, chosen), self._rows(self._log, chosen)
        for row in listed:
            key = tuple(row)
            yield _difference(self._table, key, live.get(key), log.get(key))

    def _sums(self) -> tuple[dict[int, _Sum], dict[int, _Sum]]:
        """Of the live side and of the log's."""
        share, day = share_and_day(self._table)
        selects = [
            f"SELECT {side}, {share} AS share, any({day}), count(), sum({whole_row_hash(self._table)}) "
            f"FROM {table} FINAL WHERE {self._where} GROUP BY share"
            for side, table in enumerate((self._live, self._log))
        ]
        sums: tuple[dict[int, _Sum], dict[int, _Sum]] = ({}, {})
        for side, number, day_of, count, hashes in self._client.query(
            "\nUNION ALL\n".join(selects), settings=SETTINGS
        ).rows:
            sums[side][int(number)] = _Sum(day_of, int(count), int(hashes))
        return sums

    def _make_found(self) -> None:
        columns = ", ".join(f"`{name}` {self._table.column(name).type}" for name in self._table.order_by)
        self._client.command(f"DROP TABLE IF EXISTS {self._found}")
        self._client.command(
            f"CREATE TABLE {self._found} ({columns}, in_live Bool, in_log Bool, last_recorded DateTime64(3, 'UTC')) "
            "ENGINE = MergeTree ORDER BY tuple()"
        )

    def _put_beside(self, chunk: Mapping[int, date]) -> None:
        share, day = share_and_day(self._table)
        chosen = f"{share} IN ({', '.join(map(str, chunk))})"
        if day != NO_DAY:  # so that only the months concerned are read
            first, last = min(chunk.values()), max(chunk.values())
            chosen += f" AND {day} >= '{first.isoformat()}' AND {day} <= '{last.isoformat()}'"
        sides = "\nUNION ALL\n".join(
            f"SELECT {self._keys}, {side} AS side, {whole_row_hash(self._table)} AS row_hash, "
            f"{recorded(self._table)} AS row_recorded FROM {table} FINAL WHERE ({self._where}) AND {chosen}"
            for side, table in enumerate((self._live, self._log))
        )
        self._client.command(
            f"INSERT INTO {self._found}\n"
            f"SELECT {self._keys}, max(side = 0), max(side = 1), max(row_recorded) FROM (\n{sides}\n)\n"
            f"GROUP BY {self._keys} HAVING count() != 2 OR min(row_hash) != max(row_hash)",
            settings=SETTINGS,
        )

    def _rows(self, table: str, chosen: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        columns = value_columns(self._table)
        selected = ", ".join(f"{sql} AS value_{number}" for number, (_, sql) in enumerate(columns))
        answer = self._client.query(
            f"SELECT {self._keys}, {selected} FROM {table} FINAL "
            f"WHERE ({self._where}) AND ({self._keys}) IN ({chosen})",
            settings=SETTINGS,
        ).rows
        width, names = len(self._table.order_by), [name for name, _ in columns]
        return {tuple(row[:width]): dict(zip(names, row[width:], strict=True)) for row in answer}


def _differing(live: Mapping[int, _Sum], log: Mapping[int, _Sum]) -> Iterable[int]:
    for share in live.keys() | log.keys():
        one, other = live.get(share), log.get(share)
        if one is None or other is None or (one.rows, one.hashes) != (other.rows, other.hashes):
            yield share


def _day_and_rows(*sums: _Sum | None) -> tuple[date, int]:
    there = [one for one in sums if one is not None]
    return there[0].day, sum(one.rows for one in there)


def _chunks(shares: Mapping[int, tuple[date, int]]) -> Iterator[dict[int, date]]:
    """By day; a day's shares together, for a row may have been moved from one to the other."""
    chunk: dict[int, date] = {}
    rows = 0
    by_day: dict[date, list[int]] = {}
    for share, (day, _) in shares.items():
        by_day.setdefault(day, []).append(share)
    for day, of_day in sorted(by_day.items()):
        more = sum(shares[share][1] for share in of_day)
        if chunk and (rows + more > CHUNK_ROWS or len(chunk) + len(of_day) > CHUNK_SHARES):
            yield chunk
            chunk, rows = {}, 0
        chunk.update(dict.fromkeys(of_day, day))
        rows += more
    if chunk:
        yield chunk


def _difference(
    table: Table, key: Sequence[Any], live: Mapping[str, Any] | None, log: Mapping[str, Any] | None
) -> Difference:
    place = log or live or {}
    changes: dict[str, tuple[Any, Any]] = {}
    if live is not None and log is not None:  # repr tells what == does not: 0.0 and -0.0
        changes = {name: (live[name], log[name]) for name in log if repr(live[name]) != repr(log[name])}
    return Difference(
        table.name,
        "missing" if live is None else "added" if log is None else "changed",
        dict(zip(table.order_by, key, strict=True)),
        place.get("log_topic"),
        place.get("log_partition"),
        place.get("log_offset"),
        changes,
    )
