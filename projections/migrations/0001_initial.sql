-- The initial database, as python -m projections.declare gave it.
CREATE TABLE IF NOT EXISTS schema_migrations
(
    `number` UInt32 COMMENT '编号 number of the migration',
    `name` String COMMENT '文件 file name',
    `sha256` String COMMENT '校验和 SHA-256 of the file',
    `applied_time` DateTime64(3, 'UTC') COMMENT '执行时间 when it was applied, UTC'
)
ENGINE = ReplacingMergeTree(applied_time)
ORDER BY (number)
COMMENT '已执行的迁移 migrations that have been applied';

CREATE TABLE IF NOT EXISTS projection_progress
(
    `flow` LowCardinality(String) COMMENT '流程 who wrote',
    `topic` LowCardinality(String) COMMENT '日志主题 topic',
    `partition` UInt32 COMMENT '日志分区 partition',
    `next_offset` UInt64 COMMENT '下一位点 first offset that is not in yet; never goes back',
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 recorded time of the last record that is in, UTC',
    `processed_time` DateTime64(3, 'UTC') COMMENT '处理时间 when the writer had written it, UTC'
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY (flow, topic, partition)
COMMENT '入库进度 all records before next_offset can be queried. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS rollup_progress
(
    `step` LowCardinality(String) COMMENT '步骤 minute: from event tables; hour, day: from the finer rollup',
    `source` LowCardinality(String) COMMENT '来源 event table; or metrics_minute, metrics_hour',
    `topic` LowCardinality(String) COMMENT '日志主题 topic; empty for hour and day',
    `partition` UInt32 COMMENT '日志分区 partition; 0 for hour and day',
    `done_to` UInt64 COMMENT '已至 minute: first offset not yet rolled up; hour, day: last run rolled up',
    `run` UInt64 COMMENT '计算批次 run that came this far; versions of the rollup tables are these runs'
)
ENGINE = ReplacingMergeTree(run)
ORDER BY (step, source, topic, partition)
COMMENT '汇总进度 how far rollups have come. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS registry_devices
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `device` String COMMENT 'the device',
    `kind` LowCardinality(String) COMMENT 'kind of device',
    `site` Nullable(String) COMMENT 'the site it stands at',
    `gateway` Nullable(String) COMMENT 'the gateway it reports through',
    `noise_zone` LowCardinality(Nullable(String)) COMMENT 'GB 3096-2008 class of the place, for noise meters',
    `person` Nullable(String) COMMENT 'pseudonym of the person who wears it or lives with it',
    `model` LowCardinality(Nullable(String)) COMMENT 'maker\'s model',
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
COMMENT '设备台账 device registry: cn.gridpulse.registry.device.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS registry_persons
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `person` String COMMENT 'pseudonym of the person',
    `category` LowCardinality(String) COMMENT 'why the person is under care',
    `home` String COMMENT 'site of the home',
    `consent` Bool COMMENT 'agreed to be watched over; without it nothing is learned or flagged',
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
COMMENT '关爱对象台账 persons under care: cn.gridpulse.registry.person.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS registry_sites
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `site` String COMMENT 'the place',
    `kind` LowCardinality(String) COMMENT 'kind of place',
    `parent` Nullable(String) COMMENT 'the place it is part of',
    `title` Nullable(String) COMMENT 'display name of a public place, never of a home',
    `capacity` Nullable(UInt32) COMMENT 'persons, bays or seats it holds',
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
COMMENT '场所台账 site registry: cn.gridpulse.registry.site.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS registry_grids
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `title` String COMMENT 'display name',
    `homes` Nullable(UInt32) COMMENT 'homes in the grid',
    `residents` Nullable(UInt32) COMMENT 'residents in the grid',
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
COMMENT '网格台账 grid registry: cn.gridpulse.registry.grid.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS heartbeats
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `device` String COMMENT 'the device',
    `battery_ratio` Nullable(Float64) COMMENT 'charge left, 0 to 1',
    `rssi_dbm` Nullable(Float64) COMMENT 'received signal strength, dBm',
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
COMMENT '设备心跳 heartbeats: cn.gridpulse.readings.heartbeat.v2. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS readings
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `device` String COMMENT 'the device',
    `quantity` LowCardinality(String) COMMENT 'what was measured',
    `value` Float64 COMMENT 'the value, in the quantity\'s unit',
    `unit` LowCardinality(String) COMMENT 'the quantity\'s unit, UCUM where it has a code',
    `interval_s` Nullable(Float64) COMMENT 'averaging interval, seconds',
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
COMMENT '传感读数 sensor readings: cn.gridpulse.readings.measured.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS presence
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `device` String COMMENT 'the device',
    `signal` LowCardinality(String) COMMENT 'kind of activity',
    `person` Nullable(String) COMMENT 'pseudonym of the person who lives there, where known',
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
COMMENT '居家活动 presence at home: cn.gridpulse.readings.presence.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS sos_calls
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `device` String COMMENT 'the device',
    `person` Nullable(String) COMMENT 'pseudonym of the wearer',
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
COMMENT '紧急求助 SOS calls: cn.gridpulse.readings.sos.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS vision_findings
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `camera` String COMMENT 'the camera',
    `kind` LowCardinality(String) COMMENT 'what was recognised',
    `confidence_ratio` Float64 COMMENT 'how sure the recogniser is, 0 to 1',
    `site` Nullable(String) COMMENT 'where',
    `floor` Nullable(Int16) COMMENT 'floor it came from, for thrown objects',
    `picture` Nullable(String) COMMENT 'reference of the picture in the camera platform',
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
COMMENT '图像识别 vision findings: cn.gridpulse.vision.finding.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS passages
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `gate` LowCardinality(String) COMMENT 'the gate or door',
    `kind` LowCardinality(String) COMMENT 'who passed',
    `direction` LowCardinality(String) COMMENT 'into or out of the compound',
    `method` LowCardinality(String) COMMENT 'how it opened',
    `person` Nullable(String) COMMENT 'pseudonym, if known',
    `plate` Nullable(String) COMMENT 'pseudonym of the plate, if known',
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
COMMENT '人车出入 passages: cn.gridpulse.passages.passage.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS sightings
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `person` String COMMENT 'pseudonym of the person',
    `place` String COMMENT 'the site where the person was seen',
    `method` LowCardinality(String) COMMENT 'who saw the person',
    `confidence_ratio` Nullable(Float64) COMMENT 'how sure, 0 to 1',
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
COMMENT '关爱对象轨迹 sightings of persons under care: cn.gridpulse.positions.sighting.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS patrols
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `member` String COMMENT 'pseudonym of the grid member',
    `place` String COMMENT 'the site checked',
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
COMMENT '巡查签到 patrol check-ins: cn.gridpulse.positions.patrol.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS online_interactions
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `app` LowCardinality(String) COMMENT 'the app or mini-program',
    `kind` LowCardinality(String) COMMENT 'what was done',
    `page` LowCardinality(String) COMMENT 'page or element',
    `session` String COMMENT 'pseudonym of the session',
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
COMMENT '线上点击 online interactions: cn.gridpulse.online.interaction.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS service_requests
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `request` String COMMENT 'the request',
    `service` LowCardinality(String) COMMENT 'the service asked for',
    `step` LowCardinality(String) COMMENT 'the step reached',
    `rating` Nullable(UInt8) COMMENT 'stars, at step rated',
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
COMMENT '服务办理 service requests: cn.gridpulse.online.service_request.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS participation
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `kind` LowCardinality(String) COMMENT 'what was done',
    `topic` String COMMENT 'the vote, deliberation or activity',
    `person` String COMMENT 'pseudonym of the resident',
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
COMMENT '居民参与 participation: cn.gridpulse.online.participation.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS venue_sessions
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `venue` LowCardinality(String) COMMENT 'the venue',
    `state` LowCardinality(String) COMMENT 'its state from now on',
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
COMMENT '场馆开闭 venue opening: cn.gridpulse.venue.session.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS venue_visitors
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `venue` LowCardinality(String) COMMENT 'the venue',
    `entered` UInt32 COMMENT 'persons who came in',
    `left` UInt32 COMMENT 'persons who went out',
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
COMMENT '场馆客流 venue visitors: cn.gridpulse.venue.visitors.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS venue_bookings
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `venue` LowCardinality(String) COMMENT 'the venue',
    `booking` String COMMENT 'the booking',
    `step` LowCardinality(String) COMMENT 'the step reached',
    `service` LowCardinality(Nullable(String)) COMMENT 'room or course',
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
COMMENT '场馆预约 venue bookings: cn.gridpulse.venue.booking.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS venue_sales
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `venue` LowCardinality(String) COMMENT 'the venue',
    `tenant` LowCardinality(String) COMMENT 'the tenant',
    `amount_cny` Float64 COMMENT 'amount, yuan',
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
COMMENT '商户销售 venue sales: cn.gridpulse.venue.sale.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS venue_activities
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `venue` LowCardinality(String) COMMENT 'the venue',
    `activity` LowCardinality(String) COMMENT 'the activity',
    `kind` LowCardinality(String) COMMENT 'kind of activity',
    `attended` UInt32 COMMENT 'persons who took part',
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
COMMENT '场馆活动 venue activities: cn.gridpulse.venue.activity.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS canteen_orders
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `venue` LowCardinality(String) COMMENT 'the venue',
    `order` String COMMENT 'the order',
    `step` LowCardinality(String) COMMENT 'the step reached',
    `amount_cny` Float64 COMMENT 'amount, yuan',
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
COMMENT '食堂订单 canteen orders: cn.gridpulse.venue.canteen_order.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS civic_cases
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `case` String COMMENT 'the case',
    `service` LowCardinality(String) COMMENT 'grid case or property repair',
    `kind` LowCardinality(String) COMMENT 'kind of case',
    `step` LowCardinality(String) COMMENT 'the step reached',
    `deadline_h` Nullable(Float64) COMMENT 'hours allowed from report to close',
    `rating` Nullable(UInt8) COMMENT 'stars, at step rated',
    `alert` Nullable(String) COMMENT 'the alert it came from',
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
COMMENT '网格事件与报修 cases and repairs: cn.gridpulse.civic.case.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS volunteering
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `person` String COMMENT 'pseudonym of the volunteer',
    `activity` LowCardinality(String) COMMENT 'what was done',
    `hours` Float64 COMMENT 'hours',
    `points` Int32 COMMENT 'points',
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
COMMENT '志愿服务 volunteering: cn.gridpulse.civic.volunteering.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS waste_deposits
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `station` LowCardinality(String) COMMENT 'the waste station',
    `kind` LowCardinality(String) COMMENT 'kind of waste',
    `correct` Bool COMMENT 'rightly sorted',
    `mass_kg` Nullable(Float64) COMMENT 'mass, kg',
    `person` Nullable(String) COMMENT 'pseudonym of the household',
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
COMMENT '垃圾投放 waste deposits: cn.gridpulse.civic.waste_deposit.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS parking
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `lot` LowCardinality(String) COMMENT 'the parking lot',
    `bay` String COMMENT 'the bay',
    `state` LowCardinality(String) COMMENT 'its state from now on',
    `stay_min` Nullable(Float64) COMMENT 'minutes stayed, when freed',
    `fee_cny` Nullable(Float64) COMMENT 'fee, yuan, when freed',
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
COMMENT '停车 parking: cn.gridpulse.civic.parking.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS health_measurements
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `hut` LowCardinality(String) COMMENT 'the health hut',
    `kind` LowCardinality(String) COMMENT 'what was measured',
    `value` Float64 COMMENT 'mmHg, mmol/L, kg/m2 or percent, by kind',
    `person` String COMMENT 'pseudonym of the person',
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
COMMENT '健康小屋 health hut: cn.gridpulse.civic.health_measurement.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS detections
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `detector` LowCardinality(String) COMMENT 'who noticed it',
    `rule` LowCardinality(String) COMMENT 'which of the detector\'s rules, e.g. unusual_hour',
    `subject` String COMMENT 'person, device, gateway or site it is about',
    `active` Bool COMMENT 'true: noticed; false: over again',
    `severity` LowCardinality(String) COMMENT 'how grave',
    `score` Float64 COMMENT 'how unusual, in the detector\'s own measure; at threshold and above it is flagged',
    `threshold` Float64 COMMENT 'the score from which it is flagged',
    `baseline` Nullable(Float64) COMMENT 'what was expected, in the unit of the observed value',
    `observed` Nullable(Float64) COMMENT 'what was observed',
    `unit` LowCardinality(Nullable(String)) COMMENT 'unit of observed and baseline',
    `model_version` LowCardinality(String) COMMENT 'detector\'s code and parameters',
    `reason_zh` String COMMENT 'one sentence, Chinese',
    `reason_en` String COMMENT 'one sentence, English',
    `cause_id` String COMMENT 'id of the event, or name of the timer, that triggered it',
    `detected_time_ms` Int64 COMMENT 'lane clock at detection, epoch ms',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `detected_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(detected_time_ms, 'UTC') COMMENT 'lane clock at detection, UTC',
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
COMMENT '检测结果 detections: cn.gridpulse.detections.detection.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS device_status_log
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `device` String COMMENT 'the device',
    `status` LowCardinality(String) COMMENT 'state from the event time on',
    `cause` LowCardinality(String) COMMENT 'why',
    `expected_interval_s` Nullable(Float64) COMMENT 'learned interval of the device, seconds',
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
COMMENT '设备状态变化 device status: cn.gridpulse.detections.device_status.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS alert_log
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `alert` String COMMENT 'the alert: a hash of its key and opening detection',
    `alert_key` String COMMENT 'detector/rule/subject: at most one alert is open per key',
    `step` LowCardinality(String) COMMENT 'what happened to it',
    `detector` LowCardinality(String) COMMENT 'who noticed it',
    `rule` LowCardinality(String) COMMENT 'which rule',
    `subject` String COMMENT 'what it is about',
    `severity` LowCardinality(String) COMMENT 'how grave, now',
    `count` UInt64 COMMENT 'detections so far',
    `opened_time_ms` Int64 COMMENT 'event time of the opening detection, epoch ms',
    `updated_time_ms` Int64 COMMENT 'event time of the latest detection, epoch ms',
    `resolved_time_ms` Nullable(Int64) COMMENT 'event time of the end, epoch ms',
    `score` Float64 COMMENT 'latest score',
    `threshold` Float64 COMMENT 'latest threshold',
    `baseline` Nullable(Float64) COMMENT 'latest baseline',
    `observed` Nullable(Float64) COMMENT 'latest observed value',
    `unit` LowCardinality(Nullable(String)) COMMENT 'unit of observed and baseline',
    `model_version` LowCardinality(String) COMMENT 'detector\'s code and parameters',
    `reason_zh` String COMMENT 'one sentence, Chinese',
    `reason_en` String COMMENT 'one sentence, English',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `opened_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(opened_time_ms, 'UTC') COMMENT 'event time of the opening detection, UTC',
    `updated_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(updated_time_ms, 'UTC') COMMENT 'event time of the latest detection, UTC',
    `resolved_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(resolved_time_ms, 'UTC') COMMENT 'event time of the end, UTC',
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
COMMENT '告警过程 alert steps: cn.gridpulse.alerts.alert.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS dead_letters
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `stage` LowCardinality(String) COMMENT 'where it failed',
    `reason` LowCardinality(String) COMMENT 'reason code',
    `detail` String COMMENT 'what is wrong and what is allowed',
    `origin` String COMMENT 'topic/partition/offset, or file:line',
    `raw_base64` String COMMENT 'the bytes as they came, base64; cut at the size limit',
    `raw_bytes` UInt64 COMMENT 'their full length',
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
COMMENT '死信 dead letters: cn.gridpulse.deadletters.dead_letter.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS api_keys
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `key_id` String COMMENT 'public part of the key',
    `key_sha256` String COMMENT 'SHA-256 of the secret part',
    `role` LowCardinality(String) COMMENT 'reader: query; writer: send events; admin: both',
    `key_scope` String COMMENT 'the subtree it is good for; empty for all',
    `status` LowCardinality(String) COMMENT 'its state from now on',
    `note` Nullable(String) COMMENT 'who it is for',
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
COMMENT '接口密钥 API keys: cn.gridpulse.control.api_key.v1. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS latest_readings_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `device` String COMMENT 'the device',
    `quantity` LowCardinality(String) COMMENT 'what was measured',
    `value` Float64 COMMENT 'the value, in the quantity\'s unit',
    `unit` LowCardinality(String) COMMENT 'the quantity\'s unit, UCUM where it has a code',
    `interval_s` Nullable(Float64) COMMENT 'averaging interval, seconds',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (community_path, device, quantity)
COMMENT '最新读数 latest value per device and quantity: 请查询视图 latest_readings; query the view latest_readings';

CREATE MATERIALIZED VIEW IF NOT EXISTS latest_readings_state_feed TO latest_readings_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, device, quantity, value, unit, interval_s
FROM readings
COMMENT 'readings -> latest_readings_state';

CREATE VIEW IF NOT EXISTS latest_readings AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, device, quantity, value, unit, interval_s, event_time, recorded_time
FROM latest_readings_state FINAL
COMMENT '最新读数 latest value per device and quantity';

CREATE TABLE IF NOT EXISTS device_registry_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `device` String COMMENT 'the device',
    `kind` LowCardinality(String) COMMENT 'kind of device',
    `site` Nullable(String) COMMENT 'the site it stands at',
    `gateway` Nullable(String) COMMENT 'the gateway it reports through',
    `noise_zone` LowCardinality(Nullable(String)) COMMENT 'GB 3096-2008 class of the place, for noise meters',
    `person` Nullable(String) COMMENT 'pseudonym of the person who wears it or lives with it',
    `model` LowCardinality(Nullable(String)) COMMENT 'maker\'s model',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (community_path, device)
COMMENT '设备台账现状 latest registry entry of every device: 请查询视图 device_registry; query the view device_registry';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_registry_state_feed TO device_registry_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, change, device, kind, site, gateway, noise_zone, person, model
FROM registry_devices
COMMENT 'registry_devices -> device_registry_state';

CREATE VIEW IF NOT EXISTS device_registry AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, change, device, kind, site, gateway, noise_zone, person, model, event_time, recorded_time
FROM device_registry_state FINAL
COMMENT '设备台账现状 latest registry entry of every device';

CREATE TABLE IF NOT EXISTS persons_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `person` String COMMENT 'pseudonym of the person',
    `category` LowCardinality(String) COMMENT 'why the person is under care',
    `home` String COMMENT 'site of the home',
    `consent` Bool COMMENT 'agreed to be watched over; without it nothing is learned or flagged',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (community_path, person)
COMMENT '关爱对象现状 persons under care: 请查询视图 persons; query the view persons';

CREATE MATERIALIZED VIEW IF NOT EXISTS persons_state_feed TO persons_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, change, person, category, home, consent
FROM registry_persons
COMMENT 'registry_persons -> persons_state';

CREATE VIEW IF NOT EXISTS persons AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, change, person, category, home, consent, event_time, recorded_time
FROM persons_state FINAL
WHERE change != 'retired'
COMMENT '关爱对象现状 persons under care';

CREATE TABLE IF NOT EXISTS sites_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `site` String COMMENT 'the place',
    `kind` LowCardinality(String) COMMENT 'kind of place',
    `parent` Nullable(String) COMMENT 'the place it is part of',
    `title` Nullable(String) COMMENT 'display name of a public place, never of a home',
    `capacity` Nullable(UInt32) COMMENT 'persons, bays or seats it holds',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (community_path, site)
COMMENT '场所现状 places: 请查询视图 sites; query the view sites';

CREATE MATERIALIZED VIEW IF NOT EXISTS sites_state_feed TO sites_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, change, site, kind, parent, title, capacity
FROM registry_sites
COMMENT 'registry_sites -> sites_state';

CREATE VIEW IF NOT EXISTS sites AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, change, site, kind, parent, title, capacity, event_time, recorded_time
FROM sites_state FINAL
WHERE change != 'retired'
COMMENT '场所现状 places';

CREATE TABLE IF NOT EXISTS grids_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `change` LowCardinality(String) COMMENT 'registered, changed or retired',
    `title` String COMMENT 'display name',
    `homes` Nullable(UInt32) COMMENT 'homes in the grid',
    `residents` Nullable(UInt32) COMMENT 'residents in the grid',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (scope)
COMMENT '网格现状 grids: 请查询视图 grids; query the view grids';

CREATE MATERIALIZED VIEW IF NOT EXISTS grids_state_feed TO grids_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, change, title, homes, residents
FROM registry_grids
COMMENT 'registry_grids -> grids_state';

CREATE VIEW IF NOT EXISTS grids AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, change, title, homes, residents, event_time, recorded_time
FROM grids_state FINAL
WHERE change != 'retired'
COMMENT '网格现状 grids';

CREATE TABLE IF NOT EXISTS device_status_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `device` String COMMENT 'the device',
    `status` LowCardinality(String) COMMENT 'state from the event time on',
    `cause` LowCardinality(String) COMMENT 'why',
    `expected_interval_s` Nullable(Float64) COMMENT 'learned interval of the device, seconds',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (community_path, device)
COMMENT '设备连接状态 online or offline now: 请查询视图 device_status; query the view device_status';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_status_state_feed TO device_status_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, device, status, cause, expected_interval_s
FROM device_status_log
COMMENT 'device_status_log -> device_status_state';

CREATE VIEW IF NOT EXISTS device_status AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, device, status, cause, expected_interval_s, event_time AS since, recorded_time
FROM device_status_state FINAL
COMMENT '设备连接状态 online or offline now';

CREATE TABLE IF NOT EXISTS device_last_seen_state
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `device` String COMMENT '设备 the device',
    `last_seen` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT '最后上报 latest event time of the device, UTC',
    `last_recorded` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT '最后记录 latest recorded time, UTC',
    `battery` AggregateFunction(argMax, Nullable(Float64), Tuple(DateTime64(3, 'UTC'), UInt64)) COMMENT '电量 latest charge left',
    `rssi` AggregateFunction(argMax, Nullable(Float64), Tuple(DateTime64(3, 'UTC'), UInt64)) COMMENT '信号 latest signal, dBm'
)
ENGINE = AggregatingMergeTree
ORDER BY (community_path, device)
COMMENT '设备最后上报: 请查询视图 device_last_seen; query the view device_last_seen';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_last_seen_from_heartbeats TO device_last_seen_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, device, max(event_time) AS last_seen, max(recorded_time) AS last_recorded, argMaxState(battery_ratio, (event_time, log_offset)) AS battery, argMaxState(rssi_dbm, (event_time, log_offset)) AS rssi
FROM heartbeats
GROUP BY community_path, device
COMMENT 'heartbeats -> device_last_seen_state';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_last_seen_from_readings TO device_last_seen_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, device, max(event_time) AS last_seen, max(recorded_time) AS last_recorded
FROM readings
GROUP BY community_path, device
COMMENT 'readings -> device_last_seen_state';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_last_seen_from_presence TO device_last_seen_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, device, max(event_time) AS last_seen, max(recorded_time) AS last_recorded
FROM presence
GROUP BY community_path, device
COMMENT 'presence -> device_last_seen_state';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_last_seen_from_sos_calls TO device_last_seen_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, device, max(event_time) AS last_seen, max(recorded_time) AS last_recorded
FROM sos_calls
GROUP BY community_path, device
COMMENT 'sos_calls -> device_last_seen_state';

