"""The book of runs: begins them, carries them out, compares them, and removes them with everything that is theirs.

A run has a row in the live database's ``runs``, its differences in ``run_differences``, a directory to go on from and
a database of its own. Two runs at once do not touch each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from detectors.lane import DetectorParams
from projections.client import Client, StoreError
from projections.migrate import MigrationError, migrate
from projections.rollup import RollupWorker
from projections.writer import Writer
from replay.difference import KINDS, Side, Window, side_hash, store_difference, stored_rows
from replay.run import RunConfig, RunPorts, run_replay
from replay.run_errors import RunError
from replay.run_lane import Decode
from replay.run_notes import notes_of_lag, notes_on
from replay.run_spec import LIVE, RunSpec
from replay.run_state import LaneState, Manifest, RunDirectory, begun_runs
from replay.run_table import (
    RunRow,
    begun_row,
    counts,
    database_exists,
    database_of,
    drop_run,
    new_row,
    no_such_run,
    read_rows,
    write_row,
)
from schemas.records import TopicPartition
from schemas.topics import DOMAIN_TOPICS
from streams.lane_position import LanePosition
from streams.log import EventLog, LogError

FLOW = "replay"
SHOWN_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class BookPorts:
    """What the book needs from outside. ``open_database`` makes a database where it is missing."""

    log: EventLog
    live: Client
    open_database: Callable[[str], Client]
    runs_dir: Path
    decode: Decode
    decode_said: Decode
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]
    sleep: Callable[[float], None]


class RunBook:
    """Runs and what they say. For one run at a time; other processes have books of their own."""

    def __init__(self, ports: BookPorts) -> None:
        self._ports, self._live = ports, ports.live

    def begin(self, run: str, spec: RunSpec, base: str, lanes: int) -> Manifest:
        """A new run over the log as it is now. :raises RunError: it cannot be compared with ``base``."""
        if base != LIVE:
            _require_finished(self.row(base))
        ends = self._ports.log.end_offsets(DOMAIN_TOPICS)
        started_ms = round(self._ports.now().timestamp() * 1000)
        manifest = Manifest(run, spec, lanes, ends, started_ms, base)
        directory = self.directory(run)
        with directory.held():
            directory.save_manifest(manifest)
            write_row(self._live, new_row(manifest), self._ports.now())
        return manifest

    def manifest(self, run: str) -> Manifest:
        """Of a run to go on with. :raises RunError: there is none, it is of other code, or its rows are gone."""
        manifest = self.directory(run).manifest()
        if not database_exists(self._live, database_of(run)) and self.directory(run).has_lanes():
            raise RunError(
                f"the database of run {run} is gone: start it anew, and remove it with `gridpulse runs drop {run}`"
            )
        return manifest

    def carry_out(
        self, manifest: Manifest, config: RunConfig, progress: Callable[[int], None] = lambda _records: None
    ) -> RunRow:
        """Go on to the end, compare, and store what is known; a failure is stored too.

        :raises RunError: another process is at it.
        """
        directory = self.directory(manifest.run)
        with directory.held():
            row = new_row(manifest)
            write_row(self._live, row, self._ports.now())
            try:
                row = self._carried_out(row, manifest, directory, config, progress)
            except (LogError, StoreError, MigrationError) as error:
                with contextlib.suppress(StoreError):
                    write_row(self._live, row.with_values(status="failed", error=str(error)), self._ports.now())
                raise
            write_row(self._live, row, self._ports.now())
            return row

    def compare(self, run: str, base: str) -> RunRow:
        """The run's row with hashes and difference to ``base`` (a run or live), over what both cover.

        The difference is stored, the row is not. :raises RunError: one of them is not there or not finished.
        """
        row = self.row(run)
        _require_finished(row)
        with self._ports.open_database(database_of(run)) as client:
            return self._compared(row, base, client)

    def first_differences(self, run: str, base: str, limit: int = SHOWN_DIFFERENCES) -> list[dict[str, Any]]:
        """Of the stored ones, in order of time."""
        return stored_rows(self._live, run, base, limit)

    def rows(self) -> list[RunRow]:
        """All runs, oldest first; one that says running but is not at work has ``stopped``.

        A run that was killed as it began may have its manifest and no row yet: it is one like any other.
        """
        stored = read_rows(self._live)
        have_rows = {row.run for row in stored}
        begun = begun_runs(self._ports.runs_dir)
        rows = [*stored, *(begun_row(document) for run, document in begun.items() if run not in have_rows)]
        rows.sort(key=lambda row: (row.values["started_time"], row.run))
        return [
            row.with_values(status="stopped")
            if row.values["status"] == "running" and not self.directory(row.run).is_held()
            else row
            for row in rows
        ]

    def row(self, run: str) -> RunRow:
        """:raises RunError: there is no such run."""
        for row in self.rows():
            if row.run == run:
                return row
        raise no_such_run(run)

    def drop(self, runs: Sequence[str]) -> None:
        """Remove runs with everything that is theirs. :raises RunError: no such run, or it is at work."""
        for run in runs:
            directory = self.directory(run)
            if not directory.path.exists():
                self.row(run)
            with directory.held():
                drop_run(self._live, run)
                directory.remove()

    def directory(self, run: str) -> RunDirectory:
        """:raises RunError: no id of a run."""
        return RunDirectory(self._ports.runs_dir, run)

    def _carried_out(
        self, row: RunRow, manifest: Manifest, directory: RunDirectory, config: RunConfig,
        progress: Callable[[int], None],
    ) -> RunRow:  # fmt: skip
        with self._ports.open_database(database_of(manifest.run)) as client:
            migrate(client)
            states = run_replay(manifest, directory, self._run_ports(client), config, progress)
            if manifest.spec.has_tables:
                RollupWorker(client, manifest.spec.timezone).catch_up()
            row = row.with_values(**_figures(manifest, states), **counts(client), status="finished")
            row = self._compared(row, manifest.base, client)
        if manifest.base != LIVE:
            return row
        return row.with_values(notes=notes_of_lag(self._live, self._ports.log, _reached(states)) + row.values["notes"])

    def _run_ports(self, client: Client) -> RunPorts:
        ports = self._ports
        return RunPorts(
            ports.log, Writer(client, FLOW), ports.decode, ports.decode_said, ports.now, ports.monotonic_s, ports.sleep
        )

    def _compared(self, row: RunRow, base: str, client: Client) -> RunRow:
        run = Side(row.run, client, row.spec.params())
        if base == LIVE:
            there = Side(LIVE, self._live, DetectorParams(timezone=row.spec.timezone))
            return self._differing(row, run, there, row.window, None)
        other = self.row(base)
        _require_finished(other)
        with self._ports.open_database(database_of(base)) as base_client:
            there = Side(base, base_client, other.spec.params())
            return self._differing(row, run, there, row.window.common_with(other.window), other.spec)

    def _differing(self, row: RunRow, run: Side, base: Side, rows: Window, other: RunSpec | None) -> RunRow:
        found = store_difference(self._live, run, base, rows)
        return row.with_values(
            base=base.name,
            hash=side_hash(run, rows),
            base_hash=side_hash(base, rows),
            notes=notes_on(row.spec, base.name, other),
            **{kind: found[kind] for kind in KINDS},
        )


def _figures(manifest: Manifest, states: Sequence[LaneState]) -> dict[str, Any]:
    events, busy_s = sum(state.events for state in states), sum(state.busy_s for state in states)
    to_ms = manifest.spec.to_ms
    ends = [0 if state.clock_ms is None else state.clock_ms for state in states]
    return {
        "records": sum(state.records for state in states), "events": events,
        "events_per_s": events / busy_s if busy_s > 0 else 0.0,
        # What was said at the last settled time itself may have company that was not settled yet: it is left out.
        "lane_ends_ms": ends if to_ms is None else [min(end, to_ms) for end in ends],
    }  # fmt: skip


def _reached(states: Sequence[LaneState]) -> dict[TopicPartition, int]:
    """How far each partition was read."""
    positions = [LanePosition.from_bytes(state.position) for state in states if state.position is not None]
    return {
        TopicPartition(topic, position.partition): offset
        for position in positions
        for topic, offset in position.next_offsets.items()
    }


def _require_finished(row: RunRow) -> None:
    if row.values["status"] != "finished":
        raise RunError(
            f"run {row.run} is not finished, so it cannot be compared: go on with `gridpulse replay --resume {row.run}`"
        )
