"""``/v1/silences``: what is kept quiet, by hand, for maintenance or in a power cut; made, listed and lifted.

A silence is said once in every partition, since alerts of its scope may lie in any lane. A key silences nothing
outside its own scope.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.actions import IdempotencyKey, event_of, named_id, say
from api.cursors import decode_time_and_id, encode_time_and_id, fingerprint
from api.dependencies import Context
from api.json_bodies import BODY_PROBLEMS, JsonBodyRoute
from api.models.common import fields_in_zone, fresh
from api.models.life_cycle import MAX_COMMENT_CHARS, SilenceAnswer, SilenceIn, SilenceOut, SilencesOut
from api.openapi import SILENCE, SILENCES, answered
from api.parameters import CursorParam, LimitParam, Zone
from api.problems import Refusal, documented, wrong_parameter
from api.security import Operator, ReaderScope, allowed_scope
from projections.queries.life_cycle_ports import SilenceQuery, SilenceState
from schemas.families.civic import AlertSilence
from schemas.nearest import near_and_known
from schemas.rules import ALL_RULES, DETECTORS, rules_of
from streams.ports import Principal

router = APIRouter(tags=["alerts"], route_class=JsonBodyRoute)
MAX_SPAN = timedelta(days=92)
MAX_AHEAD = timedelta(days=366)
SilenceParam = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=64, description="静默")]
StateParam = Annotated[SilenceState | None, Query(description="未开始、生效、已结束或已撤销")]
WhyParam = Annotated[
    str | None, Query(alias="comment", min_length=1, max_length=MAX_COMMENT_CHARS, description="撤销原因 why")
]


@router.post(
    "/v1/silences",
    status_code=202,
    response_model=SilenceAnswer,
    summary="新建静默 Silence alerts",
    description=(
        "须写明原因与期限,最长 92 天。到期自动恢复,期间告警照常记录,只是不通知。\n\n"
        "Says why and until when, 92 days at most. Alerts go on being recorded; nobody is told of them."
    ),
    responses=answered(202, SILENCE)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", *BODY_PROBLEMS,
        "log-unavailable", "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
def make_silence(
    context: Context, principal: Operator, zone: Zone, wanted: SilenceIn, idempotency_key: IdempotencyKey = None
) -> SilenceAnswer:
    scope = _silenced_scope(principal, wanted)
    now = context.deps.now()
    starts, ends = _span(wanted, now)
    _check_words(wanted)
    silence = named_id(principal, idempotency_key, "silence", scope, wanted.model_dump_json())
    data = AlertSilence(
        silence=silence, kind=wanted.kind, silenced_scope=scope, detector=wanted.detector, rule=wanted.rule,
        subject=wanted.subject, starts_time_ms=_ms(starts), ends_time_ms=_ms(ends), actor=principal.key_id,
        comment=wanted.comment, status="active",
    )  # fmt: skip
    is_new = say(context, event_of(context, data, silence, scope), principal, everywhere=True)
    if not is_new and (made := context.deps.queries.silence(scope, silence, now)) is not None:
        starts, ends = made.starts_time, made.ends_time  # those of the first request, which counts
    return SilenceAnswer(
        silence=silence,
        scope=scope,
        state="active" if starts <= now else "pending",
        starts_time=starts.astimezone(zone),
        ends_time=ends.astimezone(zone),
        event_id=silence,
        status="accepted" if is_new else "duplicate",
    )


@router.get(
    "/v1/silences",
    response_model=SilencesOut,
    summary="静默列表 Silences",
    responses=answered(200, SILENCES)
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "invalid-parameter", "invalid-cursor",
        "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
def list_silences(
    context: Context,
    scope: ReaderScope,
    zone: Zone,
    state: StateParam = None,
    limit: LimitParam = 100,
    cursor: CursorParam = None,
) -> SilencesOut:
    filters = fingerprint("silences", scope, state)
    before = decode_time_and_id(filters, cursor)
    freshness = context.freshness.now()
    rows = context.deps.queries.silences(SilenceQuery(scope, state, context.deps.now(), before, limit + 1))
    page = rows[:limit]
    more = len(rows) > limit
    return SilencesOut(
        **fresh(freshness, zone),
        timezone=zone.key,
        silences=[SilenceOut(**fields_in_zone(row, zone)) for row in page],
        next_cursor=encode_time_and_id(filters, page[-1].created_time, page[-1].silence) if more else None,
    )


@router.delete(
    "/v1/silences/{silence}",
    status_code=202,
    response_model=SilenceAnswer,
    summary="撤销静默 Lift a silence",
    description="立即结束;重复撤销无害。\n\nIt ends at once; lifting it again is harmless.",
    responses=answered(202, SILENCE | {"state": "lifted"})
    | documented(
        "unauthorized", "role-not-allowed", "not-found", "not-now", "invalid-parameter", *BODY_PROBLEMS,
        "log-unavailable", "store-unavailable", "query-timeout",
    ),
)  # fmt: skip
def lift_silence(
    context: Context, principal: Operator, zone: Zone, silence: SilenceParam, comment: WhyParam = None
) -> SilenceAnswer:
    row = context.deps.queries.silence(principal.scope, silence, context.deps.now())
    if row is None:
        raise Refusal(
            "not-found",
            f"此范围内没有静默 {silence};若刚新建,请稍后重试",
            f"no silence {silence} in this scope; if it was made just now, try again in a second",
        )
    if row.state == "ended":
        raise Refusal("not-now", "静默已到期,无需撤销", "it has ended by itself: there is nothing to lift")
    data = AlertSilence(
        silence=silence, kind=row.kind, silenced_scope=row.scope, detector=row.detector, rule=row.rule,
        subject=row.subject, starts_time_ms=_ms(row.starts_time), ends_time_ms=_ms(row.ends_time),
        actor=principal.key_id, comment=comment, status="lifted",
    )  # fmt: skip
    event = event_of(context, data, f"{silence}-lifted", row.scope)
    is_new = row.state != "lifted" and say(context, event, principal, everywhere=True)
    return SilenceAnswer(
        silence=silence,
        scope=row.scope,
        state="lifted",
        starts_time=row.starts_time.astimezone(zone),
        ends_time=row.ends_time.astimezone(zone),
        event_id=event.id,
        status="accepted" if is_new else "duplicate",
    )


def _silenced_scope(principal: Principal, wanted: SilenceIn) -> str:
    scope = allowed_scope(principal, wanted.scope)
    if not scope:
        raise wrong_parameter(
            "body.scope", "此密钥可及全部范围,请写明要静默的范围", "the key is good for everything: name the subtree"
        )
    return scope


def _span(wanted: SilenceIn, now: datetime) -> tuple[datetime, datetime]:
    starts = wanted.starts_time or now
    if (wanted.ends_time is None) == (wanted.duration_s is None):
        raise wrong_parameter(
            "body.ends_time", "请在 ends_time 与 duration_s 中给出一个", "give one of ends_time and duration_s"
        )
    if starts - now > MAX_AHEAD:
        raise wrong_parameter("body.starts_time", "须在一年以内", "must lie within a year from now")
    ends = wanted.ends_time or starts + timedelta(seconds=wanted.duration_s or 0)
    if not max(starts, now) < ends <= starts + MAX_SPAN:
        raise wrong_parameter(
            "body.ends_time", "须晚于起始与现在,最长 92 天", "must lie after the start and now, at most 92 days on"
        )
    return starts, ends


def _check_words(wanted: SilenceIn) -> None:
    if wanted.detector is not None:
        _check_word("body.detector", wanted.detector, DETECTORS)
    if wanted.rule is not None:
        known = ALL_RULES if wanted.detector is None else rules_of([wanted.detector])
        _check_word("body.rule", wanted.rule, known)


def _check_word(parameter: str, word: str, known: tuple[str, ...]) -> None:
    """A misspelt word would match nothing, for ever and in silence."""
    if word not in known:
        zh, en = near_and_known(word, known)
        raise wrong_parameter(parameter, f"没有此名称{zh}", f"there is none of that name{en}")


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
