"""Devices as they are now, and what happened to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.queries.ports import MAX_SAME_NAME, DeviceQuery, DeviceRow, TimelineQuery, TimelineRow
from projections.queries.running import (
    COMMUNITY_RULE,
    SCOPE_RULE,
    Runner,
    from_epoch_ms,
    optional_time,
    page_parameters,
    scope_parameters,
    span_parameters,
)

# Two statements: which devices, and then the present of just these, by the key of its tables. Only a question about the
# status has to look at everybody's; then the answer is what that look saw.
_REGISTERED = f"""SELECT toString(scope) AS scope_path, community_path, device, toString(kind) AS device_kind, site,
    gateway, toString(noise_zone) AS zone_class, toString(model) AS maker_model%s
FROM device_registry_state FINAL%s
WHERE {COMMUNITY_RULE} AND {SCOPE_RULE} AND change != 'retired' AND %s
ORDER BY scope, device
LIMIT {{limit:UInt32}}"""
_WITH_STATUS = f"""
LEFT JOIN (
    SELECT sipHash128(community_path, device) AS of_device, toString(status) AS known_status,
        toUnixTimestamp64Milli(event_time) AS status_ms
    FROM device_status_state FINAL WHERE {COMMUNITY_RULE}
) AS known ON sipHash128(community_path, device) = known.of_device"""
_MATCHING = """({kind:String} = '' OR kind = {kind:String}) AND ({site:String} = '' OR site = {site:String})
  AND (scope, device) > ({after_scope:String}, {after_device:String})"""
DEVICES_SQL = _REGISTERED % ("", "", _MATCHING)
DEVICES_BY_STATUS_SQL = _REGISTERED % (
    ", if(known_status = '', 'unknown', known_status) AS status_now,\n"
    "    if(known_status = '', NULL, status_ms) AS since_ms",
    _WITH_STATUS,
    _MATCHING + " AND status_now = {status:String}",
)
DEVICE_SQL = _REGISTERED % ("", "", "device = {device:String}")
MAX_NAMED = 128  # devices in one statement: parameters travel in the URL
_THESE = "community_path IN {communities:Array(String)} AND device IN {devices:Array(String)}"
PRESENT_SQL = f"""SELECT community_path, device, toString(status) AS status_now,
    toUnixTimestamp64Milli(event_time) AS since_ms, CAST(NULL, 'Nullable(Int64)') AS seen_ms,
    CAST(NULL, 'Nullable(Float64)') AS battery_ratio
FROM device_status_state FINAL
WHERE {_THESE}
UNION ALL
SELECT community_path, device, '' AS status_now, toInt64(0) AS since_ms,
    CAST(toUnixTimestamp64Milli(last_seen_time), 'Nullable(Int64)') AS seen_ms, battery_ratio