CREATE VIEW IF NOT EXISTS device_last_seen AS
SELECT community_path, device, toDateTime64(max(last_seen), 3, 'UTC') AS last_seen_time, toDateTime64(max(last_recorded), 3, 'UTC') AS last_recorded_time, argMaxMerge(battery) AS battery_ratio, argMaxMerge(rssi) AS rssi_dbm
FROM device_last_seen_state
GROUP BY community_path, device
COMMENT '设备最后上报 when each device was last heard, and its battery';

CREATE TABLE IF NOT EXISTS alerts_state
(
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `alert` String COMMENT 'the alert: a hash of its key and opening detection',
    `alert_key` String COMMENT 'detector/rule/subject: at most one alert is open per key',
    `step` LowCardinality(String) COMMENT 'what happened to it',
    `detector` LowCardinality(String) COMMENT 'who noticed it',
    `rule` LowCardinality(String) COMMENT 'which rule',
    `subject` String COMMENT 'what it is about',
    `severity` LowCardinality(String) COMMENT 'how grave, now',
    `count` UInt64 COMMENT 'detections so far',
    `opened_time_ms` Int64 COMMENT 'event time of the opening detection, epoch ms',
    `updated_time_ms` Int64 COMMENT 'event time of the latest detection, epoch ms',
    `resolved_time_ms` Nullable(Int64) COMMENT 'event time of the end, epoch ms',
    `score` Float64 COMMENT 'latest score',
    `threshold` Float64 COMMENT 'latest threshold',
    `baseline` Nullable(Float64) COMMENT 'latest baseline',
    `observed` Nullable(Float64) COMMENT 'latest observed value',
    `unit` LowCardinality(Nullable(String)) COMMENT 'unit of observed and baseline',
    `model_version` LowCardinality(String) COMMENT 'detector\'s code and parameters',
    `reason_zh` String COMMENT 'one sentence, Chinese',
    `reason_en` String COMMENT 'one sentence, English',
    `version` UInt64 COMMENT '新旧 resolved beats open, then the later update, then the higher count',
    `opened_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(opened_time_ms, 'UTC') COMMENT 'event time of the opening detection, UTC',
    `updated_time` DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(updated_time_ms, 'UTC') COMMENT 'event time of the latest detection, UTC',
    `resolved_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(resolved_time_ms, 'UTC') COMMENT 'event time of the end, UTC',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (alert)
COMMENT '告警现状: 请查询视图 alerts; query the view alerts';

CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_state_feed TO alerts_state AS
SELECT event_time, recorded_time, scope, alert, alert_key, step, detector, rule, subject, severity, count, opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version, reason_zh, reason_en, bitShiftLeft(toUInt64(step = 'resolved'), 63) + bitShiftLeft(toUInt64(least(greatest(updated_time_ms, 0), 8796093022207)), 20) + least(toUInt64(count), 1048575) AS version
FROM alert_log
COMMENT 'alert_log -> alerts_state';

CREATE VIEW IF NOT EXISTS alerts AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, if(step = 'resolved', 'resolved', 'open') AS state, alert, alert_key, step, detector, rule, subject, severity, count, opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version, reason_zh, reason_en, opened_time, updated_time, resolved_time, event_time, recorded_time
FROM alerts_state FINAL
COMMENT '告警现状 every alert in its latest state';

CREATE VIEW IF NOT EXISTS devices AS
SELECT r.scope AS scope, splitByChar('/', r.scope)[1] AS city, splitByChar('/', r.scope)[2] AS district, splitByChar('/', r.scope)[3] AS street, splitByChar('/', r.scope)[4] AS community, splitByChar('/', r.scope)[5] AS grid, r.community_path AS community_path,
    r.device AS device, r.kind AS kind, r.site AS site, r.gateway AS gateway, r.noise_zone AS noise_zone,
    r.person AS person, r.model AS model, r.event_time AS registered_time,
    if(s.device = '', 'unknown', toString(s.status)) AS status,
    if(s.device = '', NULL, s.event_time) AS status_since,
    if(s.device = '', NULL, toString(s.cause)) AS status_cause, s.expected_interval_s AS expected_interval_s,
    if(l.device = '', NULL, l.last_seen_time) AS last_seen_time,
    l.battery_ratio AS battery_ratio, l.rssi_dbm AS rssi_dbm
FROM (SELECT * FROM device_registry_state FINAL WHERE change != 'retired') AS r
LEFT JOIN (SELECT * FROM device_status_state FINAL) AS s ON r.community_path = s.community_path AND r.device = s.device
LEFT JOIN device_last_seen AS l ON r.community_path = l.community_path AND r.device = l.device
COMMENT '设备现状 every registered device that is not retired, with its state now';

CREATE VIEW IF NOT EXISTS device_status_periods AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, substringIndex(scope, '/', 4) AS community_path, device, status, cause,
    event_time AS since,
    leadInFrame(toNullable(event_time)) OVER (PARTITION BY substringIndex(scope, '/', 4), device ORDER BY event_time, log_offset
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS until
FROM device_status_log FINAL
COMMENT '设备状态区间 from when to when each device was online or offline';

CREATE TABLE IF NOT EXISTS metrics_minute
(
    `metric` LowCardinality(String) COMMENT '指标 name of the metric',
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path of the events',
    `window_start` DateTime('UTC') COMMENT '窗口起点 start of the window, UTC' CODEC(Delta(4), LZ4),
    `dim_1` String COMMENT '维度一 the metric\'s first dimension; empty when it has none',
    `dim_2` String COMMENT '维度二 the metric\'s second dimension; empty when it has none',
    `count` UInt64 COMMENT '数量 events with a value in the window',
    `sum` Float64 COMMENT '合计 sum of the values; 0 for metrics without values',
    `min` Float64 COMMENT '最小值 lowest value; 0 for metrics without values',
    `max` Float64 COMMENT '最大值 highest value; 0 for metrics without values',
    `energy_sum` Float64 COMMENT '声能合计 sum of 10^(L/10), for energy means of levels in dB; else 0',
    `uniq_state` AggregateFunction(uniq, String) COMMENT '去重状态 distinct values, for uniqMerge; else empty',
    `version` UInt64 COMMENT '计算批次 run that computed the row; the greatest wins',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope',
    INDEX by_version version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (metric, scope, window_start, dim_1, dim_2)
COMMENT '指标汇总 rollups of every metric per 分钟 minute. 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS metrics_hour
(
    `metric` LowCardinality(String) COMMENT '指标 name of the metric',
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path of the events',
    `window_start` DateTime('UTC') COMMENT '窗口起点 start of the window, UTC' CODEC(Delta(4), LZ4),
    `dim_1` String COMMENT '维度一 the metric\'s first dimension; empty when it has none',
    `dim_2` String COMMENT '维度二 the metric\'s second dimension; empty when it has none',
    `count` UInt64 COMMENT '数量 events with a value in the window',
    `sum` Float64 COMMENT '合计 sum of the values; 0 for metrics without values',
    `min` Float64 COMMENT '最小值 lowest value; 0 for metrics without values',
    `max` Float64 COMMENT '最大值 highest value; 0 for metrics without values',
    `energy_sum` Float64 COMMENT '声能合计 sum of 10^(L/10), for energy means of levels in dB; else 0',
    `uniq_state` AggregateFunction(uniq, String) COMMENT '去重状态 distinct values, for uniqMerge; else empty',
    `version` UInt64 COMMENT '计算批次 run that computed the row; the greatest wins',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope',
    INDEX by_version version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (metric, scope, window_start, dim_1, dim_2)
COMMENT '指标汇总 rollups of every metric per 小时 hour (UTC). 查询请加 FINAL; read with FINAL';

CREATE TABLE IF NOT EXISTS metrics_day
(
    `metric` LowCardinality(String) COMMENT '指标 name of the metric',
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path of the events',
    `window_start` DateTime('UTC') COMMENT '窗口起点 start of the window, UTC' CODEC(Delta(4), LZ4),
    `dim_1` String COMMENT '维度一 the metric\'s first dimension; empty when it has none',
    `dim_2` String COMMENT '维度二 the metric\'s second dimension; empty when it has none',
    `count` UInt64 COMMENT '数量 events with a value in the window',
    `sum` Float64 COMMENT '合计 sum of the values; 0 for metrics without values',
    `min` Float64 COMMENT '最小值 lowest value; 0 for metrics without values',
    `max` Float64 COMMENT '最大值 highest value; 0 for metrics without values',
    `energy_sum` Float64 COMMENT '声能合计 sum of 10^(L/10), for energy means of levels in dB; else 0',
    `uniq_state` AggregateFunction(uniq, String) COMMENT '去重状态 distinct values, for uniqMerge; else empty',
    `version` UInt64 COMMENT '计算批次 run that computed the row; the greatest wins',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope',
    INDEX by_version version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (metric, scope, window_start, dim_1, dim_2)
COMMENT '指标汇总 rollups of every metric per 天 day of the site\'s time zone. 查询请加 FINAL; read with FINAL';

CREATE VIEW IF NOT EXISTS metric_noise_laeq AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, 10 * log10(energy_sum / count) AS value, count, energy_sum
FROM metrics_minute FINAL WHERE metric = 'noise_laeq'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, 10 * log10(energy_sum / count) AS value, count, energy_sum
FROM metrics_hour FINAL WHERE metric = 'noise_laeq'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, 10 * log10(energy_sum / count) AS value, count, energy_sum
FROM metrics_day FINAL WHERE metric = 'noise_laeq'
COMMENT '噪声等效声级 noise LAeq (dB(A)), energy_mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_noise_lamax AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_minute FINAL WHERE metric = 'noise_lamax'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_hour FINAL WHERE metric = 'noise_lamax'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_day FINAL WHERE metric = 'noise_lamax'
COMMENT '噪声最大声级 noise LAmax (dB(A)), max of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_smoke AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_minute FINAL WHERE metric = 'smoke'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_hour FINAL WHERE metric = 'smoke'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_day FINAL WHERE metric = 'smoke'
COMMENT '烟雾 smoke (%/m), max of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_gas AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_minute FINAL WHERE metric = 'gas'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_hour FINAL WHERE metric = 'gas'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_day FINAL WHERE metric = 'gas'
COMMENT '燃气浓度 gas (%LEL), max of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_temperature AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'temperature'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'temperature'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'temperature'
COMMENT '温度 temperature (Cel), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_humidity AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'humidity'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'humidity'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'humidity'
COMMENT '湿度 humidity (%), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_pm2_5 AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'pm2_5'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'pm2_5'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'pm2_5'
COMMENT 'PM2.5 PM2.5 (ug/m3), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_pm10 AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'pm10'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'pm10'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'pm10'
COMMENT 'PM10 PM10 (ug/m3), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_charging_current AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'charging_current'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'charging_current'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'charging_current'
COMMENT '电流 current (A), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_hydrant_pressure AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'hydrant_pressure'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'hydrant_pressure'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'hydrant_pressure'
COMMENT '消火栓压力 hydrant pressure (kPa), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_manhole_tilt AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_minute FINAL WHERE metric = 'manhole_tilt'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_hour FINAL WHERE metric = 'manhole_tilt'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, max AS value, count
FROM metrics_day FINAL WHERE metric = 'manhole_tilt'
COMMENT '井盖倾角 manhole tilt (deg), max of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_water_level AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'water_level'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'water_level'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'water_level'
COMMENT '液位 water level (m), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_water_flow AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'water_flow'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'water_flow'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'water_flow'
COMMENT '水流量 water flow (L/s), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_heart_rate AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'heart_rate'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'heart_rate'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'heart_rate'
COMMENT '心率 heart rate (/min), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_series_value AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'series_value'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'series_value'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'series_value'
COMMENT '导入序列值 imported series (1), mean of cn.gridpulse.readings.measured';

CREATE VIEW IF NOT EXISTS metric_heartbeats AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'heartbeats'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'heartbeats'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'heartbeats'
COMMENT '心跳数 heartbeats (1), count of cn.gridpulse.readings.heartbeat';

CREATE VIEW IF NOT EXISTS metric_devices_reporting AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(finalizeAggregation(uniq_state)) AS value, count
FROM metrics_minute FINAL WHERE metric = 'devices_reporting'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(finalizeAggregation(uniq_state)) AS value, count
FROM metrics_hour FINAL WHERE metric = 'devices_reporting'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(finalizeAggregation(uniq_state)) AS value, count
FROM metrics_day FINAL WHERE metric = 'devices_reporting'
COMMENT '上报设备数 devices reporting (1), uniq of cn.gridpulse.readings.heartbeat';

CREATE VIEW IF NOT EXISTS metric_battery AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, min AS value, count
FROM metrics_minute FINAL WHERE metric = 'battery'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, min AS value, count
FROM metrics_hour FINAL WHERE metric = 'battery'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS device, min AS value, count
FROM metrics_day FINAL WHERE metric = 'battery'
COMMENT '电量 battery (1), min of cn.gridpulse.readings.heartbeat';

CREATE VIEW IF NOT EXISTS metric_presence AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS signal, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'presence'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS signal, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'presence'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS signal, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'presence'
COMMENT '居家活动 presence at home (1), count of cn.gridpulse.readings.presence';

CREATE VIEW IF NOT EXISTS metric_sos_calls AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'sos_calls'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'sos_calls'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'sos_calls'
COMMENT '紧急求助 SOS calls (1), count of cn.gridpulse.readings.sos';

CREATE VIEW IF NOT EXISTS metric_vision_findings AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'vision_findings'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'vision_findings'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'vision_findings'
COMMENT '图像识别事件 vision findings (1), count of cn.gridpulse.vision.finding';

CREATE VIEW IF NOT EXISTS metric_passages AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS gate, dim_2 AS direction, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'passages'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS gate, dim_2 AS direction, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'passages'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS gate, dim_2 AS direction, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'passages'
COMMENT '出入次数 passages (1), count of cn.gridpulse.passages.passage';

CREATE VIEW IF NOT EXISTS metric_persons_passed AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS direction, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'persons_passed'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS direction, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'persons_passed'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS direction, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'persons_passed'
COMMENT '人员出入 persons through gates (1), count of cn.gridpulse.passages.passage';

CREATE VIEW IF NOT EXISTS metric_vehicles_passed AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS direction, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'vehicles_passed'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS direction, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'vehicles_passed'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS direction, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'vehicles_passed'
COMMENT '车辆出入 vehicles through gates (1), count of cn.gridpulse.passages.passage';

CREATE VIEW IF NOT EXISTS metric_sightings AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS method, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'sightings'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS method, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'sightings'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS method, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'sightings'
COMMENT '关爱对象轨迹点 sightings (1), count of cn.gridpulse.positions.sighting';

CREATE VIEW IF NOT EXISTS metric_patrols AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'patrols'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'patrols'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'patrols'
COMMENT '巡查签到 patrol check-ins (1), count of cn.gridpulse.positions.patrol';

CREATE VIEW IF NOT EXISTS metric_online_interactions AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS app, dim_2 AS kind, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'online_interactions'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS app, dim_2 AS kind, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'online_interactions'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS app, dim_2 AS kind, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'online_interactions'
COMMENT '线上点击 online interactions (1), count of cn.gridpulse.online.interaction';

CREATE VIEW IF NOT EXISTS metric_online_sessions AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS app, toFloat64(finalizeAggregation(uniq_state)) AS value, count
FROM metrics_minute FINAL WHERE metric = 'online_sessions'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS app, toFloat64(finalizeAggregation(uniq_state)) AS value, count
FROM metrics_hour FINAL WHERE metric = 'online_sessions'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS app, toFloat64(finalizeAggregation(uniq_state)) AS value, count
FROM metrics_day FINAL WHERE metric = 'online_sessions'
COMMENT '线上会话 online sessions (1), uniq of cn.gridpulse.online.interaction';

CREATE VIEW IF NOT EXISTS metric_service_requests AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS service, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'service_requests'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS service, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'service_requests'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS service, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'service_requests'
COMMENT '服务办理 service requests (1), count of cn.gridpulse.online.service_request';

CREATE VIEW IF NOT EXISTS metric_participation AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'participation'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'participation'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'participation'
COMMENT '居民参与 participation (1), count of cn.gridpulse.online.participation';

CREATE VIEW IF NOT EXISTS metric_venue_footfall AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, sum AS value, count
FROM metrics_minute FINAL WHERE metric = 'venue_footfall'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, sum AS value, count
FROM metrics_hour FINAL WHERE metric = 'venue_footfall'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, sum AS value, count
FROM metrics_day FINAL WHERE metric = 'venue_footfall'
COMMENT '场馆客流 venue footfall (1), sum of cn.gridpulse.venue.visitors';

CREATE VIEW IF NOT EXISTS metric_venue_bookings AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'venue_bookings'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'venue_bookings'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'venue_bookings'
COMMENT '场馆预约 venue bookings (1), count of cn.gridpulse.venue.booking';

CREATE VIEW IF NOT EXISTS metric_venue_sales AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS tenant, sum AS value, count
FROM metrics_minute FINAL WHERE metric = 'venue_sales'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS tenant, sum AS value, count
FROM metrics_hour FINAL WHERE metric = 'venue_sales'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS tenant, sum AS value, count
FROM metrics_day FINAL WHERE metric = 'venue_sales'
COMMENT '商户销售额 venue sales (CNY), sum of cn.gridpulse.venue.sale';

CREATE VIEW IF NOT EXISTS metric_activity_attendance AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, sum AS value, count
FROM metrics_minute FINAL WHERE metric = 'activity_attendance'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, sum AS value, count
FROM metrics_hour FINAL WHERE metric = 'activity_attendance'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, sum AS value, count
FROM metrics_day FINAL WHERE metric = 'activity_attendance'
COMMENT '活动参加人次 activity attendance (1), sum of cn.gridpulse.venue.activity';

CREATE VIEW IF NOT EXISTS metric_canteen_orders AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'canteen_orders'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'canteen_orders'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS venue, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'canteen_orders'
COMMENT '食堂订单 canteen orders (1), count of cn.gridpulse.venue.canteen_order';

CREATE VIEW IF NOT EXISTS metric_civic_cases AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'civic_cases'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'civic_cases'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'civic_cases'
COMMENT '网格事件 grid cases (1), count of cn.gridpulse.civic.case';

CREATE VIEW IF NOT EXISTS metric_repairs AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'repairs'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'repairs'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS kind, dim_2 AS step, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'repairs'
COMMENT '物业报修 repairs (1), count of cn.gridpulse.civic.case';

CREATE VIEW IF NOT EXISTS metric_volunteer_hours AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, sum AS value, count
FROM metrics_minute FINAL WHERE metric = 'volunteer_hours'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, sum AS value, count
FROM metrics_hour FINAL WHERE metric = 'volunteer_hours'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, sum AS value, count
FROM metrics_day FINAL WHERE metric = 'volunteer_hours'
COMMENT '志愿服务时长 volunteer hours (h), sum of cn.gridpulse.civic.volunteering';

CREATE VIEW IF NOT EXISTS metric_waste_correct_ratio AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS station, sum / count AS value, count, sum
FROM metrics_minute FINAL WHERE metric = 'waste_correct_ratio'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS station, sum / count AS value, count, sum
FROM metrics_hour FINAL WHERE metric = 'waste_correct_ratio'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS station, sum / count AS value, count, sum
FROM metrics_day FINAL WHERE metric = 'waste_correct_ratio'
COMMENT '垃圾分类正确率 rightly sorted waste (1), mean of cn.gridpulse.civic.waste_deposit';

CREATE VIEW IF NOT EXISTS metric_parking_events AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS lot, dim_2 AS state, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'parking_events'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS lot, dim_2 AS state, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'parking_events'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS lot, dim_2 AS state, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'parking_events'
COMMENT '停车进出 parking (1), count of cn.gridpulse.civic.parking';

CREATE VIEW IF NOT EXISTS metric_alerts_opened AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS detector, dim_2 AS rule, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'alerts_opened'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS detector, dim_2 AS rule, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'alerts_opened'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS detector, dim_2 AS rule, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'alerts_opened'
COMMENT '新增告警 alerts opened (1), count of cn.gridpulse.alerts.alert';

CREATE VIEW IF NOT EXISTS metric_dead_letters AS
SELECT 'minute' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS reason, toFloat64(count) AS value, count
FROM metrics_minute FINAL WHERE metric = 'dead_letters'
UNION ALL
SELECT 'hour' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS reason, toFloat64(count) AS value, count
FROM metrics_hour FINAL WHERE metric = 'dead_letters'
UNION ALL
SELECT 'day' AS grain, window_start, scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, dim_1 AS reason, toFloat64(count) AS value, count
FROM metrics_day FINAL WHERE metric = 'dead_letters'
COMMENT '死信 dead letters (1), count of cn.gridpulse.deadletters.dead_letter';
