"""Zero has two signs, and min and max take whichever comes first: rollups know only one of them."""

from __future__ import annotations

from projections.client import Client
from projections.rollup import RollupWorker
from tests.projections.batches import NOON_MS
from tests.projections.test_rollup import MEASURED, level, write


def test_zero_has_one_sign(empty_database: Client) -> None:
    values = (-0.0, 0.0, 0.0, -0.0)  # per minute, first the one and then the other, and the other way round
    rows = [level(n, NOON_MS + n // 2 * 60_000 + n, value) for n, value in enumerate(values)]
    write(empty_database, {MEASURED: [*rows, level(9, NOON_MS + 180_000, -0.0)]})
    RollupWorker(empty_database).catch_up()
    for table in ("metrics_minute", "metrics_hour", "metrics_day"):
        bits = empty_database.query(
            "SELECT DISTINCT reinterpretAsUInt64(min), reinterpretAsUInt64(max), reinterpretAsUInt64(sum) "
            f"FROM {table} FINAL"
        )
        assert [tuple(row) for row in bits.rows] == [(0, 0, 0)], table
