-- When a status or an alert step was said, on the lane's clock: so replays can compare a span of time exactly.
-- The views that pass the column on are made anew; nothing is being written while migrations run.

ALTER TABLE device_status_log ADD COLUMN IF NOT EXISTS `detected_time_ms` Nullable(Int64) COMMENT 'lane clock at detection, epoch ms' AFTER `expected_interval_s`;

ALTER TABLE device_status_log ADD COLUMN IF NOT EXISTS `detected_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(detected_time_ms, 'UTC') COMMENT 'lane clock at detection, UTC' AFTER `version_key`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `detected_time_ms` Nullable(Int64) COMMENT 'lane clock at this step, epoch ms' AFTER `reason_en`;

ALTER TABLE alert_log ADD COLUMN IF NOT EXISTS `detected_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(detected_time_ms, 'UTC') COMMENT 'lane clock at this step, UTC' AFTER `resolved_time`;

ALTER TABLE device_status_state ADD COLUMN IF NOT EXISTS `detected_time_ms` Nullable(Int64) COMMENT 'lane clock at detection, epoch ms' AFTER `expected_interval_s`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `detected_time_ms` Nullable(Int64) COMMENT 'lane clock at this step, epoch ms' AFTER `reason_en`;

ALTER TABLE alerts_state ADD COLUMN IF NOT EXISTS `detected_time` Nullable(DateTime64(3, 'UTC')) ALIAS fromUnixTimestamp64Milli(detected_time_ms, 'UTC') COMMENT 'lane clock at this step, UTC' AFTER `resolved_time`;

DROP VIEW IF EXISTS alerts_state_feed;

CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_state_feed TO alerts_state AS
SELECT event_time, recorded_time, scope, alert, alert_key, step, detector, rule, subject, severity, count, opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version, reason_zh, reason_en, detected_time_ms, bitShiftLeft(toUInt64(step = 'resolved'), 63) + bitShiftLeft(toUInt64(least(greatest(updated_time_ms, 0), 8796093022207)), 20) + least(toUInt64(count), 1048575) AS version
FROM alert_log
COMMENT 'alert_log -> alerts_state';

DROP VIEW IF EXISTS device_status_state_feed;

CREATE MATERIALIZED VIEW IF NOT EXISTS device_status_state_feed TO device_status_state AS
SELECT substringIndex(scope, '/', 4) AS community_path, event_time, recorded_time, scope, device, status, cause, expected_interval_s, detected_time_ms
FROM device_status_log
COMMENT 'device_status_log -> device_status_state';

DROP VIEW IF EXISTS device_status;

CREATE VIEW IF NOT EXISTS device_status AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, community_path, device, status, cause, expected_interval_s, detected_time_ms, event_time AS since, recorded_time
FROM device_status_state FINAL
COMMENT '设备连接状态 online or offline now';

DROP VIEW IF EXISTS alerts;

CREATE VIEW IF NOT EXISTS alerts AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, if(step = 'resolved', 'resolved', 'open') AS state, alert, alert_key, step, detector, rule, subject, severity, count, opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version, reason_zh, reason_en, detected_time_ms, opened_time, updated_time, resolved_time, event_time, recorded_time
FROM alerts_state FINAL
COMMENT '告警现状 every alert in its latest state';
