-- What people do about alerts, silences, and the fuller state of an alert: acknowledged, assigned, silenced, unstable,
-- escalated, grouped, closed. The views that pass the columns on are made anew; nothing is being written while
-- migrations run. Rows that are there keep their version: a later step of the same alert has a greater one.

CREATE TABLE IF NOT EXISTS alert_actions
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `alert` String COMMENT 'the alert',
    `action` LowCardinality(String) COMMENT 'what was done',
    `actor` String COMMENT 'who did it: a pseudonym or the name of a key',
    `assignee` Nullable(String) COMMENT 'who is to see to it, at assign',
    `comment` Nullable(String) COMMENT 'why, or what was found',
    `verdict` LowCardinality(Nullable(String)) COMMENT 'what was found, at verdict',
    `case` Nullable(String) COMMENT 'the grid case, at report_case',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope',
    INDEX by_offset log_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version_key)
PARTITION BY toYYYYMM(event_time)
ORDER BY (scope, event_time, source, event_id)
COMMENT '告警处置 actions on alerts: cn.gridpulse.civic.alert_action.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS alert_silences
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `silence` String COMMENT 'the silence',
    `kind` LowCardinality(String) COMMENT 'why it is quiet',
    `silenced_scope` String COMMENT 'the subtree that is silenced',
    `detector` LowCardinality(Nullable(String)) COMMENT 'only this detector\'s alerts',
    `rule` LowCardinality(Nullable(String)) COMMENT 'only this rule\'s alerts',
    `subject` Nullable(String) COMMENT 'only alerts about this',
    `starts_time_ms` Int64 COMMENT 'from when on, epoch ms',
    `ends_time_ms` Int64 COMMENT 'until when, epoch ms',
    `actor` String COMMENT 'who wants it quiet',
    `comment` Nullable(String) COMMENT 'why',
    `status` LowCardinality(String) COMMENT 'lifted: it ends at once',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `starts_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(starts_time_ms, 'UTC') COMMENT 'from when on, UTC',
    `ends_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(ends_time_ms, 'UTC') COMMENT 'until when, UTC',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope',
    INDEX by_offset log_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version_key)
