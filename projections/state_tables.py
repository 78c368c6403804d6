"""The present: latest registry entries, readings, device status, alerts. Fed by materialized views, read by plain ones.

Every table keeps the greatest version per key, so repeated and late events are harmless:

* registry, readings, device status: the version is the event time; a late upload never sets the present back. Of two
  events with the same time the later record of the log wins (the writer inserts in log order).
* alerts: an ended one beats an open one, then the later step by the lane's clock, then by its number (in old steps,
  which have neither: by the update's event time and the count): when a detector says its alerts over again after a
  crash, none of them looks open again in the meantime.
* device_last_seen: the greatest event time, and the battery reading with the greatest event time.

A device's or person's name is unique within its community (the partition key), so ``community_path`` is in each key.
"""

from __future__ import annotations

from dataclasses import dataclass

from projections.ddl import (
    COMMUNITY_PATH,
    SCOPE_VIEW_COLUMNS,
    SMALL_GRANULE_ROWS,
    Column,
    Declared,
    MaterializedView,
    Table,
    View,
    scope_aliases,
    scope_select,
)
from projections.event_tables import DATETIME, ENVELOPE_COLUMNS, data_columns, time_aliases
from schemas.base import EventType
from schemas.catalogue import BY_NAME

COMMUNITY_COLUMN = Column("community_path", "String", "社区路径 scope path of the community: the name is unique in it")
_KEPT = tuple(column for column in ENVELOPE_COLUMNS if column.name in ("scope", "event_time", "recorded_time"))


@dataclass(frozen=True, slots=True)
class Latest:
    """A view of the latest row per key of an event table."""

    view: str
    type_name: str
    key: tuple[str, ...]  # data columns that name the subject within its community
    title: str
    time_name: str = "event_time"  # what the event time means in the view
    where: str = ""  # which latest rows are shown

    @property
    def event_type(self) -> EventType:
        return BY_NAME["cn.gridpulse." + self.type_name]

    @property
    def table(self) -> str:
        return f"{self.view}_state"


LATEST: tuple[Latest, ...] = (
    Latest(
        "latest_readings", "readings.measured", ("device", "quantity"), "最新读数 latest value per device and quantity"
    ),
    Latest("device_registry", "registry.device", ("device",), "设备台账现状 latest registry entry of every device"),
    Latest("persons", "registry.person", ("person",), "关爱对象现状 persons under care", where="change != 'retired'"),
    Latest("sites", "registry.site", ("site",), "场所现状 places", where="change != 'retired'"),
    Latest("grids", "registry.grid", (), "网格现状 grids", where="change != 'retired'"),
    Latest("device_status", "detections.device_status", ("device",), "设备连接状态 online or offline now", "since"),
)
LAST_SEEN_SOURCES = ("heartbeats", "readings", "presence", "sos_calls")


def state_objects() -> tuple[Declared, ...]:
    """Tables, the materialized views that feed them, and the views to read; in order of creation."""
    objects: list[Declared] = []
    for latest in LATEST:
        objects += [_latest_table(latest), _latest_feed(latest), _latest_view(latest)]
    objects += [_LAST_SEEN, *_LAST_SEEN_FEEDS, _LAST_SEEN_VIEW]
    objects += [_ALERTS, _ALERTS_FEED, _ALERTS_VIEW, _DEVICES_VIEW, _STATUS_PERIODS_VIEW]
    return tuple(objects)


def _latest_table(latest: Latest) -> Table:
    return Table(
        name=latest.table,
        comment=f"{latest.title}: 请查询视图 {latest.view}; query the view {latest.view}",
        columns=(COMMUNITY_COLUMN, *_KEPT, *data_columns(latest.event_type), *scope_aliases()),
        engine="ReplacingMergeTree(event_time)",
        order_by=("community_path" if latest.key else "scope", *latest.key),
        granule_rows=SMALL_GRANULE_ROWS,
    )


def _latest_feed(latest: Latest) -> MaterializedView:
    columns = [column.name for column in (*_KEPT, *data_columns(latest.event_type))]
    source = latest.event_type.table
    return MaterializedView(
        name=f"{latest.table}_feed",
        comment=f"{source} -> {latest.table}",
        source=source,
        target=latest.table,
        select=f"SELECT {COMMUNITY_PATH} AS community_path, {', '.join(columns)}\nFROM {source}",
    )


