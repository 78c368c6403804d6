"""Kafka's errors as the log's, in sentences that name the address and the last thing that was heard from it."""

from __future__ import annotations

import time
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from streams.log import LogConfigError, LogError, LogUnavailableError

_HEARD_FOR_S: Final = 60.0
# Nothing that waiting would mend.
_CONFIG_CODES: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._INVALID_ARG,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.POLICY_VIOLATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.UNSUPPORTED_VERSION,
    }
)


class BrokerNotes:
    """What librdkafka says beside its answers: the reason behind a mere "timed out". Give :meth:`note` as error_cb."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.fatal = False
        self._last: KafkaError | None = None
        self._last_at_s = 0.0

    def note(self, error: KafkaError) -> None:
        self.fatal = self.fatal or error.fatal()
        # "All brokers are down" comes last and says less than what came before it.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last, self._last_at_s = error, time.monotonic()

    def log_error(self, failed: KafkaError | KafkaException, doing: str) -> LogError:
        """The exception for a call that ``failed`` while ``doing`` something ("reading …")."""
        error: KafkaError = failed.args[0] if isinstance(failed, KafkaException) else failed
        heard = self._heard()
        cause = heard if heard is not None and heard.code() in _CONFIG_CODES else error
        if cause.code() in _CONFIG_CODES:
            return LogConfigError(f"Kafka at {self.bootstrap} refused {doing}: {cause.str()}")
        return self.unavailable(doing, error.str())

    def unavailable(self, doing: str, why: str) -> LogUnavailableError:
        """What waiting or starting the broker may mend."""
        last = self._heard()
        heard = f"; last heard: {last.str()}" if last is not None and last.str() != why else ""
        return LogUnavailableError(
            f"Kafka at {self.bootstrap} failed while {doing} ({why}{heard}): is the broker running and reachable?"
        )

    def _heard(self) -> KafkaError | None:
        """What was said lately; older trouble is over and explains nothing."""
        return self._last if time.monotonic() - self._last_at_s < _HEARD_FOR_S else None
