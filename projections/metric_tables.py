"""Rollups: four tables for all metrics together, and a view per metric with the metric's own names.

Minutes, hours and days; and ``metrics_late``, minutes of the events that came too late for ``metrics_minute``: days are
put together from hours and these.

A row holds what is needed to put windows and scopes together without loss: counts, sums, extremes, energies, and the
state of a distinct count (``uniq``: depends only on the set of values, exact up to tens of thousands). Rows are
replaced as a whole by a recomputation of their window (greater ``version``), never added to. Order: one metric's one
scope lies together in time, which is what boards read.
"""

from __future__ import annotations

from projections.ddl import (
    SCOPE_VIEW_COLUMNS,
    SMALL_GRANULE_ROWS,
    Column,
    Index,
    Table,
    View,
    quoted,
    scope_aliases,
    scope_select,
)
from projections.event_tables import LOW
from schemas.metrics import Aggregate, Metric

GRAINS: tuple[tuple[str, str, str], ...] = (
    ("minute", "分钟 minute", "toYYYYMM(window_start)"),
    ("hour", "小时 hour (UTC)", "toYear(window_start)"),
    ("day", "天 day of the site's time zone", "toYear(window_start)"),
)
_LATE = ("late", "分钟（迟到事件）minute, of late events", "toYear(window_start)")
METRIC_COLUMNS: tuple[Column, ...] = (
    Column("metric", LOW, "指标 name of the metric"),
    Column("scope", LOW, "市/区/街道/社区/网格 scope path of the events"),
    Column("window_start", "DateTime('UTC')", "窗口起点 start of the window, UTC", codec="Delta(4), LZ4"),
    Column("dim_1", "String", "维度一 the metric's first dimension; empty when it has none"),
    Column("dim_2", "String", "维度二 the metric's second dimension; empty when it has none"),
    Column("count", "UInt64", "数量 events with a value in the window"),
    Column("sum", "Float64", "合计 sum of the values; 0 for metrics without values"),
    Column("min", "Float64", "最小值 lowest value; 0 for metrics without values"),
    Column("max", "Float64", "最大值 highest value; 0 for metrics without values"),
    Column("energy_sum", "Float64", "声能合计 sum of 10^(L/10), for energy means of levels in dB; else 0"),
    Column(
        "uniq_state", "AggregateFunction(uniq, String)", "去重状态 distinct values, for uniqMerge; else empty",
        read_as="finalizeAggregation(uniq_state)",
    ),
    Column("version", "UInt64", "计算批次 run that computed the row; the greatest wins"),
)  # fmt: skip
ROLLUP_COLUMNS = tuple(column.name for column in METRIC_COLUMNS)

# What a mean needs besides the count, to be put together over windows and scopes. (States of distinct counts stay in
# the tables: drivers cannot read them, and SELECT * must work.)
_KEPT: dict[Aggregate, tuple[tuple[str, str], ...]] = {
    "mean": (("sum", "合计 sum of the values"),),
    "energy_mean": (("energy_sum", "声能合计 sum of 10^(L/10)"),),
}


def metrics_table(grain: str) -> Table:
    """``metrics_minute``, ``metrics_hour``, ``metrics_day`` or ``metrics_late``."""
    title, partition_by = next((title, partition) for name, title, partition in (*GRAINS, _LATE) if name == grain)
    return Table(
        name=f"metrics_{grain}",
        comment=f"指标汇总 rollups of every metric per {title}. 查询请加 FINAL; read with FINAL",
        columns=(*METRIC_COLUMNS, *scope_aliases()),
        engine="ReplacingMergeTree(version)",
        order_by=("metric", "scope", "window_start", "dim_1", "dim_2"),
        partition_by=partition_by,
        indexes=(Index("by_version", "version"),),
        granule_rows=SMALL_GRANULE_ROWS,
    )


def value_sql(metric: Metric) -> str:
    """The metric's value from a row of a rollup table."""
    return {
        "count": "toFloat64(count)",
        "sum": "sum",
        "mean": "sum / count",
        "min": "min",
        "max": "max",
        "energy_mean": "10 * log10(energy_sum / count)",
        "uniq": "toFloat64(finalizeAggregation(uniq_state))",
    }[metric.aggregate]


def metric_view(metric: Metric) -> View:
    """``metric_<name>``: one row per grain, window, scope and dimensions, with the metric's value."""
    names = [f"dim_{i} AS {name}" for i, name in enumerate(metric.dimensions, 1)]
    if len(names) > 2:
        raise ValueError(f"metric {metric.name} has more than two dimensions")
    selects = [_grain_select(metric, grain, names) for grain, _, _ in GRAINS]
    return View(
        name=f"metric_{metric.name}",
        comment=f"{metric.title_zh} {metric.title_en} ({metric.unit}), {metric.aggregate} of {metric.type_name}",
        select="\nUNION ALL\n".join(selects),
        columns=(
            ("grain", "粒度 minute, hour or day: choose one"),
            ("window_start", "窗口起点 start of the window, UTC"),
            ("scope", "范围 scope path of the events"),
            *SCOPE_VIEW_COLUMNS,
            *((name, "维度 dimension") for name in metric.dimensions),
            ("value", f"值 the metric's value, {metric.unit}"),
            ("count", "数量 events with a value"),
            *_KEPT.get(metric.aggregate, ()),
        ),
    )


def _grain_select(metric: Metric, grain: str, dimensions: list[str]) -> str:
    columns = [
        f"{quoted(grain)} AS grain", "window_start", "scope", scope_select(), *dimensions,
        f"{value_sql(metric)} AS value", "count", *(name for name, _ in _KEPT.get(metric.aggregate, ())),
    ]  # fmt: skip
    return f"SELECT {', '.join(columns)}\nFROM metrics_{grain} FINAL WHERE metric = {quoted(metric.name)}"
