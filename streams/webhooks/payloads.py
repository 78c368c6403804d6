"""The body of a delivery by kind of subscription: Standard Webhooks, three group robots, and email. Pure.

The same notice gives the same bytes, at every attempt (a signature of the robots' platforms is added when it is sent:
:mod:`streams.webhooks.robots`). Names and comments come from outside: they can't mention people, hide links or format.
Sources: Standard Webhooks 1.0 (payload structure); 企业微信 群机器人配置说明 (markdown, 4096 bytes); 钉钉 自定义机器人
(markdown, 20000 bytes); 飞书 自定义机器人使用指南 (interactive, 20 KB); RFC 5322.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never
from zoneinfo import ZoneInfo

import orjson

from schemas.families.subscriptions import SubscriptionKind
from schemas.times import rfc3339
from streams.webhooks.notices import AlertNotice, Notice, PingNotice, Words, in_words

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
# What these robots take for markup or mentions, as letters that look alike and are none.
_PLAIN: Final = str.maketrans("<>[]*`@~\\", "＜＞［］＊｀＠～＼")
_WECOM_COLOURS: Final = {"info": "comment", "warning": "warning", "critical": "warning"}
_FEISHU_COLOURS: Final = {"info": "blue", "warning": "orange", "critical": "red"}


@dataclass(frozen=True, slots=True)
class Payload:
    """What is sent. ``subject`` only for email."""

    content_type: str
    body: bytes
    subject: str | None = None


def payload_of(kind: SubscriptionKind, notice: Notice, zone: ZoneInfo) -> Payload:
    """The notice as this kind of subscriber reads it; ``zone`` is the site's, for people."""
    match kind:
        case "standard":
            return Payload(JSON, orjson.dumps(_standard(notice)))
        case "wecom":
            return Payload(JSON, orjson.dumps(_wecom(in_words(notice, zone))))
        case "dingtalk":
            return Payload(JSON, orjson.dumps(_dingtalk(in_words(notice, zone))))
        case "feishu":
            return Payload(JSON, orjson.dumps(_feishu(in_words(notice, zone))))
        case "email":
            words = in_words(notice, zone)
            text = "\r\n".join(f"{label}: {line}" for label, line in words.lines)
            return Payload(TEXT, f"{words.title}\r\n\r\n{text}\r\n".encode(), words.title)
    assert_never(kind)


def _standard(notice: Notice) -> dict[str, object]:
    """``type``, ``timestamp`` and ``data``; times are RFC 3339, as in the API's answers."""
    at = rfc3339(notice.event_time_ms)
    if isinstance(notice, PingNotice):
        return {"type": "subscription.ping", "timestamp": at, "data": {"subscription": notice.subscription}}
    return {"type": f"alert.{notice.alert.step}", "timestamp": at, "data": alert_data(notice)}


def alert_data(notice: AlertNotice) -> dict[str, object]:
    """The alert as of this step; what is not known is left out."""
    data: dict[str, object] = {"scope": notice.scope}
    for name, value in notice.alert.model_dump(exclude_none=True).items():
        if name.endswith("_time_ms"):
            data[name.removesuffix("_ms")] = rfc3339(value)
        else:
            data[name] = value
    return data


def _wecom(words: Words) -> dict[str, object]:
    colour = "info" if words.is_over or words.severity is None else _WECOM_COLOURS[words.severity]
    title = f'**<font color="{colour}">{_plain(words.title)}</font>**'
    lines = [f"> {label}: {_plain(text)}" for label, text in words.lines]
    return {"msgtype": "markdown", "markdown": {"content": "\n".join((title, *lines))}}


def _dingtalk(words: Words) -> dict[str, object]:
    lines = [f"- {label}: {_plain(text)}" for label, text in words.lines]
    text = "\n".join((f"#### {_plain(words.title)}", "", *lines))
    return {"msgtype": "markdown", "markdown": {"title": words.title, "text": text}, "at": {"isAtAll": False}}


def _feishu(words: Words) -> dict[str, object]:
    colour = "green" if words.is_over or words.severity is None else _FEISHU_COLOURS[words.severity]
    text = "\n".join(f"**{label}**: {_plain(line)}" for label, line in words.lines)
    return {
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": True},
            "header": {"template": colour, "title": {"tag": "plain_text", "content": words.title}},
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": text}}],
        },
    }


def _plain(text: str) -> str:
    return text.translate(_PLAIN)
