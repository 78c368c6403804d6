"""Wires ``verify`` and ``rebuild``: the live database, the log, the decoder and one such command at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rich.progress import Progress

from gridpulse import adapters
from gridpulse.embedded import store_at_hand
from gridpulse.exit import StartError
from gridpulse.settings import Settings
from projections.client import Client
from projections.compare import Compared, Difference
from projections.ddl import Table
from projections.digest import CONTENT_TABLES
from projections.sources import UnknownProjectionError, projection_tables
from replay.rebuild import Rebuilder, RebuildError, Rebuilt
from replay.scratch import LogSide
from replay.verify import Verified, Watch, verify
from schemas.codec import Decoder
from streams.log import EventLog


def run_verify(settings: Settings, names: Sequence[str], wait_s: float, bar: Progress) -> Verified:
    """Hold the named projections, or all, against the log.

    :raises StartError: no such projection, or another check or rebuild is under way.
    """
    tables = chosen_tables(names)
    with (
        alone(settings),
        store_at_hand(settings),
        adapters.the_log(settings) as log,
        adapters.clickhouse(settings) as live,
    ):
        task = bar.add_task("读日志 · reading the log", total=None)
        watch = Watch(
            total=lambda records: bar.update(task, total=records),
            heard=lambda records: bar.advance(task, records),
            wait_s=wait_s,
        )
        return verify(log_side(settings, log), live, lambda name: database(settings, name), tables, watch)


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """What ``gridpulse rebuild`` was asked for."""

    name: str
    rollback: bool = False
    from_what_is_left: bool = False


def run_rebuild(settings: Settings, options: RebuildOptions, bar: Progress) -> Rebuilt:
    """Build a projection anew from the log and let it become live, or go back to the one before.

    :raises StartError: no such projection, it cannot be rebuilt as things are, or another rebuild is under way.
    """
    tables = chosen_tables([options.name])
    with (
        alone(settings),
        store_at_hand(settings),
        adapters.the_log(settings) as log,
        adapters.clickhouse(settings) as live,
    ):
        task = bar.add_task("重建 · rebuilding", total=None)
        rebuilder = Rebuilder(
            log_side(settings, log),
            live,
            lambda name: database(settings, name),
            lambda records: bar.update(task, total=records),
            lambda records: bar.advance(task, records),
        )
        try:
            if options.rollback:
                return rebuilder.roll_back(tables)
            return rebuilder.rebuild(tables, options.from_what_is_left)
        except RebuildError as error:
            raise StartError(str(error)) from error


def log_side(settings: Settings, log: EventLog) -> LogSide:
    """The log as the live writer reads it."""
    decoder = Decoder(adapters.limits(settings))
    return LogSide(log, decoder.decode, lambda: datetime.now(UTC), settings.site_timezone)


def database(settings: Settings, name: str) -> Client:
    """Another database beside the live one, made where it is missing."""
    return adapters.clickhouse(settings, database=name)


def chosen_tables(names: Sequence[str]) -> tuple[Table, ...]:
    """The tables behind the names, each once; all of them without names. :raises StartError: no such projection."""
    try:
        wanted = {table.name for name in names for table in projection_tables(name)}
    except UnknownProjectionError as error:
        raise StartError(str(error)) from error
    return tuple(table for table in CONTENT_TABLES if not names or table.name in wanted)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """One check or rebuild at a time on this data directory; freed with the process, however it ends.

    :raises StartError: there is another one.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / "rebuild.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"another verify or rebuild is under way (it holds {path}); wait until it is done"
            ) from error
        yield


def verified_json(found: Verified) -> dict[str, Any]:
    """The result for machines."""
    return {
        "checked": found.checked,
        "differences": found.differences,
        "pending": found.pending,
        "beyond_log": found.beyond_log,
        "behind_log": found.behind_log,
        "digest": found.digest,
        "tables": {
            table.table: {
                "checked": table.checked,
                "differences": table.differences,
                "missing": table.missing,
                "added": table.added,
                "changed": table.changed,
                "pending": table.pending,
            }
            for table in found.tables
        },
        "lost": {table: {"events": events, "rows": rows} for table, (events, rows) in found.lost.items()},
        "shown": [difference_json(difference) for difference in found.shown],
    }


