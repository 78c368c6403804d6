"""Holds every projection against the log: builds a database of its own from the log, and compares row by row.

Guarantees  what is compared is pinned: everything up to the live writer's progress at the start, nothing after it. So
            it works beside a running system; what that is still at work on is counted as pending, never as different.
            The live tables are only read. The scratch database is dropped at the end, and a crash's leftovers at the
            next start. Memory is bounded here and in ClickHouse.
Not only    ClickHouse is asked: the number of different events is counted from the log itself as well.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from projections.client import Client
from projections.compare import Compared, Comparison, Difference
from projections.ddl import Table
from projections.digest import CONTENT_TABLES, TableDigest, combined, table_digest
from projections.exchange import databases, drop_database
from projections.moving import RollupState, moving_present, moving_windows
from projections.pins import Pins, Place, Reached, reached
from projections.sources import is_of_log
from projections.tables import METRIC_TABLES
from replay.scratch import Heard, LogSide, Scratch

SHOWN = 100
LOOK_EVERY_S = 0.5
NewDatabase = Callable[[str], Client]


@dataclass(slots=True)
class Verified:
    """What was found. ``lost``: tables that do not take what they are given, events against rows."""

    tables: list[Compared] = field(default_factory=list)
    shown: list[Difference] = field(default_factory=list)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    beyond_log: int = 0
    behind_log: int = 0
    digest: str = ""

    @property
    def checked(self) -> int:
        return sum(table.checked for table in self.tables)

    @property
    def differences(self) -> int:
        return sum(table.differences for table in self.tables) + sum(abs(a - b) for a, b in self.lost.values())

    @property
    def pending(self) -> int:
        return sum(table.pending for table in self.tables)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who hears of progress, and how time passes while the live rollup is waited for."""

    total: Heard = lambda _records: None
    heard: Heard = lambda _records: None
    wait_s: float = 10.0
    sleep: Callable[[float], None] = time.sleep


def verify(
    side: LogSide,
    live: Client,
    new_database: NewDatabase,
    tables: Sequence[Table] = CONTENT_TABLES,
    watch: Watch = Watch(),
) -> Verified:
    """Compare ``tables`` of ``live`` with the log.

    :raises OffsetOutOfRangeError: ClickHouse has come further than the log goes. :raises LogUnavailableError:
    :raises StoreError:
    """
    with scratch_database(live, new_database, "verify") as client:
        scratch = Scratch(side, client, tables)
        scratch.create()
        pinned = reached(live)
        ends = {place: pinned.ends.get(place, 0) for place in scratch.reached}
        scratch.check(ends)
        watch.total(scratch.waiting(ends))
        carried = scratch.carry_over(live.database)
        scratch.fill_to(ends, watch.heard)
        scratch.roll_up()
        result = Verified(lost=scratch.lost_rows(carried), beyond_log=carried)
        _wait_for_rollup(live, tables, ends, watch)
        compare_all(side, live, scratch, Reached(ends, pinned.recorded), result)
        log_ends = side.ends(scratch.topics)
        result.behind_log = sum(max(0, end - ends[place]) for place, end in log_ends.items())
        return result


@contextmanager
def scratch_database(live: Client, new_database: NewDatabase, purpose: str) -> Iterator[Client]:
    """A database beside the live one, empty, for as long as the block runs; leftovers of crashes go first."""
    prefix = f"{live.database}_{purpose}_"
    for left in databases(live, prefix):
        drop_database(live, left)
    name = prefix + secrets.token_hex(4)
    client = new_database(name)
    try:
        yield client
    finally:
        drop_database(live, name)
        client.close()


def compare_all(side: LogSide, live: Client, scratch: Scratch, pinned: Reached, result: Verified) -> None:
    """Compare what was built up to the pin with ``live``, table by table. :raises StoreError:"""
    pins = Pins(scratch.starts, pinned.ends)
    digests: dict[str, TableDigest] = {}
    rollup = RollupState.of(live)
    for table in scratch.tables:
        comparison = Comparison(scratch.client, live.database, table, pins.within(table) if is_of_log(table) else "1")
        pending = "0"
        if comparison.find():
            if table in METRIC_TABLES:
                pending = moving_windows(live.database, table, rollup, pinned.ends, side.timezone)
            elif not is_of_log(table):
                pending = moving_present(table, pinned, side.ends(scratch.topics))
        compared = comparison.result(pending)
        result.tables.append(compared)
        result.shown.extend(comparison.differences(SHOWN - len(result.shown), pending))
        if compared.checked:
            digests[table.name] = table_digest(scratch.client, table)
    result.digest = combined(digests)


def _wait_for_rollup(live: Client, tables: Sequence[Table], ends: dict[Place, int], watch: Watch) -> None:
    """As long as it comes nearer, and ``wait_s`` at most."""
    metrics = tuple(table for table in tables if table in METRIC_TABLES)
    waited_s = unmoved_s = 0.0
    before = RollupState.of(live)
    while metrics and waited_s < watch.wait_s and unmoved_s < watch.wait_s / 2 and not before.level(metrics, ends):
        watch.sleep(LOOK_EVERY_S)
        after = RollupState.of(live)
        unmoved_s = unmoved_s + LOOK_EVERY_S if after == before else 0.0
        waited_s, before = waited_s + LOOK_EVERY_S, after
