"""The declared database: everything there is in ClickHouse, derived from the catalogue of event types and metrics.

``DATABASE`` is in order of creation. Migrations must lead to exactly this; a test compares them on a real engine.
"""

from __future__ import annotations

from projections.ddl import Column, Declared, Table
from projections.event_tables import DATETIME, event_table
from projections.late_tables import LATE_EVENTS
from projections.life_cycle_views import LIFE_CYCLE_VIEWS
from projections.metric_tables import metric_view, metrics_table
from projections.run_tables import RUN_TABLES
from projections.state_tables import state_objects
from schemas.catalogue import EVENT_TYPES
from schemas.metrics import METRICS

EVENT_TABLES: dict[str, Table] = {
    event_type.name: event_table(event_type) for event_type in EVENT_TYPES if event_type.table
}
"""Table of each event type that has one, by type name."""

PROJECTION_PROGRESS = Table(
    name="projection_progress",
    comment="入库进度 all records before next_offset can be queried. 查询请加 FINAL; read with FINAL",
    columns=(
        Column("flow", "LowCardinality(String)", "流程 who wrote"),
        Column("topic", "LowCardinality(String)", "日志主题 topic"),
        Column("partition", "UInt32", "日志分区 partition"),
        Column("next_offset", "UInt64", "下一位点 first offset that is not in yet; never goes back"),
        Column("recorded_time", DATETIME, "记录时间 recorded time of the last record that is in, UTC"),
        Column("processed_time", DATETIME, "处理时间 when the writer had written it, UTC"),
    ),
    engine="ReplacingMergeTree(next_offset)",
    order_by=("flow", "topic", "partition"),
)
ROLLUP_PROGRESS = Table(
    name="rollup_progress",
    comment="汇总进度 how far rollups have come. 查询请加 FINAL; read with FINAL",
    columns=(
        Column("step", "LowCardinality(String)", "步骤 minute: from event tables; hour, day: from the finer rollup"),
        Column("source", "LowCardinality(String)", "来源 event table; or metrics_minute, metrics_hour"),
        Column("topic", "LowCardinality(String)", "日志主题 topic; empty for hour and day"),
        Column("partition", "UInt32", "日志分区 partition; 0 for hour and day"),
        Column("done_to", "UInt64", "已至 minute: first offset not yet rolled up; hour, day: last run rolled up"),
        Column("run", "UInt64", "计算批次 run that came this far; versions of the rollup tables are these runs"),
    ),
    engine="ReplacingMergeTree(run)",
    order_by=("step", "source", "topic", "partition"),
)
SCHEMA_MIGRATIONS = Table(
    name="schema_migrations",
    comment="已执行的迁移 migrations that have been applied",
    columns=(
        Column("number", "UInt32", "编号 number of the migration"),
        Column("name", "String", "文件 file name"),
        Column("sha256", "String", "校验和 SHA-256 of the file"),
        Column("applied_time", DATETIME, "执行时间 when it was applied, UTC"),
    ),
    engine="ReplacingMergeTree(applied_time)",
    order_by=("number",),
)

_STATE_OBJECTS = state_objects()
STATE_TABLES: tuple[Table, ...] = (
    *(declared for declared in _STATE_OBJECTS if isinstance(declared, Table)),
    LATE_EVENTS,
)
METRIC_TABLES: tuple[Table, ...] = tuple(metrics_table(grain) for grain in ("minute", "late", "hour", "day"))
"""In this order they may be exchanged with others, see :mod:`projections.rollup_progress`."""

DATABASE: tuple[Declared, ...] = (
    SCHEMA_MIGRATIONS,
    PROJECTION_PROGRESS,
    ROLLUP_PROGRESS,
    *EVENT_TABLES.values(),
    *_STATE_OBJECTS,
    *LIFE_CYCLE_VIEWS,
    LATE_EVENTS,
    *METRIC_TABLES,
    *(metric_view(metric) for metric in METRICS),
    *RUN_TABLES,
)
BY_NAME: dict[str, Declared] = {declared.name: declared for declared in DATABASE}
