"""Reading the embedded log: one page at a time, each in a transaction as short as the page."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Final, Self

import numpy as np

from schemas.records import Headers, IntArray, RawBatch, TopicPartition
from streams.header_bytes import decode_headers
from streams.log_checks import check_offset
from streams.sqlite_file import sqlite_errors

_WAIT_S: Final = 0.003
# A longer read transaction would keep the WAL from being started over.
_PAGE_RECORDS: Final = 8_192
_PAGE_BYTES: Final = 32 * 1024 * 1024
_BLOCK_RECORDS: Final = 512  # bytes are counted after each block

_SELECT: Final = (
    "SELECT recorded_time_ms, value, headers FROM records "  # offsets are dense: see streams.sqlite_file
    'WHERE topic_id = ? AND partition = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?'
)


_TIME_MS, _VALUE, _HEADERS = itemgetter(0), itemgetter(1), itemgetter(2)


def end_offset(connection: sqlite3.Connection, topic_id: int, partition: int) -> int:
    """One past the last record of a partition."""
    row = connection.execute(
        'SELECT "offset" + 1 FROM records WHERE topic_id = ? AND partition = ? ORDER BY "offset" DESC LIMIT 1',
        (topic_id, partition),
    ).fetchone()
    return 0 if row is None else int(row[0])


def read_page(
    connection: sqlite3.Connection, topic_id: int, where: TopicPartition, offset: int, max_records: int
) -> RawBatch | None:
    """The records from ``offset`` on, one page at most; None where there are none."""
    times_ms: list[int] = []
    values: list[bytes] = []
    headers: dict[int, bytes] = {}
    size = 0
    cursor = connection.execute(_SELECT, (topic_id, where.partition, offset, min(max_records, _PAGE_RECORDS)))
    # By blocks that stay in the processor's cache, and by columns: a loop over the rows takes a fifth longer.
    while size < _PAGE_BYTES and (rows := cursor.fetchmany(_BLOCK_RECORDS)):
        block = list(map(_VALUE, rows))
        found = list(map(_HEADERS, rows))
        if any(found):
            headers.update({len(values) + row: header for row, header in enumerate(found) if header is not None})
        times_ms += map(_TIME_MS, rows)
        values += block
        size += sum(map(len, block))
    cursor.close()  # ends the transaction where rows are left
    if not values:
        return None
    return RawBatch(
        where.partition,
        (where.topic,),
        np.zeros(len(values), dtype=np.int64),
        np.arange(offset, offset + len(values), dtype=np.int64),
        _ints(times_ms),
        values,
        _all_headers(headers, len(values)),
    )


def _ints(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _all_headers(found: Mapping[int, bytes], count: int) -> list[Headers] | None:
    if not found:
        return None
    return [decode_headers(found.get(row)) for row in range(count)]


class SqliteReader:
    """Contract: :class:`streams.log.LogReader`. Sees what others commit within a few milliseconds."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        topic_ids: Mapping[TopicPartition, int],
        start: Mapping[TopicPartition, int],
    ) -> None:
        """Takes ``connection`` over and closes it."""
        self._path, self._connection, self._topic_ids = path, connection, dict(topic_ids)
        self._next = dict(start)
        self._unchecked = set(start)
        self._turns = sorted(start)  # rotated, so that nobody is always last
        self._paused: frozenset[TopicPartition] = frozenset()

    def poll(self, max_records: int, timeout_s: float) -> list[RawBatch]:
        deadline_s = time.monotonic() + timeout_s
        with sqlite_errors(self._path):
            while True:
                version = self._data_version()
                batches = self._read(max_records)
                if batches or not self._wait_for_change(version, deadline_s):
                    return batches

    def set_paused(self, paused: Collection[TopicPartition]) -> None:
        self._paused = frozenset(paused)

    def next_offsets(self) -> dict[TopicPartition, int]:
        return dict(self._next)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _data_version(self) -> int:
        """Changes when another connection has committed, in this process or any other."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _wait_for_change(self, version: int, deadline_s: float) -> bool:
        while (left_s := deadline_s - time.monotonic()) > 0:
            time.sleep(min(_WAIT_S, left_s))
            if self._data_version() != version:
                return True
        return False

    def _read(self, max_records: int) -> list[RawBatch]:
        """A fair share for every partition; what one does not use goes to those after it."""
        turns = [where for where in self._turns if where not in self._paused]
        self._turns = self._turns[1:] + self._turns[:1]
        batches: list[RawBatch] = []
        left = max_records
        for place, where in enumerate(turns):
            share = -(-left // (len(turns) - place))
            batch = self._read_one(where, share) if share else None
            if batch is not None:
                batches.append(batch)
                left -= len(batch)
        return batches

    def _read_one(self, where: TopicPartition, max_records: int) -> RawBatch | None:
        topic_id, offset = self._topic_ids[where], self._next[where]
        batch = read_page(self._connection, topic_id, where, offset, max_records) if offset >= 0 else None
        if batch is not None:
            self._next[where] = offset + len(batch)
        elif where in self._unchecked:  # later it can't be beyond the end any more
            check_offset(where, offset, 0, end_offset(self._connection, topic_id, where.partition))
        self._unchecked.discard(where)
        return batch
