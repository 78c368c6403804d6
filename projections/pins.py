"""Up to where in the log two databases are compared or level: offsets per topic and partition, and SQL of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from projections.client import Client
from projections.ddl import Table, quoted
from projections.sources import topics_of

Place = tuple[str, int]  # topic, partition
NOTHING = "0"  # SQL of no rows


@dataclass(frozen=True, slots=True)
class Pins:
    """``starts``: first record that the log still has. ``ends``: first offset that is not looked at.

    A row whose topic or partition the log does not have is always looked at: it cannot come from there.
    """

    starts: Mapping[Place, int]
    ends: Mapping[Place, int]

    def within(self, table: Table) -> str:
        """SQL of the rows that are looked at, for tables whose rows say where in the log they are from."""
        return f"NOT ({self.beyond_log(table)}) AND NOT ({self.beyond_pin(table)})"

    def beyond_log(self, table: Table) -> str:
        """SQL of the rows whose records retention has removed: they cannot be held against anything."""
        return _any(
            f"log_topic = {quoted(topic)} AND log_partition = {partition} AND log_offset < {start}"
            for (topic, partition), start in sorted(self.starts.items())
            if topic in topics_of([table]) and start > 0
        )

    def beyond_pin(self, table: Table) -> str:
        """SQL of the rows that came in later."""
        return _any(
            f"log_topic = {quoted(topic)} AND log_partition = {partition} AND log_offset >= {end}"
            for (topic, partition), end in sorted(self.ends.items())
            if topic in topics_of([table])
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a database is: every record below ``ends`` has been written, the last at ``recorded``."""

    ends: Mapping[Place, int]
    recorded: Mapping[Place, datetime]


def reached(client: Client) -> Reached:
    """:raises StoreError:"""
    rows = client.query(
        "SELECT topic, partition, max(next_offset), argMax(recorded_time, next_offset) FROM projection_progress "
        "GROUP BY topic, partition"
    ).rows
    places = [((str(topic), int(partition)), int(end), time) for topic, partition, end, time in rows]
    return Reached({place: end for place, end, _ in places}, {place: time for place, _, time in places})


def _any(conditions: Iterable[str]) -> str:
    parts = [f"({condition})" for condition in conditions]
    return " OR ".join(parts) if parts else NOTHING
