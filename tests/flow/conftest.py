"""Worlds to run flows in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.world import World


@pytest.fixture
def new_world(tmp_path: Path) -> Callable[[str], World]:
    return lambda name: World(tmp_path / name)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The district run through once, undisturbed."""
    world = World(tmp_path_factory.mktemp("reference"))
    world.run()
    return world
