"""The event log on Kafka. Contract: :mod:`streams.log`.

Guarantees
    durable     idempotent producer, ``acks=all``, the delivery report of every record looked at.
    order       by offset; ``recorded_time_ms`` is the record's timestamp. Appending never goes back behind what this
                process has appended or, at a partition's first use, found there; against other processes and foreign
                producers readers take the running maximum.
    bounded     every call ends within its timeout; what the broker does not answer is a :class:`LogUnavailableError`.

Offsets may have gaps (transaction markers). Only committed records are seen. Options given for the clients may be
secret, so nothing here shows their values.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

from confluent_kafka.admin import OffsetSpec

from schemas.records import NewRecord, RawBatch, TopicPartition
from streams.kafka_admin import KafkaAdmin
from streams.kafka_errors import BrokerNotes
from streams.kafka_producer import Delivery, DurableProducer
from streams.kafka_reader import KafkaReader
from streams.kafka_settings import require_allowed
from streams.log import LogFacts, LogUnavailableError
from streams.log_checks import check_offset, check_partition, check_partition_count, check_records, no_such_topic

REQUEST_TIMEOUT_S: Final = 10.0
DELIVERY_TIMEOUT_S: Final = 30.0
OUTAGE_LIMIT_S: Final = 60.0
_BROKER_DEFAULT: Final = -1
_READ_STEP_S: Final = 0.2


class KafkaLog:
    """See the module. ``clock`` gives "now" in epoch milliseconds."""

    def __init__(
        self,
        bootstrap: str,
        clock: Callable[[], int],
        *,
        client_config: Mapping[str, str] | None = None,
        replication_factor: int = _BROKER_DEFAULT,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
        outage_limit_s: float = OUTAGE_LIMIT_S,
    ) -> None:
        """Does not connect yet: the first call does.

        :arg bootstrap: ``host:port[,host:port]``.
        :arg client_config: librdkafka options for all clients (``security.protocol``, ``sasl.*`` …).
        :arg replication_factor: of topics made here; from 3 on, two replicas must have a record. Else the broker's.
        :arg outage_limit_s: for how long readers wait for a broker that is down.
        :raises LogConfigError: an option is unknown, wrong or not to be changed.
        """
        self._client_config = dict(client_config or {})
        require_allowed(self._client_config)
        self._bootstrap, self._clock, self._replication_factor = bootstrap, clock, replication_factor
        self._request_timeout_s, self._delivery_timeout_s = request_timeout_s, delivery_timeout_s
        self._outage_limit_s = outage_limit_s
        self._admin = KafkaAdmin(bootstrap, self._client_config, request_timeout_s)
        self._partitions: dict[str, int] = {}
        self._order_lock = threading.Lock()  # held while records are stamped and handed over, not while they travel
        self._last_ms: dict[tuple[str, int], int] = {}
        self._producer: DurableProducer | None = None
        self._read_lock = threading.Lock()
        self._page_reader: KafkaReader | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"KafkaLog({self._bootstrap!r})"

    def create_topics(self, topics: Sequence[str], partitions: int) -> None:
        if partitions < 1:
            raise ValueError(f"a topic has at least one partition, not {partitions}")
        existing = self._admin.topics()
        for topic in topics:
            if topic in existing:
                check_partition_count(topic, existing[topic], partitions)
        missing = [topic for topic in dict.fromkeys(topics) if topic not in existing]
        self._admin.create(missing, partitions, self._replication_factor)

    def partitions(self, topic: str) -> int:
        if topic not in self._partitions:
            self._partitions.update(self._admin.topics())
        if topic not in self._partitions:
            raise no_such_topic(topic)
        return self._partitions[topic]

    def describe(self, topics: Sequence[str]) -> LogFacts:
        return self._admin.facts(topics)

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        if not records:
            return []
        check_records(records, {topic: self.partitions(topic) for topic in {record.topic for record in records}})
        with self._order_lock:
            delivery = self._start(records)
        return delivery.wait()

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {where: found.offset for where, found in self._offsets(topics, OffsetSpec.latest()).items()}

    def earliest_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {where: found.offset for where, found in self._offsets(topics, OffsetSpec.earliest()).items()}

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        # The largest timestamp is what the last record has as its recorded time: readers take the running maximum.
        found = self._offsets(topics, OffsetSpec.max_timestamp())
        return {where: info.timestamp if info.timestamp >= 0 else None for where, info in found.items()}

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        check_partition(where, self.partitions(where.topic))
        with self._read_lock:
            earliest, end = self._ends(where)
            check_offset(where, offset, earliest, end)
            empty = RawBatch.of(where.topic, where.partition, [], [], [])
            return empty if offset == end else self._read_until(where, offset, end, max_records) or empty

    def reader(self, start: Mapping[TopicPartition, int]) -> KafkaReader:
        for where in start:
            check_partition(where, self.partitions(where.topic))
        return KafkaReader(self._bootstrap, self._client_config, start, self._ends, self._outage_limit_s)

    def close(self) -> None:
        """Idempotent. Readers made by :meth:`reader` are closed by who has them."""
        with self._order_lock, self._read_lock:
            self._closed = True
            if self._producer is not None:
                self._producer.close()
            if self._page_reader is not None:
                self._page_reader.close()
            self._producer = self._page_reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self, records: Sequence[NewRecord]) -> Delivery:
        """Stamp and hand over, in an order that the partitions keep."""
        if self._closed:
            raise LogUnavailableError(f"the event log on Kafka at {self._bootstrap} has been closed by this process")
        if self._producer is not None and self._producer.broken:
            self._producer.close()
            self._producer = None
        if self._producer is None:
            notes = BrokerNotes(self._bootstrap)
            self._producer = DurableProducer(notes, self._client_config, self._delivery_timeout_s)
        self._learn_last_times({(record.topic, record.partition) for record in records})
        now_ms, last_ms = self._clock(), self._last_ms
        times_ms = []
        for record in records:
            where = (record.topic, record.partition)
            stamp_ms = now_ms if record.recorded_time_ms is None else record.recorded_time_ms
            if stamp_ms > last_ms[where]:
                last_ms[where] = stamp_ms
            times_ms.append(last_ms[where])
        return self._producer.start(records, times_ms)

    def _learn_last_times(self, wanted: set[tuple[str, int]]) -> None:
        unknown = sorted({topic for topic, partition in wanted if (topic, partition) not in self._last_ms})
        if unknown:
            for where, last in self.last_recorded_time_ms(unknown).items():
                self._last_ms.setdefault((where.topic, where.partition), last if last is not None else 0)

    def _read_until(self, where: TopicPartition, offset: int, end: int, max_records: int) -> RawBatch | None:
        """The next page up to ``end``. The reader is kept: mostly the next call goes on where this one ended."""
        reader = self._page_reader
        if reader is None or reader.next_offsets() != {where: offset}:
            if reader is not None:
                reader.close()
            reader = self._page_reader = self.reader({where: offset})
        waited_s = 0.0
        while reader.next_offsets()[where] < end and waited_s < self._request_timeout_s:
            batches = reader.poll(max_records, _READ_STEP_S)
            if batches:
                return batches[0]
            waited_s += _READ_STEP_S
        if reader.next_offsets()[where] < end:
            raise self._admin.unavailable(f"reading {where}")
        return None

    def _ends(self, where: TopicPartition) -> tuple[int, int]:
        earliest, latest = (self._admin.offsets([where], spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
        return earliest[where].offset, latest[where].offset

    def _offsets(self, topics: Sequence[str], spec: OffsetSpec) -> dict[TopicPartition, Any]:
        wanted = [TopicPartition(topic, number) for topic in topics for number in range(self.partitions(topic))]
        return self._admin.offsets(wanted, spec)
