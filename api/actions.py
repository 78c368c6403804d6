"""What people do, as events: who is the key that was presented, never what the sender says of himself.

An action is appended at the scope of what it is about, so it lies in that lane's order, where the incident operator
reads it. With an ``Idempotency-Key`` the event's id follows from the key, the thing and the words: the same request
again is the same event. Without one every request is an event of its own.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Annotated

import orjson
from fastapi import Header

from api.dependencies import ApiContext
from api.problems import Refusal
from schemas.base import EventData
from schemas.event import Event, new_event
from streams.ports import Principal

SOURCE = "//gridpulse/api"
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,128}$", max_length=128, examples=["0195f3c2-1b7e"],
        description="可选;同一请求重发时不重复生效 the same request sent again with the same key counts once",
    ),
]  # fmt: skip


def named_id(principal: Principal, idempotency_key: str | None, *about: str) -> str:
    """32 hex digits: from the key and what it is about, or new with every request."""
    if idempotency_key is None:
        return uuid.uuid4().hex
    parts = "\x1f".join((principal.key_id, idempotency_key, *about))
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


def words_of(data: EventData) -> str:
    """What an event says, as text to make an id from."""
    return orjson.dumps(data.model_dump(exclude_none=True), option=orjson.OPT_SORT_KEYS).decode()


def event_of(context: ApiContext, data: EventData, event_id: str, scope: str) -> Event:
    """The event, as of now."""
    now_ms = int(context.deps.now().timestamp() * 1000)
    return new_event(data, id=event_id, source=SOURCE, scope=scope, event_time_ms=now_ms)


def say(context: ApiContext, event: Event, principal: Principal, *, everywhere: bool = False) -> bool:
    """Append it; whether it is new. :raises Refusal: it may not be said there."""
    answer = context.deps.ingest.say(event, principal.scope, everywhere)
    context.telemetry.ingested([answer])
    if answer.status == "rejected":
        raise Refusal("invalid-parameter", f"未接受:{answer.reason}", answer.detail)
    return answer.status == "accepted"
