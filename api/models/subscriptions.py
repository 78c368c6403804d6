"""Orders and answers about subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.models.common import Out
from schemas.families.subscriptions import SubscriptionKind, SubscriptionStatus
from schemas.families.system import ALERT_STEPS, Severity
from streams.webhooks.addresses import MAX_URL_CHARS
from streams.webhooks.registrar import (
    DEFAULT_OVERLAP_S,
    MAX_NOTE_CHARS,
    MAX_OVERLAP_S,
    MAX_REASON_CHARS,
    MAX_SIGN_SECRET_CHARS,
    MAX_WORDS,
)

Words = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MAX_WORDS)]
_URL = "https 地址;邮件为 mailto:名称@域名 https URL; for email mailto:name@domain"
_SIGN_SECRET = "钉钉、飞书机器人的加签密钥 signing secret of a DingTalk or Feishu robot"


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SubscriptionIn(_In):
    """What to subscribe to, and where to deliver it."""

    url: str = Field(max_length=MAX_URL_CHARS, description=_URL)
    kind: SubscriptionKind = Field("standard", description="接收方 who receives: Standard Webhooks, a robot, or email")
    scope: str | None = Field(
        None, max_length=164, description="范围及其下级;默认为密钥的范围 subtree; default: the key's own"
    )
    detectors: Words = Field([], description="检测器,空为全部 who noticed it; empty: all")
    rules: Words = Field([], description="规则,空为全部 which rules; empty: all")
    min_severity: Severity = Field("info", description="最低严重程度(该步骤时) how grave at least, at that step")
    steps: Words = Field([], description="步骤,空为全部 which steps; empty: all. " + ", ".join(ALERT_STEPS))
    silenced: bool = Field(False, description="含被静默、被归组的告警 silenced and grouped alerts too")
    note: str | None = Field(None, max_length=MAX_NOTE_CHARS, description="用途 whom it is for")
    sign_secret: str | None = Field(None, max_length=MAX_SIGN_SECRET_CHARS, description=_SIGN_SECRET)


class SubscriptionChange(_In):
    """What to change; what is left out stays as it is."""

    url: str | None = Field(None, max_length=MAX_URL_CHARS, description=_URL)
    detectors: Words | None = Field(None, description="[]: 全部 all")
    rules: Words | None = Field(None, description="[]: 全部 all")
    min_severity: Severity | None = None
    steps: Words | None = Field(None, description="[]: 全部 all")
    silenced: bool | None = None
    note: str | None = Field(None, max_length=MAX_NOTE_CHARS, description='"": 去掉 takes it away')
    sign_secret: str | None = Field(
        None, max_length=MAX_SIGN_SECRET_CHARS, description=_SIGN_SECRET + '; "": 去掉 none'
    )


class PauseIn(_In):
    reason: str | None = Field(None, max_length=MAX_REASON_CHARS, description="原因 why")


class RotateIn(_In):
    overlap_s: int = Field(
        DEFAULT_OVERLAP_S,
        ge=0,
        le=MAX_OVERLAP_S,
        description="旧密钥继续签名的秒数 the old one signs too for so long, s",
    )


class SubscriptionOut(Out):
    subscription: str
    revision: int = Field(description="第几次变更 number of this state, from 1")
    scope: str = Field(description="空为全部 empty: all")
    kind: SubscriptionKind
    url: str = Field(description="隐去其中的口令 without what is secret in it")
    detectors: list[str]
    rules: list[str]
    min_severity: Severity
    steps: list[str]
    silenced: bool
    sign_secret: bool = Field(description="是否按机器人平台加签 whether a robot platform's signature is added")
    status: SubscriptionStatus = Field(
        description="disabled: 因持续失败或对方要求而停用 it failed for long, or was told to"
    )
    status_reason: str | None
    previous_secret_expires_time: datetime | None = Field(
        description="旧密钥签名至此时 the old secret signs until then"
    )
    note: str | None
    key_id: str = Field(description="创建者的密钥 the key that made it")
    actor: str = Field(description="最近变更者 who changed it last")


class SubscriptionMade(SubscriptionOut):
    """With the signing secret, which is shown this once."""

    secret: str | None = Field(description="签名密钥,只显示这一次 signing secret, shown once; null: this kind has none")


class SubscriptionsOut(Out):
    next_cursor: str | None = Field(description="下一页游标,末页为 null cursor of the next page; null on the last one")
    subscriptions: list[SubscriptionOut]


class PingOut(Out):
    """A test delivery was ordered."""

    subscription: str
    ping: str = Field(description="测试投递的 webhook-id its webhook-id")
