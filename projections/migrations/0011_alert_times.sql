-- How long people took with alerts, and what is silenced, as views; the role "operator" of API keys in words.

CREATE VIEW IF NOT EXISTS alert_times AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, alert, detector, rule, fromUnixTimestamp64Milli(opened_time_ms, 'UTC') AS opened_time, fromUnixTimestamp64Milli(raised_time_ms, 'UTC') AS raised_time, fromUnixTimestamp64Milli(acknowledged_time_ms, 'UTC') AS acknowledged_time, fromUnixTimestamp64Milli(acted_time_ms, 'UTC') AS acted_time, fromUnixTimestamp64Milli(resolved_time_ms, 'UTC') AS resolved_time, fromUnixTimestamp64Milli(closed_time_ms, 'UTC') AS closed_time, acknowledge_s, act_s, resolve_s, close_s
FROM (
SELECT a.scope AS scope, a.alert AS alert, a.detector AS detector, a.rule AS rule,
    a.opened_time_ms AS opened_time_ms, a.raised_ms AS raised_time_ms,
    a.acknowledged_ms AS acknowledged_time_ms,
    nullIf(least(ifNull(a.acted_ms, 9223372036854775807), ifNull(n.reported_ms, 9223372036854775807)), 9223372036854775807) AS acted_time_ms,
    a.resolved_ms AS resolved_time_ms,
    nullIf(least(ifNull(a.closed_ms, 9223372036854775807), ifNull(c.closed_ms, 9223372036854775807), ifNull(n.closed_ms, 9223372036854775807)), 9223372036854775807) AS closed_time_ms,
    if(isNotNull(acknowledged_time_ms) AND isNotNull(raised_time_ms), greatest(0, acknowledged_time_ms - raised_time_ms) / 1000, NULL) AS acknowledge_s,
    if(isNotNull(acted_time_ms) AND isNotNull(raised_time_ms), greatest(0, acted_time_ms - raised_time_ms) / 1000, NULL) AS act_s,
    if(isNotNull(resolved_time_ms) AND isNotNull(opened_time_ms), greatest(0, resolved_time_ms - opened_time_ms) / 1000, NULL) AS resolve_s,
    if(isNotNull(closed_time_ms) AND isNotNull(raised_time_ms), greatest(0, closed_time_ms - raised_time_ms) / 1000, NULL) AS close_s
FROM (
    SELECT alert, argMax(scope, (log_partition, log_offset)) AS scope, substringIndex(scope, '/', 4) AS community_path,
        any(detector) AS detector, any(rule) AS rule, min(opened_time_ms) AS opened_time_ms,
        if(countIf(NOT ifNull(silenced, false) AND `group` IS NULL) = 0, NULL, minIf(at_ms, NOT ifNull(silenced, false) AND `group` IS NULL)) AS raised_ms,
        if(countIf(step = 'acknowledged') = 0, NULL, minIf(at_ms, step = 'acknowledged')) AS acknowledged_ms,
        if(countIf(step IN ('acknowledged', 'assigned', 'reported')) = 0, NULL, minIf(at_ms, step IN ('acknowledged', 'assigned', 'reported'))) AS acted_ms,
        min(log.resolved_time_ms) AS resolved_ms, if(countIf(step = 'closed') = 0, NULL, minIf(at_ms, step = 'closed')) AS closed_ms,
        ifNull(max(log.`case`), '') AS case_id
    FROM (SELECT *, ifNull(detected_time_ms, toUnixTimestamp64Milli(recorded_time)) AS at_ms FROM alert_log FINAL WHERE 1) AS log
    GROUP BY alert
) AS a
LEFT JOIN (
    SELECT substringIndex(scope, '/', 4) AS community_path, `case` AS case_id, ifNull(max(alert), '') AS alert_id,
        if(countIf(step = 'reported') = 0, NULL, minIf(at_ms, step = 'reported')) AS reported_ms, if(countIf(step = 'closed') = 0, NULL, minIf(at_ms, step = 'closed')) AS closed_ms
    FROM (SELECT *, toUnixTimestamp64Milli(event_time) AS at_ms FROM civic_cases FINAL WHERE 1)
    GROUP BY community_path, case_id
) AS c ON a.community_path = c.community_path AND a.case_id = c.case_id
LEFT JOIN (
    SELECT alert_id, min(cases.reported_ms) AS reported_ms, min(cases.closed_ms) AS closed_ms
    FROM (SELECT substringIndex(scope, '/', 4) AS community_path, `case` AS case_id, ifNull(max(alert), '') AS alert_id,
        if(countIf(step = 'reported') = 0, NULL, minIf(at_ms, step = 'reported')) AS reported_ms, if(countIf(step = 'closed') = 0, NULL, minIf(at_ms, step = 'closed')) AS closed_ms
    FROM (SELECT *, toUnixTimestamp64Milli(event_time) AS at_ms FROM civic_cases FINAL WHERE 1)
    GROUP BY community_path, case_id) AS cases WHERE alert_id != '' GROUP BY alert_id
) AS n ON a.alert = n.alert_id
)
COMMENT '告警处置用时 how long it took to acknowledge, act on, resolve and close each alert';

CREATE VIEW IF NOT EXISTS silences AS
SELECT scope, splitByChar('/', scope)[1] AS city, splitByChar('/', scope)[2] AS district, splitByChar('/', scope)[3] AS street, splitByChar('/', scope)[4] AS community, splitByChar('/', scope)[5] AS grid, silence, kind, detector, rule, subject, starts_time_ms, ends_time_ms, actor, comment,
    fromUnixTimestamp64Milli(starts_time_ms, 'UTC') AS starts_time,
    fromUnixTimestamp64Milli(ends_time_ms, 'UTC') AS ends_time, created_time, lifted_time, lifted_by, lifted_comment
FROM (
    SELECT silence, any(silenced_scope) AS scope, _said.1 AS kind, _said.2 AS detector, _said.3 AS rule, _said.4 AS subject, _said.5 AS starts_time_ms, _said.6 AS ends_time_ms, _said.7 AS actor, _said.8 AS comment,
        argMin(tuple(said.kind, said.detector, said.rule, said.subject, said.starts_time_ms, said.ends_time_ms, said.actor, said.comment), (said.status = 'lifted', said.event_time)) AS _said,
        min(said.event_time) AS created_time, countIf(said.status = 'lifted') > 0 AS is_lifted,
        if(is_lifted, minIf(said.event_time, said.status = 'lifted'), NULL) AS lifted_time,
        argMinIf(tuple(said.actor, said.comment), said.event_time, said.status = 'lifted') AS _lifted,
        if(is_lifted, _lifted.1, NULL) AS lifted_by, if(is_lifted, _lifted.2, NULL) AS lifted_comment
    FROM alert_silences AS said FINAL
    GROUP BY silence
)
COMMENT '静默 what is or was silenced: by hand, for maintenance, in a power cut';

ALTER TABLE api_keys COMMENT COLUMN `role` 'reader: query; writer: send events; operator: query and act on alerts; admin: all of it';
