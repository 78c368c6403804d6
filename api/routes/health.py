"""``/healthz``, ``/readyz`` (no key) and ``/metrics`` for Prometheus (a key good for everything)."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.dependencies import ApiDependencies, Context
from api.freshness import TOPICS
from api.models.health import CheckOut, HealthOut, ReadinessOut
from api.openapi import HEALTH, NOT_READY, READY, answered
from api.problems import Refusal, documented
from api.security import Reader
from api.telemetry import CONTENT_TYPE
from projections.client import StoreError
from projections.queries.ports import QueryTimeoutError
from streams.log import LogError

router = APIRouter(tags=["operation"])
_OK = CheckOut(ok=True, detail=None)


@router.get(
    "/healthz",
    response_model=HealthOut,
    summary="存活 Alive",
    responses=answered(200, HEALTH),
    openapi_extra={"security": []},
)
def get_health() -> HealthOut:
    return HealthOut(status="ok")


@router.get(
    "/readyz",
    response_model=ReadinessOut,
    summary="就绪 Ready: log and store answer, the database is migrated",
    responses=answered(200, READY) | answered(503, NOT_READY, ReadinessOut),
    openapi_extra={"security": []},
)
def get_readiness(context: Context) -> Response:
    log, (store, migrations) = _check_log(context.deps), _check_store(context.deps)
    ready = log.ok and store.ok and migrations.ok
    answer = ReadinessOut(ready=ready, log=log, store=store, migrations=migrations)
    return JSONResponse(answer.model_dump(), 200 if ready else 503, None if ready else {"Retry-After": "2"})


def _check_log(deps: ApiDependencies) -> CheckOut:
    try:
        deps.log_state.end_offsets(TOPICS)
    except LogError:
        return CheckOut(ok=False, detail="the event log can't be reached or lacks its topics")
    return _OK


def _check_store(deps: ApiDependencies) -> tuple[CheckOut, CheckOut]:
    try:
        missing = deps.queries.missing_migrations()
    except (StoreError, QueryTimeoutError):
        return (
            CheckOut(ok=False, detail="ClickHouse can't be reached or refuses"),
            CheckOut(ok=False, detail="unknown while ClickHouse can't be asked"),
        )
    if missing:
        return _OK, CheckOut(ok=False, detail=f"run gridpulse migrate; missing: {', '.join(missing)}")
    return _OK, _OK


@router.get(
    "/metrics",
    response_class=Response,
    summary="Prometheus 指标 Prometheus metrics",
    description="须用全部范围的密钥。\n\nNeeds a key good for everything: these figures are the whole process's.",
    responses=answered(200, "gridpulse_lag_events 0.0\n", media_type="text/plain")
    | documented("unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter"),
)
def get_prometheus_metrics(context: Context, principal: Reader) -> Response:
    if principal.scope:
        raise Refusal("scope-not-allowed", "须用全部范围的密钥", "needs a key whose scope is everything")
    try:
        freshness = context.freshness.now()
    except (StoreError, QueryTimeoutError):
        freshness = None
    return Response(context.telemetry.exposition(freshness), media_type=CONTENT_TYPE)