PARTITION BY toYYYYMM(event_time)
ORDER BY (scope, event_time, source, event_id)
COMMENT '告警静默 alert silences: cn.gridpulse.civic.alert_silence.v1. 查询请加 FINAL; read with FINAL';

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `step_number` Nullable(UInt64) COMMENT 'which step of this alert it is, from 1; none is left out' AFTER `detected_time_ms`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `actor` Nullable(String) COMMENT 'who took this step; null: GridPulse itself' AFTER `step_number`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `comment` Nullable(String) COMMENT 'what the actor said at this step' AFTER `actor`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `acknowledged_by` Nullable(String) COMMENT 'who acknowledged it first' AFTER `comment`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `acknowledged_time_ms` Nullable(Int64) COMMENT 'when it was acknowledged, epoch ms' AFTER `acknowledged_by`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `assignee` Nullable(String) COMMENT 'who is to see to it' AFTER `acknowledged_time_ms`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `verdict` LowCardinality(Nullable(String)) COMMENT 'what people found: true, false or ignored' AFTER `assignee`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `case` Nullable(String) COMMENT 'the grid case that it was reported as' AFTER `verdict`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `closed_time_ms` Nullable(Int64) COMMENT 'when a person closed it, epoch ms' AFTER `case`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `silenced` Nullable(Bool) COMMENT 'true: nobody is to be told now' AFTER `closed_time_ms`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `silenced_as` LowCardinality(Nullable(String)) COMMENT 'why it is silenced; inhibited: another is its cause' AFTER `silenced`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `silenced_by` Nullable(String) COMMENT 'the silence, or the alert that is its cause' AFTER `silenced_as`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `unstable` Nullable(Bool) COMMENT 'true: came and went too often: kept open till it is quiet' AFTER `silenced_by`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `escalation` Nullable(UInt8) COMMENT 'how many times it was reminded of or escalated' AFTER `unstable`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `group` Nullable(String) COMMENT 'the alert that stands for its group; null: itself, or none does' AFTER `escalation`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `grouped` Nullable(UInt64) COMMENT 'how many further alerts it stands for' AFTER `group`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `acknowledged_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(acknowledged_time_ms, 'UTC') COMMENT 'when it was acknowledged, UTC' AFTER `detected_time`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `closed_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(closed_time_ms, 'UTC') COMMENT 'when a person closed it, UTC' AFTER `acknowledged_time`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `step_number` Nullable(UInt64) COMMENT 'which step of this alert it is, from 1; none is left out' AFTER `detected_time_ms`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `actor` Nullable(String) COMMENT 'who took this step; null: GridPulse itself' AFTER `step_number`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `comment` Nullable(String) COMMENT 'what the actor said at this step' AFTER `actor`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `acknowledged_by` Nullable(String) COMMENT 'who acknowledged it first' AFTER `comment`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `acknowledged_time_ms` Nullable(Int64) COMMENT 'when it was acknowledged, epoch ms' AFTER `acknowledged_by`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `assignee` Nullable(String) COMMENT 'who is to see to it' AFTER `acknowledged_time_ms`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `verdict` LowCardinality(Nullable(String)) COMMENT 'what people found: true, false or ignored' AFTER `assignee`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `case` Nullable(String) COMMENT 'the grid case that it was reported as' AFTER `verdict`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `closed_time_ms` Nullable(Int64) COMMENT 'when a person closed it, epoch ms' AFTER `case`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `silenced` Nullable(Bool) COMMENT 'true: nobody is to be told now' AFTER `closed_time_ms`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `silenced_as` LowCardinality(Nullable(String)) COMMENT 'why it is silenced; inhibited: another is its cause' AFTER `silenced`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `silenced_by` Nullable(String) COMMENT 'the silence, or the alert that is its cause' AFTER `silenced_as`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `unstable` Nullable(Bool) COMMENT 'true: came and went too often: kept open till it is quiet' AFTER `silenced_by`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `escalation` Nullable(UInt8) COMMENT 'how many times it was reminded of or escalated' AFTER `unstable`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `group` Nullable(String) COMMENT 'the alert that stands for its group; null: itself, or none does' AFTER `escalation`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `grouped` Nullable(UInt64) COMMENT 'how many further alerts it stands for' AFTER `group`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `acknowledged_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(acknowledged_time_ms, 'UTC') COMMENT 'when it was acknowledged, UTC' AFTER `detected_time`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `closed_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(closed_time_ms, 'UTC') COMMENT 'when a person closed it, UTC' AFTER `acknowledged_time`;

ALTER TABLE alerts_state COMMENT COLUMN `version` '新旧 ended beats open, then the later step, then the higher step number';

DROP VIEW IF EXISTS alerts_state_feed;

CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_state_feed TO alerts_state AS
SELECT event_time, recorded_time, scope, alert, alert_key, step, detector, rule, subject, severity, count, opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version, reason_zh, reason_en, detected_time_ms, step_number, actor, comment, acknowledged_by, acknowledged_time_ms, assignee, verdict, case, closed_time_ms, silenced, silenced_as, silenced_by, unstable, escalation, group, grouped, bitShiftLeft(toUInt64(isNotNull(resolved_time_ms)), 63) + bitShiftLeft(toUInt64(least(greatest(ifNull(detected_time_ms, updated_time_ms), 0), 8796093022207)), 20) + least(toUInt64(ifNull(step_number, count)), 1048575) AS version
FROM alert_log
COMMENT 'alert_log -> alerts_state';

DROP VIEW IF EXISTS alerts;

CREATE VIEW IF NOT EXISTS alerts AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, multiIf(isNotNull(closed_time_ms), 'closed', isNotNull(resolved_time_ms), 'resolved', 'open') AS state, alert, alert_key, step, detector, rule, subject, severity, count, opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version, reason_zh, reason_en, detected_time_ms, step_number, actor, comment, acknowledged_by, acknowledged_time_ms, assignee, verdict, case, closed_time_ms, silenced, silenced_as, silenced_by, unstable, escalation, group, grouped, opened_time, updated_time, resolved_time, detected_time, acknowledged_time, closed_time, event_time, recorded_time
FROM alerts_state FINAL
COMMENT '告警现状 every alert in its latest state';
