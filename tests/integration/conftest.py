"""A running world for the tests of this folder, started once, and the foreign tools they use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import tool
from tests.integration.running import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """``gridpulse up``, all embedded. Shared: use event ids, devices and grids of your own, and leave it running."""
    world = World(tmp_path_factory.mktemp("world"))
    try:
        world.start_up()
        yield world
    finally:
        if world.up is not None:
            world.up.end()


@pytest.fixture(scope="session")
def key(world: World) -> str:
    """A key good for everything, issued by the command line."""
    return world.issue_key()


@pytest.fixture(scope="session")
def kcat() -> str:
    """The path of kcat, Debian's Kafka client."""
    return tool("kcat")


@pytest.fixture(scope="session")
def curl() -> str:
    """The path of curl."""
    return tool("curl")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the shared world run in one worker, one after the other, so there is one world."""
    for item in filter(_is_in_the_world, items):
        item.add_marker(pytest.mark.xdist_group("world"))
    items.sort(key=_is_in_the_world)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The world ends with the last test that needs it: idle, its processes would take from all that follow."""
    if _is_in_the_world(item) and not (nextitem and _is_in_the_world(nextitem)):
        world = getattr(item, "funcargs", {}).get("world")
        if world is not None and world.up is not None:
            world.up.end()


def _is_in_the_world(item: pytest.Item) -> bool:
    return "world" in getattr(item, "fixturenames", ()) and "tests/integration" in item.path.as_posix()
