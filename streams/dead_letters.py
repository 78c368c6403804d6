"""Sends dead letters in again: through the same ingest, perhaps mended first, each with a link to what became of it.

Guarantees
    once        an identity that is in its event table, was accepted lately, or was sent in by a retry already is a
                duplicate and is not appended. What a retry adds to an event (id, source, time, where they are missing)
                follows from the letter alone, so even the rarest repetition has the same key and is absorbed by it.
    link        every outcome is an event of its own (:class:`DeadLetterRetry`); the letter itself stays as it is.
    crash       events are appended first, their links after them: if that is interrupted the next retry finds the
                events, says duplicate, and writes the links.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from detectors.contract import derived_id
from projections.queries.letters import Letter
from schemas.base import JsonObject
from schemas.event import Event, new_event, to_new_record
from schemas.families.system import DeadLetterRetry
from schemas.records import NewRecord
from schemas.strict import Rejected, read_object
from schemas.times import rfc3339
from schemas.topics import topic_of
from streams.ingest import UNASSIGNED_SCOPE, Ingest
from streams.log import EventLog
from streams.pages import pages
from streams.ports import RawEvent

RETRY_SOURCE = "//gridpulse/retry"
LETTERS_TOPIC = topic_of("deadletters")
Outcome = Literal["accepted", "duplicate", "rejected", "left", "cut"]
Identity = tuple[str, str]
_LINKED: frozenset[Outcome] = frozenset({"accepted", "duplicate", "rejected"})
_READ_RECORDS = 5_000
_NONE = RawEvent(b"")


class TransformError(Exception):
    """A transform did something it must not; the message says what, and with which letter."""


@dataclass(frozen=True, slots=True)
class Transform:
    """Mends the event of a letter; ``apply`` answers None for one that is to be left alone."""

    name: str
    apply: Callable[[JsonObject], JsonObject | None]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a letter, or, in a dry run, what would. ``left``: by the transform; ``cut``: not all was kept."""

    letter: str
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    retried_id: str | None = None
    retried_source: str | None = None
    retried_type: str | None = None


@dataclass(frozen=True, slots=True)
class RetryPorts:
    """What a retry needs. ``known``: which identities of a type are in its table. ``linked``: letters whose link is in
    the log but not in its table yet."""

    ingest: Ingest
    log: EventLog
    clock: Callable[[], int]
    known: Callable[[str, Iterable[Identity]], set[Identity]]
    linked: frozenset[str] = frozenset()


class Retry:
    """One retry of many letters, a few hundred at a time."""

    def __init__(self, ports: RetryPorts, transform: Transform | None, actor: str | None, dry_run: bool) -> None:
        self._ports, self._transform, self._actor, self._dry_run = ports, transform, actor, dry_run
        self._sent: set[Identity] = set()

    def send(self, letters: Sequence[Letter]) -> list[Retried]:
        """One answer per letter, in order.

        :raises TransformError: nothing of these letters was done. :raises LogUnavailableError: try again later.
        """
        offered = [self._offered(letter) for letter in letters]
        known = self._known([event for event, _ in offered if isinstance(event, Event)])
        raws: list[RawEvent] = []
        places: list[int] = []
        out: list[Retried] = []
        for letter, (event, raw) in zip(letters, offered, strict=True):
            if not isinstance(event, Event):
                out.append(event)
                continue
            identity = event.source, event.id
            is_known = identity in known or identity in self._sent or self._ports.ingest.knows(event)
            self._sent.add(identity)
            if not is_known:
                places.append(len(out))
                raws.append(raw)
            out.append(_retried(letter, "duplicate", event))
        self._append(out, places, raws)
        if not self._dry_run:
            self._link(letters, out)
        return out

    def _offered(self, letter: Letter) -> tuple[Event | Retried, RawEvent]:
        """The event as it is to be sent in, or why not."""
        if self._is_done(letter):
            return Retried(letter.id, "duplicate", None, "was sent in before; its link says what became of it"), _NONE
        if letter.is_cut:
            detail = f"of {letter.raw_bytes} bytes only the first {len(letter.raw)} were kept; ask the sender for it"
            return Retried(letter.id, "cut", letter.reason, detail), _NONE
        value = _mended(letter, self._transform)
        if value is None:
            return Retried(letter.id, "left"), _NONE
        raw = RawEvent(value)
        event = self._ports.ingest.check(raw, "")
        if isinstance(event, Rejected):
            why = event.reason.value, event.detail, event.event_id, event.source
            return Retried(letter.id, "rejected", *why), raw
        return event, raw

    def _is_done(self, letter: Letter) -> bool:
        return letter.state == "retried" or letter.id in self._ports.linked

    def _known(self, events: Sequence[Event]) -> set[Identity]:
        by_type: dict[str, set[Identity]] = {}
        for event in events:
            by_type.setdefault(event.event_type.name, set()).add((event.source, event.id))
        return {one for name, wanted in by_type.items() for one in self._ports.known(name, wanted)}

    def _append(self, out: list[Retried], places: Sequence[int], raws: Sequence[RawEvent]) -> None:
        """Send in what is new; its outcome is then ingest's answer."""
        if self._dry_run:
            for place in places:
                out[place] = _with(out[place], "accepted")
            return
        for place, answer in zip(places, self._ports.ingest.accept(raws, ""), strict=True):
            out[place] = _with(out[place], answer.status, answer.reason, answer.detail)

    def _link(self, letters: Sequence[Letter], out: Sequence[Retried]) -> None:
        partitions = self._ports.log.partitions(LETTERS_TOPIC)
        now_ms = self._ports.clock()
        links = [
            _link_record(letter, one, partitions, now_ms, self._transform, self._actor)
            for letter, one in zip(letters, out, strict=True)
            if one.outcome in _LINKED and not self._is_done(letter)
        ]
        if links:
            self._ports.log.append(links)


