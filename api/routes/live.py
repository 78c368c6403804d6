"""``/v1/live``: alert steps as they are appended to the log, and chosen metrics, as Server-Sent Events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from api.dependencies import Context
from api.live import positions
from api.live.hub import Holder
from api.live.positions import Offsets, PositionError
from api.live.stream import EventStream
from api.openapi import LIVE
from api.problems import Refusal, documented, wrong_parameter
from api.security import PresentedKey, Reader, ReaderScope
from api.series import declared_metric
from schemas.families.system import ALERT_STEPS, Severity
from streams.step_filter import StepFilter

router = APIRouter(tags=["live"])
NAMES = r"^[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*$"
MAX_NAMES_CHARS = 512
DetectorsParam = Annotated[
    str | None,
    Query(
        alias="detector", pattern=NAMES, max_length=MAX_NAMES_CHARS, examples=["noise_limit"],
        description="检测器,可用逗号分隔多个 who noticed it; several with commas",
    ),
]  # fmt: skip
RulesParam = Annotated[
    str | None,
    Query(
        alias="rule", pattern=NAMES, max_length=MAX_NAMES_CHARS,
        description="规则,可用逗号分隔多个 which rules; several with commas",
    ),
]  # fmt: skip
MinSeverityParam = Annotated[Severity, Query(description="最低严重程度(该步骤时) how grave at least, at that step")]
StepsParam = Annotated[
    str | None,
    Query(
        pattern=NAMES, max_length=MAX_NAMES_CHARS, examples=["opened,escalated,resolved"],
        description="步骤,逗号分隔;默认全部 which steps, with commas; default: all. " + ", ".join(ALERT_STEPS),
    ),
]  # fmt: skip
MetricsParam = Annotated[
    str | None,
    Query(
        pattern=NAMES, max_length=MAX_NAMES_CHARS, examples=["noise_laeq"],
        description="随流推送的指标,逗号分隔,最多 5 个 metrics to send too, with commas, at most 5",
    ),
]  # fmt: skip
SinceHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID", pattern=positions.PATTERN, max_length=positions.MAX_CHARS,
        description="收到的最后一个 id,从其后继续 the last id received: goes on after it",
    ),
]  # fmt: skip
SinceParam = Annotated[
    str | None,
    Query(
        alias="last_event_id", pattern=positions.PATTERN, max_length=positions.MAX_CHARS,
        description="同 Last-Event-ID 头,后者优先 the same, where the header can't be set; the header goes first",
    ),
]  # fmt: skip
_DESCRIPTION = (
    "Server-Sent Events,一直保持打开。`alert`:日志中新追加的告警步骤,data 为整个 CloudEvent;"
    "`metric`:所选指标最近几分钟,同 `/v1/metrics/{metric}`(grain=minute),变化时推送;"
    "`hello`:开头;`reset`:无法续传,须按 `catch_up` 补读。"
    "每条消息的 `id` 是日志中的位置,断线后以 `Last-Event-ID` 续传:不漏、不重。静默 15 秒发一次心跳。"
    "接收过慢的连接会被断开,重连即可续传。\n\n"
    "Server-Sent Events; stays open. `alert`: alert steps as they are appended to the log, data is the whole "
    "CloudEvent. `metric`: the last minutes of the chosen metrics, as `/v1/metrics/{metric}` with grain=minute, when "
    "they change. `hello`: at the beginning. `reset`: it can't go on from there, read `catch_up`. Every message's `id` "
    "is a position in the log; coming back with `Last-Event-ID` goes on after it, with nothing left out and nothing "
    "twice. A heartbeat after 15 silent seconds. Who reads too slowly is cut off, and goes on by coming back."
)

# The schema is of the stream as text, or of one event of it: readers of OpenAPI 3.1 take it for either.
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": LIVE, "schema": {"type": ["string", "object"]}}}}
}


@router.get(
    "/v1/live",
    response_class=EventStream,
    summary="实时流 Live stream of alerts and metrics",
    description=_DESCRIPTION,
    responses=_STREAM
    | documented(
        "unauthorized", "role-not-allowed", "scope-not-allowed", "unknown-metric", "invalid-parameter",
        "invalid-cursor", "log-unavailable", "too-many-clients",
    ),
)  # fmt: skip
async def get_live(
    context: Context,
    principal: Reader,
    key: PresentedKey,
    scope: ReaderScope,
    detector: DetectorsParam = None,
    rule: RulesParam = None,
    min_severity: MinSeverityParam = "info",
    steps: StepsParam = None,
    metrics: MetricsParam = None,
    since_header: SinceHeader = None,
    since: SinceParam = None,
) -> Response:
    wanted = StepFilter(
        scope, frozenset(_names(detector)), frozenset(_names(rule)), min_severity,
        frozenset(_names(steps)),
    )  # fmt: skip
    if unknown := wanted.steps - set(ALERT_STEPS):
        allowed = ", ".join(ALERT_STEPS)
        raise wrong_parameter(
            "query.steps", f"没有步骤 {'、'.join(sorted(unknown))};可用:{allowed}", f"allowed: {allowed}"
        )
    figures = tuple(declared_metric(name).name for name in _names(metrics))
    if len(figures) > context.deps.live.metrics:
        raise wrong_parameter("query.metrics", "指标过多", f"at most {context.deps.live.metrics} metrics")
    asked: dict[str, Any] = {
        "scope": scope, "detectors": _names(detector), "rules": _names(rule), "min_severity": min_severity,
        "steps": _names(steps), "metrics": figures, "heartbeat_s": context.deps.live.heartbeat_s,
    }  # fmt: skip
    return await context.live.open(wanted, figures, Holder(key, principal), _position(since_header or since), asked)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split(","))) if text else ()


def _position(text: str | None) -> tuple[int, Offsets] | None:
    if not text:
        return None
    try:
        return positions.decode(text)
    except PositionError:
        raise Refusal(
            "invalid-cursor", "Last-Event-ID 须为本流给出的 id;去掉它即从现在开始",
            "Last-Event-ID must be an id that this stream gave; without it the stream begins now",
        ) from None  # fmt: skip
