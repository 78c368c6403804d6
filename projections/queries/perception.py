"""一图感知 The perception board: devices, connection over time, open alerts, passages by gate, trend of alerts."""

from __future__ import annotations

from typing import Any

from projections.queries.ports import (
    AlertTrend,
    BoardQuery,
    ConnectionPoint,
    DeviceKindCount,
    GateFlow,
    OpenAlarm,
    PerceptionBoard,
)
from projections.queries.running import (
    COMMUNITY_RULE,
    SCOPE_RULE,
    WHOLE_COMMUNITIES,
    Runner,
    epoch_ms,
    numbered_starts,
    scope_parameters,
    window_number_sql,
    window_parameters,
)

# Devices are matched by a hash of their names: half the cost of the names themselves, and 128 bits don't meet.
DEVICES_SQL = f"""SELECT toString(kind) AS kind_name, count() AS total, countIf(state = 'online') AS online,
    countIf(state = 'offline') AS offline, countIf(state = '') AS unknown
FROM (
    SELECT sipHash128(community_path, device) AS of_device, kind FROM device_registry_state FINAL
    WHERE {COMMUNITY_RULE} AND {SCOPE_RULE} AND change != 'retired'
) AS registered
LEFT JOIN (
    SELECT sipHash128(community_path, device) AS of_device, status AS state FROM device_status_state FINAL
    WHERE {COMMUNITY_RULE}
) AS known USING (of_device)
WHERE state != 'retired'
GROUP BY kind_name
ORDER BY kind_name"""
# Most devices have not changed since the span began: they are counted once, as number -1. Of the others every change is
# a step: how many more are online, or known, from then on. Sums of steps and of steps times their time tell how many
# there are at each window's end, and for how long there were.
_CONNECTION_SQL = f"""SELECT toInt64(-1) AS number, toInt64(countIf(status = 'online')) AS online,
    toInt64(count()) AS known, toInt64(0) AS online_at, toInt64(0) AS known_at
FROM device_status_state FINAL
WHERE {COMMUNITY_RULE} AND {SCOPE_RULE} AND status != 'retired'
  AND event_time < fromUnixTimestamp64Milli({{first_ms:Int64}}, 'UTC')
UNION ALL
SELECT %s AS number, sum(is_online - was_online) AS online, sum(is_known - was_known) AS known,
    sum((is_online - was_online) * at_ms) AS online_at, sum((is_known - was_known) * at_ms) AS known_at
FROM (
    SELECT greatest(event_time, fromUnixTimestamp64Milli({{first_ms:Int64}}, 'UTC')) AS at,
        toUnixTimestamp64Milli(at) - {{first_ms:Int64}} AS at_ms,
        toInt64(status = 'online' AND {SCOPE_RULE}) AS is_online,
        toInt64(status != 'retired' AND {SCOPE_RULE}) AS is_known,
        lagInFrame(is_online) OVER changes AS was_online, lagInFrame(is_known) OVER changes AS was_known
    FROM device_status_log FINAL
    WHERE {WHOLE_COMMUNITIES} AND event_time < fromUnixTimestamp64Milli({{last_ms:Int64}}, 'UTC')
      AND (substringIndex(scope, '/', 4), device) IN (
        SELECT community_path, device FROM device_status_state FINAL
        WHERE {COMMUNITY_RULE} AND event_time >= fromUnixTimestamp64Milli({{first_ms:Int64}}, 'UTC'))
    WINDOW changes AS (PARTITION BY substringIndex(scope, '/', 4), device ORDER BY event_time, log_offset
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
GROUP BY number"""
ALERTS_SQL = f"""SELECT detector, rule, severity, countIf(state = 'open') AS open,
    uniqExactIf(subject, state = 'open') AS subjects,
    countIf(opened_time_ms >= {{start_ms:Int64}} AND opened_time_ms < {{to_ms:Int64}}) AS opened,
    countIf(opened_time_ms >= {{before_ms:Int64}} AND opened_time_ms < {{start_ms:Int64}}) AS opened_before
FROM alerts
WHERE {SCOPE_RULE}
  AND (state = 'open' OR (opened_time_ms >= {{before_ms:Int64}} AND opened_time_ms < {{to_ms:Int64}}))
GROUP BY detector, rule, severity
ORDER BY detector, rule, severity"""
_FLOWS_SQL = f"""SELECT community_path, toString(gate) AS gate_name, sum(passages) AS of_gate,
    arraySort(groupArray((number, persons_in, persons_out, vehicles_in, vehicles_out))) AS flows
FROM (
    SELECT substringIndex(scope, '/', 4) AS community_path, gate, %s AS number, count() AS passages,
        countIf(kind = 'person' AND direction = 'in') AS persons_in,
        countIf(kind = 'person' AND direction = 'out') AS persons_out,
        countIf(kind = 'vehicle' AND direction = 'in') AS vehicles_in,
        countIf(kind = 'vehicle' AND direction = 'out') AS vehicles_out
    FROM passages FINAL
    WHERE {SCOPE_RULE} AND event_time >= fromUnixTimestamp64Milli({{start_s:Int64}} * 1000, 'UTC')
      AND event_time < fromUnixTimestamp64Milli({{end_s:Int64}} * 1000, 'UTC')
    GROUP BY community_path, gate, number
)
GROUP BY community_path, gate
ORDER BY of_gate DESC, community_path, gate_name
LIMIT {{gates:UInt32}}"""
_NO_STEP = {"online": 0, "known": 0, "online_at": 0, "known_at": 0}


