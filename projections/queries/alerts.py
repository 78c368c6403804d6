"""Alerts as they stand, the steps of one, and dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.queries.ports import (
    AlertQuery,
    AlertRow,
    AlertStepRow,
    DeadLetterQuery,
    DeadLetterRow,
)
from projections.queries.running import (
    SCOPE_RULE,
    Runner,
    from_epoch_ms,
    optional_time,
    page_parameters,
    scope_parameters,
    span_parameters,
)

_ALERT_COLUMNS = """SELECT alert, toString(scope) AS scope_path, detector, rule, subject, severity, state, count,
    opened_time_ms, updated_time_ms, resolved_time_ms, score, threshold, baseline, observed, unit, model_version,
    reason_zh, reason_en, acknowledged_by, acknowledged_time_ms, assignee, verdict, `case` AS case_id, closed_time_ms,
    silenced, silenced_as, silenced_by, unstable, escalation, `group` AS group_alert, grouped
FROM alerts"""
ALERTS_SQL = f"""{_ALERT_COLUMNS}
WHERE {SCOPE_RULE}
  AND ({{state:String}} = '' OR state = {{state:String}})
  AND ({{detector:String}} = '' OR detector = {{detector:String}})
  AND ({{rule:String}} = '' OR rule = {{rule:String}})
  AND ({{severity:String}} = '' OR severity = {{severity:String}})
  AND ({{subject:String}} = '' OR subject = {{subject:String}})
  AND opened_time_ms >= {{from_ms:Int64}} AND opened_time_ms < {{to_ms:Int64}}
  AND (opened_time_ms, alert) < ({{before_ms:Int64}}, {{before_id:String}})
ORDER BY opened_time_ms DESC, alert DESC
LIMIT {{limit:UInt32}}"""
ALERT_SQL = f"""{_ALERT_COLUMNS}
WHERE {SCOPE_RULE} AND alert = {{alert:String}}
LIMIT 1"""
ALERT_STEPS_SQL = f"""SELECT toUnixTimestamp64Milli(event_time) AS at_ms,
    toUnixTimestamp64Milli(recorded_time) AS recorded_ms, step, severity, count, score, threshold, baseline, observed,
    reason_zh, reason_en, actor, comment, assignee, verdict, `case` AS case_id, escalation, silenced_as, silenced_by
FROM alert_log FINAL
WHERE {SCOPE_RULE} AND alert = {{alert:String}}
ORDER BY log_partition, log_offset
LIMIT 10000"""
DEAD_LETTERS_SQL = f"""SELECT event_id, toUnixTimestamp64Milli(recorded_time) AS recorded_ms,
    toString(scope) AS scope_path, stage, reason, detail, origin, raw_base64, raw_bytes
FROM dead_letters FINAL
WHERE {SCOPE_RULE}
  AND ({{stage:String}} = '' OR stage = {{stage:String}})
  AND ({{reason:String}} = '' OR reason = {{reason:String}})
  AND recorded_ms >= {{from_ms:Int64}} AND recorded_ms < {{to_ms:Int64}}
  AND (recorded_ms, event_id) < ({{before_ms:Int64}}, {{before_id:String}})
ORDER BY recorded_ms DESC, event_id DESC
LIMIT {{limit:UInt32}}"""


def _page(query: AlertQuery | DeadLetterQuery) -> dict[str, Any]:
    return (
        span_parameters(query.from_time, query.to_time)
        | page_parameters(query.before, query.limit)
        | scope_parameters(query.scope)
    )


def alerts(runner: Runner, query: AlertQuery) -> list[AlertRow]:
    parameters = {
        "state": query.state or "",
        "detector": query.detector or "",
        "rule": query.rule or "",
        "severity": query.severity or "",
        "subject": query.subject or "",
    }
    return [_alert(row) for row in runner.rows(ALERTS_SQL, parameters | _page(query))]


def alert(runner: Runner, scope: str, name: str) -> AlertRow | None:
    rows = runner.rows(ALERT_SQL, {"alert": name} | scope_parameters(scope))
    return _alert(rows[0]) if rows else None


def _alert(row: Mapping[str, Any]) -> AlertRow:
    return AlertRow(
        alert=row["alert"],
        scope=row["scope_path"],
        detector=row["detector"],
        rule=row["rule"],
        subject=row["subject"],
        severity=row["severity"],
        state=row["state"],
        count=row["count"],
        opened_time=from_epoch_ms(row["opened_time_ms"]),
        updated_time=from_epoch_ms(row["updated_time_ms"]),
        resolved_time=optional_time(row["resolved_time_ms"]),
        score=row["score"],
        threshold=row["threshold"],
        baseline=row["baseline"],
        observed=row["observed"],
        unit=row["unit"],
        model_version=row["model_version"],
        reason_zh=row["reason_zh"],
        reason_en=row["reason_en"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_time=optional_time(row["acknowledged_time_ms"]),
        assignee=row["assignee"],
        verdict=row["verdict"],
        case=row["case_id"],
        closed_time=optional_time(row["closed_time_ms"]),
        silenced=bool(row["silenced"]),
        silenced_as=row["silenced_as"],
        silenced_by=row["silenced_by"],
        unstable=bool(row["unstable"]),
        escalation=row["escalation"] or 0,
        group=row["group_alert"],
        grouped=row["grouped"] or 0,
    )


def alert_steps(runner: Runner, scope: str, name: str) -> list[AlertStepRow]:
    rows = runner.rows(ALERT_STEPS_SQL, {"alert": name} | scope_parameters(scope))
    return [
        AlertStepRow(
            event_time=from_epoch_ms(row["at_ms"]),
            recorded_time=from_epoch_ms(row["recorded_ms"]),
            step=row["step"],
            severity=row["severity"],
            count=row["count"],
            score=row["score"],
            threshold=row["threshold"],
            baseline=row["baseline"],
            observed=row["observed"],
            reason_zh=row["reason_zh"],
            reason_en=row["reason_en"],
            actor=row["actor"],
            comment=row["comment"],
            assignee=row["assignee"],
            verdict=row["verdict"],
            case=row["case_id"],
            escalation=row["escalation"] or 0,
            silenced_as=row["silenced_as"],
            silenced_by=row["silenced_by"],
        )
        for row in rows
    ]


def dead_letters(runner: Runner, query: DeadLetterQuery) -> list[DeadLetterRow]:
    parameters = {"stage": query.stage or "", "reason": query.reason or ""}
    rows = runner.rows(DEAD_LETTERS_SQL, parameters | _page(query))
    return [
        DeadLetterRow(
            event_id=row["event_id"],
            recorded_time=from_epoch_ms(row["recorded_ms"]),
            scope=row["scope_path"],
            stage=row["stage"],
            reason=row["reason"],
            detail=row["detail"],
            origin=row["origin"],
            raw_base64=row["raw_base64"],
            raw_bytes=row["raw_bytes"],
        )
        for row in rows
    ]
