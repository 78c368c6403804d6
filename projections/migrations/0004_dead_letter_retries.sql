-- Dead letters that were sent in again, and what became of them.

CREATE TABLE IF NOT EXISTS dead_letter_retries
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `letter` String COMMENT 'id of the dead letter',
    `outcome` LowCardinality(String) COMMENT 'accepted: appended now; duplicate: the event was there already; rejected: still not acceptable',
    `reason` LowCardinality(Nullable(String)) COMMENT 'reason code, when rejected',
    `detail` Nullable(String) COMMENT 'what is wrong and what is allowed, when rejected',
    `retried_id` Nullable(String) COMMENT 'id of the event as it was sent in',
    `retried_source` Nullable(String) COMMENT 'source of the event as it was sent in',
    `retried_type` Nullable(String) COMMENT 'type of the event, when it is one',
    `transform` Nullable(String) COMMENT 'what changed it: a JSON merge patch or a file',
    `actor` Nullable(String) COMMENT 'who sent it in again',
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
COMMENT '死信重试 dead letter retries: cn.gridpulse.deadletters.retry.v1. 查询请加 FINAL; read with FINAL';
