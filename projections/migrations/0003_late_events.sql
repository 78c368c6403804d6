-- Late events: a list of them, and minutes of late events, from which days are put together together with hours.
-- Rollups made so far know no lateness. They are emptied; the rollup worker fills them again from the event tables, the
-- list is filled here. Nothing is being written while migrations run.

CREATE TABLE IF NOT EXISTS late_events
(
    `type` LowCardinality(String) COMMENT '事件类型 type of the event, without its version',
    `event_time` DateTime64(3, 'UTC') COMMENT '事件时间 when it happened, UTC' CODEC(Delta(8), LZ4),
    `recorded_time` DateTime64(3, 'UTC') COMMENT '记录时间 when it was appended to the log, UTC' CODEC(Delta(8), LZ4),
    `scope` LowCardinality(String) COMMENT '市/区/街道/社区/网格 scope path city/district/street/community/grid',
    `source` LowCardinality(String) COMMENT '来源 who said it, a URI reference',
    `event_id` String COMMENT '事件号 id of the event, unique with source',
    `lateness_s` Float64 COMMENT '迟到时长 seconds from event time to recorded time',
    `log_topic` LowCardinality(String) COMMENT '日志主题 topic of the record',
    `log_partition` UInt32 COMMENT '日志分区 partition of the record',
    `log_offset` UInt64 COMMENT '日志位点 offset of the record' CODEC(Delta(8), LZ4),
    `version_key` UInt64 MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition) COMMENT '首条记录取值最大 the first record of an event has the greatest: it wins' CODEC(Delta(8), LZ4),
    `city` LowCardinality(String) ALIAS splitByChar('/', scope)[1] COMMENT '市 city：scope 的一级 level 1 of scope',
    `district` LowCardinality(String) ALIAS splitByChar('/', scope)[2] COMMENT '区县 district：scope 的一级 level 2 of scope',
    `street` LowCardinality(String) ALIAS splitByChar('/', scope)[3] COMMENT '街道 street：scope 的一级 level 3 of scope',
    `community` LowCardinality(String) ALIAS splitByChar('/', scope)[4] COMMENT '社区 community：scope 的一级 level 4 of scope',
    `grid` LowCardinality(String) ALIAS splitByChar('/', scope)[5] COMMENT '网格 grid：scope 的一级 level 5 of scope'
)
ENGINE = ReplacingMergeTree(version_key)
ORDER BY (type, scope, event_time, source, event_id)
COMMENT '迟到事件 events that came too late for minutes and hours; they count in their day. 查询请加 FINAL; read with FINAL';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_heartbeats TO late_events AS
SELECT 'cn.gridpulse.readings.heartbeat' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM heartbeats
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'heartbeats -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_readings TO late_events AS
SELECT 'cn.gridpulse.readings.measured' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM readings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'readings -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_presence TO late_events AS
SELECT 'cn.gridpulse.readings.presence' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM presence
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'presence -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_sos_calls TO late_events AS
SELECT 'cn.gridpulse.readings.sos' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM sos_calls
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'sos_calls -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_vision_findings TO late_events AS
SELECT 'cn.gridpulse.vision.finding' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM vision_findings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'vision_findings -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_passages TO late_events AS
SELECT 'cn.gridpulse.passages.passage' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM passages
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'passages -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_sightings TO late_events AS
SELECT 'cn.gridpulse.positions.sighting' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM sightings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'))
COMMENT 'sightings -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_patrols TO late_events AS
SELECT 'cn.gridpulse.positions.patrol' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM patrols
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'patrols -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_online_interactions TO late_events AS
SELECT 'cn.gridpulse.online.interaction' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM online_interactions
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 86400000 AND NOT startsWith(source, '//import/'))
COMMENT 'online_interactions -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_service_requests TO late_events AS
SELECT 'cn.gridpulse.online.service_request' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM service_requests
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 86400000 AND NOT startsWith(source, '//import/'))
COMMENT 'service_requests -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_participation TO late_events AS
SELECT 'cn.gridpulse.online.participation' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM participation
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 86400000 AND NOT startsWith(source, '//import/'))
COMMENT 'participation -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_venue_sessions TO late_events AS
SELECT 'cn.gridpulse.venue.session' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_sessions
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'venue_sessions -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_venue_visitors TO late_events AS
SELECT 'cn.gridpulse.venue.visitors' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_visitors
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'venue_visitors -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_venue_bookings TO late_events AS
SELECT 'cn.gridpulse.venue.booking' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_bookings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'venue_bookings -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_venue_sales TO late_events AS
SELECT 'cn.gridpulse.venue.sale' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_sales
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'venue_sales -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_venue_activities TO late_events AS
SELECT 'cn.gridpulse.venue.activity' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_activities
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'venue_activities -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_canteen_orders TO late_events AS
SELECT 'cn.gridpulse.venue.canteen_order' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM canteen_orders
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'canteen_orders -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_civic_cases TO late_events AS
SELECT 'cn.gridpulse.civic.case' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM civic_cases
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'civic_cases -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_volunteering TO late_events AS
SELECT 'cn.gridpulse.civic.volunteering' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM volunteering
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'volunteering -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_waste_deposits TO late_events AS
SELECT 'cn.gridpulse.civic.waste_deposit' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM waste_deposits
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'waste_deposits -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_parking TO late_events AS
SELECT 'cn.gridpulse.civic.parking' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM parking
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'parking -> late_events';

CREATE MATERIALIZED VIEW IF NOT EXISTS late_events_from_health_measurements TO late_events AS
SELECT 'cn.gridpulse.civic.health_measurement' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM health_measurements
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'))
COMMENT 'health_measurements -> late_events';

CREATE TABLE IF NOT EXISTS metrics_late
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
COMMENT '指标汇总 rollups of every metric per 分钟（迟到事件）minute, of late events. 查询请加 FINAL; read with FINAL';

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.readings.heartbeat' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM heartbeats
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.readings.measured' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM readings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.readings.presence' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM presence
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.readings.sos' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM sos_calls
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.vision.finding' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM vision_findings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.passages.passage' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM passages
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.positions.sighting' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM sightings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 172800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.positions.patrol' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM patrols
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.online.interaction' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM online_interactions
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 86400000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.online.service_request' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM service_requests
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 86400000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.online.participation' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM participation
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 86400000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.venue.session' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_sessions
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.venue.visitors' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_visitors
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.venue.booking' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_bookings
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.venue.sale' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_sales
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.venue.activity' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM venue_activities
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.venue.canteen_order' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM canteen_orders
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.civic.case' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM civic_cases
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.civic.volunteering' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM volunteering
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.civic.waste_deposit' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM waste_deposits
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.civic.parking' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM parking
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

INSERT INTO late_events (type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, lateness_s)
SELECT 'cn.gridpulse.civic.health_measurement' AS type, event_time, recorded_time, scope, source, event_id, log_topic, log_partition, log_offset, (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)) / 1000 AS lateness_s
FROM health_measurements
WHERE (toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time) > 604800000 AND NOT startsWith(source, '//import/'));

TRUNCATE TABLE metrics_minute;

TRUNCATE TABLE metrics_hour;

TRUNCATE TABLE metrics_day;

TRUNCATE TABLE rollup_progress;
