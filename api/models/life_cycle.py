"""What people may say about alerts and silences, and what is answered. No person in clear: pseudonyms and key ids."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.models.common import Fresh, Out, Page
from schemas.families.fields import Ref, SilenceKind, Verdict
from schemas.strict import SCOPE_PATTERN

MAX_COMMENT_CHARS = 500
Comment = Annotated[
    str, Field(min_length=1, max_length=MAX_COMMENT_CHARS, description="原因或说明,勿含个人信息 why; nothing personal")
]


class In(BaseModel):
    """Base of all bodies: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class WhyIn(In):
    model_config = _example(comment="已电话核实 called the site")

    comment: Comment | None = None


class AssignIn(In):
    model_config = _example(assignee="warden-07", comment="请到现场查看 please go and see")

    assignee: Ref = Field(description="负责人(假名或岗位) who is to see to it: a pseudonym or a post")
    comment: Comment | None = None


class CommentIn(In):
    model_config = _example(comment="排练设备已关 the band stopped")

    comment: Comment


class VerdictIn(In):
    model_config = _example(verdict="true", comment="现场核实 checked on site")

    verdict: Verdict = Field(description="属实、误报或忽略 what was found")
    comment: Comment | None = None


class CaseIn(In):
    model_config = _example(case="case-0032")

    case: Ref = Field(description="网格事件编号 the grid case that it was reported as")
    comment: Comment | None = None


class SilenceIn(In):
    model_config = _example(
        scope="wuhu/jinghu/tingtang/jianyang", kind="maintenance", detector="device_offline", subject="gw-12",
        duration_s=7200, comment="更换网关 the gateway is replaced",
    )  # fmt: skip

    scope: str | None = Field(
        None, pattern=f"^{SCOPE_PATTERN}$", max_length=164,
        description="静默的范围及其下级;默认为密钥的范围 the subtree; default: the key's own",
    )  # fmt: skip
    kind: SilenceKind = Field("silence", description="手动、检修或停电 by hand, maintenance or a power cut")
    detector: str | None = Field(None, max_length=64, description="仅此检测器 only this detector's alerts")
    rule: str | None = Field(None, max_length=64, description="仅此规则 only this rule's alerts")
    subject: str | None = Field(None, min_length=1, max_length=128, description="仅此对象 only alerts about this")
    starts_time: AwareDatetime | None = Field(None, description="起,默认现在 from when on; default: now")
    ends_time: AwareDatetime | None = Field(None, description="止 until when; or give duration_s")
    duration_s: int | None = Field(None, ge=60, le=92 * 86_400, description="时长(秒) for how long; or give ends_time")
    comment: Comment


class ActionAnswer(Out):
    """The action is durable in the log. What it changes shows in the alert as soon as its lane has come to it."""

    alert: str
    action: str
    event_id: str
    status: Literal["accepted", "duplicate"] = Field(description="duplicate: 此前已接收 it was accepted before")


class AlertTimesOut(Out):
    """Seconds; null: it has not happened."""

    raised_time: datetime = Field(
        description="告知时间,人员用时由此起算 when it was first said: people's times begin here"
    )
    acknowledge_s: float | None = Field(description="至确认 until it was acknowledged")
    act_s: float | None = Field(description="至首次处置 until it was acknowledged, assigned or reported as a case")
    resolve_s: float | None = Field(description="持续时间,按事件时间 how long the trouble lasted, in event time")
    close_s: float | None = Field(description="至关闭(含网格事件办结) until it, or its case, was closed")


class AlertCaseOut(Out):
    case: str
    service: str
    kind: str
    status: str = Field(description="最近一步 the latest step")
    status_time: datetime
    reported_time: datetime | None
    closed_time: datetime | None


class SpreadOut(Out):
    count: int = Field(description="已发生的告警数 alerts to which it happened")
    p50_s: float | None = Field(description="中位数(秒) median, seconds")
    p90_s: float | None = Field(description="九成在此时间内(秒) nine of ten took at most this, seconds")


class TimesOut(Out):
    grid: str | None = Field(description="网格 scope path, where told apart by grid")
    detector: str | None
    rule: str | None
    alerts: int = Field(description="触发并告知的告警数 alerts opened in the span of which somebody was told")
    acknowledge: SpreadOut
    act: SpreadOut
    resolve: SpreadOut
    close: SpreadOut


class AlertTimesAnswer(Fresh):
    timezone: str
    scope: str
    by: Literal["grid", "kind", "grid_and_kind"]
    from_time: datetime
    to_time: datetime
    times: list[TimesOut] = Field(description="告警多者在前 most alerts first")
    cut: bool = Field(description="行数超限,仅列出前若干行 there are more rows than are given")


class SilenceOut(Out):
    silence: str
    scope: str
    kind: SilenceKind
    state: Literal["pending", "active", "ended", "lifted"]
    detector: str | None
    rule: str | None
    subject: str | None
    starts_time: datetime
    ends_time: datetime
    actor: str = Field(description="创建者的密钥编号 id of the key that made it")
    comment: str | None
    created_time: datetime
    lifted_time: datetime | None
    lifted_by: str | None
    lifted_comment: str | None


class SilencesOut(Page):
    timezone: str
    silences: list[SilenceOut] = Field(description="新者在前 newest first")


class SilenceAnswer(Out):
    """Durable in the log, in every partition."""

    silence: str
    scope: str
    state: Literal["pending", "active", "lifted"]
    starts_time: datetime
    ends_time: datetime
    event_id: str
    status: Literal["accepted", "duplicate"]
