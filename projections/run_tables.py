"""What replay runs leave in the live database: a row per run, and how each differs from what it was compared with.

A run's own rows are in a database of its own (``run_<id>``, the same migrations, so it has these tables too, empty).
"""

from __future__ import annotations

from projections.ddl import Column, Table
from projections.event_tables import DATETIME, LOW

_OPTIONAL_TIME = f"Nullable({DATETIME})"
_OPTIONAL_NUMBER = "Nullable(Float64)"

RUNS = Table(
    name="runs",
    comment="回放 replay runs. 查询请加 FINAL; read with FINAL",
    columns=(
        Column("run", "String", "回放号 id of the run"),
        Column("status", LOW, "状态 running, finished or failed; one that was killed still says running"),
        Column("database", "String", "数据库 the database that holds its rows"),
        Column("from_time", _OPTIONAL_TIME, "起(含) detected from here on, UTC; NULL: the log's beginning"),
        Column("to_time", _OPTIONAL_TIME, "止(不含) detected before this, UTC; NULL: as far as the log was settled"),
        Column("warm_up_s", _OPTIONAL_NUMBER, "预热 what was read before from_time, seconds; NULL: everything"),
        Column("scopes", "Array(String)", "范围 only events of these subtrees; empty: all"),
        Column("types", "Array(String)", "类型 only events of these types; empty: all"),
        Column("keys", "Array(String)", "对象 only events that name one of these; empty: all"),
        Column("parameters", "Array(String)", "参数 parameters that were set, name=value"),
        Column("timezone", LOW, "时区 time zone of the sites"),
        Column("has_tables", "Bool", "含事件表 domain events and rollups were written too"),
        Column("code_version", "String", "代码版本 of detectors and schemas"),
        Column("lane_ends_ms", "Array(Int64)", "各道终点 per lane: everything detected before is there, epoch ms"),
        Column("records", "UInt64", "记录数 records read"),
        Column("events", "UInt64", "事件数 events given to the detectors, warm-up included"),
        Column("detections", "UInt64", "检测数 detections in the run's database"),
        Column("alerts", "UInt64", "告警步骤数 alert steps in the run's database"),
        Column("statuses", "UInt64", "设备状态数 device status changes in the run's database"),
        Column("events_per_s", "Float64", "速率 events per second"),
        Column("base", "String", "对照 what it was compared with: live, or a run"),
        Column("hash", "String", "摘要 of detections, statuses and alert steps within bounds and filters"),
        Column("base_hash", "String", "对照摘要 the same of what it was compared with"),
        Column("added", "UInt64", "新增 rows that the base does not have"),
        Column("gone", "UInt64", "消失 rows that only the base has"),
        Column("moved", "UInt64", "变动 rows that both have, with other contents or at another time"),
        Column("relabelled", "UInt64", "仅模型名不同 rows that differ by the name of the model only"),
        Column("notes", "Array(String)", "说明 what to know when comparing"),
        Column("error", "String", "错误 why it failed; empty otherwise"),
        Column("started_time", DATETIME, "开始 when it was started, UTC"),
        Column("updated_time", DATETIME, "更新 when this row was written, UTC; the latest wins"),
    ),
    engine="ReplacingMergeTree(updated_time)",
    order_by=("run",),
)
RUN_DIFFERENCES = Table(
    name="run_differences",
    comment="回放差异 rows in which a run differs from its base",
    columns=(
        Column("run", "String", "回放号 id of the run"),
        Column("base", "String", "对照 live, or a run"),
        Column("kind", LOW, "种类 added, gone, moved, or relabelled (only the model's name differs)"),
        Column("source_table", LOW, "表 detections, device_status_log or alert_log"),
        Column("scope", LOW, "范围 scope path"),
        Column("detector", LOW, "检测器 who noticed it"),
        Column("rule", LOW, "规则 which rule; status for device statuses"),
        Column("subject", "String", "对象 what it is about"),
        Column("step", LOW, "步骤 on or over, the alert's step, or the device's status"),
        Column("event_id", "String", "事件号 in the run; empty: it has none"),
        Column("base_event_id", "String", "对照事件号 in the base; empty: it has none"),
        Column("detected_time", _OPTIONAL_TIME, "检测时间 in the run, UTC"),
        Column("base_detected_time", _OPTIONAL_TIME, "对照检测时间 in the base, UTC"),
        Column("moved_s", _OPTIONAL_NUMBER, "移动秒数 how much later in the run, seconds"),
        Column("score", _OPTIONAL_NUMBER, "分值 in the run"),
        Column("base_score", _OPTIONAL_NUMBER, "对照分值 in the base"),
        Column("threshold", _OPTIONAL_NUMBER, "阈值 in the run"),
        Column("base_threshold", _OPTIONAL_NUMBER, "对照阈值 in the base"),
        Column("changed", "Array(String)", "变动的列 columns that differ"),
        Column("reason_zh", "String", "原因 why, Chinese"),
        Column("reason_en", "String", "原因 why, English"),
    ),
    engine="MergeTree",
    order_by=("run", "base", "kind", "source_table", "scope"),
)
RUN_TABLES: tuple[Table, ...] = (RUNS, RUN_DIFFERENCES)
