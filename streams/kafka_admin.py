"""Asking Kafka about topics and offsets, and making topics: each call ends within a bounded time.

What passes by itself (a leader that was just elected, a connection that broke when the broker was started again) is
asked again until the time is over.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import confluent_kafka as kafka
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from schemas.records import TopicPartition
from streams.kafka_errors import BrokerNotes
from streams.kafka_settings import TOPIC_SETTINGS, common_config
from streams.log import LogConfigError, LogError, LogFacts

_RETRY_S: Final = 0.1
_PASSING: Final = frozenset(
    {
        KafkaError._NOENT,  # "no leaders found": while a broker starts, or is slow to tell of new topics
        KafkaError._TRANSPORT,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # a broker that has not heard of a new topic yet
    }
)
_Result = TypeVar("_Result")


class KafkaAdmin:
    """Thread-safe. Connects with the first call."""

    def __init__(self, bootstrap: str, client_config: Mapping[str, str], timeout_s: float) -> None:
        """:raises LogConfigError: an option is wrong."""
        self._notes, self._timeout_s = BrokerNotes(bootstrap), timeout_s
        try:
            self._client = AdminClient(common_config(self._notes, client_config))
        except KafkaException as error:
            raise LogConfigError(f"a Kafka option is wrong: {error.args[0].str()}") from error

    def topics(self) -> dict[str, int]:
        """All topics with their number of partitions. (Asking for one by name could create it.)"""

        def ask(left_s: float) -> dict[str, int]:
            metadata = self._client.list_topics(timeout=left_s)
            return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}

        return self._insist(ask, "asking for its topics")

    def facts(self, topics: Iterable[str]) -> LogFacts:
        """The cluster's id and, hashed, those of the topics: one that is made again gets another."""

        def ask(left_s: float) -> LogFacts:
            metadata = self._client.list_topics(timeout=left_s)
            counts = {
                name: len(metadata.topics[name].partitions)
                for name in topics
                if name in metadata.topics and metadata.topics[name].error is None
            }
            ids = self._topic_ids(sorted(counts), left_s)
            suffix = f"/{hashlib.blake2b(' '.join(ids).encode(), digest_size=8).hexdigest()}" if ids else ""
            return LogFacts(f"{metadata.cluster_id}{suffix}", counts)

        return self._insist(ask, "asking for its topics")

    def _topic_ids(self, topics: list[str], timeout_s: float) -> list[str]:
        if not topics:
            return []
        futures = self._client.describe_topics(TopicCollection(topics), request_timeout=timeout_s)
        return [f"{topic}={futures[topic].result().topic_id}" for topic in topics]

    def create(self, topics: Iterable[str], partitions: int, replication_factor: int) -> None:
        """Make topics that did not exist a moment ago, and wait until the broker knows them."""
        config = dict(TOPIC_SETTINGS)
        if replication_factor >= 3:
            config["min.insync.replicas"] = "2"
        new = [NewTopic(topic, partitions, replication_factor=replication_factor, config=config) for topic in topics]
        if not new:
            return

        def ask(left_s: float) -> None:
            for future in self._client.create_topics(new, request_timeout=left_s).values():
                try:
                    future.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was faster
                        raise

        self._insist(ask, f"creating topics {', '.join(topic.topic for topic in new)}")
        deadline_s = time.monotonic() + self._timeout_s
        while not {topic.topic for topic in new} <= self.topics().keys() and time.monotonic() < deadline_s:
            time.sleep(_RETRY_S)

    def offsets(self, wanted: Iterable[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, Any]:
        """One request per broker for all partitions: ``.offset`` and ``.timestamp`` (-1: none) of each."""
        specs = {kafka.TopicPartition(where.topic, where.partition): spec for where in wanted}
        if not specs:
            return {}

        def ask(left_s: float) -> dict[TopicPartition, Any]:
            futures = self._client.list_offsets(
                specs, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=left_s
            )
            return {TopicPartition(at.topic, at.partition): future.result() for at, future in futures.items()}

        return self._insist(ask, "asking for offsets")

    def unavailable(self, doing: str) -> LogError:
        """Another client got no answer in time."""
        return self._notes.unavailable(doing, f"no answer within {self._timeout_s:.0f} s")

    def _insist(self, ask: Callable[[float], _Result], doing: str) -> _Result:
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            left_s = max(_RETRY_S, deadline_s - time.monotonic())
            try:
                return ask(left_s)
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or time.monotonic() + _RETRY_S > deadline_s:
                    self._client.poll(0)  # lets librdkafka tell the reason
                    raise self._notes.log_error(error, doing) from error
            time.sleep(_RETRY_S)
            with suppress(KafkaException):  # then the next attempt says so
                # Else the client asks with the old leader's epoch for minutes after a broker was started again.
                self._client.list_topics(timeout=max(_RETRY_S, deadline_s - time.monotonic()))
