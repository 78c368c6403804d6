"""The catalogue of metrics: each declared once, as data. Rollups, the query API, docs and views are derived from it.

A metric aggregates one column (or the number) of one event type's rows, split by at most two of its columns.
``energy_mean`` is the energy average of levels in dB, 10·lg(mean(10^(L/10))) (ISO 1996-1, LAeq); never their mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Aggregate = Literal["count", "sum", "mean", "min", "max", "energy_mean", "uniq"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One declared metric. ``gap``: what a window without events shows."""

    name: str
    title_zh: str
    title_en: str
    unit: str
    type_name: str
    aggregate: Aggregate
    gap: Literal["zero", "null"]
    value_column: str | None = None  # None for count
    where: dict[str, str | bool] = field(default_factory=dict)  # column equals constant, all of them
    dimensions: tuple[str, ...] = ()  # at most two columns of the type


def _quantity(name: str, quantity: str, zh: str, en: str, unit: str, aggregate: Aggregate) -> Metric:
    return Metric(
        name, zh, en, unit, "cn.gridpulse.readings.measured", aggregate, "null", "value",
        {"quantity": quantity}, ("device",),
    )  # fmt: skip


def _count(
    name: str, zh: str, en: str, type_name: str, dimensions: tuple[str, ...] = (), **where: str | bool
) -> Metric:
    return Metric(name, zh, en, "1", "cn.gridpulse." + type_name, "count", "zero", None, dict(where), dimensions)


METRICS: tuple[Metric, ...] = (
    _quantity("noise_laeq", "laeq", "噪声等效声级", "noise LAeq", "dB(A)", "energy_mean"),
    _quantity("noise_lamax", "lamax", "噪声最大声级", "noise LAmax", "dB(A)", "max"),
    _quantity("smoke", "smoke", "烟雾", "smoke", "%/m", "max"),
    _quantity("gas", "gas", "燃气浓度", "gas", "%LEL", "max"),
    _quantity("temperature", "temperature", "温度", "temperature", "Cel", "mean"),
    _quantity("humidity", "humidity", "湿度", "humidity", "%", "mean"),
    _quantity("pm2_5", "pm2_5", "PM2.5", "PM2.5", "ug/m3", "mean"),
    _quantity("pm10", "pm10", "PM10", "PM10", "ug/m3", "mean"),
    _quantity("charging_current", "current", "电流", "current", "A", "mean"),
    _quantity("hydrant_pressure", "pressure", "消火栓压力", "hydrant pressure", "kPa", "mean"),
    _quantity("manhole_tilt", "tilt", "井盖倾角", "manhole tilt", "deg", "max"),
    _quantity("water_level", "level", "液位", "water level", "m", "mean"),
    _quantity("water_flow", "water_flow", "水流量", "water flow", "L/s", "mean"),
    _quantity("heart_rate", "heart_rate", "心率", "heart rate", "/min", "mean"),
    _quantity("series_value", "value", "导入序列值", "imported series", "1", "mean"),
    _count("heartbeats", "心跳数", "heartbeats", "readings.heartbeat"),
    Metric(
        "devices_reporting", "上报设备数", "devices reporting", "1", "cn.gridpulse.readings.heartbeat", "uniq", "zero",
        "device",
    ),
    Metric(
        "battery", "电量", "battery", "1", "cn.gridpulse.readings.heartbeat", "min", "null", "battery_ratio", {},
        ("device",),
    ),
    _count("presence", "居家活动", "presence at home", "readings.presence", ("signal",)),
    _count("sos_calls", "紧急求助", "SOS calls", "readings.sos"),
    _count("vision_findings", "图像识别事件", "vision findings", "vision.finding", ("kind",)),
    _count("passages", "出入次数", "passages", "passages.passage", ("gate", "direction")),
    _count("persons_passed", "人员出入", "persons through gates", "passages.passage", ("direction",), kind="person"),
    _count("vehicles_passed", "车辆出入", "vehicles through gates", "passages.passage", ("direction",), kind="vehicle"),
    _count("sightings", "关爱对象轨迹点", "sightings", "positions.sighting", ("method",)),
    _count("patrols", "巡查签到", "patrol check-ins", "positions.patrol"),
    _count("online_interactions", "线上点击", "online interactions", "online.interaction", ("app", "kind")),
    Metric(
        "online_sessions", "线上会话", "online sessions", "1", "cn.gridpulse.online.interaction", "uniq", "zero",
        "session", {}, ("app",),
    ),
    _count("service_requests", "服务办理", "service requests", "online.service_request", ("service", "step")),
    _count("participation", "居民参与", "participation", "online.participation", ("kind",)),
    Metric(
        "venue_footfall", "场馆客流", "venue footfall", "1", "cn.gridpulse.venue.visitors", "sum", "zero", "entered",
        {}, ("venue",),
    ),
    _count("venue_bookings", "场馆预约", "venue bookings", "venue.booking", ("venue", "step")),
    Metric(
        "venue_sales", "商户销售额", "venue sales", "CNY", "cn.gridpulse.venue.sale", "sum", "zero", "amount_cny", {},
        ("venue", "tenant"),
    ),
    Metric(
        "activity_attendance", "活动参加人次", "activity attendance", "1", "cn.gridpulse.venue.activity", "sum", "zero",
        "attended", {}, ("venue",),
    ),
    _count("canteen_orders", "食堂订单", "canteen orders", "venue.canteen_order", ("venue", "step")),
    _count("civic_cases", "网格事件", "grid cases", "civic.case", ("kind", "step"), service="grid"),
    _count("repairs", "物业报修", "repairs", "civic.case", ("kind", "step"), service="repair"),
    Metric(
        "volunteer_hours", "志愿服务时长", "volunteer hours", "h", "cn.gridpulse.civic.volunteering", "sum", "zero",
        "hours",
    ),
    Metric(
        "waste_correct_ratio", "垃圾分类正确率", "rightly sorted waste", "1", "cn.gridpulse.civic.waste_deposit",
        "mean", "null", "correct", {}, ("station",),
    ),
    _count("parking_events", "停车进出", "parking", "civic.parking", ("lot", "state")),
    _count("alerts_opened", "新增告警", "alerts opened", "alerts.alert", ("detector", "rule"), step="opened"),
    _count("dead_letters", "死信", "dead letters", "deadletters.dead_letter", ("reason",)),
)  # fmt: skip
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
