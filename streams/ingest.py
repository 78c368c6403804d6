"""Ingest: the one way into the log for events from outside, whichever door they came through (HTTP, file, bridge).

Each event is validated by the strict parser, checked against the sender's scope and the known scopes, dropped if it
was accepted lately, and appended in canonical form. ``accept`` returns after the durable append: an answer
"accepted" or "duplicate" means that the event is in the log. If the append fails nothing is remembered, so the sender
can send all of it again.
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
from schemas.topics import SYSTEM_FAMILIES
from streams.log import EventLog
from streams.ports import Answer, RawEvent, covers
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

    def accept(self, raws: Sequence[RawEvent], principal_scope: str) -> list[Answer]:
        """See :meth:`streams.ports.IngestPort.accept`."""
        now_ms = self._clock()
        answers: list[Answer] = []
        fresh: dict[Digest, NewRecord] = {}
        for raw in raws:
            event = self._checked(raw, principal_scope, now_ms)
            if isinstance(event, Rejected):
                answers.append(Answer("rejected", event.event_id, event.source, event.reason.value, event.detail))
                continue
            digest = digest_of(event.source, event.id)
            repeated = digest in fresh or digest in self._recent
            answers.append(Answer("duplicate" if repeated else "accepted", event.id, event.source))
            if not repeated:
                fresh[digest] = to_new_record(event, self._config.partitions, now_ms)
        if fresh:
            self._log.append(list(fresh.values()))
            self._recent.remember(fresh)
        return answers

    def check(self, raw: RawEvent, principal_scope: str) -> Event | Rejected:
        """What an event would be taken as, were it offered now; nothing is done."""
        return self._checked(raw, principal_scope, self._clock())

    def knows(self, event: Event) -> bool:
        """Whether it was accepted lately: offered again it would be a duplicate."""
        return digest_of(event.source, event.id) in self._recent

    def _checked(self, raw: RawEvent, principal_scope: str, now_ms: int) -> Event | Rejected:
        event = parse_strict(raw.value, raw.headers, now_ms, self._config.limits)
        return self._within(event, principal_scope) if isinstance(event, Event) else event

    def _within(self, event: Event, principal_scope: str) -> Event | Rejected:
        """The event, if its sender may say it."""
        if event.event_type.family in SYSTEM_FAMILIES:
            detail = "events of the system families come from GridPulse alone"
            return Rejected(Reason.type_not_allowed, detail, event.id, event.source)
        if not covers(principal_scope, event.scope):
            detail = f"the key is good for {principal_scope} and below, not for {event.scope}"
            return Rejected(Reason.scope_not_allowed, detail, event.id, event.source)
        roots = self._config.scope_roots
        if roots and not any(covers(root, event.scope) for root in roots):
            detail = f"unknown scope {event.scope}; known are {', '.join(roots)} and below"
            return Rejected(Reason.unknown_scope, detail, event.id, event.source)
        return event


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
        offset = max(earliest[where], end - per_partition)
        while offset < end:
            batch = log.read(where, offset, end - offset)
            if not len(batch):
                break  # what is left are a transaction's markers
            recent.remember(_digests_in(decoder.decode(batch).events))
            offset = int(batch.offsets[-1]) + 1


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
