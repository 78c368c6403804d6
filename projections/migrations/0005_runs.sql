-- Replay runs, and how they differ from what they were compared with.

CREATE TABLE IF NOT EXISTS runs
(
    `run` String COMMENT '回放号 id of the run',
    `status` LowCardinality(String) COMMENT '状态 running, finished or failed; one that was killed still says running',
    `database` String COMMENT '数据库 the database that holds its rows',
    `from_time` Nullable(DateTime64(3, 'UTC')) COMMENT '起(含) detected from here on, UTC; NULL: the log\'s beginning',
    `to_time` Nullable(DateTime64(3, 'UTC')) COMMENT '止(不含) detected before this, UTC; NULL: as far as the log was settled',
    `warm_up_s` Nullable(Float64) COMMENT '预热 what was read before from_time, seconds; NULL: everything',
    `scopes` Array(String) COMMENT '范围 only events of these subtrees; empty: all',
    `types` Array(String) COMMENT '类型 only events of these types; empty: all',
    `keys` Array(String) COMMENT '对象 only events that name one of these; empty: all',
    `parameters` Array(String) COMMENT '参数 parameters that were set, name=value',
    `timezone` LowCardinality(String) COMMENT '时区 time zone of the sites',
    `has_tables` Bool COMMENT '含事件表 domain events and rollups were written too',
    `code_version` String COMMENT '代码版本 of detectors and schemas',
    `lane_ends_ms` Array(Int64) COMMENT '各道终点 per lane: everything detected before is there, epoch ms',
    `records` UInt64 COMMENT '记录数 records read',
    `events` UInt64 COMMENT '事件数 events given to the detectors, warm-up included',
    `detections` UInt64 COMMENT '检测数 detections in the run\'s database',
    `alerts` UInt64 COMMENT '告警步骤数 alert steps in the run\'s database',
    `statuses` UInt64 COMMENT '设备状态数 device status changes in the run\'s database',
    `events_per_s` Float64 COMMENT '速率 events per second',
    `base` String COMMENT '对照 what it was compared with: live, or a run',
    `hash` String COMMENT '摘要 of detections, statuses and alert steps within bounds and filters',
    `base_hash` String COMMENT '对照摘要 the same of what it was compared with',
    `added` UInt64 COMMENT '新增 rows that the base does not have',
    `gone` UInt64 COMMENT '消失 rows that only the base has',
    `moved` UInt64 COMMENT '变动 rows that both have, with other contents or at another time',
    `relabelled` UInt64 COMMENT '仅模型名不同 rows that differ by the name of the model only',
    `notes` Array(String) COMMENT '说明 what to know when comparing',
    `error` String COMMENT '错误 why it failed; empty otherwise',
    `started_time` DateTime64(3, 'UTC') COMMENT '开始 when it was started, UTC',
    `updated_time` DateTime64(3, 'UTC') COMMENT '更新 when this row was written, UTC; the latest wins'
)
ENGINE = ReplacingMergeTree(updated_time)
ORDER BY (run)
COMMENT '回放 replay runs. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS run_differences
(
    `run` String COMMENT '回放号 id of the run',
    `base` String COMMENT '对照 live, or a run',
    `kind` LowCardinality(String) COMMENT '种类 added, gone, moved, or relabelled (only the model\'s name differs)',
    `source_table` LowCardinality(String) COMMENT '表 detections, device_status_log or alert_log',
    `scope` LowCardinality(String) COMMENT '范围 scope path',
    `detector` LowCardinality(String) COMMENT '检测器 who noticed it',
    `rule` LowCardinality(String) COMMENT '规则 which rule; status for device statuses',
    `subject` String COMMENT '对象 what it is about',
    `step` LowCardinality(String) COMMENT '步骤 on or over, the alert\'s step, or the device\'s status',
    `event_id` String COMMENT '事件号 in the run; empty: it has none',
    `base_event_id` String COMMENT '对照事件号 in the base; empty: it has none',
    `detected_time` Nullable(DateTime64(3, 'UTC')) COMMENT '检测时间 in the run, UTC',
    `base_detected_time` Nullable(DateTime64(3, 'UTC')) COMMENT '对照检测时间 in the base, UTC',
    `moved_s` Nullable(Float64) COMMENT '移动秒数 how much later in the run, seconds',
    `score` Nullable(Float64) COMMENT '分值 in the run',
    `base_score` Nullable(Float64) COMMENT '对照分值 in the base',
    `threshold` Nullable(Float64) COMMENT '阈值 in the run',
    `base_threshold` Nullable(Float64) COMMENT '对照阈值 in the base',
    `changed` Array(String) COMMENT '变动的列 columns that differ',
    `reason_zh` String COMMENT '原因 why, Chinese',
    `reason_en` String COMMENT '原因 why, English'
)
ENGINE = MergeTree
ORDER BY (run, base, kind, source_table, scope)
COMMENT '回放差异 rows in which a run differs from its base';
