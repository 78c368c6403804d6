"""Brings kept rollups up to date with the live event tables, and lets them change places with the live rollups.

The kept tables are moved into a database in which the event tables are windows on the live ones (engine ``Merge``), so
a rollup worker there computes what came since. If it breaks off, the caller puts them back.
"""

from __future__ import annotations

from projections.client import Client
from projections.exchange import exchange, tables_of, with_rollup_progress
from projections.rollup import RollupWorker
from projections.rollup_progress import greatest_version
from projections.sources import sources_of
from projections.tables import METRIC_TABLES, PROJECTION_PROGRESS

_NAMES = with_rollup_progress(METRIC_TABLES)


def roll_back_metrics(live: Client, previous: Client, back: Client, timezone: str, runs_ahead: int) -> None:
    """``back``: an empty database. :raises StoreError:"""
    windows = {*sources_of(METRIC_TABLES[0]), PROJECTION_PROGRESS.name}
    for name in sorted(windows):
        back.command(
            f"CREATE TABLE IF NOT EXISTS {back.database}.{name} AS {live.database}.{name} "
            f"ENGINE = Merge('{live.database}', '^{name}$')"
        )
    for name in _NAMES:
        back.command(f"RENAME TABLE {previous.database}.{name} TO {back.database}.{name}")
    RollupWorker(back, timezone, first_run=greatest_version(live) + runs_ahead).catch_up()
    exchange(live, back, _NAMES)
    put_back(back, previous)


def put_back(back: Client, previous: Client) -> None:
    """Keep the rollups that are in ``back``. :raises StoreError:"""
    there = tables_of(back)
    for name in _NAMES:
        if name in there:
            back.command(f"RENAME TABLE {back.database}.{name} TO {previous.database}.{name}")
