"""Builds projections anew from the log beside the old ones, and lets them change places while queries go on.

Steps       ``<live>_next`` is filled from the log, level with the live writer, compared with the live tables, filled
            to the end of the log, and exchanged. What was written into the old tables in the meantime is read from the
            log once more, in log order, until nothing was written beside it. The old ones stay in ``<live>_previous``.
Guarantees  a query sees the old table or the new one, whole. A crash before the exchange changes nothing; one after it
            is finished by the next run. Event rows that the log no longer has are carried over.
Rollups     all change places together, with their progress; a live worker goes on from there. Of event tables it takes
            once more what it may have read before the last rows had come over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from projections.client import Client
from projections.compare import Compared
from projections.ddl import Table
from projections.digest import CONTENT_TABLES
from projections.exchange import (
    databases,
    drop_database,
    end_exchange,
    exchange,
    finish_exchange,
    roll_up_again,
    rows_beyond,
    with_rollup_progress,
)
from projections.kept import kept, note_kept
from projections.migrate import migrate
from projections.pins import Place, Reached, reached
from projections.rollback_metrics import put_back, roll_back_metrics
from projections.rollup_progress import greatest_version
from projections.sources import TYPE_OF
from projections.tables import METRIC_TABLES
from replay.scratch import Heard, LogSide, Scratch
from replay.verify import NewDatabase, Verified, compare_all

NEAR_RECORDS = 5_000  # so near the live writer is level
MAX_PASSES = 20
RUNS_AHEAD = 2**32  # of the live rollup's run numbers: what a late run of it still writes never wins


class RebuildError(Exception):
    """The rebuild cannot go on as things are; the live tables are whole. The message says what to do."""


@dataclass(slots=True)
class Rebuilt:
    """What came of it. ``tables``: what the new ones mend."""

    rows: dict[str, int] = field(default_factory=dict)
    tables: list[Compared] = field(default_factory=list)
    kept_as: str = ""

    @property
    def differences(self) -> int:
        return sum(table.differences for table in self.tables)


class Rebuilder:
    """Rebuilds and rolls back on one live database. One at a time: see to it that no other is under way."""

    def __init__(
        self,
        side: LogSide,
        live: Client,
        new_database: NewDatabase,
        total: Heard = lambda _records: None,
        heard: Heard = lambda _records: None,
    ) -> None:
        self._side, self._live, self._new_database = side, live, new_database
        self._total, self._heard = total, heard
        self._next_name = f"{live.database}_next"
        self._previous_name = f"{live.database}_previous"
        self._back_name = f"{live.database}_back"

    def rebuild(self, tables: Sequence[Table], from_what_is_left: bool = False) -> Rebuilt:
        """Build ``tables`` anew and let them become live.

        :raises RebuildError: the log no longer has all that they are made from, and ``from_what_is_left`` is not given.
        :raises LogError: the log cannot be read. :raises StoreError: Nothing has changed, or the next run finishes it.
        """
        self.finish_interrupted()
        with self._new_database(self._next_name) as built:
            scratch = Scratch(self._side, built, tables)
            scratch.create()
            self._require_whole_log(scratch, from_what_is_left)
            pinned = self._build(scratch)
            found = Verified()
            compare_all(self._side, self._live, scratch, pinned, found)
            result = Rebuilt(_rows(built, tables), found.tables, self._previous_name)
            # Not further than the live writer: rollups must not count rows that live event tables do not have yet.
            scratch.fill_to(self._live_reached(scratch).ends, self._heard)
            scratch.roll_up()
            ends = self._swap(scratch)
            self._keep(built, tables, ends)
        drop_database(self._live, self._next_name)
        return result

    def roll_back(self, tables: Sequence[Table]) -> Rebuilt:
        """Bring the kept tables up to date and let them change places with the live ones again.

        :raises RebuildError: not all of ``tables`` are kept. :raises OffsetOutOfRangeError: the log no longer has what
            came since. :raises LogError: :raises StoreError:
        """
        self.finish_interrupted()
        if self._previous_name not in databases(self._live, self._previous_name):
            raise RebuildError("nothing is kept to go back to: only what was rebuilt can be rolled back")
        with self._new_database(self._previous_name) as previous:
            migrate(previous)
            for table in tables:
                if not kept(previous, table):
                    raise RebuildError(f"no earlier {table.name} is kept: only what was rebuilt can be rolled back")
            metrics = tuple(table for table in tables if table in METRIC_TABLES)
            if others := tuple(table for table in tables if table not in METRIC_TABLES):
                scratch = self._kept_scratch(previous, others)
                self._total(scratch.waiting(self._side.ends(scratch.topics)))
                self._swap(scratch)
                end_exchange(previous)
            if metrics:
                ends = reached(self._live).ends
                with self._new_database(self._back_name) as back:
                    roll_back_metrics(self._live, previous, back, self._side.timezone, RUNS_AHEAD)
                drop_database(self._live, self._back_name)
                note_kept(previous, metrics, ends, self._side.now())
            return Rebuilt(_rows(self._live, tables), [], self._previous_name)

    def finish_interrupted(self) -> None:
        """Let an exchange that broke off be done, with all that follows it, and clear its leftovers away."""
        there = databases(self._live, self._live.database + "_")
        if self._back_name in there:
            with self._new_database(self._back_name) as back, self._new_database(self._previous_name) as previous:
                finish_exchange(self._live, back)
                put_back(back, previous)
            drop_database(self._live, self._back_name)
        for name in (self._previous_name, self._next_name):
            if name in there:
                with self._new_database(name) as left:
                    if names := finish_exchange(self._live, left):
                        swapped = [table for table in CONTENT_TABLES if table.name in names]
                        self._settle(self._kept_scratch(left, swapped))
                        end_exchange(left)
        drop_database(self._live, self._next_name)

    def _kept_scratch(self, client: Client, tables: Sequence[Table]) -> Scratch:
        """Goes on from where the least far of the kept tables is."""
        scratch = Scratch(self._side, client, tables)
        each = [kept(client, table) for table in tables]
        for place, start in scratch.starts.items():
            scratch.reached[place] = min([ends[place] for ends in each if place in ends], default=start)
        return scratch

    def _require_whole_log(self, scratch: Scratch, from_what_is_left: bool) -> None:
        derived = [table.name for table in scratch.tables if table.name not in TYPE_OF]
        gone = {place: start for place, start in scratch.starts.items() if start > 0}
        if derived and gone and not from_what_is_left:
            (topic, partition), start = min(gone.items())
            raise RebuildError(
                f"the log of {topic}/{partition} begins at offset {start}: {derived[0]} cannot be rebuilt from the "
                "log alone; --from-what-is-left takes what is older from the event tables as they are"
            )

    def _build(self, scratch: Scratch) -> Reached:
        """Fill and roll up until level with the live writer; up to where."""
        pinned = self._live_reached(scratch)
        scratch.check(pinned.ends)
        self._total(scratch.waiting(pinned.ends))
        carried = scratch.carry_over(self._live.database)
        first_run = greatest_version(self._live) + RUNS_AHEAD
        for _ in range(MAX_PASSES):
            pinned = self._live_reached(scratch)
            scratch.fill_to(pinned.ends, self._heard)
            scratch.roll_up(first_run)
            if scratch.waiting(self._live_reached(scratch).ends) <= NEAR_RECORDS:
                break
        if lost := scratch.lost_rows(carried):
            table, (events, rows) = min(lost.items())
            raise RebuildError(
                f"{table} took {rows} rows of {events} events; nothing was exchanged: please report this"
            )
        return pinned

    def _swap(self, scratch: Scratch) -> dict[Place, int]:
        """Exchange, then bring over what was written into the old tables last; up to where both were whole."""
        scratch.copy_to(scratch.client, self._side.ends(scratch.topics), self._heard)  # so that no query misses much
        live = self._live_reached(scratch).ends  # may have come further than the new ones meanwhile, or less far
        ends = scratch.reached = {place: min(end, live[place]) for place, end in scratch.reached.items()}
        note_kept(scratch.client, scratch.tables, ends, self._side.now())
        exchange(self._live, scratch.client, with_rollup_progress(scratch.tables))
        self._settle(scratch)
        return ends

    def _settle(self, scratch: Scratch) -> None:
        """Read into the live tables what came after ``scratch.reached``; again while others wrote beside it.

        Of two records with one event time the later counts, so the last pass must not come after a later live row.
        A live rollup needs no such thing: it goes on from its exchanged progress.
        """
        if not (direct := [table for table in scratch.tables if table not in METRIC_TABLES]):
            return
        rows = Scratch(self._side, scratch.client, direct)
        since = {place: scratch.reached[place] for place in rows.reached}
        rows.reached = dict(since)
        for _ in range(MAX_PASSES):
            ends = self._side.ends(rows.topics)
            rows.copy_to(self._live, ends, self._heard)
            if not rows_beyond(self._live, rows.sources, ends):
                break
        roll_up_again(self._live, [table.name for table in direct if table.name in TYPE_OF], since)

    def _keep(self, built: Client, tables: Sequence[Table], ends: dict[Place, int]) -> None:
        with self._new_database(self._previous_name) as previous:
            migrate(previous)
            for name in with_rollup_progress(tables):
                previous.command(f"EXCHANGE TABLES {built.database}.{name} AND {previous.database}.{name}")
            note_kept(previous, tables, ends, self._side.now())

    def _live_reached(self, scratch: Scratch) -> Reached:
        live = reached(self._live)
        return Reached({place: live.ends.get(place, 0) for place in scratch.starts}, live.recorded)


def _rows(client: Client, tables: Sequence[Table]) -> dict[str, int]:
    return {table.name: int(client.query(f"SELECT count() FROM {table.name} FINAL").rows[0][0]) for table in tables}
