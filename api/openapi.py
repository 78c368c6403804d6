"""The OpenAPI document: an example for every answer, and the shape of problems. Examples are checked by the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from api.problems import Problem

Json = dict[str, Any]
FRESH: Json = {"as_of": "2026-03-01T10:00:01.250000+08:00", "lag_events": 12, "lag_s": 0.4}
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
EVENT: Json = {
    "specversion": "1.0",
    "id": "0195-0001",
    "source": "//iot.example/wuhu/gw-12",
    "type": "cn.gridpulse.readings.measured.v1",
    "time": "2026-03-01T10:00:00+08:00",
    "scope": SCOPE,
    "data": {"device": "noise-0007", "quantity": "laeq", "value": 54.2, "unit": "dB(A)", "interval_s": 60.0},
}
EVENTS_ANSWER: Json = {
    "accepted": 1,
    "duplicate": 0,
    "rejected": 1,
    "results": [
        {"id": "0195-0001", "source": EVENT["source"], "status": "accepted", "reason": None, "detail": None},
        {
            "id": "0195-0002", "source": EVENT["source"], "status": "rejected", "reason": "wrong_unit",
            "detail": "laeq is measured in dB(A), not dB",
        },
    ],
}  # fmt: skip
_NOISE: Json = {
    "title_zh": "噪声等效声级", "title_en": "noise LAeq", "unit": "dB(A)", "aggregate": "energy_mean", "gap": "null",
}  # fmt: skip
METRICS: Json = FRESH | {"metrics": [{"name": "noise_laeq", **_NOISE, "dimensions": ["device"]}]}
METRIC_SERIES: Json = FRESH | {
    "metric": "noise_laeq", **_NOISE, "scope": "wuhu/jinghu", "grain": "hour", "timezone": "Asia/Shanghai",
    "by": "device", "from_time": "2026-03-01T08:00:00+08:00", "to_time": "2026-03-01T10:00:00+08:00",
    "series": [
        {
            "key": "noise-0007",
            "points": [
                {"window_start": "2026-03-01T08:00:00+08:00", "value": 54.7},
                {"window_start": "2026-03-01T09:00:00+08:00", "value": None},
            ],
        }
    ],
}  # fmt: skip
PERCEPTION: Json = FRESH | {
    "scope": "wuhu/jinghu", "grain": "hour", "timezone": "Asia/Shanghai",
    "from_time": "2026-03-01T09:00:00+08:00", "to_time": "2026-03-01T10:00:00+08:00",
    "devices": {
        "total": 10, "online": 9, "offline": 1, "unknown": 0, "availability_ratio": 0.97,
        "by_kind": [{"kind": "noise", "total": 10, "online": 9, "offline": 1, "unknown": 0}],
        "over_time": [
            {"window_start": "2026-03-01T09:00:00+08:00", "online": 9, "offline": 1, "availability_ratio": 0.97}
        ],
    },
    "open_alarms": [
        {"detector": "device_offline", "rule": "silent", "severity": "warning", "open": 1, "subjects": 1}
    ],
    "passages": [
        {
            "community": "wuhu/jinghu/tingtang/jianyang", "gate": "gate-01",
            "window_start": "2026-03-01T09:00:00+08:00", "persons_in": 41, "persons_out": 38,
            "vehicles_in": 7, "vehicles_out": 9,
        }
    ],
    "gates_cut": False,
    "alert_trend": [
        {"detector": "noise_limit", "rule": "day_limit", "opened": 3, "opened_before": 2, "change_ratio": 0.5}
    ],
}  # fmt: skip
_DEVICE: Json = {
    "scope": SCOPE, "device": "noise-0007", "kind": "noise", "site": "site-04", "gateway": "gw-12", "noise_zone": "2",
    "model": "AWA6228", "status": "online", "status_since": "2026-02-27T00:00:00+08:00",
    "last_seen": "2026-03-01T10:00:00+08:00", "battery_ratio": 0.82,
}  # fmt: skip
DEVICES: Json = FRESH | {"next_cursor": None, "timezone": "Asia/Shanghai", "devices": [_DEVICE]}
DEVICE: Json = FRESH | {"timezone": "Asia/Shanghai", "device": _DEVICE}
TIMELINE: Json = FRESH | {
    "next_cursor": None, "timezone": "Asia/Shanghai", "device": "noise-0007",
    "from_time": "2026-02-22T10:00:00+08:00", "to_time": "2026-03-01T10:00:00+08:00",
    "entries": [
        {
            "event_time": "2026-02-28T03:00:00+08:00", "kind": "heartbeat_gap", "entry_id": "gap-1740682800000",
            "status": None, "cause": None, "alert": None, "step": None, "detector": None, "rule": None,
            "severity": None, "reason_zh": None, "reason_en": None, "gap_s": 1260.0,
            "until_time": "2026-02-28T03:21:00+08:00",
        }
    ],
}  # fmt: skip
_ALERT_STATE: Json = {
    "severity": "warning", "count": 2, "score": 1.4, "threshold": 1.0, "baseline": 60.0, "observed": 66.1,
    "reason_zh": "昼间等效声级 66.1 dB(A),超过 2 类区限值 60 dB(A)。",
    "reason_en": "Daytime LAeq of 66.1 dB(A) exceeds the class 2 limit of 60 dB(A).",
}  # fmt: skip
_ALERT: Json = {
    "alert": "al-5f0c", "scope": SCOPE, "detector": "noise_limit", "rule": "day_limit", "subject": "noise-0007",
    "state": "open", "opened_time": "2026-03-01T09:31:00+08:00", "updated_time": "2026-03-01T09:41:00+08:00",
    "resolved_time": None, "unit": "dB(A)", "model_version": "noise_limit/1", **_ALERT_STATE,
    "acknowledged_by": "8fK2mQ", "acknowledged_time": "2026-03-01T09:35:00+08:00", "assignee": "warden-07",
    "verdict": None, "case": "case-0032", "closed_time": None, "silenced": False, "silenced_as": None,
    "silenced_by": None, "unstable": False, "escalation": 0, "group": None, "grouped": 0,
}  # fmt: skip
_STEP: Json = _ALERT_STATE | {
    "actor": None, "comment": None, "assignee": None, "verdict": None, "case": None, "escalation": 0,
    "silenced_as": None, "silenced_by": None,
}  # fmt: skip
ALERTS: Json = FRESH | {"next_cursor": "WyI0ZjIiXQ", "timezone": "Asia/Shanghai", "alerts": [_ALERT]}
ALERT: Json = FRESH | {
    "timezone": "Asia/Shanghai",
    "alert": _ALERT,
    "times": {
        "raised_time": "2026-03-01T09:31:00.400000+08:00", "acknowledge_s": 239.6, "act_s": 239.6, "resolve_s": None,
        "close_s": None,
    },
    "cases": [
        {
            "case": "case-0032", "service": "grid", "kind": "noise", "status": "dispatched",
            "status_time": "2026-03-01T09:50:00+08:00", "reported_time": "2026-03-01T09:44:00+08:00",
            "closed_time": None,
        }
    ],
    "steps": [
        _STEP
        | {
            "event_time": "2026-03-01T09:31:00+08:00", "recorded_time": "2026-03-01T09:31:00.120000+08:00",
            "step": "opened",
        },
        _STEP
        | {
            "event_time": "2026-03-01T09:35:00+08:00", "recorded_time": "2026-03-01T09:35:00.080000+08:00",
            "step": "acknowledged", "actor": "8fK2mQ", "comment": "已电话核实 called the site",
        },
    ],
}  # fmt: skip
_SPREAD: Json = {"count": 41, "p50_s": 95.2, "p90_s": 412.0}
ALERT_TIMES: Json = FRESH | {
    "timezone": "Asia/Shanghai", "scope": "wuhu/jinghu", "by": "grid_and_kind",
    "from_time": "2026-02-01T10:00:00+08:00", "to_time": "2026-03-01T10:00:00+08:00",
    "times": [
        {
            "grid": SCOPE, "detector": "noise_limit", "rule": "over_limit", "alerts": 44, "acknowledge": _SPREAD,
            "act": _SPREAD, "resolve": _SPREAD, "close": {"count": 0, "p50_s": None, "p90_s": None},
        }
    ],
    "cut": False,
}  # fmt: skip
ACTION: Json = {
    "alert": "al-5f0c", "action": "acknowledge", "event_id": "0d6b2a7a7f4e4c0f9a3f5b1c2d3e4f50", "status": "accepted",
}  # fmt: skip
_SILENCE: Json = {
    "silence": "6f1c2a7a7f4e4c0f9a3f5b1c2d3e4f50", "scope": "wuhu/jinghu/tingtang/jianyang", "state": "active",
    "starts_time": "2026-03-01T10:00:00+08:00", "ends_time": "2026-03-01T12:00:00+08:00",
}  # fmt: skip
SILENCE: Json = _SILENCE | {"event_id": _SILENCE["silence"], "status": "accepted"}
SILENCES: Json = FRESH | {
    "next_cursor": None,
    "timezone": "Asia/Shanghai",
    "silences": [
        _SILENCE
        | {
            "kind": "maintenance", "detector": "device_offline", "rule": None, "subject": "gw-12", "actor": "8fK2mQ",
            "comment": "更换网关 the gateway is replaced", "created_time": "2026-03-01T10:00:00+08:00",
            "lifted_time": None, "lifted_by": None, "lifted_comment": None,
        }
    ],
}  # fmt: skip
DEAD_LETTERS: Json = FRESH | {
    "next_cursor": None,
    "timezone": "Asia/Shanghai",
    "dead_letters": [
        {
            "event_id": "dl-01", "recorded_time": "2026-03-01T09:00:00+08:00", "scope": "unassigned",
            "stage": "bridge", "reason": "unknown_type", "detail": "no such event type",
            "origin": "vendor.readings/0/41", "raw_base64": "e30=", "raw_bytes": 2,
        }
    ],
}  # fmt: skip
LIVE = """\
retry: 2238
id: AXhW1tkBBUwx3gI
event: hello
data: {"scope":"wuhu/jinghu","detectors":[],"rules":[],"min_severity":"info","steps":[],"metrics":[],\
"heartbeat_s":15.0,"resumed":false}

