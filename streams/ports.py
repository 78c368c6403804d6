"""What the API asks of the streams: taking events in, knowing keys, knowing how far the log is.

Adapters: ingest (:mod:`streams.ingest`), :class:`streams.keys.LogKeyRing`, any :class:`streams.log.EventLog`
(:class:`LogStatePort` is a part of it). Fakes for tests: :mod:`streams.fakes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from schemas.event import Event
from schemas.records import Headers, TopicPartition
from schemas.topics import covers

AnswerStatus = Literal["accepted", "duplicate", "rejected"]
Role = Literal["reader", "writer", "operator", "admin"]


STRUCTURED_HEADERS: Final[Headers] = (("content-type", b"application/cloudevents+json"),)


class RawEvent(NamedTuple):
    """One event as a sender sent it; nobody has looked into it yet.

    ``headers`` has ``content-type`` and, in binary mode, the attributes as ``ce_<name>`` (Kafka's spelling, UTF-8,
    percent-decoding done); in structured mode the attributes are in ``value``.
    """

    value: bytes
    headers: Headers = ()


class Answer(NamedTuple):
    """What became of one event. ``event_id`` and ``source`` are None where they could not be read."""

    status: AnswerStatus
    event_id: str | None
    source: str | None
    reason: str | None = None  # a reason code of schemas.reasons, when rejected
    detail: str | None = None  # what is wrong and what is allowed


class IngestPort(Protocol):
    """Validates and appends events. Thread-safe."""

    def accept(self, raws: Sequence[RawEvent], principal_scope: str) -> list[Answer]:
        """One answer per event, in order; returns only after the accepted ones are durable in the log.

        Never raises on input: an event that is too large (64 KiB), malformed, of unknown type, or outside
        ``principal_scope`` (empty: everywhere is inside) is ``rejected`` with its reason code.
        :raises streams.log.LogUnavailableError: not (all) durable; the sender may safely send the same again.
        """
        ...

    def say(self, event: Event, principal_scope: str, everywhere: bool = False) -> Answer:
        """Append an event that GridPulse itself made of what a person asked for; the same answers as ``accept``.

        ``everywhere``: one record of it in every partition of its topic, since every lane must hear of it. They have
        one identity, so it counts once.
        :raises streams.log.LogUnavailableError: not (all) durable; saying the same again is harmless.
        """
        ...

    def knows(self, event: Event) -> bool:
        """Whether it was accepted lately: offered again it would be a duplicate."""
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a verified key, what it may do and the subtree it is good for (empty: everything)."""

    key_id: str
    role: Role
    scope: str

    def covers(self, scope: str) -> bool:
        """Whether ``scope`` is this principal's own or below it."""
        return covers(self.scope, scope)


class KeyRing(Protocol):
    """Knows the keys that were issued and not revoked. Thread-safe."""

    def verify(self, presented: str) -> Principal | None:
        """The principal of a presented key text; None when it is malformed, unknown, wrong or revoked.

        :raises streams.log.LogUnavailableError: for too long it was impossible to see whether keys were revoked.
        """
        ...

    def read_on(self) -> None:
        """What was issued or revoked before this call counts afterwards, unless the log can't be read.

        :raises streams.log.LogUnavailableError: as :meth:`verify`.
        """
        ...


class LogStatePort(Protocol):
    """How far the log is. Every :class:`streams.log.EventLog` is one."""

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """One past the last record of every partition of ``topics``."""
        ...

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        """The recorded time of each partition's last record; None where empty."""
        ...
