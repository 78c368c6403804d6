"""What every log refuses before it touches anything, in the same words whatever the adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.records import NewRecord, TopicPartition
from streams.log import MAX_RECORD_BYTES, LogConfigError, OffsetOutOfRangeError


def check_records(records: Sequence[NewRecord], partitions: Mapping[str, int]) -> None:
    """:raises LogConfigError: no such partition. :raises ValueError: a record is too large."""
    for record in records:
        if len(record.value) + len(record.key) > MAX_RECORD_BYTES:
            raise ValueError(
                f"a record of {len(record.value) + len(record.key)} bytes for {record.topic} is larger than the log's "
                f"limit of {MAX_RECORD_BYTES} bytes"
            )
        if not 0 <= record.partition < partitions[record.topic]:
            raise no_such_partition(record.topic, record.partition, partitions[record.topic])


def check_partition(where: TopicPartition, partitions: int) -> None:
    """:raises LogConfigError: no such partition."""
    if not 0 <= where.partition < partitions:
        raise no_such_partition(where.topic, where.partition, partitions)


def check_offset(where: TopicPartition, wanted: int, earliest: int, end: int) -> None:
    """:raises OffsetOutOfRangeError: ``wanted`` is not between the first kept record and the end, which is included."""
    if not earliest <= wanted <= end:
        raise OffsetOutOfRangeError(where, wanted, earliest, end)


def check_partition_count(topic: str, found: int, wanted: int) -> None:
    """:raises LogConfigError: a topic that exists has another number of partitions than wanted."""
    if found != wanted:
        raise LogConfigError(
            f"topic {topic} has {found} partitions, but {wanted} are wanted: all topics need the same number; set "
            f"GRIDPULSE_PARTITIONS to {found} if all have so many, or else stop everything and copy the log into one "
            "with as many as you want: gridpulse rescale --partitions N --to LOG_URL"
        )


def no_such_topic(topic: str) -> LogConfigError:
    return LogConfigError(f"the log has no topic {topic}: create it with `gridpulse migrate`")


def no_such_partition(topic: str, partition: int, partitions: int) -> LogConfigError:
    return LogConfigError(f"topic {topic} has no partition {partition}, only 0 to {partitions - 1}")
