"""The API as an ASGI app over ports. No module-level app: the composition root calls :func:`create_app`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.answer_cache import AnswerCache
from api.answering import Answering
from api.dependencies import ApiContext, ApiDependencies
from api.freshness import Freshness
from api.known_keys import KnownKeys
from api.live.figures import Figure
from api.live.service import Live
from api.openapi import answered, document
from api.problems import ProblemError, Refusal, documented, problem_response
from api.routes import (
    alert_actions,
    alert_times,
    alerts,
    boards,
    deadletters,
    deliveries,
    devices,
    events,
    health,
    live,
    metrics,
    silences,
    subscriptions,
)
from api.security import AnyKey
from api.series import recent_minutes
from api.telemetry import Telemetry, TelemetryMiddleware
from api.workers import Workers
from projections.client import StoreUnavailableError
from projections.queries.ports import QueryTimeoutError
from streams.log import LogUnavailableError

VERSION = "1"
log = structlog.get_logger(__name__)
_ROUTERS = tuple(
    module.router
    for module in (
        events,
        metrics,
        boards,
        devices,
        alert_times,
        alerts,
        alert_actions,
        silences,
        subscriptions,
        deliveries,
        live,
        deadletters,
        health,
    )
)
_TAGS = [
    {"name": "events", "description": "事件接入 Events in"},
    {"name": "metrics", "description": "指标 Metrics"},
    {"name": "boards", "description": "看板 Boards"},
    {"name": "devices", "description": "设备 Devices"},
    {"name": "alerts", "description": "告警 Alerts"},
    {"name": "subscriptions", "description": "告警订阅 Alert subscriptions"},
    {"name": "live", "description": "实时流 Live stream"},
    {"name": "dead letters", "description": "死信 Dead letters"},
    {"name": "operation", "description": "运维 Operation"},
]


def create_app(deps: ApiDependencies, monotonic_s: Callable[[], float] = time.monotonic) -> FastAPI:
    """The app. It opens and closes nothing: the ports live and die with whoever built them."""
    app = FastAPI(
        title="GridPulse", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, openapi_tags=_TAGS
    )
    telemetry = Telemetry()
    awaited, refreshing = Workers("answers", deps.query_threads), Workers("refreshes", max(1, deps.query_threads // 4))
    cache = AnswerCache(deps.cache, awaited.submit, refreshing.submit, monotonic_s)

    async def ask(figure: Figure) -> bytes:
        return await recent_minutes(context, figure.scope, figure.metric)

    context = app.state.context = ApiContext(
        deps,
        Freshness(deps.queries, deps.log_state, monotonic_s),
        telemetry,
        KnownKeys(deps.keys, monotonic_s),
        Answering(cache, telemetry),
        Live(deps.live_log, deps.keys, ask, deps.live, telemetry, monotonic_s),
    )
    app.add_middleware(TelemetryMiddleware, telemetry=telemetry)
    for router in _ROUTERS:
        app.include_router(router)
    _add_openapi(app)
    _add_problem_handlers(app)
    return app


def _add_openapi(app: FastAPI) -> None:
    app.openapi = partial(document, app, _ROUTERS)  # type: ignore[method-assign]
    ready: dict[str, Any] = {}

    @app.get(
        "/openapi.json",
        tags=["operation"],
        summary="OpenAPI 文档 This document",
        responses=answered(200, {"openapi": "3.1.0"}) | documented("unauthorized", "log-unavailable"),
    )
    def get_openapi_document(principal: AnyKey) -> dict[str, Any]:
        if not ready:
            ready.update(app.openapi())
        return ready


def _add_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_wrong_parameters)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(QueryTimeoutError, _on_timeout)
    app.add_exception_handler(StoreUnavailableError, _on_store_away)
    app.add_exception_handler(LogUnavailableError, _on_log_away)
    app.add_exception_handler(Exception, _on_defect)


def _on_refusal(_request: Request, fault: Exception) -> Response:
    assert isinstance(fault, Refusal)
    return problem_response(fault)


def _on_wrong_parameters(_request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestValidationError)
    errors = tuple(
        ProblemError(parameter=".".join(str(part) for part in error["loc"]), problem=str(error["msg"]))
        for error in fault.errors()
    )
    return problem_response(
        Refusal("invalid-parameter", "见 errors", "see errors: which parameter, and what is allowed", errors)
    )


def _on_http(_request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    headers = dict(fault.headers or {})
    if fault.status_code == 404:
        return problem_response(Refusal("not-found", "没有此路径", "no such path", headers=headers))
    if fault.status_code == 405:
        return problem_response(Refusal("method-not-allowed", headers=headers))
    if fault.status_code == 400:
        return problem_response(Refusal("malformed-body", None, str(fault.detail), headers=headers))
    return JSONResponse({"detail": fault.detail}, fault.status_code, headers)


def _on_timeout(_request: Request, _fault: Exception) -> Response:
    return problem_response(
        Refusal("query-timeout", "请缩短时间范围或缩小 scope", "take a shorter span or a narrower scope")
    )


def _on_store_away(_request: Request, fault: Exception) -> Response:
    log.warning("store_unavailable", fault=str(fault))
    return problem_response(Refusal("store-unavailable", "请稍后重试", "try again shortly"))


def _on_log_away(_request: Request, fault: Exception) -> Response:
    log.warning("log_unavailable", fault=str(fault))
    return problem_response(
        Refusal("log-unavailable", "未写入;可安全重发", "nothing was promised; sending the same again is safe")
    )


def _on_defect(_request: Request, _fault: Exception) -> Response:
    """A defect of ours: the sender gets a plain answer, the server's log the whole traceback (Starlette raises on)."""
    return problem_response(Refusal("internal"))
