"""Reading partitions of Kafka from given offsets, many records at a time. Contract: :class:`streams.log.LogReader`.

Outages of the broker are ridden out for ``outage_limit_s`` (librdkafka connects again by itself), then
:class:`LogUnavailableError`. A record with an empty (null) value, Kafka's tombstone, reads as ``b""``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import Any, Final, Self

import confluent_kafka as kafka
import numpy as np
import orjson
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from schemas.records import Headers, RawBatch, TopicPartition
from streams.kafka_errors import BrokerNotes
from streams.kafka_settings import consumer_config
from streams.log import LogConfigError, OffsetOutOfRangeError

_MAX_CONSUME: Final = 100_000
# Several looks at each message while it is in the processor's cache: of 10,000 at a time they cost a third more.
_BLOCK: Final = 1_000
_NEVER_MS: Final = -(2**63)
_log = structlog.get_logger(__name__)

Ends = Callable[[TopicPartition], tuple[int, int]]  # the earliest and the end offset of a partition


class _Outage:
    """Watches librdkafka's statistics for times in which no broker is up: a silent topic shows nothing of it."""

    def __init__(self, notes: BrokerNotes, limit_s: float) -> None:
        self._notes, self._limit_s = notes, limit_s
        self._down_since_s: float | None = None

    def note_statistics(self, document: str) -> None:
        statistics: dict[str, Any] = orjson.loads(document)
        if any(broker["state"] == "UP" for broker in statistics["brokers"].values()):
            if self._down_since_s is not None:
                _log.info("kafka_back", broker=self._notes.bootstrap)
            self._down_since_s = None
        elif self._down_since_s is None:
            self._down_since_s = time.monotonic()
            _log.warning("kafka_down", broker=self._notes.bootstrap, tolerated_s=self._limit_s)

    def check(self) -> None:
        """:raises LogUnavailableError: it has lasted too long."""
        if self._down_since_s is not None and time.monotonic() - self._down_since_s > self._limit_s:
            raise self._notes.unavailable("reading", f"no broker was up for {self._limit_s:.0f} s")


class _Columns:
    """What one poll found in one partition."""

    __slots__ = ("headers", "offsets", "times_ms", "values")

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.times_ms: list[int] = []
        self.values: list[bytes] = []
        self.headers: list[Headers] | None = None

    def add(self, messages: list[Message]) -> None:
        """``map`` over the C methods: a Python loop over the messages would double the cost of reading."""
        before = len(self.values)
        self.offsets += map(Message.offset, messages)
        self.times_ms += [stamp for _, stamp in map(Message.timestamp, messages)]
        values = list(map(Message.value, messages))
        self.values += values if all(values) else [value or b"" for value in values]
        headers = list(map(Message.headers, messages))
        if self.headers is not None or any(headers):
            self.headers = self.headers or [()] * before
            self.headers += map(_headers, headers)


def _headers(pairs: Iterable[tuple[str, bytes | None]] | None) -> Headers:
    return tuple((name, value or b"") for name, value in pairs or ())


def _where(message: Message) -> tuple[str, int]:
    return message.topic(), message.partition()


