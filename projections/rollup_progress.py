"""Reads and stores how far rollups have come, and keeps a run from storing it where it does not belong.

Tables of a database can be exchanged with others that were computed elsewhere, while a worker is in the middle of a
run. Each such set of tables has a *generation*, a row of ``rollup_progress`` that travels with it. Progress is stored
by one statement that looks whether the table still is as it was when the run began: the exchange swaps the whole
table, so the statement sees all of the one or all of the other. The same holds for an emptied table.

To exchange, whoever does it:
1. computes with run numbers far above all live ones (``first_run``), so a late write of a live run never wins;
2. gives the tables that become live a generation that no tables had before (:func:`set_generation`), also on the way
   back: else a run might span both exchanges unnoticed;
3. exchanges event tables first, then ``METRIC_TABLES`` in their order, and ``rollup_progress`` last, so that a live
   run meanwhile never carries what it computed from old rows into new tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from projections.client import Client
from projections.ddl import quoted
from projections.tables import METRIC_TABLES, ROLLUP_PROGRESS

GENERATION = "generation"
Key = tuple[str, str, str, int]  # step, source, topic, partition
_COLUMNS = ("step", "source", "topic", "partition", "done_to", "run")
_TABLE = ROLLUP_PROGRESS.name
_STATE = f"SELECT (maxIf(run, step = '{GENERATION}'), maxIf(run, step != '{GENERATION}')) FROM {_TABLE}"


@dataclass(slots=True)
class Progress:
    """What is done, and the state of the table when that was read."""

    done_to: dict[Key, int]
    generation: int
    stored_run: int  # the greatest in the table
    run: int  # the greatest run number in use
    changed: set[Key] = field(default_factory=set)

    def advance(self, key: Key, to: int) -> None:
        if self.done_to.get(key) != to:
            self.done_to[key] = to
            self.changed.add(key)


def load_progress(client: Client) -> Progress:
    """What the table says now. :raises StoreError:"""
    rows = client.query(f"SELECT {', '.join(_COLUMNS)} FROM {_TABLE} FINAL").rows
    generation = max((int(row[5]) for row in rows if row[0] == GENERATION), default=0)
    steps = [row for row in rows if row[0] != GENERATION]
    done_to = {(str(s), str(source), str(topic), int(part)): int(to) for s, source, topic, part, to, _ in steps}
    run = max((int(row[5]) for row in steps), default=0)
    return Progress(done_to, generation, run, run)


def store_progress(client: Client, progress: Progress) -> bool:
    """Store what has changed, unless the table is not the one it was loaded from: then False, and nothing is stored.

    :raises StoreError: it may be stored or not.
    """
    if not progress.changed:
        return True
    rows = ", ".join(_row(key, progress.done_to[key], progress.run) for key in sorted(progress.changed))
    loaded = f"({progress.generation}, {progress.stored_run})"
    written = client.command(
        f"INSERT INTO {_TABLE} ({', '.join(_COLUMNS)})\n"
        f"SELECT row.1, row.2, row.3, row.4, row.5, row.6 FROM (SELECT arrayJoin([{rows}]) AS row)\n"
        f"WHERE ({_STATE}) = {loaded}"
    )
    return written > 0


def current_generation(client: Client) -> int:
    """Of the tables as they are now; 0 unless set. :raises StoreError:"""
    return int(client.query(f"SELECT maxIf(run, step = '{GENERATION}') FROM {_TABLE}").rows[0][0])


def set_generation(client: Client, generation: int) -> None:
    """Mark the client's tables, before they become live. Numbers only rise. :raises StoreError:"""
    client.insert_rows(_TABLE, _COLUMNS, [(GENERATION, "", "", 0, 0, generation)])


def greatest_version(client: Client) -> int:
    """The greatest run number that a rollup table or its progress knows: slow, for starts only. :raises StoreError:"""
    runs = [f"(SELECT maxIf(run, step != '{GENERATION}') FROM {_TABLE})"]
    runs += [f"(SELECT max(version) FROM {table.name})" for table in METRIC_TABLES]
    return int(client.query(f"SELECT greatest({', '.join(runs)})").rows[0][0])


def _row(key: Key, done_to: int, run: int) -> str:
    """All of it from the catalogue, or a number."""
    step, source, topic, partition = key
    return f"({quoted(step)}, {quoted(source)}, {quoted(topic)}, {partition}, {done_to}, {run})"