FROM device_last_seen
WHERE {_THESE}"""

_OF_DEVICE = f"{SCOPE_RULE} AND (scope = {{community:String}} OR startsWith(scope, {{community_below:String}}))"
_IN_SPAN = (
    "event_time >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') "
    "AND event_time < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
)
_NO_ALERT = "'' AS alert_id, '' AS detector_name, '' AS rule_name, '' AS grade, '' AS zh, '' AS en"
TIMELINE_SQL = f"""SELECT * FROM (
SELECT toUnixTimestamp64Milli(event_time) AS at_ms, 'status' AS entry, event_id AS entry_id,
    toString(status) AS state, toString(cause) AS why, {_NO_ALERT}, toInt64(0) AS until_ms
FROM device_status_log FINAL
WHERE {_OF_DEVICE} AND {_IN_SPAN} AND device = {{device:String}}
UNION ALL
SELECT toUnixTimestamp64Milli(event_time) AS at_ms, 'alert' AS entry, event_id AS entry_id,
    toString(step) AS state, '' AS why, alert AS alert_id, toString(detector) AS detector_name,
    toString(rule) AS rule_name, toString(severity) AS grade, reason_zh AS zh, reason_en AS en, toInt64(0) AS until_ms
FROM alert_log FINAL
WHERE {_OF_DEVICE} AND {_IN_SPAN} AND subject = {{device:String}} AND step != 'updated'
UNION ALL
SELECT previous_ms AS at_ms, 'heartbeat_gap' AS entry, concat('gap-', toString(previous_ms)) AS entry_id,
    '' AS state, '' AS why, {_NO_ALERT}, beat_ms AS until_ms
FROM (
    SELECT beat_ms, lagInFrame(beat_ms, 1, beat_ms) OVER (
        ORDER BY beat_ms ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous_ms
    FROM (
        SELECT toUnixTimestamp64Milli(event_time) AS beat_ms FROM heartbeats FINAL
        WHERE {_OF_DEVICE} AND {_IN_SPAN} AND device = {{device:String}}
    )
)
WHERE beat_ms - previous_ms > {{gap_ms:Int64}}
)
WHERE (at_ms, entry_id) < ({{before_ms:Int64}}, {{before_id:String}})
ORDER BY at_ms DESC, entry_id DESC
LIMIT {{limit:UInt32}}"""
_UNKNOWN: dict[str, Any] = {"status_now": "unknown", "since_ms": None}
_NEVER_SEEN: dict[str, Any] = {"seen_ms": None, "battery_ratio": None}


def devices(runner: Runner, query: DeviceQuery) -> list[DeviceRow]:
    after_scope, after_device = query.after or ("", "")
    parameters = {
        "kind": query.kind or "",
        "status": query.status or "",
        "site": query.site or "",
        "after_scope": after_scope,
        "after_device": after_device,
        "limit": query.limit,
    }
    sql = DEVICES_BY_STATUS_SQL if query.status else DEVICES_SQL
    return _with_present(runner, runner.rows(sql, parameters | scope_parameters(query.scope)))


def device(runner: Runner, scope: str, name: str) -> list[DeviceRow]:
    parameters = {"device": name, "limit": MAX_SAME_NAME} | scope_parameters(scope)
    return _with_present(runner, runner.rows(DEVICE_SQL, parameters))


def _with_present(runner: Runner, registered: list[dict[str, Any]]) -> list[DeviceRow]:
    """Registry entries with status and last sign of life; a status that an entry brings along stays."""
    status: dict[tuple[str, str], dict[str, Any]] = {}
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for start in range(0, len(registered), MAX_NAMED):
        these = registered[start : start + MAX_NAMED]
        parameters = {
            "communities": sorted({row["community_path"] for row in these}),
            "devices": sorted({row["device"] for row in these}),
        }
        for row in runner.rows(PRESENT_SQL, parameters):
            (status if row["seen_ms"] is None else seen)[row["community_path"], row["device"]] = row
    rows = []
    for row in registered:
        key = row["community_path"], row["device"]
        rows.append(_device(_UNKNOWN | _of_status(status.get(key)) | row, seen.get(key, _NEVER_SEEN)))
    return rows


def _of_status(row: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if row is None else {"status_now": row["status_now"], "since_ms": row["since_ms"]}


def _device(row: Mapping[str, Any], seen: Mapping[str, Any]) -> DeviceRow:
    return DeviceRow(
        scope=row["scope_path"],
        device=row["device"],
        kind=row["device_kind"],
        site=row["site"],
        gateway=row["gateway"],
        noise_zone=row["zone_class"],
        model=row["maker_model"],
        status=row["status_now"],
        status_since=optional_time(row["since_ms"]),
        last_seen=optional_time(seen["seen_ms"]),
        battery_ratio=seen["battery_ratio"],
    )


def timeline(runner: Runner, query: TimelineQuery) -> list[TimelineRow]:
    parameters = {
        "community": query.community,
        "community_below": query.community + "/",
        "device": query.device,
        "gap_ms": round(query.gap_s * 1000.0),
    }
    parameters |= span_parameters(query.from_time, query.to_time) | page_parameters(query.before, query.limit)
    return [_entry(row) for row in runner.rows(TIMELINE_SQL, parameters | scope_parameters(query.scope))]


def _entry(row: Mapping[str, Any]) -> TimelineRow:
    at, kind = from_epoch_ms(row["at_ms"]), row["entry"]
    if kind == "status":
        return TimelineRow(at, kind, row["entry_id"], status=row["state"], cause=row["why"])
    if kind == "heartbeat_gap":
        gap_s = (row["until_ms"] - row["at_ms"]) / 1000.0
        return TimelineRow(at, kind, row["entry_id"], gap_s=gap_s, until_time=from_epoch_ms(row["until_ms"]))
    return TimelineRow(
        at,
        kind,
        row["entry_id"],
        alert=row["alert_id"],
        step=row["state"],
        detector=row["detector_name"],
        rule=row["rule_name"],
        severity=row["grade"],
        reason_zh=row["zh"],
        reason_en=row["en"],
    )
