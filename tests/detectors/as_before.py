"""Runs a detector in columns as the plain objects ran that it replaced (``reference/``): cut and resumed anywhere.

The parameters are the detectors' own on both sides: what is compared is the logic.
"""

from __future__ import annotations

import random
from types import ModuleType

import pytest

from tests.detectors import checks
from tests.detectors.batches import Say, batch_of
from tests.detectors.checks import Build, Operator, Said


def some_cuts(seed: int, rows: list[Say], count: int) -> list[int]:
    """Places to cut the rows at, in order."""
    return sorted(random.Random(seed).sample(range(1, len(rows)), count))


def run(operator: Operator, rows: list[Say], cuts: list[int]) -> list[Said]:
    """What is said of each batch, sorted as the lane sorts it."""
    edges = zip([0, *cuts], [*cuts, len(rows)], strict=True)
    return checks.run(operator, (batch_of(rows[first:last], first) for first, last in edges), exact_order=False)


def run_resumed(build: Build, rows: list[Say], cuts: list[int]) -> list[Said]:
    """What is said where another one goes on from a snapshot at every cut."""
    operator, out = build(), list[Said]()
    for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        out += run(operator, rows[first:last], [])
        resumed = build()
        resumed.restore(operator.snapshot())
        operator = resumed
    return out


def snapshots_by_many(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, build: Build, rows: list[Say], size: int
) -> dict[int, list[bytes]]:
    """The state after every ``size`` rows: taken in as columns from one at once on, and never."""
    saved: dict[int, list[bytes]] = {}
    for many in (1, 10**9):
        monkeypatch.setattr(module, "_MANY", many)
        operator = build()
        saved[many] = []
        for start in range(0, len(rows), size):
            operator.process(batch_of(rows[start : start + size], start))
            saved[many].append(operator.snapshot())
    return saved