def merge_patch(target: Any, patch: Any) -> Any:
    """``target`` changed as RFC 7386 says: objects are merged, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def linked_letters(log: EventLog, projected: dict[int, int]) -> frozenset[str]:
    """Letters with a link that they are accepted, in the log from ``projected`` on: what its table has not got yet."""
    found: set[str] = set()
    earliest = log.earliest_offsets([LETTERS_TOPIC])
    for where, end in log.end_offsets([LETTERS_TOPIC]).items():
        start = max(projected.get(where.partition, 0), earliest[where])
        for batch in pages(log, where, start, end, _READ_RECORDS):
            found.update(letter for value in batch.values if (letter := _accepted_in(value)) is not None)
    return frozenset(found)


def _accepted_in(value: bytes) -> str | None:
    if DeadLetterRetry.type_name.encode() not in value:
        return None
    try:
        event = orjson.loads(value)
        data = DeadLetterRetry.model_validate(event["data"])
    except (ValueError, KeyError, TypeError):
        return None  # a letter that quotes the name, or what others wrote
    is_link = str(event.get("type", "")).startswith(DeadLetterRetry.type_name)
    return data.letter if is_link and data.outcome != "rejected" else None


def _mended(letter: Letter, transform: Transform | None) -> bytes | None:
    """The bytes to send in; None: the transform leaves the letter alone."""
    event = read_object(letter.raw)
    if isinstance(event, Rejected):
        return letter.raw  # ingest says what is wrong with it
    changed = event if transform is None else transform.apply(json.loads(json.dumps(event)))
    if changed is None:
        return None
    name = "" if transform is None else transform.name
    if not isinstance(changed, dict):
        raise TransformError(f"{name}: letter {letter.id}: an event is a JSON object, not {type(changed).__name__}")
    completed = _completed(changed, letter)
    if completed == event:
        return letter.raw
    try:
        return json.dumps(completed).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TransformError(f"{name}: letter {letter.id}: what came out is not JSON: {error}") from None


def _completed(event: JsonObject, letter: Letter) -> JsonObject:
    """With an identity and a time, where it has none: they follow from the letter, so they are always the same."""
    event = dict(event)
    if event.get("source") is None:
        event["source"], event["id"] = RETRY_SOURCE, derived_id("retry", letter.id)  # an id is nothing without it
    elif event.get("id") is None:
        event["id"] = derived_id("retry", letter.id)
    if event.get("time") is None:
        event["time"] = rfc3339(letter.event_time_ms)
    return event


def _retried(letter: Letter, outcome: Outcome, event: Event) -> Retried:
    return Retried(letter.id, outcome, None, None, event.id, event.source, event.event_type.wire_name)


def _with(one: Retried, outcome: Outcome, reason: str | None = None, detail: str | None = None) -> Retried:
    return Retried(one.letter, outcome, reason, detail, one.retried_id, one.retried_source, one.retried_type)


def _link_record(
    letter: Letter, one: Retried, partitions: int, now_ms: int, transform: Transform | None, actor: str | None
) -> NewRecord:
    assert one.outcome in ("accepted", "duplicate", "rejected")
    link = DeadLetterRetry(
        letter=letter.id,
        outcome=one.outcome,
        reason=one.reason,
        detail=one.detail and one.detail[:500],
        retried_id=one.retried_id and one.retried_id[:128],
        retried_source=one.retried_source and one.retried_source[:256],
        retried_type=one.retried_type,
        transform=None if transform is None else transform.name[:500],
        actor=actor and actor[:200],
    )
    event = new_event(
        link,
        id=derived_id("retry", letter.id, len(letter.retries) + 1, one.outcome),
        source=RETRY_SOURCE,
        scope=UNASSIGNED_SCOPE,
        event_time_ms=now_ms,
    )
    return to_new_record(event, partitions, None)
