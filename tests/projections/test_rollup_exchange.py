"""Tables are exchanged with a rebuilt database's in the middle of a live worker's run: nothing stale stays, nothing is
passed over."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from projections.client import Client
from projections.digest import combined, table_digest
from projections.rollup import RollupWorker
from projections.rollup_progress import current_generation, greatest_version, set_generation
from projections.tables import METRIC_TABLES, ROLLUP_PROGRESS
from tests.projections.batches import NOON_MS, Row
from tests.projections.conftest import empty
from tests.projections.test_rollup import DAY_MS, MEASURED, level, random_rows, write

EXCHANGED = (*(table.name for table in METRIC_TABLES), ROLLUP_PROGRESS.name)
Rows = dict[str, list[Row]]


class Interrupted:
    """Passes statements on; does something of others before the n-th one, and one thing more before each later one."""

    def __init__(self, client: Client, before: int, things: Sequence[Callable[[], None]]) -> None:
        self._client, self._left, self._things = client, before, list(things)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left <= 0 and self._things:
                self._things.pop(0)()
            return call(*args, **kwargs)

        return interrupted

    def finish(self) -> None:
        """What there was no statement for any more."""
        while self._things:
            self._things.pop(0)()


def exchange(live: Client, built: Client, tables: Sequence[str]) -> Callable[[], None]:
    def swap() -> None:
        for table in tables:
            live.command(f"EXCHANGE TABLES {live.database}.{table} AND {built.database}.{table}")

    return swap


def digest(client: Client) -> str:
    return combined({table.name: table_digest(client, table) for table in METRIC_TABLES})


@pytest.fixture(scope="module")
def parts() -> list[Rows]:
    """Three parts of a log, over the same windows; the second has a partition of its own, see :func:`write_part`."""
    rng = random.Random(11)
    made = []
    for number in range(3):
        rows = random_rows(rng, 30, NOON_MS, DAY_MS // 4)
        made.append(
            {
                kind: [
                    Row(
                        row.offset + 1000 * number,
                        row.event_time_ms,
                        row.data,
                        row.scope,
                        f"{number}-{row.event_id or row.offset}",
                    )
                    for row in some
                ]
                for kind, some in rows.items()
            }
        )
    return made


def write_part(client: Client, parts: list[Rows], number: int) -> None:
    write(client, parts[number], partition=number % 2)


@pytest.fixture(scope="module")
def fresh(parts: list[Rows], new_database: Callable[..., Client]) -> str:
    """Digest of everything computed by one worker from nothing."""
    client = new_database()
    for number in range(3):
        write_part(client, parts, number)
    RollupWorker(client).catch_up()
    return digest(client)


@pytest.fixture(scope="module")
def built_database(new_database: Callable[..., Client]) -> Client:
    return new_database()


@pytest.mark.parametrize("in_one_go", [True, False])
def test_an_exchange_between_any_two_statements_of_a_run(
    in_one_go: bool, parts: list[Rows], fresh: str, empty_database: Client, built_database: Client
) -> None:
    live, built = empty_database, built_database
    interrupted_runs = 0
    for before in range(1, 9):
        empty(live)
        empty(built)
        write_part(live, parts, 0)
        interrupting: Any = Interrupted(live, 10_000, [])
        worker = RollupWorker(interrupting)
        worker.catch_up()
        write_part(live, parts, 1)
        write_part(built, parts, 0)  # behind the live tables
        RollupWorker(built, first_run=greatest_version(live) + 2**32).catch_up()
        set_generation(built, current_generation(live) + 1)
        steps = [EXCHANGED] if in_one_go else [(table,) for table in EXCHANGED]
        interrupting.__init__(live, before, [exchange(live, built, tables) for tables in steps])
        worker.run_once(coarse=True)
        interrupted_runs += interrupting._left <= 0
        interrupting.finish()
        assert greatest_version(live) > 2**32
        write_part(live, parts, 2)
        worker.catch_up()
        assert digest(live) == fresh, f"exchanged before statement {before}"
    assert interrupted_runs == 7  # progress, ends, counts, minutes, hours, days, progress; the eighth came too late


def test_on_the_way_back_too(parts: list[Rows], fresh: str, empty_database: Client, built_database: Client) -> None:
    """There and back within one run: the generation is another one although the table is the same."""
    live, built = empty_database, built_database
    empty(built)
    write_part(live, parts, 0)
    interrupting: Any = Interrupted(live, 10_000, [])
    worker = RollupWorker(interrupting)
    worker.catch_up()
    write_part(live, parts, 1)
    write_part(built, parts, 0)
    RollupWorker(built, first_run=2**32).catch_up()
    set_generation(built, 1)

    def back() -> None:
        set_generation(built, 2)
        exchange(live, built, EXCHANGED)()

    interrupting.__init__(live, 4, [exchange(live, built, EXCHANGED), back])  # before the minutes, before the hours
    worker.run_once(coarse=True)
    worker.catch_up()
    write_part(live, parts, 2)
    worker.catch_up()
    assert digest(live) == fresh


def test_runs_are_numbered_above_the_first(empty_database: Client) -> None:
    write(empty_database, {MEASURED: [level(1, NOON_MS, 50.0)]})
    RollupWorker(empty_database, first_run=2**33).catch_up()
    assert greatest_version(empty_database) == 2**33 + 1
    set_generation(empty_database, 2**40)  # not a run
    assert greatest_version(empty_database) == 2**33 + 1
    assert current_generation(empty_database) == 2**40


def test_a_table_emptied_during_a_run_is_computed_again(empty_database: Client) -> None:
    client = empty_database
    write(client, {MEASURED: [level(1, NOON_MS, 50.0)]})
    interrupting: Any = Interrupted(client, 10_000, [])
    worker = RollupWorker(interrupting)
    worker.catch_up()
    write(client, {MEASURED: [level(2, NOON_MS + DAY_MS, 50.0)]})
    interrupting.__init__(client, 6, [lambda: client.command("TRUNCATE TABLE rollup_progress") and None])
    worker.run_once(coarse=True)
    assert worker.catch_up().new_rows == 2