def rebuilt_json(rebuilt: Rebuilt, seconds: float) -> dict[str, Any]:
    """The result for machines."""
    return {
        "rows": sum(rebuilt.rows.values()),
        "differences": rebuilt.differences,
        "seconds": round(seconds, 2),
        "kept_as": rebuilt.kept_as,
        "tables": {
            name: {"rows": rows} | _mended(next((one for one in rebuilt.tables if one.table == name), None))
            for name, rows in rebuilt.rows.items()
        },
    }


def _mended(compared: Compared | None) -> dict[str, int]:
    if compared is None:  # a rollback: nothing is compared
        return {}
    return {"missing": compared.missing, "added": compared.added, "changed": compared.changed}


def rebuilt_text(rebuilt: Rebuilt, seconds: float) -> str:
    """The result for people: what the new tables hold, and what they mend."""
    lines = [f"{'表 table':32}{'行 rows':>13}{'补 missing':>12}{'删 added':>12}{'改 changed':>12}"]
    for name, rows in rebuilt.rows.items():
        compared = next((one for one in rebuilt.tables if one.table == name), None)
        mended = [f"{count:>14,}" for count in _mended(compared).values()]
        lines.append(f"{name:33}{rows:>14,}{''.join(mended)}")
    lines.append(
        f"{seconds:.1f} s; 旧表保存于 the old ones are kept in {rebuilt.kept_as} (gridpulse rebuild … --rollback)"
    )
    return "\n".join(lines)


def difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "table": difference.table,
        "kind": difference.kind,
        "key": {name: plain(value) for name, value in difference.key.items()},
        "topic": difference.log_topic,
        "partition": difference.log_partition,
        "offset": difference.log_offset,
        "changes": {
            name: {"clickhouse": plain(live), "log": plain(log)} for name, (live, log) in difference.changes.items()
        },
    }


def verified_text(found: Verified) -> str:
    """The result for people: a table of what was compared, then what differs, a sentence each."""
    lines = [f"{'表 table':32}{'已查 checked':>12}{'差异 differ':>12}{'待定 pending':>12}"]
    lines += [
        f"{table.table:33}{table.checked:>13,}{table.differences:>13,}{table.pending:>13,}"
        for table in found.tables
        if table.checked or table.differences
    ]
    lines += ["", *(sentence(difference) for difference in found.shown)]
    lines += [f"{table}: {events} different events gave {rows} rows" for table, (events, rows) in found.lost.items()]
    if (more := sum(table.differences for table in found.tables) - len(found.shown)) > 0:
        lines.append(f"… 另有 and {more:,} more")
    if found.pending:
        lines.append(f"待定 pending: {found.pending:,} rows that the running system is still at work on")
    if found.beyond_log:
        lines.append(f"无从核对 not in the log any more: {found.beyond_log:,} rows older than its retention")
    if found.behind_log:
        lines.append(f"未入库 not in ClickHouse yet: {found.behind_log:,} records of the log")
    lines.append(f"核对 checked {found.checked:,}, 差异 differences {found.differences:,}, 摘要 digest {found.digest}")
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def sentence(difference: Difference) -> str:
    """``readings: changed …``: which row, where in the log, what."""
    key = ", ".join(f"{name} {plain(value)}" for name, value in difference.key.items())
    place = ""
    if difference.log_topic:
        place = f" ({difference.log_topic}/{difference.log_partition} offset {difference.log_offset})"
    said = {
        "missing": "日志中有而 ClickHouse 中没有 in the log and not in ClickHouse",
        "added": "ClickHouse 中有而日志中没有 in ClickHouse and not in the log",
        "changed": "不同于日志 not as the log says: "
        + "; ".join(
            f"{name} {plain(live)!r} instead of {plain(log)!r}" for name, (live, log) in difference.changes.items()
        ),
    }[difference.kind]
    return f"{difference.table}: {key}{place}: {said}"


def plain(value: Any) -> Any:
    """A value of ClickHouse as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
