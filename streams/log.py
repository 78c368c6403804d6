"""The event log: append-only partitions of records, the one source of truth.

Two adapters keep this contract and pass one suite: :mod:`streams.log_sqlite` (embedded) and :mod:`streams.log_kafka`.

Guarantees
    durable     ``append`` returns only when every record is on disk (SQLite: WAL, ``synchronous=FULL``; Kafka:
                ``acks=all``, idempotent producer, every delivery callback checked). Otherwise it raises.
    order       within a partition by offset; ``recorded_time_ms`` as read never goes back (running maximum).
    immutable   nothing changes or removes a record, except retention, which shows as :class:`OffsetOutOfRangeError`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from schemas.records import NewRecord, RawBatch, TopicPartition

MAX_RECORD_BYTES: Final = 8 * 1024 * 1024  # key and value together; dead letters of refused 2 MB events must fit


class LogError(Exception):
    """The log failed; the message tells its reader what to do. Worth a retry, then a restart."""


class LogUnavailableError(LogError):
    """The log can't be reached or written at the moment: broker down, disk full, database locked."""


class LogConfigError(LogError):
    """The log is not as this process needs it (a topic is missing, the directory is locked); a retry is no use."""


class OffsetOutOfRangeError(LogError):
    """Records between the wanted offset and the first kept one are gone. Names the gap; never skipped silently."""

    def __init__(self, where: TopicPartition, wanted: int, earliest: int, end: int) -> None:
        super().__init__(
            f"offset {wanted} of {where} is not in the log, which holds {earliest} to {end}: "
            "retention removed it or the log was replaced; rebuild the projection from what is left"
        )
        self.where, self.wanted, self.earliest, self.end = where, wanted, earliest, end

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.where, self.wanted, self.earliest, self.end))


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a log is, as of now: ``identity`` tells one from any other, ``partitions`` counts those of each topic."""

    identity: str
    partitions: Mapping[str, int]


class LogReader(Protocol):
    """Reads several partitions onwards from given offsets, for as long as wanted. For one thread at a time.

    ``recorded_time_ms`` is the running maximum within this reader. A reader that starts in the middle does not know
    what came before its first record: who resumes raises the times to the maximum kept in their own snapshot.
    After an exception make a new reader from what you have processed.
    """

    def poll(self, max_records: int, timeout_s: float) -> list[RawBatch]:
        """Up to ``max_records`` further records, one batch per partition, each in offset order.

        Waits up to ``timeout_s`` for the first; an empty list means that nothing came.
        ``timeout_s=0`` never blocks.
        :raises OffsetOutOfRangeError: the wanted offset is gone.
        :raises LogUnavailableError: the log can't be reached (short broker outages are ridden out inside).
        """
        ...

    def set_paused(self, paused: Collection[TopicPartition]) -> None:
        """Leave exactly these partitions out of :meth:`poll` from now on (backpressure); nothing is lost by it."""
        ...

    def next_offsets(self) -> dict[TopicPartition, int]:
        """How far :meth:`poll` has come: every record below has been returned, or there is none.

        Offsets may have gaps (Kafka's transaction markers), so the end of the log is reached when this says so,
        not when its last record has been seen.
        """
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class EventLog(Protocol):
    """The log as a whole. Thread-safe. Holds nothing open towards other processes but files or sockets."""

    def create_topics(self, topics: Sequence[str], partitions: int) -> None:
        """Make the topics that do not exist yet; existing ones stay as they are.

        :raises LogConfigError: one exists with another number of partitions; then none has been made.
        """
        ...

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has. :raises LogConfigError: no such topic."""
        ...

    def describe(self, topics: Sequence[str]) -> LogFacts:
        """Asked anew: the log's identity, and how many partitions those of ``topics`` have that exist.

        The identity stays for the log's life; a log or topic that was removed and made again has another one. That of
        no topics is the log's own.
        """
        ...

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        """Append all, in order per partition, durably; returns each record's offset.

        A record without ``recorded_time_ms`` is stamped with the log's clock; a stamp lower than its partition's
        last one is raised to it. SQLite appends all or nothing; on Kafka a part may have been written when this
        raises, so callers append again and readers drop the repetition by event id.
        :raises LogUnavailableError: not (all) durable.
        :raises LogConfigError: no such topic or partition.
        :raises ValueError: a record is larger than :data:`MAX_RECORD_BYTES`; nothing was written.
        """
        ...

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """One past the last record of every partition of ``topics``."""
        ...

    def earliest_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The first kept offset of every partition of ``topics``."""
        ...

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        """The recorded time of each partition's last record; None where empty."""
        ...

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        """Up to ``max_records`` records from ``offset`` on, without waiting for more; empty at the end of the log.

        :raises OffsetOutOfRangeError: ``offset`` is below the first kept record or beyond the end.
        """
        ...

    def reader(self, start: Mapping[TopicPartition, int]) -> LogReader:
        """A reader of the given partitions from the given offsets."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
