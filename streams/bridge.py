"""The bridge: takes events from Kafka topics that others write, through ingest, into the log.

Vendors key, partition and order their records as they like, in structured or binary (``ce_`` headers) mode; what
arrives in our own topics is canonical. Delivery is at least once: offsets are committed to the consumer group after the
durable append, so a crash repeats records, which ingest or the tables drop by event id. What can't be read becomes a
dead letter with ``topic/partition/offset`` as its origin and stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from schemas.records import Headers
from streams.ingest import dead_letter_record
from streams.log import EventLog, LogUnavailableError
from streams.ports import IngestPort, RawEvent

GROUP = "gridpulse-bridge"
_log = structlog.get_logger(__name__)


class Bridge:
    """One consumer of the group; run several to share the partitions."""

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        ingest: IngestPort,
        log: EventLog,
        clock: Callable[[], int],
        client_config: Mapping[str, str],
        batch_records: int = 2000,
    ) -> None:
        self._ingest, self._event_log, self._clock, self._batch = ingest, log, clock, batch_records
        config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 5,
            "session.timeout.ms": 10_000,  # so long a killed bridge's partitions wait for the next one; 45 s by default
            **client_config,
        }
        self._consumer = Consumer(config)
        self._consumer.subscribe(list(topics))

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``. :raises LogUnavailableError: the log or the broker can't be reached; restart later."""
        try:
            while not stop.is_set():
                self.step(0.5)
        finally:
            self._consumer.close()

    def step(self, timeout_s: float) -> int:
        """One batch; how many records it had."""
        try:
            messages = self._consumer.consume(self._batch, timeout_s)
        except KafkaException as error:
            raise LogUnavailableError(f"cannot read the vendors' topics: {error.args[0].str()}") from error
        sound = [message for message in messages if self._is_sound(message)]
        if sound:
            self._take(sound)
        return len(sound)

    def _is_sound(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise LogUnavailableError(f"cannot read topic {message.topic()}: {error.str()}")
        _log.warning("bridge_broker_error", error=error.str())  # librdkafka reconnects by itself
        return False

    def _take(self, messages: list[Message]) -> None:
        raws = [RawEvent(message.value() or b"", _headers(message)) for message in messages]
        answers = self._ingest.accept(raws, "")
        letters = [
            dead_letter_record(
                "bridge", answer.reason or "invalid_data", answer.detail or "", _origin(message), raw.value, 0,
                self._clock(),
            )
            for message, raw, answer in zip(messages, raws, answers, strict=True)
            if answer.status == "rejected"
        ]  # fmt: skip
        if letters:
            self._event_log.append(letters)
        self._consumer.commit(asynchronous=False)


def _headers(message: Message) -> Headers:
    return tuple((name, value) for name, value in message.headers() or () if value is not None)


def _origin(message: Message) -> str:
    return f"{message.topic()}/{message.partition()}/{message.offset()}"
