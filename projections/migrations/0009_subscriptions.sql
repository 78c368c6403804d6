-- Who is told of alerts, and where; and the test pings.

CREATE TABLE IF NOT EXISTS subscriptions
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `subscription` String COMMENT 'the subscription',
    `revision` UInt64 COMMENT 'number of this state, from 1; of two with one number the first counts',
    `subscription_scope` String COMMENT 'alerts of this subtree; empty for all',
    `kind` LowCardinality(String) COMMENT 'standard: Standard Webhooks; wecom, dingtalk, feishu: group robots; email: SMTP',
    `shown_url` String COMMENT 'where to, without what is secret in it',
    `sealed_url` String COMMENT 'where to, sealed with the installation\'s key',
    `sealed_sign_secret` Nullable(String) COMMENT 'the signing secret that a group robot\'s platform gave, sealed',
    `detectors` Nullable(String) COMMENT 'only these, separated by commas; null: all',
    `rules` Nullable(String) COMMENT 'only these, separated by commas; null: all',
    `steps` Nullable(String) COMMENT 'only these, separated by commas; null: all',
    `min_severity` LowCardinality(String) COMMENT 'alerts at least so grave at the step',
    `silenced` Bool COMMENT 'true: silenced alerts too',
    `secret_id` String COMMENT 'id of the secret that signs; the secret is derived from it',
    `previous_secret_id` Nullable(String) COMMENT 'id of the secret before, which signs beside it',
    `previous_secret_expires_time_ms` Nullable(Int64) COMMENT 'until when it does, epoch ms',
    `status` LowCardinality(String) COMMENT 'active: delivered to; the others are not; deleted is for ever',
    `status_reason` Nullable(String) COMMENT 'why it is paused or disabled',
    `note` Nullable(String) COMMENT 'whom it is for',
    `key_id` String COMMENT 'the API key that made it',
    `actor` String COMMENT 'who made this change: the id of a key, or gridpulse itself',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `previous_secret_expires_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(previous_secret_expires_time_ms, 'UTC') COMMENT 'until when it does, UTC',
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
COMMENT '告警订阅 alert subscriptions: cn.gridpulse.control.subscription.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS subscription_pings
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `ping` String COMMENT 'the ping',
    `subscription` String COMMENT 'the subscription that it is delivered to',
    `actor` String COMMENT 'who wants it: the id of a key',
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
COMMENT '订阅测试 subscription pings: cn.gridpulse.control.subscription_ping.v1. 查询请加 FINAL; read with FINAL';
