"""``rebuild`` on a real store: damage is mended while inserts and queries go on; a crash leaves everything whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from projections.client import Client
from projections.rollup import RollupWorker
from projections.sources import projection_tables
from replay.rebuild import Rebuilder, RebuildError
from schemas.records import TopicPartition
from tests.replay.log_world import TIMEZONE, LogWorld

SOME = (*projection_tables("readings"), *projection_tables("latest_readings"), *projection_tables("metrics"))

PAUSE_S = 0.05  # between two rounds of what goes on beside a rebuild, so that it comes to its end


class CrashError(Exception):
    """Put in on purpose."""


def rebuilder(world: LogWorld) -> Rebuilder:
    return Rebuilder(world.side, world.live, world.new_database)


def damage(world: LogWorld) -> dict[str, int]:
    """Remove and change rows of every kind of table; how many differ."""
    world.do(
        "ALTER TABLE readings DELETE WHERE log_offset % 3 = 0",
        "ALTER TABLE latest_readings_state UPDATE unit = 'm' WHERE 1",
        "ALTER TABLE metrics_hour DELETE WHERE metric = 'temperature'",
    )
    found = world.verify(SOME)
    return {table.table: table.differences for table in found.tables if table.differences}


@contextmanager
def going_on(world: LogWorld) -> Iterator[dict[str, int]]:
    """Events come in, are written and rolled up, and queries are asked, all the while; the least that a query saw."""
    stop, least = threading.Event(), dict[str, int]()
    failures: list[BaseException] = []

    def live() -> None:
        worker = RollupWorker(world.live, TIMEZONE)
        while not stop.is_set():
            world.happen(0.1)
            world.write()
            worker.run_once()
            stop.wait(PAUSE_S)

    def ask() -> None:
        while not stop.is_set():
            for table in SOME:
                rows = int(world.rows(f"SELECT count() FROM {table.name} FINAL")[0][0])
                least[table.name] = min(rows, least.get(table.name, rows))
            stop.wait(PAUSE_S)

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (live, ask)]
    for thread in threads:
        thread.start()
    try:
        yield least
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_damage_is_mended_while_inserts_and_queries_go_on(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.happen(2)
    world.write()
    world.roll_up()
    damaged = damage(world)
    assert set(damaged) == {"readings", "latest_readings_state", "metrics_hour"}
    before = {table.name: int(world.rows(f"SELECT count() FROM {table.name} FINAL")[0][0]) for table in SOME}
    with going_on(world) as least:
        done = rebuilder(world).rebuild(SOME)
    mended = {table.table: table.differences for table in done.tables if table.differences}
    assert {name: mended[name] for name in ("readings", "metrics_hour")} == {
        name: damaged[name] for name in ("readings", "metrics_hour")
    }
    assert all(least[name] >= rows > 0 for name, rows in before.items() if name in least and rows)
    assert done.rows["readings"] > before["readings"]
    world.write()
    world.roll_up()
    assert world.verify(SOME).differences == 0
    assert world.databases() == [done.kept_as]

    world.happen(0.5)
    world.write()
    world.roll_up()
    with going_on(world):
        rebuilder(world).roll_back(SOME)
    world.write()
    world.roll_up()
    found = world.verify(SOME)
    back = {table.table: table.differences for table in found.tables if table.differences}
    assert back["readings"] == damaged["readings"]  # the damage, and nothing of what came since
    assert 0 < back["metrics_hour"] <= damaged["metrics_hour"]
    assert back.keys() <= {"readings", "latest_readings_state", "metrics_minute", "metrics_hour", "metrics_day"}
    assert world.databases() == [done.kept_as]


@pytest.mark.parametrize("exchanges", [0, 1])
def test_a_crash_is_finished_by_the_next_run(
    new_log_world: Callable[[], LogWorld], exchanges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new_log_world()
    world.happen(0.5)
    world.write()
    world.roll_up()
    left = [exchanges]

    def crashing(self: Client, sql: str, parameters: Any = None, settings: Mapping[str, Any] | None = None) -> int:
        if sql.startswith("EXCHANGE"):
            left[0] -= 1
            if left[0] == -1:
                world.happen(0.3)
                world.write()  # into what is exchanged already, and into what is not yet
                raise CrashError
        return command(self, sql, parameters, settings)

    command = Client.command
    monkeypatch.setattr(Client, "command", crashing)
    with pytest.raises(CrashError):
        rebuilder(world).rebuild(SOME)
    monkeypatch.undo()
    rebuilder(world).finish_interrupted()
    world.roll_up()
    assert world.verify(SOME).differences == 0
    assert not [name for name in world.databases() if name.endswith("_next")]


def test_what_the_log_has_lost_is_carried_over(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.happen(1)
    world.write()
    world.roll_up()
    rows = world.rows("SELECT count() FROM readings FINAL")[0][0]
    world.log.drop_before(TopicPartition("gridpulse.readings", 0), 50)
    assert rebuilder(world).rebuild(projection_tables("readings")).rows == {"readings": rows}
    with pytest.raises(RebuildError, match=r"gridpulse\.readings/0 begins at offset 50: .* --from-what-is-left"):
        rebuilder(world).rebuild(projection_tables("latest_readings"))
    rebuilder(world).rebuild(SOME, from_what_is_left=True)
    assert world.verify(SOME).differences == 0


def test_rollups_are_not_ahead_of_the_live_writer(new_log_world: Callable[[], LogWorld]) -> None:
    """A minute that is computed again before one lane's rows are in must be computed once more when they are."""
    world = new_log_world()
    world.measure(lane=1, second=1)
    world.write()
    world.roll_up()
    world.measure(lane=1, second=2)  # in the log, and not in ClickHouse when the rollups are exchanged
    rebuilder(world).rebuild(projection_tables("metrics"))
    world.measure(lane=0, second=3)
    world.write(lanes=[0])
    world.roll_up()
    world.write(lanes=[1])
    world.roll_up()
    found = world.verify(projection_tables("metrics"))
    assert (found.differences, found.pending) == (0, 0)
    assert world.rows("SELECT count FROM metrics_minute FINAL WHERE dim_1 = 'thermometer-1'") == [(2,)]


def test_only_what_was_rebuilt_can_be_rolled_back(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    with pytest.raises(RebuildError, match="nothing is kept"):
        rebuilder(world).roll_back(projection_tables("readings"))
    rebuilder(world).rebuild(projection_tables("readings"))
    with pytest.raises(RebuildError, match="no earlier heartbeats is kept"):
        rebuilder(world).roll_back(projection_tables("heartbeats"))