def _latest_view(latest: Latest) -> View:
    data = data_columns(latest.event_type)
    time_column = "event_time" if latest.time_name == "event_time" else f"event_time AS {latest.time_name}"
    where = f"\nWHERE {latest.where}" if latest.where else ""
    names = ", ".join(column.name for column in data)
    return View(
        name=latest.view,
        comment=latest.title,
        select=f"SELECT scope, {scope_select()}, community_path, {names}, {time_column}, recorded_time\n"
        f"FROM {latest.table} FINAL{where}",
        columns=(
            ("scope", "范围 scope path"), *SCOPE_VIEW_COLUMNS, ("community_path", COMMUNITY_COLUMN.comment),
            *((column.name, column.comment) for column in data),
            (latest.time_name, "事件时间 event time of this state, UTC"),
            ("recorded_time", "记录时间 when it was appended to the log, UTC"),
        ),
    )  # fmt: skip


_BATTERY_TIME = f"Tuple({DATETIME}, UInt64)"


def _latest(name: str, comment: str) -> Column:
    kind = f"AggregateFunction(argMax, Nullable(Float64), {_BATTERY_TIME})"
    return Column(name, kind, comment, read_as=f"finalizeAggregation({name})")


_LAST_SEEN = Table(
    name="device_last_seen_state",
    comment="设备最后上报: 请查询视图 device_last_seen; query the view device_last_seen",
    columns=(
        COMMUNITY_COLUMN,
        Column("device", "String", "设备 the device"),
        Column(
            "last_seen", f"SimpleAggregateFunction(max, {DATETIME})", "最后上报 latest event time of the device, UTC"
        ),
        Column("last_recorded", f"SimpleAggregateFunction(max, {DATETIME})", "最后记录 latest recorded time, UTC"),
        _latest("battery", "电量 latest charge left"),
        _latest("rssi", "信号 latest signal, dBm"),
    ),
    engine="AggregatingMergeTree",
    order_by=("community_path", "device"),
)


def _last_seen_feed(source: str) -> MaterializedView:
    columns = (
        f"{COMMUNITY_PATH} AS community_path, device, max(event_time) AS last_seen, max(recorded_time) AS last_recorded"
    )
    if source == "heartbeats":
        columns += (
            ", argMaxState(battery_ratio, (event_time, log_offset)) AS battery"
            ", argMaxState(rssi_dbm, (event_time, log_offset)) AS rssi"
        )
    return MaterializedView(
        name=f"device_last_seen_from_{source}",
        comment=f"{source} -> device_last_seen_state",
        source=source,
        target="device_last_seen_state",
        select=f"SELECT {columns}\nFROM {source}\nGROUP BY community_path, device",
    )


_LAST_SEEN_FEEDS = tuple(_last_seen_feed(source) for source in LAST_SEEN_SOURCES)
_LAST_SEEN_VIEW = View(
    name="device_last_seen",
    comment="设备最后上报 when each device was last heard, and its battery",
    select="SELECT community_path, device, toDateTime64(max(last_seen), 3, 'UTC') AS last_seen_time, "
    "toDateTime64(max(last_recorded), 3, 'UTC') AS last_recorded_time, "
    "argMaxMerge(battery) AS battery_ratio, argMaxMerge(rssi) AS rssi_dbm\n"
    "FROM device_last_seen_state\nGROUP BY community_path, device",
    columns=(
        ("community_path", COMMUNITY_COLUMN.comment),
        ("device", "设备 the device"),
        ("last_seen_time", "最后上报 event time of its latest heartbeat, reading, presence or SOS, UTC"),
        ("last_recorded_time", "最后记录 when the latest of them was appended to the log, UTC"),
        ("battery_ratio", "电量 latest charge left, 0 to 1; NULL: never said"),
        ("rssi_dbm", "信号 latest signal strength, dBm; NULL: never said"),
    ),
)

