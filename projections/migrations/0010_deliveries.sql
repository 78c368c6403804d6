-- What became of telling people: attempts to deliver alert steps, and orders to deliver again.

CREATE TABLE IF NOT EXISTS delivery_attempts
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `subscription` String COMMENT 'the subscription',
    `webhook_id` String COMMENT 'id of the message, the same at every attempt; receivers drop repeats by it',
    `alert_event` String COMMENT 'id of the alert step (or ping) that is delivered',
    `alert_recorded_time_ms` Int64 COMMENT 'when the alert step was recorded, epoch ms',
    `alert` Nullable(String) COMMENT 'the alert; null for a ping',
    `subject` String COMMENT 'what the alert is about; steps of one subject go in order',
    `attempt` UInt16 COMMENT 'number of the attempt, from 1',
    `outcome` LowCardinality(String) COMMENT 'delivered: taken; failed: not taken, tried again; abandoned: not taken, not tried again',
    `status_code` Nullable(UInt16) COMMENT 'status of the HTTP response, if there was one',
    `error` Nullable(String) COMMENT 'why it was not taken',
    `latency_ms` Nullable(UInt64) COMMENT 'time from connecting to the answer; null: not sent',
    `response_start` Nullable(String) COMMENT 'how the response\'s body begins',
    `next_attempt_time_ms` Nullable(Int64) COMMENT 'when it is tried again, epoch ms',
    `attempted_time_ms` Int64 COMMENT 'when the attempt began, epoch ms',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `alert_recorded_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(alert_recorded_time_ms, 'UTC') COMMENT 'when the alert step was recorded, UTC',
    `next_attempt_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(next_attempt_time_ms, 'UTC') COMMENT 'when it is tried again, UTC',
    `attempted_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(attempted_time_ms, 'UTC') COMMENT 'when the attempt began, UTC',
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
COMMENT '推送记录 delivery attempts: cn.gridpulse.deliveries.attempt.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS redeliveries
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `redelivery` String COMMENT 'the order',
    `subscription` String COMMENT 'the subscription that they are delivered to',
    `what` LowCardinality(String) COMMENT 'one: one alert step; failed: all that were abandoned; span: all recorded in a span of time',
    `alert_event` Nullable(String) COMMENT 'id of the alert step, at one',
    `from_time_ms` Nullable(Int64) COMMENT 'recorded from then on, epoch ms; at one and span',
    `to_time_ms` Nullable(Int64) COMMENT 'recorded before then, epoch ms; at one and span',
    `actor` String COMMENT 'who wants it: the id of a key',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `from_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(from_time_ms, 'UTC') COMMENT 'recorded from then on, UTC; at one and span',
    `to_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(to_time_ms, 'UTC') COMMENT 'recorded before then, UTC; at one and span',
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
COMMENT '重新推送 redeliveries: cn.gridpulse.control.redelivery.v1. 查询请加 FINAL; read with FINAL';
