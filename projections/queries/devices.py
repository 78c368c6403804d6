"""Devices as they are now, and what happened to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.queries.ports import MAX_SAME_NAME, DeviceQuery, DeviceRow, TimelineQuery, TimelineRow
from projections.queries.running import (
    SCOPE_RULE,
    Runner,
    epoch_ms,
    from_epoch_ms,
    optional_time,
    scope_parameters,
)

_DEVICE_COLUMNS = """SELECT toString(scope) AS scope_path, device, toString(kind) AS device_kind, site, gateway,
    toString(noise_zone) AS zone_class, toString(model) AS maker_model, status,
    toUnixTimestamp64Milli(status_since) AS since_ms, toUnixTimestamp64Milli(last_seen_time) AS seen_ms, battery_ratio
FROM devices"""
DEVICES_SQL = f"""{_DEVICE_COLUMNS}
WHERE {SCOPE_RULE}
  AND ({{kind:String}} = '' OR kind = {{kind:String}})
  AND ({{status:String}} = '' OR status = {{status:String}})
  AND ({{site:String}} = '' OR site = {{site:String}})
  AND (scope, device) > ({{after_scope:String}}, {{after_device:String}})
ORDER BY scope, device
LIMIT {{limit:UInt32}}"""
DEVICE_SQL = f"""{_DEVICE_COLUMNS}
WHERE {SCOPE_RULE} AND device = {{device:String}}
ORDER BY scope
LIMIT {{limit:UInt32}}"""

_OF_DEVICE = f"{SCOPE_RULE} AND substringIndex(scope, '/', 4) = {{community:String}}"
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
_END_OF_TIME_MS = 1 << 43


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
    return [_device(row) for row in runner.rows(DEVICES_SQL, parameters | scope_parameters(query.scope))]


def device(runner: Runner, scope: str, name: str) -> list[DeviceRow]:
    parameters = {"device": name, "limit": MAX_SAME_NAME} | scope_parameters(scope)
    return [_device(row) for row in runner.rows(DEVICE_SQL, parameters)]


def _device(row: Mapping[str, Any]) -> DeviceRow:
    return DeviceRow(
        scope=row["scope_path"],
        device=row["device"],
        kind=row["device_kind"],
        site=row["site"],
        gateway=row["gateway"],
        noise_zone=row["zone_class"],
        model=row["maker_model"],
        status=row["status"],
        status_since=optional_time(row["since_ms"]),
        last_seen=optional_time(row["seen_ms"]),
        battery_ratio=row["battery_ratio"],
    )


def timeline(runner: Runner, query: TimelineQuery) -> list[TimelineRow]:
    before_ms, before_id = (epoch_ms(query.before[0]), query.before[1]) if query.before else (_END_OF_TIME_MS, "")
    parameters = {
        "community": query.community,
        "device": query.device,
        "from_ms": epoch_ms(query.from_time),
        "to_ms": epoch_ms(query.to_time),
        "gap_ms": round(query.gap_s * 1000.0),
        "before_ms": before_ms,
        "before_id": before_id,
        "limit": query.limit,
    }
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