def board(runner: Runner, query: BoardQuery) -> PerceptionBoard:
    """See :meth:`projections.queries.ports.QueryPort.perception`."""
    scope = scope_parameters(query.scope)
    connection, availability_ratio = _connection(runner, query, scope)
    passages, gates_cut = _passages(runner, query, scope)
    open_alarms, alert_trend = _alerts(runner, query, scope)
    return PerceptionBoard(
        devices=tuple(
            DeviceKindCount(row["kind_name"], row["total"], row["online"], row["offline"], row["unknown"])
            for row in runner.rows(DEVICES_SQL, scope)
        ),
        connection=connection,
        availability_ratio=availability_ratio,
        open_alarms=open_alarms,
        passages=passages,
        gates_cut=gates_cut,
        alert_trend=alert_trend,
    )


def _connection(
    runner: Runner, query: BoardQuery, scope: dict[str, Any]
) -> tuple[tuple[ConnectionPoint, ...], float | None]:
    """Points of every window that has begun, and the availability over all of them."""
    known_to_ms = epoch_ms(query.known_to)
    starts = {number: at for number, at in numbered_starts(query.windows).items() if at < query.known_to}
    if not starts:
        return (), None
    ends = [*list(starts.values())[1:], query.windows.end]
    first_ms, last_ms = epoch_ms(query.windows.start), min(epoch_ms(query.windows.end), known_to_ms)
    sql = _CONNECTION_SQL % window_number_sql(query.windows, "at")
    parameters = scope | window_parameters(query.windows) | {"first_ms": first_ms, "last_ms": last_ms}
    steps = {row["number"]: row for row in runner.rows(sql, parameters)}
    online, known = (steps[-1][name] for name in ("online", "known"))
    points, online_ms, known_ms = [], 0, 0
    for (number, start), end in zip(starts.items(), ends, strict=True):
        step, end_ms = steps.get(number, _NO_STEP), min(epoch_ms(end), known_to_ms)
        window_ms, till_ms = end_ms - epoch_ms(start), end_ms - first_ms
        # who was there all the time, and who came or went: from the step to the window's end
        online_of_window_ms = online * window_ms + step["online"] * till_ms - step["online_at"]
        known_of_window_ms = known * window_ms + step["known"] * till_ms - step["known_at"]
        online, known = online + step["online"], known + step["known"]
        points.append(ConnectionPoint(start, online, known - online, _ratio(online_of_window_ms, known_of_window_ms)))
        online_ms, known_ms = online_ms + online_of_window_ms, known_ms + known_of_window_ms
    return tuple(points), _ratio(online_ms, known_ms)


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _passages(runner: Runner, query: BoardQuery, scope: dict[str, Any]) -> tuple[tuple[GateFlow, ...], bool]:
    """Flows of the busiest gates, by gate and time; and whether there are more gates."""
    starts = numbered_starts(query.windows)
    rows = runner.rows(
        _FLOWS_SQL % window_number_sql(query.windows, "event_time"),
        scope | window_parameters(query.windows) | {"gates": query.max_gates + 1},
    )
    kept = sorted(rows[: query.max_gates], key=lambda row: (row["community_path"], row["gate_name"]))
    flows = tuple(
        GateFlow(row["community_path"], row["gate_name"], starts[number], *counts)
        for row in kept
        for number, *counts in row["flows"]
    )
    return flows, len(rows) > query.max_gates


def _alerts(
    runner: Runner, query: BoardQuery, scope: dict[str, Any]
) -> tuple[tuple[OpenAlarm, ...], tuple[AlertTrend, ...]]:
    """What is open, and what was opened in the span and in the one before."""
    start_ms = epoch_ms(query.windows.start)
    to_ms = max(start_ms, min(epoch_ms(query.windows.end), epoch_ms(query.known_to)))
    parameters = {"start_ms": start_ms, "to_ms": to_ms, "before_ms": 2 * start_ms - to_ms}
    opened: dict[tuple[str, str], tuple[int, int]] = {}
    alarms = []
    for row in runner.rows(ALERTS_SQL, parameters | scope):
        if row["open"]:
            alarms.append(OpenAlarm(row["detector"], row["rule"], row["severity"], row["open"], row["subjects"]))
        if row["opened"] or row["opened_before"]:
            now, before = opened.get((row["detector"], row["rule"]), (0, 0))
            opened[row["detector"], row["rule"]] = now + row["opened"], before + row["opened_before"]
    return tuple(alarms), tuple(AlertTrend(*rule, *counts) for rule, counts in opened.items())
