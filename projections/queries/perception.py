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
    END_OF_TIME_MS,
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
# Most devices have not changed since the span began: they are counted once, as number 0, and hold in every window. Only
# the others' changes are put in order.
CONNECTION_SQL = f"""SELECT toUInt32(0) AS number, countIf(status = 'online') AS online,
    countIf(status != 'online') AS offline, toInt64(0) AS online_ms, toInt64(0) AS known_ms
FROM device_status_state FINAL
WHERE {COMMUNITY_RULE} AND {SCOPE_RULE} AND status != 'retired'
  AND event_time < fromUnixTimestamp64Milli({{first_ms:Int64}}, 'UTC')
UNION ALL
SELECT number, countIf(is_online AND till_ms >= end_ms) AS online,
    countIf(NOT is_online AND till_ms >= end_ms) AS offline,
    sumIf(overlap_ms, is_online) AS online_ms, sum(overlap_ms) AS known_ms
FROM (
    SELECT number, is_online, till_ms, {{ends_ms:Array(Int64)}}[number] AS end_ms,
        least(till_ms, end_ms) - greatest(since_ms, {{starts_ms:Array(Int64)}}[number]) AS overlap_ms
    FROM (
        SELECT status = 'online' AS is_online, since_ms, ifNull(until_ms, {{forever_ms:Int64}}) AS till_ms
        FROM (
            SELECT scope, status, toUnixTimestamp64Milli(event_time) AS since_ms,
                leadInFrame(toNullable(since_ms)) OVER (PARTITION BY of_device ORDER BY event_time, log_offset
                    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS until_ms
            FROM (
                SELECT scope, status, event_time, log_offset,
                    sipHash128(substringIndex(scope, '/', 4), device) AS of_device
                FROM device_status_log FINAL
                WHERE {WHOLE_COMMUNITIES} AND of_device IN (
                    SELECT sipHash128(community_path, device) FROM device_status_state FINAL
                    WHERE {COMMUNITY_RULE} AND event_time >= fromUnixTimestamp64Milli({{first_ms:Int64}}, 'UTC'))
            )
        )
        WHERE {SCOPE_RULE} AND status != 'retired' AND since_ms < {{last_ms:Int64}} AND till_ms > {{first_ms:Int64}}
    )
    ARRAY JOIN arrayFilter(
        (n, start_ms, stop_ms) -> start_ms < till_ms AND stop_ms > since_ms,
        arrayEnumerate({{starts_ms:Array(Int64)}}), {{starts_ms:Array(Int64)}}, {{ends_ms:Array(Int64)}}) AS number
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
_NO_CHANGE = {"online": 0, "offline": 0, "online_ms": 0, "known_ms": 0}


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
    starts = [at for at in query.windows.starts() if at < query.known_to]
    starts_ms = [epoch_ms(at) for at in starts]
    ends_ms = [min(end, known_to_ms) for end in (*starts_ms[1:], epoch_ms(query.windows.end))]
    if not starts:
        return (), None
    parameters = {
        "starts_ms": starts_ms,
        "ends_ms": ends_ms,
        "first_ms": starts_ms[0],
        "last_ms": ends_ms[-1],
        "forever_ms": END_OF_TIME_MS,
    }
    rows = {row["number"]: row for row in runner.rows(CONNECTION_SQL, parameters | scope)}
    unchanged = rows.pop(0)
    points, online_ms, known_ms = [], 0, 0
    for number, (start, start_ms, end_ms) in enumerate(zip(starts, starts_ms, ends_ms, strict=True), 1):
        row = rows.get(number, _NO_CHANGE)  # ClickHouse counts array elements from 1
        online, offline = row["online"] + unchanged["online"], row["offline"] + unchanged["offline"]
        window_ms = end_ms - start_ms
        of_window_ms = row["online_ms"] + unchanged["online"] * window_ms
        known_of_window_ms = row["known_ms"] + (unchanged["online"] + unchanged["offline"]) * window_ms
        points.append(ConnectionPoint(start, online, offline, _ratio(of_window_ms, known_of_window_ms)))
        online_ms, known_ms = online_ms + of_window_ms, known_ms + known_of_window_ms
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
