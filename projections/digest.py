"""One number for what a table says: equal contents give equal digests, whatever the order, the parts or the log.

Left out is what is not content: where a record lay in the log, which rollup run computed a row and, for what GridPulse
itself says, when it was appended (a detection repeated after a crash is the same detection). So live, replayed,
resumed, on SQLite or on Kafka, the digests can be compared.

A digest is the sum, modulo 2^64, of SipHash-2-4 over each row's content: one streaming pass, no sorting, no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from projections.client import Client
from projections.ddl import Table
from projections.state_tables import LATEST
from projections.tables import EVENT_TABLES, METRIC_TABLES, STATE_TABLES
from schemas.catalogue import BY_NAME
from schemas.topics import SYSTEM_FAMILIES

_PLACE = frozenset({"log_topic", "log_partition", "log_offset", "version_key", "version"})
_SYSTEM_TABLES = frozenset(
    {table.name for name, table in EVENT_TABLES.items() if BY_NAME[name].family in SYSTEM_FAMILIES}
    | {latest.table for latest in LATEST if latest.event_type.family in SYSTEM_FAMILIES}
    | {"alerts_state"}
)
CONTENT_TABLES: tuple[Table, ...] = (*EVENT_TABLES.values(), *STATE_TABLES, *METRIC_TABLES)
"""Every table whose contents follow from the log."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """What a table says, in short."""

    rows: int
    sum64: int

    def __str__(self) -> str:
        return f"{self.sum64:016x}"


def content_columns(table: Table) -> tuple[str, ...]:
    """SQL of what the columns say that are content."""
    left_out = _PLACE | ({"recorded_time"} if table.name in _SYSTEM_TABLES else frozenset())
    return tuple(column.reading for column in table.columns if not column.is_alias and column.name not in left_out)


def row_hash(table: Table) -> str:
    """SQL of a row's hash. The tuple keeps NULLs apart from everything else."""
    return f"sipHash64(tuple({', '.join(content_columns(table))}))"


def table_digest(
    client: Client, table: Table, where: str = "1", parameters: Mapping[str, object] | None = None
) -> TableDigest:
    """Digest of the rows that ``where`` leaves. :raises StoreError:"""
    rows = client.query(
        f"SELECT count(), sum({row_hash(table)}) FROM {table.name} FINAL WHERE {where}", parameters
    ).rows
    return TableDigest(int(rows[0][0]), int(rows[0][1]))


def database_digest(client: Client, tables: tuple[Table, ...] = CONTENT_TABLES) -> str:
    """One hash over the contents of all ``tables``, empty ones left out. :raises StoreError:"""
    return combined({table.name: table_digest(client, table) for table in tables})


def combined(digests: Mapping[str, TableDigest]) -> str:
    """One hash of several tables': 32 hex digits."""
    text = "\n".join(f"{name} {digest.rows} {digest}" for name, digest in sorted(digests.items()) if digest.rows)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
