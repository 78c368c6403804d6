"""How our Kafka clients are set up, and which of it a deployment may change.

Source: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from streams.kafka_errors import BrokerNotes
from streams.log import MAX_RECORD_BYTES, LogConfigError

_RECORD_OVERHEAD_BYTES: Final = 64 * 1024  # headers and framing
MESSAGE_BYTES: Final = MAX_RECORD_BYTES + _RECORD_OVERHEAD_BYTES

# What the log's guarantees rest on; a deployment can't change it.
_OURS: Final[Mapping[str, Any]] = {"client.id": "gridpulse"}
_PRODUCER_OURS: Final[Mapping[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "message.max.bytes": MESSAGE_BYTES,
}
_CONSUMER_OURS: Final[Mapping[str, Any]] = {
    "group.id": "gridpulse-log-reader",  # obligatory, but nothing joins or commits: partitions are assigned by hand
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,  # the only way to see that nothing but transaction markers is left
    "statistics.interval.ms": 1000,  # the only way to see that no broker is up while a topic is silent
}

_COMMON_DEFAULTS: Final[Mapping[str, Any]] = {
    "reconnect.backoff.max.ms": 1000,
    "socket.keepalive.enable": True,
    "log_level": 2,  # failed connections, several a second, are told once: by the exception or the reader's warning
}
_PRODUCER_DEFAULTS: Final[Mapping[str, Any]] = {
    "compression.type": "lz4",
    "linger.ms": 3,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 262_144,
}
_CONSUMER_DEFAULTS: Final[Mapping[str, Any]] = {
    # With the default of 1000 a consumer that keeps up with its full queue stops at 128k records/s.
    "fetch.queue.backoff.ms": 5,
    "fetch.error.backoff.ms": 100,
    # A partition that is resumed waits for the fetch that is under way.
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": 16_384,  # enough for half a second; more only leaves the processor's cache
}

TOPIC_SETTINGS: Final[Mapping[str, str]] = {
    "message.timestamp.type": "CreateTime",
    # Simulated time may be far from the broker's; it may neither refuse nor delete records for that.
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": str(MESSAGE_BYTES),
}

_FIXED: Final = frozenset(
    {*_OURS, *_PRODUCER_OURS, *_CONSUMER_OURS, "bootstrap.servers", "message.timeout.ms", "debug"}
) - {"client.id"}


def require_allowed(client_config: Mapping[str, str]) -> None:
    """:raises LogConfigError: it sets what the log's guarantees rest on. Values are never shown: some are secret."""
    for key in client_config:
        if key in _FIXED:
            raise LogConfigError(f"the Kafka option {key} can't be set: the event log's guarantees rest on ours")


def common_config(notes: BrokerNotes, client_config: Mapping[str, str]) -> dict[str, Any]:
    """For an admin client; the others build on it."""
    return {
        **_OURS,
        **_COMMON_DEFAULTS,
        **client_config,
        "bootstrap.servers": notes.bootstrap,
        "error_cb": notes.note,
        "logger": logging.getLogger("streams.kafka"),
    }


def producer_config(notes: BrokerNotes, client_config: Mapping[str, str], timeout_ms: int) -> dict[str, Any]:
    """Durable or an error, within ``timeout_ms``."""
    return {
        **_PRODUCER_DEFAULTS,
        **common_config(notes, client_config),
        **_PRODUCER_OURS,
        "message.timeout.ms": timeout_ms,
    }


def consumer_config(notes: BrokerNotes, client_config: Mapping[str, str]) -> dict[str, Any]:
    """For partitions assigned by hand, from given offsets."""
    return {**_CONSUMER_DEFAULTS, **common_config(notes, client_config), **_CONSUMER_OURS}
