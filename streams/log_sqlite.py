"""The event log in one SQLite file: the embedded form. Contract: :mod:`streams.log`.

Guarantees
    durable     group commit: whatever many threads append at the same moment is one transaction, synced once; a call
                returns after the commit, or raises and nothing of it is in the log.
    order       offsets are dense from 0; ``recorded_time_ms`` is raised within the transaction, so that it never goes
                back within a partition however many processes append.
    sharing     any number of processes and threads; a writer waits ``busy_timeout_s`` for another one's transaction.
                Reads are short transactions, so no reader makes the WAL grow.

Do not carry an open log over ``fork()``: open it in the child.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from schemas.records import NewRecord, RawBatch, TopicPartition
from streams.log import LogError, LogFacts, LogUnavailableError
from streams.log_checks import check_offset, check_partition, check_partition_count, check_records, no_such_topic
from streams.sqlite_append import append_rows
from streams.sqlite_file import open_connection, prepare_file, sqlite_errors
from streams.sqlite_reader import SqliteReader, end_offset, read_page

BUSY_TIMEOUT_S: Final = 10.0
_GROUP_RECORDS: Final = 50_000  # about half a second of appending: nobody waits longer for the others in their group


class _Append:
    """One waiting call of :meth:`SqliteLog.append` and its outcome."""

    __slots__ = ("error", "offsets", "records")

    def __init__(self, records: Sequence[NewRecord]) -> None:
        self.records = records
        self.offsets: list[int] | None = None
        self.error: LogError | None = None

    @property
    def settled(self) -> bool:
        return self.offsets is not None or self.error is not None


class SqliteLog:
    """See the module. ``clock`` gives "now" in epoch milliseconds."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], int],
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        max_bytes: int | None = None,
    ) -> None:
        """Open the log, or make it where there is no file.

        :arg max_bytes: appending that would make the file larger fails as on a full disk; None: as the disk allows.
        :raises LogConfigError: the path is something else than an event log of this version.
        :raises LogUnavailableError: it is locked.
        """
        self._path, self._clock, self._busy_timeout_s = path, clock, busy_timeout_s
        self._queue: list[_Append] = []
        self._queue_lock = threading.Lock()
        self._writer_lock = threading.Lock()
        self._idle_connections: list[sqlite3.Connection] = []
        self._topics: dict[str, tuple[int, int]] = {}  # name -> (topic_id, partitions); never changes once made
        self._closed = False
        self._identity = prepare_file(path, busy_timeout_s)
        self._writer = open_connection(path, busy_timeout_s, max_bytes)

    def __repr__(self) -> str:
        return f"SqliteLog({str(self._path)!r})"

    def create_topics(self, topics: Sequence[str], partitions: int) -> None:
        if partitions < 1:
            raise ValueError(f"a topic has at least one partition, not {partitions}")
        with self._writer_lock, self._transaction() as connection:
            for topic in topics:
                found = connection.execute("SELECT partitions FROM topics WHERE name = ?", (topic,)).fetchone()
                if found is None:
                    connection.execute("INSERT INTO topics (name, partitions) VALUES (?, ?)", (topic, partitions))
                else:
                    check_partition_count(topic, found[0], partitions)

    def partitions(self, topic: str) -> int:
        return self._topic(topic)[1]

    def describe(self, topics: Sequence[str]) -> LogFacts:
        with self._reading() as connection:
            counts = dict(connection.execute("SELECT name, partitions FROM topics").fetchall())
        return LogFacts(self._identity, {topic: counts[topic] for topic in topics if topic in counts})

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        if not records:
            return []
        check_records(records, {topic: self.partitions(topic) for topic in {record.topic for record in records}})
        mine = _Append(records)
        with self._queue_lock:
            self._queue.append(mine)
        with self._writer_lock:  # whoever gets it commits for all who wait; most then find themselves settled
            while not mine.settled:
                self._commit(self._next_group())
        if mine.error is not None:
            raise mine.error
        assert mine.offsets is not None
        return mine.offsets

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        with self._reading() as connection:
            return {where: end_offset(connection, *ids) for where, ids in self._all_partitions(topics)}

    def earliest_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {where: 0 for where, _ in self._all_partitions(topics)}

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        query = (
            'SELECT recorded_time_ms FROM records WHERE topic_id = ? AND partition = ? ORDER BY "offset" DESC LIMIT 1'
        )
        with self._reading() as connection:
            rows = {where: connection.execute(query, ids).fetchone() for where, ids in self._all_partitions(topics)}
        return {where: None if row is None else row[0] for where, row in rows.items()}

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        topic_id, partitions = self._topic(where.topic)
        check_partition(where, partitions)
        with self._reading() as connection:
            batch = read_page(connection, topic_id, where, offset, max_records) if offset >= 0 else None
            if batch is None:
                check_offset(where, offset, 0, end_offset(connection, topic_id, where.partition))
        return batch or RawBatch.of(where.topic, where.partition, [], [], [])

    def reader(self, start: Mapping[TopicPartition, int]) -> SqliteReader:
        for where in start:
            check_partition(where, self.partitions(where.topic))
        topic_ids = {where: self._topic(where.topic)[0] for where in start}
        return SqliteReader(self._path, open_connection(self._path, self._busy_timeout_s), topic_ids, start)

    def close(self) -> None:
        """Idempotent. Readers made by :meth:`reader` have connections of their own and go on."""
        with self._writer_lock, self._queue_lock:
            self._closed = True
            self._writer.close()
            while self._idle_connections:
                self._idle_connections.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _next_group(self) -> list[_Append]:
        """The calls at the head of the queue, at least one and not much more than a group's records."""
        with self._queue_lock:
            taken, records = 0, 0
            while taken < len(self._queue) and (not taken or records < _GROUP_RECORDS):
                records += len(self._queue[taken].records)
                taken += 1
            group, self._queue = self._queue[:taken], self._queue[taken:]
        return group

    def _commit(self, group: list[_Append]) -> None:
        error: LogError | None = LogUnavailableError(f"the commit to the event log {self._path} was interrupted")
        try:
            with self._transaction() as connection:
                offsets = append_rows(
                    connection,
                    [call.records for call in group],
                    {topic: topic_id for topic, (topic_id, _) in self._topics.items()},
                    self._clock(),  # within the transaction: what others appended before is not later than now
                )
            for call, of_call in zip(group, offsets, strict=True):
                call.offsets = of_call
            error = None
        except LogError as failure:
            error = failure
        finally:  # also on Ctrl-C and defects: nobody may wait for ever
            for call in group if error is not None else ():
                call.error = type(error)(*error.args) if error is not None else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on the writing connection; the caller holds its lock."""
        self._require_open()
        with sqlite_errors(self._path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # SQLite has rolled back by itself after some errors
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own, kept for the next who reads."""
        self._require_open()
        try:
            connection = self._idle_connections.pop()  # atomic; empty when all are in use
        except IndexError:
            connection = open_connection(self._path, self._busy_timeout_s)
        try:
            with sqlite_errors(self._path):
                yield connection
        finally:
            if self._closed:
                connection.close()
            else:
                self._idle_connections.append(connection)

    def _require_open(self) -> None:
        if self._closed:
            raise LogUnavailableError(f"the event log {self._path} has been closed by this process")

    def _topic(self, topic: str) -> tuple[int, int]:
        if topic not in self._topics:
            with self._reading() as connection:
                for name, topic_id, partitions in connection.execute("SELECT name, topic_id, partitions FROM topics"):
                    self._topics[name] = (topic_id, partitions)
        if topic not in self._topics:
            raise no_such_topic(topic)
        return self._topics[topic]

    def _all_partitions(self, topics: Sequence[str]) -> list[tuple[TopicPartition, tuple[int, int]]]:
        """Every partition with its key (topic_id, partition) in the table."""
        return [
            (TopicPartition(topic, partition), (topic_id, partition))
            for topic in topics
            for topic_id, partitions in (self._topic(topic),)
            for partition in range(partitions)
        ]
