"""What the platforms of group robots want besides the message: their own signatures, and how they say no. Pure.

They answer HTTP 200 also when they refuse a message (wrong signature, too many a minute): the body says so.
Sources: 钉钉 自定义机器人安全设置 (加签); 飞书 自定义机器人使用指南 (签名校验); 企业微信 群机器人配置说明 (errcode).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote

import orjson

from schemas.families.subscriptions import SubscriptionKind

SIGNING_KINDS: tuple[SubscriptionKind, ...] = ("dingtalk", "feishu")
_MAX_FAULT_CHARS = 200


def signed(kind: SubscriptionKind, url: str, body: bytes, sign_secret: str | None, now_ms: int) -> tuple[str, bytes]:
    """URL and body as they are sent at ``now_ms``; unchanged where no signature is wanted.

    DingTalk takes signatures up to an hour old, Feishu too: sign at every attempt.
    """
    if sign_secret is None:
        return url, body
    if kind == "dingtalk":
        joint = "&" if "?" in url else "?"
        return f"{url}{joint}timestamp={now_ms}&sign={quote(dingtalk_sign(sign_secret, now_ms), safe='')}", body
    if kind == "feishu":
        now_s = now_ms // 1000
        stamp = {"timestamp": str(now_s), "sign": feishu_sign(sign_secret, now_s)}
        return url, orjson.dumps(stamp | orjson.loads(body))
    return url, body


def dingtalk_sign(secret: str, now_ms: int) -> str:
    """HMAC-SHA256 of time and secret, keyed by the secret."""
    return base64.b64encode(hmac.new(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256).digest()).decode()


def feishu_sign(secret: str, now_s: int) -> str:
    """HMAC-SHA256 of nothing, keyed by time and secret."""
    return base64.b64encode(hmac.new(f"{now_s}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


def refusal_of(kind: SubscriptionKind, response: bytes) -> str | None:
    """Why a platform refused a message that it answered with 200; None where it took it, and for other kinds.

    A body that can't be read, perhaps because it was cut, is no refusal: the status is all that is known then.
    """
    if kind not in ("wecom", "dingtalk", "feishu"):
        return None
    try:
        answer = orjson.loads(response)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict):
        return None
    code = next((answer[name] for name in ("errcode", "code", "StatusCode") if name in answer), 0)
    if code in (0, "0"):
        return None
    words = next((answer[name] for name in ("errmsg", "msg", "StatusMessage") if answer.get(name)), "")
    return f"{kind} {code}: {words}"[:_MAX_FAULT_CHARS]