class KafkaReader:
    """See the module."""

    def __init__(
        self,
        bootstrap: str,
        client_config: Mapping[str, str],
        start: Mapping[TopicPartition, int],
        ends: Ends,
        outage_limit_s: float,
    ) -> None:
        """:arg ends: asks the broker for the first kept and the end offset, for error messages."""
        self._notes = BrokerNotes(bootstrap)
        self._outage = _Outage(self._notes, outage_limit_s)
        self._ends = ends
        self._next = {(where.topic, where.partition): offset for where, offset in start.items()}
        self._max_ms = dict.fromkeys(self._next, _NEVER_MS)
        partitions = {where.partition for where in start}
        self._only_partition = partitions.pop() if len(partitions) == 1 else None  # as in a lane: no need to ask
        self._paused: frozenset[TopicPartition] = frozenset()
        config = consumer_config(self._notes, client_config)
        self._consumer = Consumer({**config, "stats_cb": self._outage.note_statistics})
        self._consumer.assign([_kafka(where, offset) for where, offset in start.items()])

    def poll(self, max_records: int, timeout_s: float) -> list[RawBatch]:
        deadline_s = time.monotonic() + timeout_s
        limit = min(max_records, _MAX_CONSUME)
        while True:
            found: dict[tuple[str, int], _Columns] = {}
            came = self._gather(found, limit, 0.0)
            left_s = deadline_s - time.monotonic()
            # consume() waits until it has *all* it was asked for: so one to wait, then what else is there.
            if not came and left_s > 0 and self._gather(found, 1, left_s):
                self._gather(found, limit - 1, 0.0)
            self._outage.check()
            if found or time.monotonic() >= deadline_s:
                return [self._batch(where, columns) for where, columns in found.items()]

    def set_paused(self, paused: Collection[TopicPartition]) -> None:
        wanted = frozenset(paused)
        if more := wanted - self._paused:
            self._consumer.pause([_kafka(where) for where in more])
        if less := self._paused - wanted:
            # From where the caller is: what had been fetched ahead was thrown away by the pause.
            self._consumer.resume([_kafka(where) for where in less])
        self._paused = wanted

    def next_offsets(self) -> dict[TopicPartition, int]:
        return {TopicPartition(*where): offset for where, offset in self._next.items()}

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _consume(self, limit: int, timeout_s: float) -> list[Message]:
        try:
            messages: list[Message] = self._consumer.consume(limit, timeout_s)
        except KafkaException as error:
            raise self._notes.log_error(error, "reading") from error
        return messages

    def _gather(self, found: dict[tuple[str, int], _Columns], limit: int, timeout_s: float) -> int:
        """Put what can be had into ``found``, at most ``limit`` messages; how many messages came."""
        came = 0
        while came < limit:
            wanted = min(limit - came, _BLOCK)
            messages = self._consume(wanted, timeout_s)
            came += len(messages)
            self._sort_in(found, messages)
            if len(messages) < wanted:
                break
        return came

    def _sort_in(self, found: dict[tuple[str, int], _Columns], messages: list[Message]) -> None:
        if any(map(Message.error, messages)):
            messages = [message for message in messages if message.error() is None or self._note_event(message)]
        for topic, of_topic in groupby(messages, Message.topic):
            if self._only_partition is not None:
                found.setdefault((topic, self._only_partition), _Columns()).add(list(of_topic))
                continue
            for partition, run in groupby(of_topic, Message.partition):
                found.setdefault((topic, partition), _Columns()).add(list(run))

    def _batch(self, where: tuple[str, int], columns: _Columns) -> RawBatch:
        times_ms = np.array(columns.times_ms, dtype=np.int64)
        times_ms[0] = max(self._max_ms[where], times_ms[0])
        times_ms = np.maximum.accumulate(times_ms)
        self._max_ms[where] = int(times_ms[-1])
        self._next[where] = columns.offsets[-1] + 1
        return RawBatch(
            where[1],
            (where[0],),
            np.zeros(len(times_ms), dtype=np.int64),
            np.array(columns.offsets, dtype=np.int64),
            times_ms,
            columns.values,
            columns.headers,
        )

    def _note_event(self, event: Message) -> bool:
        """An event among the messages; never a record, so always False. :raises LogError: it ends the reading."""
        error: KafkaError = event.error()
        if error.code() == KafkaError._PARTITION_EOF:
            where = _where(event)
            self._next[where] = max(self._next[where], event.offset())
            return False
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._out_of_range(TopicPartition(*_where(event)))
        failure = self._notes.log_error(error, f"reading {event.topic()}/{event.partition()}")
        if error.fatal() or isinstance(failure, LogConfigError):
            raise failure
        _log.warning("kafka_read_error", error=str(failure))
        return False

    def _out_of_range(self, where: TopicPartition) -> OffsetOutOfRangeError:
        earliest, end = self._ends(where)
        return OffsetOutOfRangeError(where, self._next[(where.topic, where.partition)], earliest, end)


def _kafka(where: TopicPartition, offset: int | None = None) -> kafka.TopicPartition:
    if offset is None:
        return kafka.TopicPartition(where.topic, where.partition)
    return kafka.TopicPartition(where.topic, where.partition, offset)
