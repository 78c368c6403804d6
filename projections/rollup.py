"""Keeps minutes, hours and days of every metric up to date, by recomputing the windows that new rows fall into.

Guarantees   a window's row is a function of the rows in the event tables, never a running total: late events correct
             their windows by the same way, and repetition changes nothing. Floats are added in sorted order.
Progress     is stored last, in ``rollup_progress``; after a crash the latest runs are done again. Minutes follow
             ``projection_progress``, so no row is passed over because a slower insert came in later; hours follow
             minutes, and days hours, by the run numbers in their ``version``.
Clock        none: versions are run numbers, one more than any there is. Only the pause between runs is wall time.
Bounds       a run takes at most ``max_records`` offsets, so memory does not depend on the backlog.
One writer   exactly one worker per database. Two would agree on results, but could let an older one win for a moment.
Rebuild      ``TRUNCATE TABLE rollup_progress``: everything is computed again. Or beside a live worker: compute other
             tables elsewhere, with runs above ``first_run``, and exchange them (see ``projections/rollup_progress.py``
             for the order). A run that was under way then has no say: its versions lose, its progress is not stored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from projections.client import Client, StoreUnavailableError
from projections.progress import queryable
from projections.rollup_progress import Progress, greatest_version, load_progress, store_progress
from projections.rollup_sql import (
    NewRows,
    OffsetRange,
    coarser_statement,
    groups,
    late_statement,
    minutes_statement,
    new_rows_query,
)
from projections.tables import EVENT_TABLES
from schemas.catalogue import BY_NAME
from schemas.metrics import METRICS, Metric
from schemas.topics import topic_of

logger = logging.getLogger(__name__)
STATEMENT_SETTINGS = {"max_partitions_per_insert_block": 0}
_FINER = {"hour": "metrics_minute", "day": "metrics_hour"}


@dataclass(frozen=True, slots=True)
class RollupStats:
    """What one run did."""

    new_rows: int = 0  # rows of event tables that were new to it
    minute_rows: int = 0
    late_rows: int = 0  # rows written of minutes of late events
    hour_rows: int = 0
    day_rows: int = 0
    behind: bool = False  # there is more to do at once

    @property
    def idle(self) -> bool:
        return self == RollupStats()


REST_RATIO = 3.0  # on a busy machine rollups take a quarter of the time at most, and leave the rest to inserts
STILL_S = 1.0  # inserts that have paused for so long need nothing left to them


class RollupWorker:
    """The one worker that rolls up. Not for several threads."""

    def __init__(
        self,
        client: Client,
        timezone: str = "Asia/Shanghai",
        *,
        metrics: Sequence[Metric] = METRICS,
        first_run: int = 0,
        max_records: int = 1_000_000,
        hour_every_runs: int = 5,
        day_every_runs: int = 15,
    ) -> None:
        """``timezone``: days begin at its midnight. Runs are numbered above ``first_run`` and all that there are.

        :raises ValueError: the time zone is not whole hours from UTC.
        """
        _require_whole_hours(timezone)
        self._client = client
        self._timezone = timezone
        self._groups = groups(metrics)
        self._topics = {EVENT_TABLES[m.type_name].name: topic_of(BY_NAME[m.type_name].family) for m in metrics}
        self._max_records = max_records
        self._every = {"hour": hour_every_runs, "day": day_every_runs}
        self._waited = {"hour": 0, "day": 0}
        self._first_run = first_run
        self._last_run: int | None = None  # the greatest run number that may be in use; None: not known yet

    def run_once(self, *, coarse: bool = False) -> RollupStats:
        """One bounded step. Hours and days follow every few runs, at once with ``coarse`` or when nothing is new.

        :raises StoreError: nothing is lost; the next call starts from the stored progress.
        """
        progress = self._load()
        ranges, behind = self._new_ranges(progress)
        new = self._new_rows(ranges)
        new_rows = sum(part.rows + part.late_rows for part in new.values())
        minute_rows, late_rows = self._minutes(progress, new)
        for table, parts in ranges.items():
            for part in parts:
                progress.advance(("minute", table, self._topics[table], part.partition), part.end)
        at_once = coarse or not new_rows
        hour_rows = self._coarser(progress, "hour", at_once)
        day_rows = self._coarser(progress, "day", at_once)
        if not store_progress(self._client, progress):
            logger.info("rollup tables were exchanged during a run: going on from the new ones")
            behind = True
        return RollupStats(new_rows, minute_rows, late_rows, hour_rows, day_rows, behind)

    def catch_up(self) -> RollupStats:
        """Run until nothing is left to do; the sums over all runs."""
        total = RollupStats()
        while True:
            done = self.run_once(coarse=True)
            total = RollupStats(
                total.new_rows + done.new_rows,
                total.minute_rows + done.minute_rows,
                total.late_rows + done.late_rows,
                total.hour_rows + done.hour_rows,
                total.day_rows + done.day_rows,
            )
            if not done.behind:
                return total

    def run(self, stop: threading.Event, interval_s: float, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """Run until ``stop``, pausing ``interval_s`` or more when caught up; waits out an unreachable store.

        The longer a run took, the longer inserts have the machine after it, until they pause themselves.

        :raises StoreError: a statement was refused: a defect, not a matter of waiting.
        """
        while not stop.is_set():
            started_s = monotonic_s()
            try:
                if self.run_once().behind:
                    continue
                busy_s = monotonic_s() - started_s
                stop.wait(interval_s)
                self._give_way(stop, REST_RATIO * busy_s - interval_s)
            except StoreUnavailableError as error:
                logger.warning("rollup waits: %s", error)
                stop.wait(max(interval_s, 1.0))

    def _give_way(self, stop: threading.Event, rest_s: float) -> None:
        """Rest for so long, or until the writer stands still. :raises StoreError:"""
        before = None
        while rest_s > 0.0 and not stop.is_set():
            ends = queryable(self._client)
            if ends == before:
                return
            before = ends
            stop.wait(min(STILL_S, rest_s))
            rest_s -= STILL_S

    def _load(self) -> Progress:
        """Read anew for each run: the tables may have been exchanged since the last one."""
        if self._last_run is None:
            self._last_run = max(self._first_run, greatest_version(self._client))
        progress = load_progress(self._client)
        progress.run = self._last_run = max(self._last_run, progress.run)
        return progress

    def _next_run(self, progress: Progress) -> int:
        """A number of its own for what is written next, also when this run breaks off."""
        progress.run += 1
        self._last_run = progress.run
        return progress.run

    def _new_ranges(self, progress: Progress) -> tuple[dict[str, list[OffsetRange]], bool]:
        """Per table the offsets to take now, and whether some had to be left for later."""
        ends = queryable(self._client)
        waiting: dict[str, list[OffsetRange]] = {}
        for table, topic in self._topics.items():
            for where, end in ends.items():
                start = progress.done_to.get(("minute", table, topic, where.partition), 0)
                if where.topic == topic and end > start:
                    waiting.setdefault(table, []).append(OffsetRange(where.partition, start, end))
        return _bounded(waiting, self._topics, self._max_records)

    def _new_rows(self, ranges: Mapping[str, Sequence[OffsetRange]]) -> dict[str, NewRows]:
        """What the tables have in their ranges; only those that have something."""
        if not ranges:
            return {}
        asked = {table: NewRows(tuple(parts)) for table, parts in ranges.items()}
        answer = self._client.query(new_rows_query(asked)).rows
        return {
            str(table): NewRows(asked[table].ranges, int(rows), int(first), int(last), int(minutes), int(late))
            for table, rows, first, last, minutes, late in answer
            if rows or late
        }

    def _minutes(self, progress: Progress, new: Mapping[str, NewRows]) -> tuple[int, int]:
        """Rows written of minutes, and of minutes of late events."""
        if not new:
            return 0, 0
        run = self._next_run(progress)
        in_time = [group for group in self._groups if group.table.name in new and new[group.table.name].rows]
        late = [group for group in self._groups if group.table.name in new and new[group.table.name].late_rows]
        return (
            self._write(minutes_statement(in_time, new, run)) if in_time else 0,
            self._write(late_statement(late, new, run)) if late else 0,
        )

    def _write(self, statement: str) -> int:
        return self._client.command(statement, settings=STATEMENT_SETTINGS)

    def _coarser(self, progress: Progress, grain: str, at_once: bool) -> int:
        key = (grain, _FINER[grain], "", 0)
        done_to = progress.done_to.get(key, 0)
        to_run = progress.run if grain == "hour" else progress.done_to.get(("hour", _FINER["hour"], "", 0), 0)
        if done_to >= to_run:
            return 0
        self._waited[grain] += 1
        if not at_once and self._waited[grain] < self._every[grain]:
            return 0
        self._waited[grain] = 0
        written = self._write(coarser_statement(grain, done_to, to_run, to_run, self._timezone))
        progress.advance(key, to_run)
        return written


def _bounded(
    waiting: Mapping[str, Sequence[OffsetRange]], topics: Mapping[str, str], max_records: int
) -> tuple[dict[str, list[OffsetRange]], bool]:
    """Cut the ranges so that all topics and partitions together have about ``max_records`` offsets.

    Where little waits all of it is taken, and what is left over goes to where more does.
    """
    lengths: dict[tuple[str, int], int] = {}
    for table, parts in waiting.items():
        for part in parts:
            place = (topics[table], part.partition)
            lengths[place] = max(lengths.get(place, 0), part.end - part.start)
    shares: dict[tuple[str, int], int] = {}
    left = max_records
    for number, (length, place) in enumerate(sorted((length, place) for place, length in lengths.items())):
        shares[place] = min(length, max(1, left // (len(lengths) - number)))
        left -= shares[place]
    cut: dict[str, list[OffsetRange]] = {}
    behind = False
    for table, parts in waiting.items():
        for part in parts:
            end = min(part.end, part.start + shares[topics[table], part.partition])
            behind = behind or end < part.end
            cut.setdefault(table, []).append(OffsetRange(part.partition, part.start, end))
    return cut, behind


def _require_whole_hours(timezone: str) -> None:
    zone = ZoneInfo(timezone)
    year = datetime(2000, 1, 1, tzinfo=UTC)
    for days in range(0, 40 * 365, 30):
        offset = (year + timedelta(days=days)).astimezone(zone).utcoffset()
        if offset is None or offset.total_seconds() % 3600:
            raise ValueError(f"days of {timezone} cannot be put together from UTC hours")
