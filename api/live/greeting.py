"""What a stream says first: when to come back, where it is, and whether something was missed."""

from __future__ import annotations

from typing import Any

import orjson

from api.live.hub import Joined
from api.live.limits import RETRY_MS, RETRY_SPREAD_MS
from api.live.steps import message, with_id
from schemas.times import rfc3339

_WHY = {
    "too_far_behind": ("断开过久,部分消息已不在回放范围内", "away for too long: some of what was missed is not kept"),
    "other_log": (
        "位置不属于当前日志(日志已更换或分区数已变)",
        "the position is not of this log, or of its partitions",
    ),
}


def greeting(joined: Joined, number: int, asked: dict[str, Any], is_resumed: bool) -> bytes:
    """``number``: the how manieth stream it is; ``asked``: what the client wants, as it is said back."""
    retry_ms = RETRY_MS + number * 619 % RETRY_SPREAD_MS
    hello = message("hello", orjson.dumps(asked | {"resumed": is_resumed and joined.lost is None}))
    messages = [hello] if joined.lost is None else [hello, _reset(joined, asked["scope"])]
    return b"retry: %d\n" % retry_ms + with_id(joined.position, *messages)


def _reset(joined: Joined, scope: str) -> bytes:
    assert joined.lost is not None
    zh, en = _WHY[joined.lost]
    catch_up = "/v1/alerts" + (f"?scope={scope}" if scope else "")
    as_of = None if joined.last_recorded_ms is None else rfc3339(joined.last_recorded_ms)
    reset = {
        "reason": joined.lost,
        "detail": f"{zh};请读取 {catch_up},直到其 as_of 不早于此处的 as_of;本流从现在继续",
        "detail_en": f"{en}; read {catch_up} until its as_of is not before this one; this stream goes on from now",
        "catch_up": catch_up,
        "as_of": as_of,
    }
    return message("reset", orjson.dumps(reset))
