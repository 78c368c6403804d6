"""Up to where in the log two databases are compared or level: offsets per topic and partition, and SQL of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from projections.client import Client
from projections.ddl import Table, quoted
from projections.sources import TOPIC_OF

Place = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Pins:
    """``starts``: first record that the log still has. ``ends``: first offset that is not looked at.

    A row whose topic or partition the log does not have is always looked at: it cannot come from there.
    """

    starts: Mapping[Place, int]
    ends: Mapping[Place, int]

    def within(self, table: Table) -> str:
        """SQL of an event table's rows that are looked at."""
        return f"NOT ({self.beyond_log(table)}) AND NOT ({self.beyond_pin(table)})"

    def beyond_log(self, table: Table) -> str:
        """SQL of the rows whose records retention has removed: they cannot be held against anything."""
        return _any(
            _own(table) + f"log_partition = {partition} AND log_offset < {start}"
            for (topic, partition), start in sorted(self.starts.items())
            if topic == TOPIC_OF[table.name] and start > 0
        )

    def beyond_pin(self, table: Table) -> str:
        """SQL of the rows that came in later."""
        return _any(
            _own(table) + f"log_partition = {partition} AND log_offset >= {end}"
            for (topic, partition), end in sorted(self.ends.items())
            if topic == TOPIC_OF[table.name]
        )

    def removed(self, topics: tuple[str, ...]) -> dict[Place, int]:
        """Where the log of ``topics`` no longer begins at its beginning."""
        return {place: start for place, start in self.starts.items() if start > 0 and place[0] in topics}


def progress(client: Client) -> dict[Place, int]:
    """How far the database is: every record below has been written. :raises StoreError:"""
    rows = client.query(
        "SELECT topic, partition, max(next_offset) FROM projection_progress GROUP BY topic, partition"
    ).rows
    return {(str(topic), int(partition)): int(end) for topic, partition, end in rows}


def recorded_times(client: Client) -> dict[Place, datetime]:
    """Recorded time of the last record that is in. :raises StoreError:"""
    rows = client.query(
        "SELECT topic, partition, argMax(recorded_time, next_offset) FROM projection_progress GROUP BY topic, partition"
    ).rows
    return {(str(topic), int(partition)): time for topic, partition, time in rows}


def _own(table: Table) -> str:
    return f"log_topic = {quoted(TOPIC_OF[table.name])} AND "


def _any(conditions: Iterable[str]) -> str:
    parts = [f"({condition})" for condition in conditions]
    return " OR ".join(parts) if parts else "0"
