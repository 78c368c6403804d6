"""Which tables of a database beside the live one are kept, and up to where in the log each of them is whole.

Noted in that database's own ``projection_progress``, with the table's name as the flow: so it lasts as long as what it
speaks of, and needs no table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from projections.client import Client
from projections.ddl import Table
from projections.pins import Place
from projections.sources import topics_of
from projections.tables import PROJECTION_PROGRESS

_COLUMNS = ("flow", "topic", "partition", "next_offset", "recorded_time", "processed_time")


def note_kept(client: Client, tables: Iterable[Table], ends: Mapping[Place, int], now: datetime) -> None:
    """``tables`` of the client's database hold every record below ``ends``. :raises StoreError:"""
    rows = [
        (table.name, topic, partition, end, now, now)
        for table in tables
        for (topic, partition), end in ends.items()
        if topic in topics_of([table])
    ]
    client.command(f"ALTER TABLE {PROJECTION_PROGRESS.name} DELETE WHERE flow IN {{flows:Array(String)}}",
                   {"flows": [table.name for table in tables]}, {"mutations_sync": 1})  # fmt: skip
    client.insert_rows(PROJECTION_PROGRESS.name, _COLUMNS, rows)


def kept(client: Client, table: Table) -> dict[Place, int]:
    """Up to where a kept table is whole; empty when it is not kept. :raises StoreError:"""
    rows = client.query(
        "SELECT topic, partition, max(next_offset) FROM projection_progress WHERE flow = {flow:String} "
        "GROUP BY topic, partition",
        {"flow": table.name},
    ).rows
    return {(str(topic), int(partition)): int(end) for topic, partition, end in rows}
