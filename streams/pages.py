"""One partition of the log read page by page, for what looks at records that are there already.

It ends where the log gives nothing: what is left then are a transaction's markers. Where a log that falls silent must
not pass for one that has ended, read as :mod:`replay.fill` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas.records import RawBatch, TopicPartition
from streams.log import EventLog

PAGE_RECORDS: Final = 20_000


def pages(
    log: EventLog, where: TopicPartition, start: int, end: int, max_records: int = PAGE_RECORDS
) -> Iterator[RawBatch]:
    """From ``start`` on until a page reaches ``end``; on Kafka, whose offsets have gaps, it may reach beyond.

    :raises LogError:
    """
    offset = start
    while offset < end:
        batch = log.read(where, offset, min(max_records, end - offset))
        if not len(batch):
            return
        yield batch
        offset = int(batch.offsets[-1]) + 1