_ALERT = BY_NAME["cn.gridpulse.alerts.alert"]
_ALERTS = Table(
    name="alerts_state",
    comment="告警现状: 请查询视图 alerts; query the view alerts",
    columns=(
        *_KEPT, *data_columns(_ALERT),
        Column("version", "UInt64", "新旧 ended beats open, then the later step, then the higher step number"),
        *time_aliases(_ALERT), *scope_aliases(),
    ),
    engine="ReplacingMergeTree(version)",
    order_by=("alert",),
)  # fmt: skip
_ALERT_DATA = [column.name for column in data_columns(_ALERT)]
_ALERTS_FEED = MaterializedView(
    name="alerts_state_feed",
    comment="alert_log -> alerts_state",
    source="alert_log",
    target="alerts_state",
    # 1 bit ended, 43 bits of milliseconds (to the year 2248), 20 bits of the step's number
    select=f"SELECT {', '.join([*(column.name for column in _KEPT), *_ALERT_DATA])}, "
    "bitShiftLeft(toUInt64(isNotNull(resolved_time_ms)), 63)"
    " + bitShiftLeft(toUInt64(least(greatest(ifNull(detected_time_ms, updated_time_ms), 0), 8796093022207)), 20)"
    " + least(toUInt64(ifNull(step_number, count)), 1048575) AS version\nFROM alert_log",
)
_ALERTS_VIEW = View(
    name="alerts",
    comment="告警现状 every alert in its latest state",
    select=f"SELECT scope, {scope_select()}, multiIf(isNotNull(closed_time_ms), 'closed', "
    "isNotNull(resolved_time_ms), 'resolved', 'open') AS state, "
    f"{', '.join([*_ALERT_DATA, *(column.name for column in time_aliases(_ALERT))])}, event_time, recorded_time\n"
    "FROM alerts_state FINAL",
    columns=(
        ("scope", "范围 scope path"), *SCOPE_VIEW_COLUMNS, ("state", "状态 open, resolved or closed"),
        *((column.name, column.comment) for column in data_columns(_ALERT)),
        *((column.name, column.comment) for column in time_aliases(_ALERT)),
        ("event_time", "事件时间 event time of the latest step, UTC"),
        ("recorded_time", "记录时间 when the latest step was appended to the log, UTC"),
    ),
)  # fmt: skip

_DEVICES_VIEW = View(
    name="devices",
    comment="设备现状 every registered device that is not retired, with its state now",
    select=f"""SELECT r.scope AS scope, {scope_select("r.scope")}, r.community_path AS community_path,
    r.device AS device, r.kind AS kind, r.site AS site, r.gateway AS gateway, r.noise_zone AS noise_zone,
    r.person AS person, r.model AS model, r.event_time AS registered_time,
    if(s.device = '', 'unknown', toString(s.status)) AS status,
    if(s.device = '', NULL, s.event_time) AS status_since,
    if(s.device = '', NULL, toString(s.cause)) AS status_cause, s.expected_interval_s AS expected_interval_s,
    if(l.device = '', NULL, l.last_seen_time) AS last_seen_time,
    l.battery_ratio AS battery_ratio, l.rssi_dbm AS rssi_dbm
FROM (SELECT * FROM device_registry_state FINAL WHERE change != 'retired') AS r
LEFT JOIN (SELECT * FROM device_status_state FINAL) AS s ON r.community_path = s.community_path AND r.device = s.device
LEFT JOIN device_last_seen AS l ON r.community_path = l.community_path AND r.device = l.device""",
    columns=(
        ("scope", "范围 scope path"), *SCOPE_VIEW_COLUMNS, ("community_path", COMMUNITY_COLUMN.comment),
        *((column.name, column.comment) for column in data_columns(BY_NAME["cn.gridpulse.registry.device"])
          if column.name != "change"),
        ("registered_time", "登记时间 event time of the latest registry entry, UTC"),
        ("status", "状态 online, offline, retired; unknown: not heard of yet"),
        ("status_since", "起始 since when, UTC"),
        ("status_cause", "原因 why"),
        ("expected_interval_s", "预期间隔 learned interval of the device, seconds"),
        ("last_seen_time", "最后上报 latest event time of the device, UTC"),
        ("battery_ratio", "电量 latest charge left, 0 to 1"),
        ("rssi_dbm", "信号 latest signal strength, dBm"),
    ),
)  # fmt: skip
_STATUS_PERIODS_VIEW = View(
    name="device_status_periods",
    comment="设备状态区间 from when to when each device was online or offline",
    select=f"""SELECT scope, {scope_select()}, {COMMUNITY_PATH} AS community_path, device, status, cause,
    event_time AS since,
    leadInFrame(toNullable(event_time)) OVER (PARTITION BY {COMMUNITY_PATH}, device ORDER BY event_time, log_offset
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS until
FROM device_status_log FINAL""",
    columns=(
        ("scope", "范围 scope path"), *SCOPE_VIEW_COLUMNS, ("community_path", COMMUNITY_COLUMN.comment),
        ("device", "设备 the device"), ("status", "状态 online, offline or retired"), ("cause", "原因 why"),
        ("since", "起 from when, UTC"), ("until", "止 until when, UTC; NULL: still"),
    ),
)  # fmt: skip
