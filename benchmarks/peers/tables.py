"""What the peers write to, and the questions that find out whether it is right.

Rows that come again after a restart are counted once: raw rows by event id, minutes and alarms by device and window,
the minute with the most events counting as the last said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.peers.job import END_MS
from projections.client import Client

_WINDOW: Final = "device String, zone LowCardinality(String), window_start DateTime64(3, 'UTC')"
TABLES: Final = (
    "CREATE TABLE raw (event_id String, source String, scope LowCardinality(String), "
    "event_time DateTime64(3, 'UTC'), device String, quantity LowCardinality(String), value Float64, "
    "unit LowCardinality(String)) ENGINE = MergeTree ORDER BY (scope, event_time)",
    f"CREATE TABLE minutes ({_WINDOW}, count UInt32, mean Float64, max Float64) "
    "ENGINE = MergeTree ORDER BY (device, window_start)",
    f"CREATE TABLE alarms ({_WINDOW}, mean Float64, limit_db Float64) "
    "ENGINE = MergeTree ORDER BY (device, window_start)",
)
_INSIDE: Final = f"window_start < fromUnixTimestamp64Milli(toInt64({END_MS}))"
_LAST_SAID: Final = (
    "SELECT max(count) AS n, argMax(mean, count) AS m, argMax(max, count) AS x "
    f"FROM minutes WHERE {_INSIDE} GROUP BY device, window_start"
)


@dataclass(frozen=True)
class Seen:
    """How far the store has come; what a poll costs is next to nothing."""

    raw: int
    counted: int = 0
    alarms: int = 0


@dataclass(frozen=True)
class Found:
    """What is in the store at the end, each row counted once, and how many came again."""

    rows_raw: int
    rows_minute: int
    counted: int
    sum_of_means: float
    sum_of_maxima: float
    alarms: int
    repeated_raw: int = 0
    repeated_minute: int = 0


def look(client: Client, wanted_raw: int) -> Seen:
    """Repetitions are looked for, and minutes and alarms, only when enough raw rows are in."""
    raw = _one(client, "SELECT count() FROM raw")
    if raw < wanted_raw or (raw := _one(client, "SELECT uniqExact(event_id) FROM raw")) < wanted_raw:
        return Seen(raw)
    counted = _one(client, f"SELECT sum(n) FROM ({_LAST_SAID})")
    return Seen(raw, counted, _one(client, f"SELECT uniqExact(device, window_start) FROM alarms WHERE {_INSIDE}"))


def find(client: Client) -> Found:
    """The whole account."""
    raw, unique = client.query("SELECT count(), uniqExact(event_id) FROM raw").rows[0]
    said = _one(client, f"SELECT count() FROM minutes WHERE {_INSIDE}")
    rows, counted, means, maxima = client.query(f"SELECT count(), sum(n), sum(m), sum(x) FROM ({_LAST_SAID})").rows[0]
    alarms = _one(client, f"SELECT uniqExact(device, window_start) FROM alarms WHERE {_INSIDE}")
    return Found(
        int(unique), int(rows), int(counted), float(means), float(maxima), alarms, int(raw - unique), said - int(rows)
    )


def _one(client: Client, query: str) -> int:
    return int(client.query(query).rows[0][0])
