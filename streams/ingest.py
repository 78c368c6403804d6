"""Ingest: the one way into the log for events from outside, whichever door they came through (HTTP, file, bridge).

Each event is validated, checked against the sender's scope and the known scopes, dropped if it was accepted lately,
and appended: in canonical form where the strict parser read it, in its sender's own bytes with the time of recording
put in where it came with many others and was read as columns (:mod:`streams.ingest_columns`). ``accept`` returns after
the durable append: an answer "accepted" or "duplicate" means that the event is in the log. If the append fails nothing
is remembered, so the sender can send all of it again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from detectors.contract import derived_id
from schemas.codec import Decoder
from schemas.columns import EventBatch
from schemas.event import Event, new_event, to_new_record
from schemas.families.system import DeadLetter
from schemas.reasons import Reason
from schemas.records import NewRecord
from schemas.strict import Limits, Rejected, parse_strict
from schemas.topics import SYSTEM_FAMILIES, covers
from streams.ingest_columns import PEOPLES_TYPES, Admitted, ColumnarCheck
from streams.log import EventLog
from streams.pages import pages
from streams.ports import STRUCTURED_HEADERS, Answer, RawEvent
from streams.recent_ids import Digest, RecentIds, digest_of

UNASSIGNED_SCOPE = "unassigned"
"""Scope of dead letters: what could not be read belongs to nobody, so only keys for everything see it."""

DEAD_LETTER_RAW_BYTES = 16_384
Stage = Literal["ingest", "import", "bridge", "decode"]


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """What is let in. ``scope_roots`` empty: every well-formed scope is known."""

    partitions: int
    limits: Limits = field(default_factory=Limits)
    scope_roots: tuple[str, ...] = ()


class Ingest:
    """Implements :class:`streams.ports.IngestPort` over any log. Thread-safe."""

    def __init__(self, log: EventLog, clock: Callable[[], int], config: IngestConfig, recent: RecentIds) -> None:
        self._log, self._clock, self._config, self._recent = log, clock, config, recent
        self._columnar = ColumnarCheck(config.partitions, config.limits)

    def accept(self, raws: Sequence[RawEvent], principal_scope: str) -> list[Answer]:
        """See :meth:`streams.ports.IngestPort.accept`."""
        answers: list[Answer] = []
        fresh: dict[Digest, NewRecord] = {}
        for outcome in self._outcomes(raws, principal_scope):
            if isinstance(outcome, Rejected):
                answers.append(
                    Answer("rejected", outcome.event_id, outcome.source, outcome.reason.value, outcome.detail)
                )
                continue
            digest, event_id, source, record = outcome
            if digest in fresh or digest in self._recent:
                answers.append(Answer("duplicate", event_id, source))
            else:
                answers.append(Answer("accepted", event_id, source))
                fresh[digest] = record
        if fresh:
            self._log.append(list(fresh.values()))
            self._recent.remember(fresh)
        return answers

    def say(self, event: Event, principal_scope: str, everywhere: bool = False) -> Answer:
        """See :meth:`streams.ports.IngestPort.say`."""
        if refusal := self._may_say(event.scope, principal_scope):
            return Answer("rejected", event.id, event.source, refusal[0].value, refusal[1])
        digest = digest_of(event.source, event.id)
        if digest in self._recent:
            return Answer("duplicate", event.id, event.source)
        record = to_new_record(event, self._config.partitions, self._clock())
        places = range(self._config.partitions) if everywhere else (record.partition,)
        self._log.append([record._replace(partition=partition) for partition in places])
        self._recent.remember([digest])
        return Answer("accepted", event.id, event.source)

    def check(self, raw: RawEvent, principal_scope: str) -> Event | Rejected:
        """What an event would be taken as, were it offered now; nothing is done."""
        return self._checked(raw, principal_scope, self._clock())

    def knows(self, event: Event) -> bool:
        """See :meth:`streams.ports.IngestPort.knows`."""
        return digest_of(event.source, event.id) in self._recent

    def _outcomes(self, raws: Sequence[RawEvent], principal_scope: str) -> Iterator[Admitted | Rejected]:
        """What each event is, in order: many at a time as columns, and one by one what that leaves."""
        now_ms = self._clock()
        structured = [at for at, raw in enumerate(raws) if not raw.headers or raw.headers == STRUCTURED_HEADERS]
        found = self._columnar.admitted(
            [raws[at].value for at in structured], now_ms, lambda scope: self._may_say(scope, principal_scope) is None
        )
        admitted = dict(zip(structured, found, strict=True))
        for at, raw in enumerate(raws):
            yield admitted.get(at) or self._strictly(raw, principal_scope, now_ms)

    def _strictly(self, raw: RawEvent, principal_scope: str, now_ms: int) -> Admitted | Rejected:
        event = self._checked(raw, principal_scope, now_ms)
        if isinstance(event, Rejected):
            return event
        record = to_new_record(event, self._config.partitions, now_ms)
        return Admitted(digest_of(event.source, event.id), event.id, event.source, record)

    def _checked(self, raw: RawEvent, principal_scope: str, now_ms: int) -> Event | Rejected:
        event = parse_strict(raw.value, raw.headers, now_ms, self._config.limits)
        return self._within(event, principal_scope) if isinstance(event, Event) else event

    def _within(self, event: Event, principal_scope: str) -> Event | Rejected:
        """The event, if its sender may say it."""
        if event.event_type.family in SYSTEM_FAMILIES:
            detail = "events of the system families come from GridPulse alone"
            return Rejected(Reason.type_not_allowed, detail, event.id, event.source)
        if event.event_type.name in PEOPLES_TYPES:
            detail = "what people do about alerts goes through /v1/alerts/… and /v1/silences, which say who it was"
            return Rejected(Reason.type_not_allowed, detail, event.id, event.source)
        refusal = self._may_say(event.scope, principal_scope)
        return event if refusal is None else Rejected(*refusal, event.id, event.source)

    def _may_say(self, scope: str, principal_scope: str) -> tuple[Reason, str] | None:
        """Why a sender can't say anything of a scope; None when it can."""
        if not covers(principal_scope, scope):
            return Reason.scope_not_allowed, f"the key is good for {principal_scope} and below, not for {scope}"
        roots = self._config.scope_roots
        if roots and not any(covers(root, scope) for root in roots):
            return Reason.unknown_scope, f"unknown scope {scope}; known are {', '.join(roots)} and below"
        return None


