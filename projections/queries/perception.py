"""一图感知 The perception board: devices, connection over time, open alerts, passages by gate, trend of alerts."""

from __future__ import annotations

from collections.abc import Sequence
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
    SCOPE_RULE,
    Runner,
    epoch_ms,
    numbered_starts,
    scope_parameters,
    window_number_sql,
    window_parameters,
)

DEVICES_SQL = f"""SELECT toString(kind) AS kind_name, count() AS total, countIf(status = 'online') AS online,
    countIf(status = 'offline') AS offline, countIf(status = 'unknown') AS unknown
FROM devices
WHERE {SCOPE_RULE} AND status != 'retired'
GROUP BY kind_name
ORDER BY kind_name"""
CONNECTION_SQL = f"""SELECT number, countIf(is_online AND till_ms >= end_ms) AS online,
    countIf(NOT is_online AND till_ms >= end_ms) AS offline,
    sumIf(overlap_ms, is_online) AS online_ms, sum(overlap_ms) AS known_ms
FROM (
    SELECT number, is_online, till_ms, {{ends_ms:Array(Int64)}}[number] AS end_ms,
        least(till_ms, end_ms) - greatest(since_ms, {{starts_ms:Array(Int64)}}[number]) AS overlap_ms
    FROM (
        SELECT status = 'online' AS is_online, toUnixTimestamp64Milli(since) AS since_ms,
            ifNull(toUnixTimestamp64Milli(until), {{forever_ms:Int64}}) AS till_ms
        FROM device_status_periods
        WHERE {SCOPE_RULE} AND status != 'retired' AND since_ms < {{last_ms:Int64}} AND till_ms > {{first_ms:Int64}}
    )
    ARRAY JOIN arrayFilter(
        (n, start_ms, stop_ms) -> start_ms < till_ms AND stop_ms > since_ms,
        arrayEnumerate({{starts_ms:Array(Int64)}}), {{starts_ms:Array(Int64)}}, {{ends_ms:Array(Int64)}}) AS number
)
GROUP BY number"""
OPEN_ALARMS_SQL = f"""SELECT detector, rule, severity, count() AS open, uniqExact(subject) AS subjects
FROM alerts
WHERE {SCOPE_RULE} AND state = 'open'
GROUP BY detector, rule, severity
ORDER BY detector, rule, severity"""
_PASSAGES = f"""FROM passages FINAL
WHERE {SCOPE_RULE} AND event_time >= fromUnixTimestamp64Milli({{start_s:Int64}} * 1000, 'UTC')
  AND event_time < fromUnixTimestamp64Milli({{end_s:Int64}} * 1000, 'UTC')"""
_GATE = "substringIndex(toString(scope), '/', 4) AS community_path, toString(gate) AS gate_name"
GATES_SQL = f"""SELECT {_GATE}, count() AS passages
{_PASSAGES}
GROUP BY community_path, gate_name
ORDER BY passages DESC, community_path, gate_name
LIMIT {{gates:UInt32}}"""
ALERT_TREND_SQL = f"""SELECT detector, rule, countIf(opened_time_ms >= {{start_ms:Int64}}) AS opened,
    countIf(opened_time_ms < {{start_ms:Int64}}) AS opened_before
FROM alerts
WHERE {SCOPE_RULE} AND opened_time_ms >= {{before_ms:Int64}} AND opened_time_ms < {{to_ms:Int64}}
GROUP BY detector, rule
ORDER BY detector, rule"""
_FOREVER_MS = 1 << 43


def board(runner: Runner, query: BoardQuery) -> PerceptionBoard:
    """See :meth:`projections.queries.ports.QueryPort.perception`."""
    scope = scope_parameters(query.scope)
    connection, availability_ratio = _connection(runner, query, scope)
    passages, gates_cut = _passages(runner, query, scope)
    return PerceptionBoard(
        devices=tuple(
            DeviceKindCount(row["kind_name"], row["total"], row["online"], row["offline"], row["unknown"])
            for row in runner.rows(DEVICES_SQL, scope)
        ),
        connection=connection,
        availability_ratio=availability_ratio,
        open_alarms=tuple(
            OpenAlarm(row["detector"], row["rule"], row["severity"], row["open"], row["subjects"])
            for row in runner.rows(OPEN_ALARMS_SQL, scope)
        ),
        passages=passages,
        gates_cut=gates_cut,
        alert_trend=_alert_trend(runner, query, scope),
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
        "forever_ms": _FOREVER_MS,
    }
    rows = {row["number"]: row for row in runner.rows(CONNECTION_SQL, parameters | scope)}
    points = []
    for number, start in enumerate(starts, 1):  # ClickHouse counts array elements from 1
        row = rows.get(number)
        if row is None:
            points.append(ConnectionPoint(start, 0, 0, None))
        else:
            ratio = _ratio(row["online_ms"], row["known_ms"])
            points.append(ConnectionPoint(start, row["online"], row["offline"], ratio))
    online_ms = sum(row["online_ms"] for row in rows.values())
    return tuple(points), _ratio(online_ms, sum(row["known_ms"] for row in rows.values()))


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _passages(runner: Runner, query: BoardQuery, scope: dict[str, Any]) -> tuple[tuple[GateFlow, ...], bool]:
    parameters = scope | window_parameters(query.windows)
    gates = runner.rows(GATES_SQL, parameters | {"gates": query.max_gates + 1})
    kept = gates[: query.max_gates]
    starts = numbered_starts(query.windows)
    rows = runner.rows(
        f"SELECT {_GATE}, {window_number_sql(query.windows, 'event_time')} AS number,\n"
        "    countIf(kind = 'person' AND direction = 'in') AS persons_in,\n"
        "    countIf(kind = 'person' AND direction = 'out') AS persons_out,\n"
        "    countIf(kind = 'vehicle' AND direction = 'in') AS vehicles_in,\n"
        "    countIf(kind = 'vehicle' AND direction = 'out') AS vehicles_out\n"
        f"{_PASSAGES} AND has({{gate_names:Array(String)}}, gate)\n"
        "GROUP BY community_path, gate_name, number\n"
        "ORDER BY community_path, gate_name, number",
        parameters | {"gate_names": sorted({row["gate_name"] for row in kept})},
    )
    chosen = {(row["community_path"], row["gate_name"]) for row in kept}
    return _flows(rows, starts, chosen), len(gates) > query.max_gates


def _flows(
    rows: Sequence[dict[str, Any]], starts: dict[int, Any], chosen: set[tuple[str, str]]
) -> tuple[GateFlow, ...]:
    return tuple(
        GateFlow(
            row["community_path"],
            row["gate_name"],
            starts[row["number"]],
            row["persons_in"],
            row["persons_out"],
            row["vehicles_in"],
            row["vehicles_out"],
        )
        for row in rows
        if (row["community_path"], row["gate_name"]) in chosen
    )


def _alert_trend(runner: Runner, query: BoardQuery, scope: dict[str, Any]) -> tuple[AlertTrend, ...]:
    start_ms = epoch_ms(query.windows.start)
    to_ms = max(start_ms, min(epoch_ms(query.windows.end), epoch_ms(query.known_to)))
    parameters = {"start_ms": start_ms, "to_ms": to_ms, "before_ms": 2 * start_ms - to_ms}
    return tuple(
        AlertTrend(row["detector"], row["rule"], row["opened"], row["opened_before"])
        for row in runner.rows(ALERT_TREND_SQL, parameters | scope)
    )
