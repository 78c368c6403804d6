"""Fakes of the ports in :mod:`streams.ports`, for tests of what stands on them. They keep the ports' contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from schemas.event import Event
from schemas.records import TopicPartition
from schemas.topics import covers
from streams.log import LogUnavailableError
from streams.ports import Answer, Principal, RawEvent

MAX_EVENT_BYTES = 65_536


class FakeIngest:
    """Takes any JSON object or binary-mode event with an id and a source; remembers what it took."""

    def __init__(self) -> None:
        self.accepted: list[RawEvent] = []
        self.said: list[tuple[Event, bool]] = []  # and whether everywhere
        self.calls: list[tuple[list[RawEvent], str]] = []
        self.available = True
        self._seen: set[tuple[str, str]] = set()

    def accept(self, raws: Sequence[RawEvent], principal_scope: str) -> list[Answer]:
        if not self.available:
            raise LogUnavailableError("the fake log was switched off")
        self.calls.append((list(raws), principal_scope))
        return [self._answer(raw, Principal("fake", "writer", principal_scope)) for raw in raws]

    def say(self, event: Event, principal_scope: str, everywhere: bool = False) -> Answer:
        if not self.available:
            raise LogUnavailableError("the fake log was switched off")
        if not covers(principal_scope, event.scope):
            return Answer("rejected", event.id, event.source, "scope_not_allowed", f"allowed: {principal_scope}")
        if (event.source, event.id) in self._seen:
            return Answer("duplicate", event.id, event.source)
        self._seen.add((event.source, event.id))
        self.said.append((event, everywhere))
        return Answer("accepted", event.id, event.source)

    def knows(self, event: Event) -> bool:
        return (event.source, event.id) in self._seen

    def _answer(self, raw: RawEvent, principal: Principal) -> Answer:
        if len(raw.value) > MAX_EVENT_BYTES:
            return Answer("rejected", None, None, "too_large", f"an event has at most {MAX_EVENT_BYTES} bytes")
        try:
            event_id, source, scope = _identity(raw)
        except (orjson.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as fault:
            return Answer("rejected", None, None, "malformed", f"{type(fault).__name__}: {fault}")
        if not principal.covers(scope):
            return Answer("rejected", event_id, source, "scope_not_allowed", f"allowed: {principal.scope} and below")
        if (source, event_id) in self._seen:
            return Answer("duplicate", event_id, source)
        self._seen.add((source, event_id))
        self.accepted.append(raw)
        return Answer("accepted", event_id, source)


def _identity(raw: RawEvent) -> tuple[str, str, str]:
    """id, source and scope of an event in either mode."""
    headers = {name: value.decode() for name, value in raw.headers}
    if "ce_id" in headers or "ce_specversion" in headers:
        return headers["ce_id"], headers["ce_source"], headers.get("ce_scope", "")
    envelope = orjson.loads(raw.value)
    return str(envelope["id"]), str(envelope["source"]), str(envelope.get("scope", ""))


class FakeKeyRing:
    """Knows the keys it was given, by their whole text."""

    def __init__(self, keys: Mapping[str, Principal]) -> None:
        self._keys = dict(keys)
        self.available = True

    def verify(self, presented: str) -> Principal | None:
        self.read_on()
        return self._keys.get(presented)

    def read_on(self) -> None:
        if not self.available:
            raise LogUnavailableError("the fake log was switched off")


class FakeLogState:
    """End offsets and last recorded times as set by the test."""

    def __init__(
        self, ends: Mapping[TopicPartition, int] | None = None, last_ms: Mapping[TopicPartition, int] | None = None
    ) -> None:
        self.ends = dict(ends or {})
        self.last_ms = dict(last_ms or {})
        self.available = True

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        self._check()
        return {where: end for where, end in self.ends.items() if where.topic in topics}

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        self._check()
        return {where: self.last_ms.get(where) for where in self.ends if where.topic in topics}

    def _check(self) -> None:
        if not self.available:
            raise LogUnavailableError("the fake log was switched off")
