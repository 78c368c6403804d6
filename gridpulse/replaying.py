"""``gridpulse replay`` and ``gridpulse runs``: wires the book of runs to the log and the store."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from detectors.lane import DetectorParams
from gridpulse import adapters
from gridpulse.embedded import store_at_hand
from gridpulse.settings import Settings
from replay.parameters import parameters
from replay.run import RunConfig, records_to_read
from replay.run_book import SHOWN_DIFFERENCES, BookPorts, RunBook
from replay.run_errors import RunUsageError
from replay.run_spec import LIVE, RunSpec, span_ms, time_ms, type_names
from schemas.codec import Decoder

_ANY_TIME_AHEAD_MS = 2**61  # what detectors say was checked when its cause came in
Progress = Callable[[int, int], None]  # records read since the last call, records in all at most


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The command's options as they were written."""

    from_text: str | None = None
    to_text: str | None = None
    warm_up: str | None = None
    scopes: Sequence[str] = ()
    types: Sequence[str] = ()
    keys: Sequence[str] = ()
    parameters: Sequence[str] = ()
    speed: str = "max"
    has_tables: bool = False

    def spec(self, timezone: str) -> RunSpec:
        """:raises RunUsageError: one of them is wrong."""
        return RunSpec(
            timezone=timezone,
            from_ms=None if self.from_text is None else time_ms("--from", self.from_text, timezone),
            to_ms=None if self.to_text is None else time_ms("--to", self.to_text, timezone),
            warm_up_ms=None if self.warm_up is None else span_ms("--warm-up", self.warm_up),
            scopes=tuple(scope.strip("/") for scope in self.scopes),
            types=type_names(self.types),
            keys=tuple(self.keys),
            parameters=tuple(self.parameters),
            has_tables=self.has_tables,
        )

    def config(self) -> RunConfig:
        """:raises RunUsageError: the speed is none."""
        if self.speed == "max":
            return RunConfig()
        with contextlib.suppress(ValueError):
            if 0 < (speed := float(self.speed)) < float("inf"):
                return RunConfig(speed=speed)
        raise RunUsageError(f"--speed {self.speed}: give max, or how many times real time, e.g. 600")


def replay(
    settings: Settings, spec: RunSpec, config: RunConfig, against: str, resume: str | None, progress: Progress
) -> dict[str, Any]:
    """Begin a run, or go on with one, and compare it: its summary with the first differences.

    :raises RunUsageError: more is asked of a run that is gone on with.
    :raises RunError: the run to go on with, or its base, can't be used.
    """
    if resume is not None and (spec != RunSpec(spec.timezone) or against != LIVE):
        raise RunUsageError("--resume goes on with what was asked at the beginning: only --speed can be given with it")
    with run_book(settings) as (book, log):
        if resume is None:
            manifest = book.begin(_new_id(), spec, against, settings.partitions)
        else:
            manifest = book.manifest(resume)
        total = records_to_read(manifest, log)
        row = book.carry_out(manifest, config, lambda records: progress(records, total))
        return {**row.summary(), "first_differences": book.first_differences(row.run, manifest.base)}


def list_runs(settings: Settings) -> list[dict[str, Any]]:
    """All runs, oldest first."""
    with run_book(settings) as (book, _):
        return [row.summary() for row in book.rows()]


def show_run(settings: Settings, run: str) -> dict[str, Any]:
    """One run with the first differences to its base. :raises RunError: there is none."""
    with run_book(settings) as (book, _):
        summary = book.row(run).summary()
        return {**summary, "first_differences": book.first_differences(run, summary["base"])}


def diff_runs(settings: Settings, run: str, base: str, limit: int = SHOWN_DIFFERENCES) -> dict[str, Any]:
    """Compare a run with another or with live, over what both cover. :raises RunError: one of them can't be."""
    with run_book(settings) as (book, _):
        summary = book.compare(run, base).summary()
        said = {name: summary[name] for name in ("run", "hash", "base", "base_hash", "same", "difference", "notes")}
        return {**said, "first_differences": book.first_differences(run, base, limit)}


def drop_runs(settings: Settings, runs: Sequence[str]) -> list[str]:
    """Remove runs with everything that is theirs. :raises RunError: there is no such run, or it is at work."""
    with run_book(settings) as (book, _):
        book.drop(runs)
    return list(runs)


def list_parameters(settings: Settings) -> list[dict[str, Any]]:
    """What ``--set`` takes, with what live uses."""
    known = parameters(DetectorParams(timezone=settings.site_timezone))
    return [{"name": one.name, "kind": one.kind, "value": one.text} for one in known]


@contextmanager
def run_book(settings: Settings) -> Iterator[tuple[RunBook, Any]]:
    """The book over the settings' log and store, and the log, whether or not anything is running."""
    limits = adapters.limits(settings)
    with store_at_hand(settings), adapters.the_log(settings) as log, adapters.clickhouse(settings) as live:
        ports = BookPorts(
            log=log,
            live=live,
            open_database=lambda name: adapters.clickhouse(settings, database=name),
            runs_dir=settings.data_dir / "runs",
            decode=Decoder(limits).decode,
            decode_said=Decoder(replace(limits, max_ahead_ms=_ANY_TIME_AHEAD_MS)).decode,
            now=_now,
            monotonic_s=time.monotonic,
            sleep=time.sleep,
        )
        yield RunBook(ports), log


def _new_id() -> str:
    """Sorts by time, and no two are the same."""
    return f"{_now():%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"


def _now() -> datetime:
    return datetime.now(UTC)
