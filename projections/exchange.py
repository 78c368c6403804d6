"""Databases beside the live one, and tables that change places with live ones while queries go on.

``EXCHANGE TABLES`` swaps two names at once: a query sees the old table or the new one, whole. Materialized views
follow names: what is inserted into a live event table goes on into whatever table has the name of their target.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from projections.client import Client
from projections.compare import SETTINGS
from projections.ddl import MaterializedView, Table
from projections.migrate import create
from projections.pins import NOTHING, Pins, Place
from projections.rollup_progress import current_generation, load_progress, set_generation
from projections.sources import TOPIC_OF, is_of_log
from projections.tables import DATABASE, EVENT_TABLES, METRIC_TABLES, ROLLUP_PROGRESS

INSERT_SETTINGS = {**SETTINGS, "max_partitions_per_insert_block": 0, "max_threads": 1, "max_insert_threads": 1}
_NOTE = "exchanging"
_RESET_AHEAD = 2**20  # runs: more than a live worker can have done meanwhile


def databases(client: Client, prefix: str) -> list[str]:
    """Names of the databases that begin so. :raises StoreError:"""
    rows = client.query(
        "SELECT name FROM system.databases WHERE startsWith(name, {prefix:String}) ORDER BY name", {"prefix": prefix}
    ).rows
    return [str(name) for (name,) in rows]


def drop_database(client: Client, name: str) -> None:
    """:raises StoreError:"""
    client.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def create_tables(client: Client, names: Container[str]) -> None:
    """Make these tables, and the views that feed one from another. :raises StoreError:"""
    tables = [one for one in DATABASE if isinstance(one, Table) and one.name in names]
    views = [one for one in DATABASE if isinstance(one, MaterializedView)]
    create(client, [*tables, *(view for view in views if view.source in names and view.target in names)])


def carry_over(built: Client, live_database: str, tables: Iterable[Table], pins: Pins) -> int:
    """Copy the rows whose records the log no longer has, in log order; how many. :raises StoreError:"""
    carried = 0
    for table in tables:
        if is_of_log(table) and (gone := pins.beyond_log(table)) != NOTHING:
            rows, columns = f"{live_database}.{table.name} FINAL WHERE {gone}", ", ".join(stored(table))
            carried += int(built.query(f"SELECT count() FROM {rows}", settings=SETTINGS).rows[0][0])
            built.command(
                f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {rows} ORDER BY log_partition, log_offset",
                settings=INSERT_SETTINGS,
            )
    return carried


def stored(table: Table) -> list[str]:
    """The columns that are inserted."""
    return [column.name for column in table.columns if not column.computed]


def with_rollup_progress(tables: Sequence[Table]) -> list[str]:
    """Names of ``tables`` in the order in which they may change places: see :mod:`projections.rollup_progress`."""
    names = [table.name for table in tables]
    metrics = [table.name for table in METRIC_TABLES if table.name in names]
    events = [table.name for table in EVENT_TABLES.values() if table.name in names]
    present = [name for name in names if name not in metrics and name not in events]
    return [*events, *present, *metrics, *([ROLLUP_PROGRESS.name] if metrics else [])]


def exchange(live: Client, other: Client, names: Sequence[str]) -> None:
    """Swap ``names``; rollups become live under a generation of their own. :raises StoreError:

    What is to become live is noted first, by its UUID: if this breaks off, :func:`finish_exchange` does the rest.
    """
    if ROLLUP_PROGRESS.name in names:
        set_generation(other, max(current_generation(live), current_generation(other)) + 1)
    other.command(f"DROP TABLE IF EXISTS {_NOTE}")
    other.command(
        f"CREATE TABLE {_NOTE} ENGINE = MergeTree ORDER BY place AS "
        "SELECT indexOf({names:Array(String)}, name) AS place, name, uuid FROM system.tables "
        "WHERE database = currentDatabase() AND has({names:Array(String)}, name)",
        {"names": list(names)},
    )
    finish_exchange(live, other)


def finish_exchange(live: Client, other: Client) -> list[str]:
    """Swap what is noted and has not changed places yet; the noted names. :raises StoreError:"""
    if _NOTE not in tables_of(other):
        return []
    noted = other.query(f"SELECT name, toString(uuid) FROM {_NOTE} ORDER BY place").rows
    there = tables_of(live)
    for name, uuid in noted:
        if there[str(name)] != str(uuid):
            live.command(f"EXCHANGE TABLES {live.database}.{name} AND {other.database}.{name}")
    return [str(name) for name, _ in noted]


def end_exchange(other: Client) -> None:
    """All that belongs to it is done: forget the note. :raises StoreError:"""
    other.command(f"DROP TABLE IF EXISTS {_NOTE}")


def tables_of(client: Client) -> dict[str, str]:
    """UUIDs of the client's tables by name. :raises StoreError:"""
    rows = client.query("SELECT name, toString(uuid) FROM system.tables WHERE database = currentDatabase()").rows
    return {str(name): str(uuid) for name, uuid in rows}


def roll_up_again(live: Client, sources: Sequence[str], since: dict[Place, int]) -> None:
    """Let the live rollup take these event tables' offsets from ``since`` on once more, where it is further already.

    A run that is under way does not store its progress over it. :raises StoreError:
    """
    progress = load_progress(live)
    rows = [
        ("minute", source, topic, partition, offset, progress.run + _RESET_AHEAD)
        for source in sources
        for (topic, partition), offset in since.items()
        if topic == TOPIC_OF[source] and progress.done_to.get(("minute", source, topic, partition), 0) > offset
    ]
    if rows:
        live.insert_rows(ROLLUP_PROGRESS.name, ("step", "source", "topic", "partition", "done_to", "run"), rows)


def rows_beyond(live: Client, sources: Iterable[str], ends: dict[Place, int]) -> int:
    """How many rows of these event tables lie at or after ``ends``. :raises StoreError:"""
    pins = Pins({}, ends)
    counts = [
        f"SELECT count() AS n FROM {table.name} WHERE {pins.beyond_pin(table)}"
        for table in EVENT_TABLES.values()
        if table.name in sources
    ]
    return int(live.query(f"SELECT sum(n) FROM ({' UNION ALL '.join(counts)})").rows[0][0]) if counts else 0