id: AXhW1tkBBqvwkbs
event: alert
data: {"specversion":"1.0","id":"9f3c","source":"/gridpulse/incidents","type":"cn.gridpulse.alerts.alert.v1",\
"time":"2026-03-01T01:31:00.000Z","recordedtime":"2026-03-01T01:31:00.120Z",\
"scope":"wuhu/jinghu/tingtang/jianyang/g03","data":{"alert":"al-5f0c","step":"opened","severity":"warning"}}

: heartbeat
id: AXhW1tkBBqvwkbs

"""
SUBSCRIPTION: Json = {
    "subscription": "sub_4Kq9TzXw2mPb81xQ", "revision": 1, "scope": "wuhu/jinghu/tingtang", "kind": "standard",
    "url": "https://hooks.example.org/gridpulse?key=…", "detectors": ["device_offline"], "rules": [],
    "min_severity": "warning", "steps": ["opened", "escalated", "resolved"], "silenced": False, "sign_secret": False,
    "status": "active", "status_reason": None, "previous_secret_expires_time": None, "note": "汀棠街道值班",
    "key_id": "8fK2mQ", "actor": "8fK2mQ",
}  # fmt: skip
SUBSCRIPTION_MADE: Json = SUBSCRIPTION | {"secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
SUBSCRIPTIONS: Json = {"next_cursor": None, "subscriptions": [SUBSCRIPTION]}
PING: Json = {"subscription": SUBSCRIPTION["subscription"], "ping": "ping_7Hq2xZ0bTn4K9sWd"}
REDELIVERY: Json = {
    "subscription": SUBSCRIPTION["subscription"], "redelivery": "red_5Tq8zW1kLm3Xc7Vb", "what": "failed",
}  # fmt: skip
DELIVERIES: Json = FRESH | {
    "next_cursor": None,
    "subscription": SUBSCRIPTION["subscription"],
    "timezone": "Asia/Shanghai",
    "deliveries": [
        {
            "attempt_id": "1f6c2a", "attempted_time": "2026-03-01T09:31:00.412+08:00",
            "webhook_id": "msg_4be1f05d7a2c93e86d10b7f4a5c28e91", "alert_event": "9f3c", "alert": "al-5f0c",
            "subject": "noise-07", "attempt": 1, "outcome": "failed", "status_code": 503,
            "error": "对方返回 503 · the answer was 503", "latency_ms": 38, "response_start": "busy",
            "next_attempt_time": "2026-03-01T09:31:05.120+08:00",
        }
    ],
}  # fmt: skip
HEALTH: Json = {"status": "ok"}
_CHECK_OK: Json = {"ok": True, "detail": None}
READY: Json = {"ready": True, "log": _CHECK_OK, "store": _CHECK_OK, "migrations": _CHECK_OK}
NOT_READY: Json = READY | {
    "ready": False, "log": {"ok": False, "detail": "the event log can't be reached or lacks its topics"},
}  # fmt: skip
_DESCRIPTION = (
    "社区事件的指标、看板与告警。时间为 RFC 3339;错误为 RFC 9457 problem details;密钥只看得到自己的范围及其下级。\n\n"
    "Figures, boards and alerts of community events. Times are RFC 3339, errors RFC 9457 problem details; a key sees "
    "its own scope and below, and nothing beside it."
)


def answered(
    status: int, example: Json | str, model: type[BaseModel] | None = None, media_type: str = "application/json"
) -> dict[int | str, Json]:
    """The OpenAPI response of an answer, with its example; ``model`` where it is not the route's own."""
    response: Json = {"content": {media_type: {"example": example}}}
    if model is not None:
        response |= {"model": model, "description": "尚未就绪 not ready"}
    return {status: response}


def document(app: FastAPI, routers: Sequence[APIRouter]) -> Json:
    """The OpenAPI document of ``app``, which includes ``routers``."""
    openapi = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes, tags=app.openapi_tags
    )
    _restore_nulls(openapi, [route for router in routers for route in router.routes])
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    return openapi


def _restore_nulls(openapi: Json, routes: Sequence[BaseRoute]) -> None:
    """FastAPI drops what is null from the document, also inside of examples, where it is part of the answer."""
    for route in routes:
        if not isinstance(route, APIRoute):
            continue
        for method in route.methods or ():
            responses = openapi["paths"][route.path][method.lower()]["responses"]
            for status, declared in route.responses.items():
                for media_type, media in declared.get("content", {}).items():
                    examples = {name: media[name] for name in ("example", "examples") if name in media}
                    responses[str(status)]["content"][media_type].update(examples)