def remember_latest(
    log: EventLog,
    topics: Sequence[str],
    recent: RecentIds,
    per_partition: int = 20_000,
    limits: Limits | None = None,
) -> None:
    """Fill the window from the ends of the log, so that it outlives the process (3 µs per record).

    Only with what can be read: a record that became a dead letter may come again, mended, under its own id.
    """
    decoder = Decoder(limits or Limits())
    earliest = log.earliest_offsets(topics)
    for where, end in log.end_offsets(topics).items():
        for batch in pages(log, where, max(earliest[where], end - per_partition), end):
            recent.remember(_digests_in(decoder.decode(batch).events))


def _digests_in(events: EventBatch) -> Iterator[Digest]:
    for rows in events.types.values():
        sources, ids = rows.envelope["source"].to_pylist(), rows.envelope["id"].to_pylist()
        yield from map(digest_of, sources, ids)


def dead_letter_record(
    stage: Stage, reason: str, detail: str, origin: str, raw: bytes, partition: int, time_ms: int
) -> NewRecord:
    """Input that could not be accepted, as a record of its own. The same origin gives the same id.

    Files of different days may have the same name, so of an imported row the bytes are part of its origin.
    """
    cause = (stage, origin, reason) if stage != "import" else (stage, origin, reason, hashlib.sha256(raw).hexdigest())
    data = DeadLetter(
        stage=stage,
        reason=reason,
        detail=detail[:500],
        origin=origin[:256],
        raw_base64=base64.b64encode(raw[:DEAD_LETTER_RAW_BYTES]).decode(),
        raw_bytes=len(raw),
    )
    event = new_event(
        data,
        id=derived_id(*cause),
        source=f"//gridpulse/{stage}",
        scope=UNASSIGNED_SCOPE,
        event_time_ms=time_ms,
    )
    record = to_new_record(event, 1, None)
    return NewRecord(record.topic, partition, record.key, record.value)
