"""Topics and where a record goes.

Topics are families of events. All topics have the same number of partitions, and the partition key is the community
(the first four levels of the scope path): so partition *p* of every topic together, a *lane*, holds everything about
its communities, and lanes never need each other. The partitioner is Kafka's own (murmur2 over the key), so any
producer in any language that keys by community lands in the same place.
"""

from __future__ import annotations

PREFIX = "gridpulse."
DOMAIN_FAMILIES = ("registry", "readings", "vision", "passages", "positions", "online", "venue", "civic")
SYSTEM_FAMILIES = ("detections", "alerts", "deadletters", "control", "deliveries")
COMMUNITY_LEVELS = 4


def topic_of(family: str) -> str:
    """The topic of a family."""
    return PREFIX + family


DOMAIN_TOPICS = tuple(topic_of(family) for family in DOMAIN_FAMILIES)
SYSTEM_TOPICS = tuple(topic_of(family) for family in SYSTEM_FAMILIES)
ALL_TOPICS = DOMAIN_TOPICS + SYSTEM_TOPICS


def covers(scope: str, inner: str) -> bool:
    """Whether ``inner`` is ``scope`` or below it; the empty scope covers everything."""
    return scope in ("", inner) or inner.startswith(scope + "/")


def partition_key(scope: str) -> str:
    """The default partition key of an event: its community."""
    return "/".join(scope.split("/")[:COMMUNITY_LEVELS])


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's default partitioner (murmur2) chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 (seed 0x9747b28c), as an unsigned int. Source: Kafka ``Utils.murmur2``."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
