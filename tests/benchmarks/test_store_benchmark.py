"""The store's benchmark: a real store, every row counted, every figure there. No timing."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import store as bench

ROWS = 2_500


def test_all_rows_are_in_and_all_figures_are_given(tmp_path: Path) -> None:
    figures = bench.store(rows=ROWS, scratch=tmp_path, runs=1)
    small = 50 * bench.SMALL_ROWS
    assert figures["rows_in_measured"] == ROWS + small  # all of them different events
    assert figures["rows_in_plain"] >= ROWS + 50 * bench.SMALL_ROWS + figures["block_rows"]  # and those beside queries
    assert figures["block_rows"] == ROWS
    asked = ("short_query", "short_query_beside_inserts", "short_query_beside_long_query")
    for name in (*asked, "small_insert_beside_long_query"):
        assert 0 < figures[f"{name}_p50_ms"] <= figures[f"{name}_p99_ms"]
    for name in ("arrow_rows_per_s_plain", "arrow_rows_per_s_measured", "cpu_us_per_row_plain", "small_insert_cpu_ms"):
        assert figures[name] > 0
    assert json.loads(json.dumps(figures)) == figures
