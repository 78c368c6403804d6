"""Worlds on the real embedded store of the test run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from projections.client import Client
from projections.exchange import create_tables
from projections.tables import DATABASE
from schemas.topics import ALL_TOPICS
from tests.replay.log_world import LogWorld
from tests.replay.run_world import RunWorld

STORE_PASSWORD = "projector-secret"  # tests/conftest.py


@pytest.fixture(scope="session")
def new_log_world(new_database: Callable[..., Client]) -> Callable[[], LogWorld]:
    """With the tables that are compared; migrating all there is takes three times as long."""

    def make() -> LogWorld:
        live = new_database(migrated=False)
        create_tables(live, {declared.name for declared in DATABASE})
        return LogWorld(live, STORE_PASSWORD)

    return make


@pytest.fixture(scope="module")
def log_world(new_log_world: Callable[[], LogWorld]) -> LogWorld:
    """Two simulated hours and an alert, written and rolled up; shared by a module: put right what you damage."""
    world = new_log_world()
    world.happen(2)
    world.say("alerts", "alert.v1", step="opened", resolved_time_ms=None)
    world.say("alerts", "alert.v1", step="resolved")
    world.write()
    world.roll_up()
    return world


@pytest.fixture(scope="session")
def run_world(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[..., Client]) -> RunWorld:
    """A district that live has gone through, to begin runs over; give them names of your own."""
    return RunWorld.of_district(tmp_path_factory.mktemp("live"), new_database())


@pytest.fixture(scope="session")
def whole(run_world: RunWorld) -> str:
    """The id of a run over everything, with the events' tables."""
    ends = run_world.log.end_offsets(ALL_TOPICS)
    row = run_world.run("whole", has_tables=True)
    assert run_world.log.end_offsets(ALL_TOPICS) == ends, "a replay appended to the log"
    return row.run
