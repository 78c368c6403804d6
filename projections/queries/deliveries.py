"""Attempts to deliver, as they were reported to the log."""

from __future__ import annotations

from projections.queries.delivery_ports import DeliverableStep, DeliveryQuery, DeliveryRow
from projections.queries.running import (
    SCOPE_RULE,
    Runner,
    from_epoch_ms,
    optional_time,
    page_parameters,
    scope_parameters,
    span_parameters,
)
from schemas.event import NO_SCOPE

# An attempt's scope is the subscription's own, so a subscription's attempts lie together.
DELIVERIES_SQL = """SELECT event_id, attempted_time_ms, webhook_id, alert_event, alert, subject, attempt, outcome,
    status_code, error, latency_ms, response_start, next_attempt_time_ms
FROM delivery_attempts FINAL
WHERE scope = {scope:String} AND subscription = {subscription:String}
  AND ({outcome:String} = '' OR outcome = {outcome:String})
  AND attempted_time_ms >= {from_ms:Int64} AND attempted_time_ms < {to_ms:Int64}
  AND (attempted_time_ms, event_id) < ({before_ms:Int64}, {before_id:String})
ORDER BY attempted_time_ms DESC, event_id DESC
LIMIT {limit:UInt32}"""
DELIVERED_SQL = """SELECT alert_event, alert_recorded_time_ms AS recorded_ms
FROM delivery_attempts
WHERE scope = {scope:String} AND subscription = {subscription:String} AND alert IS NOT NULL
  AND (webhook_id = {name:String} OR alert_event = {name:String})
LIMIT 1"""
STEP_SQL = f"""SELECT event_id AS alert_event, toUnixTimestamp64Milli(recorded_time) AS recorded_ms
FROM alert_log FINAL
WHERE {SCOPE_RULE} AND event_id = {{name:String}}
LIMIT 1"""


def deliveries(runner: Runner, query: DeliveryQuery) -> list[DeliveryRow]:
    parameters = {
        "scope": query.scope or NO_SCOPE,
        "subscription": query.subscription,
        "outcome": query.outcome or "",
    }
    parameters |= span_parameters(query.from_time, query.to_time) | page_parameters(query.before, query.limit)
    return [
        DeliveryRow(
            attempt_id=row["event_id"],
            attempted_time=from_epoch_ms(row["attempted_time_ms"]),
            webhook_id=row["webhook_id"],
            alert_event=row["alert_event"],
            alert=row["alert"],
            subject=row["subject"],
            attempt=row["attempt"],
            outcome=row["outcome"],
            status_code=row["status_code"],
            error=row["error"],
            latency_ms=row["latency_ms"],
            response_start=row["response_start"],
            next_attempt_time=optional_time(row["next_attempt_time_ms"]),
        )
        for row in runner.rows(DELIVERIES_SQL, parameters)
    ]


def deliverable(runner: Runner, scope: str, subscription: str, name: str) -> DeliverableStep | None:
    found = runner.rows(DELIVERED_SQL, {"scope": scope or NO_SCOPE, "subscription": subscription, "name": name})
    found = found or runner.rows(STEP_SQL, {"name": name} | scope_parameters(scope))
    return DeliverableStep(found[0]["alert_event"], from_epoch_ms(found[0]["recorded_ms"])) if found else None
