"""Appending to Kafka so that what is acknowledged is durable: every delivery report is looked at.

Guarantees: idempotent, ``acks=all``; :meth:`Delivery.wait` returns the offsets of all records or raises, within a
            bounded time, when the fate of every record is known: nothing of a failed call is written later.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.records import NewRecord
from streams.kafka_errors import BrokerNotes
from streams.kafka_settings import producer_config

_POLL_S: Final = 0.1
_FULL_QUEUE_WAIT_S: Final = 0.005
_GRACE_S: Final = 5.0  # librdkafka looks for timed out messages once a second


class Delivery:
    """The records of one append on their way."""

    def __init__(self, count: int, notes: BrokerNotes, limit_s: float) -> None:
        self._notes, self._limit_s = notes, limit_s
        self._offsets = [-1] * count
        self._expected: int | None = None  # how many are on their way; known when all have been handed over
        self._done = 0
        self._all_done = threading.Event()
        self.failed: KafkaError | None = None

    def report(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Called once per record, by the producer's polling thread only."""
        if error is not None:
            self.failed = self.failed or error
        else:
            self._offsets[index] = message.offset()
        self._done += 1
        if self._done == self._expected:
            self._all_done.set()

    def expect(self, count: int) -> None:
        """All that will be handed over has been."""
        self._expected = count
        if self._done == count:  # both sides look after they wrote, so that one of them sees it
            self._all_done.set()

    def wait(self) -> list[int]:
        """:raises LogUnavailableError, LogConfigError: not all is durable."""
        doing = f"appending {len(self._offsets)} records"
        if not self._all_done.wait(self._limit_s):
            raise self._notes.unavailable(doing, f"no answer within {self._limit_s:.0f} s")
        if self.failed is not None:
            raise self._notes.log_error(self.failed, doing)
        return self._offsets


class DurableProducer:
    """One librdkafka producer with a thread of its own for the delivery reports. Thread-safe."""

    def __init__(self, notes: BrokerNotes, client_config: Mapping[str, str], timeout_s: float) -> None:
        """:raises KafkaException: an option is wrong."""
        self._notes = notes
        self._limit_s = timeout_s + _GRACE_S
        self._producer = Producer(producer_config(notes, client_config, int(timeout_s * 1000)))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve_reports, name="kafka-reports", daemon=True)
        self._thread.start()

    @property
    def broken(self) -> bool:
        """A fatal error (its epoch was fenced …): it will never deliver again; make another one."""
        return self._notes.fatal

    def start(self, records: Sequence[NewRecord], times_ms: Sequence[int]) -> Delivery:
        """Hand all over, in order; call :meth:`Delivery.wait` without holding anything up."""
        delivery = Delivery(len(records), self._notes, self._limit_s)
        handed = 0
        try:
            for index, record in enumerate(records):
                self._produce(record, times_ms[index], partial(delivery.report, index))
                handed += 1
                if delivery.failed is not None:
                    break  # the rest could only make the repetition longer
        except KafkaException as refused:
            delivery.failed = delivery.failed or refused.args[0]
        finally:
            delivery.expect(handed)
        return delivery

    def close(self) -> None:
        """Does not wait for deliveries: who waits for one holds this open."""
        self._stop.set()
        self._thread.join()

    def _produce(self, record: NewRecord, time_ms: int, report: partial[None]) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=report,
                    timestamp=time_ms,
                    headers=list(record.headers) if record.headers else None,
                )
                return
            except BufferError:
                # The queue is full. Reports, which empty it, come from the thread; none comes later than the timeout.
                self._stop.wait(_FULL_QUEUE_WAIT_S)

    def _serve_reports(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_S)
