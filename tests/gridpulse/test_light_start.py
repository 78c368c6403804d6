"""Processes and commands start without what they don't need: a store that is to be back soon waits for nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"bytewax", "chdb", "clickhouse_connect", "confluent_kafka", "fastapi", "river", "sqlglot", "uvicorn"}


@pytest.mark.parametrize(
    ("modules", "needed"),
    [
        ("gridpulse.cli.app, gridpulse.processes, gridpulse.adapters, gridpulse.up", set()),
        ("gridpulse.cli.app, gridpulse.adapters, projections.rollup", {"clickhouse_connect"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(modules: str, needed: set[str]) -> None:
    program = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == needed
