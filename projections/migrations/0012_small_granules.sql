-- Tables that are read by key in granules of 1024 rows instead of 8192: a granule held sixteen communities, and a
-- question about one costs a whole granule of each part. A table's granules are fixed when it is made: the rows that
-- count are copied into a new one that takes its place.

DROP TABLE IF EXISTS latest_readings_state_0012;

CREATE TABLE IF NOT EXISTS latest_readings_state_0012
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
SETTINGS index_granularity = 1024
COMMENT '最新读数 latest value per device and quantity: 请查询视图 latest_readings; query the view latest_readings';

INSERT INTO latest_readings_state_0012 (community_path, event_time, recorded_time, scope, device, quantity, value, unit, interval_s)
SELECT community_path, event_time, recorded_time, scope, device, quantity, value, unit, interval_s FROM latest_readings_state FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES latest_readings_state AND latest_readings_state_0012;

DROP TABLE latest_readings_state_0012;

DROP TABLE IF EXISTS device_registry_state_0012;

CREATE TABLE IF NOT EXISTS device_registry_state_0012
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
SETTINGS index_granularity = 1024
COMMENT '设备台账现状 latest registry entry of every device: 请查询视图 device_registry; query the view device_registry';

INSERT INTO device_registry_state_0012 (community_path, event_time, recorded_time, scope, change, device, kind, site, gateway, noise_zone, person, model)
SELECT community_path, event_time, recorded_time, scope, change, device, kind, site, gateway, noise_zone, person, model FROM device_registry_state FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES device_registry_state AND device_registry_state_0012;

DROP TABLE device_registry_state_0012;

DROP TABLE IF EXISTS persons_state_0012;

CREATE TABLE IF NOT EXISTS persons_state_0012
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
SETTINGS index_granularity = 1024
COMMENT '关爱对象现状 persons under care: 请查询视图 persons; query the view persons';

INSERT INTO persons_state_0012 (community_path, event_time, recorded_time, scope, change, person, category, home, consent)
SELECT community_path, event_time, recorded_time, scope, change, person, category, home, consent FROM persons_state FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES persons_state AND persons_state_0012;

DROP TABLE persons_state_0012;

DROP TABLE IF EXISTS sites_state_0012;

CREATE TABLE IF NOT EXISTS sites_state_0012
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
SETTINGS index_granularity = 1024
COMMENT '场所现状 places: 请查询视图 sites; query the view sites';

INSERT INTO sites_state_0012 (community_path, event_time, recorded_time, scope, change, site, kind, parent, title, capacity)
SELECT community_path, event_time, recorded_time, scope, change, site, kind, parent, title, capacity FROM sites_state FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES sites_state AND sites_state_0012;

DROP TABLE sites_state_0012;

DROP TABLE IF EXISTS grids_state_0012;

CREATE TABLE IF NOT EXISTS grids_state_0012
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
SETTINGS index_granularity = 1024
COMMENT '网格现状 grids: 请查询视图 grids; query the view grids';

INSERT INTO grids_state_0012 (community_path, event_time, recorded_time, scope, change, title, homes, residents)
SELECT community_path, event_time, recorded_time, scope, change, title, homes, residents FROM grids_state FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES grids_state AND grids_state_0012;

DROP TABLE grids_state_0012;

DROP TABLE IF EXISTS device_status_state_0012;

CREATE TABLE IF NOT EXISTS device_status_state_0012
(
    `community_path` String COMMENT '社区路径 scope path of the community: the name is unique in it',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `device` String COMMENT 'the device',
    `status` LowCardinality(String) COMMENT 'state from the event time on',
    `cause` LowCardinality(String) COMMENT 'why',
    `expected_interval_s` Nullable(Float64) COMMENT 'learned interval of the device, seconds',
    `detected_time_ms` Nullable(Int64) COMMENT 'lane clock at detection, epoch ms',
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(event_time)
ORDER BY (community_path, device)
SETTINGS index_granularity = 1024
COMMENT '设备连接状态 online or offline now: 请查询视图 device_status; query the view device_status';

INSERT INTO device_status_state_0012 (community_path, event_time, recorded_time, scope, device, status, cause, expected_interval_s, detected_time_ms)
SELECT community_path, event_time, recorded_time, scope, device, status, cause, expected_interval_s, detected_time_ms FROM device_status_state FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES device_status_state AND device_status_state_0012;

DROP TABLE device_status_state_0012;

DROP TABLE IF EXISTS metrics_minute_0012;

CREATE TABLE IF NOT EXISTS metrics_minute_0012
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
SETTINGS index_granularity = 1024
COMMENT '指标汇总 rollups of every metric per 分钟 minute. 查询请加 FINAL; read with FINAL';

INSERT INTO metrics_minute_0012 (metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version)
SELECT metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version FROM metrics_minute FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES metrics_minute AND metrics_minute_0012;

DROP TABLE metrics_minute_0012;

DROP TABLE IF EXISTS metrics_late_0012;

CREATE TABLE IF NOT EXISTS metrics_late_0012
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
SETTINGS index_granularity = 1024
COMMENT '指标汇总 rollups of every metric per 分钟（迟到事件）minute, of late events. 查询请加 FINAL; read with FINAL';

INSERT INTO metrics_late_0012 (metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version)
SELECT metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version FROM metrics_late FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES metrics_late AND metrics_late_0012;

DROP TABLE metrics_late_0012;

DROP TABLE IF EXISTS metrics_hour_0012;

CREATE TABLE IF NOT EXISTS metrics_hour_0012
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
SETTINGS index_granularity = 1024
COMMENT '指标汇总 rollups of every metric per 小时 hour (UTC). 查询请加 FINAL; read with FINAL';

INSERT INTO metrics_hour_0012 (metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version)
SELECT metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version FROM metrics_hour FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES metrics_hour AND metrics_hour_0012;

DROP TABLE metrics_hour_0012;

DROP TABLE IF EXISTS metrics_day_0012;

CREATE TABLE IF NOT EXISTS metrics_day_0012
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
SETTINGS index_granularity = 1024
COMMENT '指标汇总 rollups of every metric per 天 day of the site\'s time zone. 查询请加 FINAL; read with FINAL';

INSERT INTO metrics_day_0012 (metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version)
SELECT metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version FROM metrics_day FINAL
SETTINGS max_partitions_per_insert_block = 0;

EXCHANGE TABLES metrics_day AND metrics_day_0012;

DROP TABLE metrics_day_0012;
