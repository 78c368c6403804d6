"""What is still to be delivered, how far the log was read, and what is still to be said: one SQLite file.

Every change is one transaction, so that a process may end at any place: what it had read but not stored is read again,
what it had sent but not settled is sent again, with the same message id, and what it had settled but not said is said
again, with the same event id. ``synchronous=NORMAL`` is enough: after a power cut the file may be some transactions
old, but whole, and then the log is simply read again from there.

Lines     deliveries of one subscription about one subject form a line. Only the head of a line is ever sent; the next
          one is its head when it was delivered or abandoned.
Memory    everything is on disk: what a dead endpoint leaves waiting costs disk space alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self

import structlog

from schemas.records import NewRecord, TopicPartition
from streams.log import LogUnavailableError
from streams.webhooks.deliveries import PING_PREFIX, Delivery, Head, Incoming, Settled, webhook_id
from streams.webhooks.outbox_file import open_outbox

_WAITING, _ABANDONED = 0, 1
_FORGET_EVENTS = "DELETE FROM events WHERE event_id NOT IN (SELECT event_id FROM deliveries)"  # that nobody is to get
_log = structlog.get_logger(__name__)


class Outbox:
    """See the module. For one thread at a time, and one process."""

    def __init__(self, path: Path, log_identity: str) -> None:
        """Open the file, or make it. One that belongs to another log is moved aside.

        :raises LogConfigError: it is something else. :raises LogUnavailableError: another process has it.
        """
        self._path = path
        self._connection = open_outbox(path)
        found = self._connection.execute("SELECT log_identity FROM about").fetchone()
        self.is_new = found is None
        if found is not None and found[0] != log_identity:
            self._connection.close()
            kept = path.with_suffix(".old.sqlite")
            path.replace(kept)
            _log.warning("outbox_of_another_log", message=f"{path} belongs to another log and is kept as {kept.name}")
            self._connection, self.is_new = open_outbox(path), True
        if self.is_new:
            with self._transaction() as run:
                run.execute("INSERT INTO about VALUES (1, ?)", (log_identity,))

    def offsets(self) -> dict[TopicPartition, int]:
        """From where the log is read on."""
        rows = self._connection.execute("SELECT topic, partition, next_offset FROM offsets")
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def take_in(
        self,
        incoming: Iterable[Incoming],
        offsets: Mapping[TopicPartition, int],
        now_ms: int,
        *,
        redelivery: str = "",
        seen_again: bool = False,
    ) -> set[str]:
        """Store events with who is to get them, and how far the log was read; the subscriptions that got something.

        An event that was taken in before changes nothing, unless it is ``seen_again`` on purpose: then who has it
        waiting is tried at once, and all others get it once more. ``redelivery`` names the order.
        """
        woken: set[str] = set()
        with self._transaction() as run:
            for one in incoming:
                new = run.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (one.event_id, one.recorded_ms)).rowcount
                if one.subscriptions and (new or seen_again):
                    stored = one.event_id, one.recorded_ms, one.subject, one.value
                    run.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", stored)
                    for subscription in one.subscriptions:
                        _enqueue(run, subscription, one.subject, one.event_id, redelivery, now_ms)
                        woken.add(subscription)
            run.executemany(
                "INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)",
                [(where.topic, where.partition, offset) for where, offset in offsets.items()],
            )
        return woken

    def heads(self, subscription: str, limit: int, only_pings: bool = False) -> list[Head]:
        """The heads of a subscription's lines, the first due first."""
        of_pings = f"AND seq IN (SELECT seq FROM deliveries WHERE webhook_id GLOB '{PING_PREFIX}*')"
        rows = self._connection.execute(
            f"""SELECT subject, seq, due_ms FROM heads WHERE subscription = ? {of_pings if only_pings else ""}
            ORDER BY due_ms, seq LIMIT ?""",
            (subscription, limit),
        )
        return [Head(subscription, *row) for row in rows]

    def load(self, head: Head) -> Delivery:
        """All that is known of the head of a line."""
        row = self._connection.execute(
            """SELECT webhook_id, d.event_id, round, attempts, first_attempt_ms, recorded_ms, value
            FROM deliveries AS d JOIN events USING (event_id) WHERE seq = ?""",
            (head.seq,),
        ).fetchone()
        return Delivery(head.seq, head.subscription, head.subject, *row)

    def settle(
        self,
        results: Sequence[Settled],
        records: Iterable[NewRecord],
        now_ms: int,
        alerts: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """Store what came of attempts, what is to be said about them, and the alerts of what was disabled by it."""
        with self._transaction() as run:
            for one in results:
                _settle(run, one, now_ms)
            run.executemany(
                """INSERT INTO endpoints (subscription, alert) VALUES (?, ?)
                ON CONFLICT (subscription) DO UPDATE SET alert = excluded.alert""",
                alerts.items(),
            )
            _say(run, records)

    def outgoing(self, limit: int) -> tuple[int, list[NewRecord]]:
        """What is to be said next, and the number of its last: :meth:`said` takes it."""
        rows = self._connection.execute(
            "SELECT number, topic, partition, key, value FROM outgoing ORDER BY number LIMIT ?", (limit,)
        ).fetchall()
        return (rows[-1][0] if rows else 0), [NewRecord(*row[1:]) for row in rows]

    def said(self, number: int) -> None:
        """All up to that number is in the log."""
        with self._transaction() as run:
            run.execute("DELETE FROM outgoing WHERE number <= ?", (number,))

    def waiting_subscriptions(self) -> list[str]:
        """Everyone whom something waits for."""
        return [name for (name,) in self._connection.execute("SELECT DISTINCT subscription FROM heads")]

    def waiting(self, subscription: str, limit: int) -> list[Delivery]:
        """Deliveries that wait, in their lines' order."""
        rows = self._connection.execute(
            """SELECT seq, subscription, d.subject, webhook_id, d.event_id, round, attempts, first_attempt_ms,
            recorded_ms, value FROM deliveries AS d JOIN events USING (event_id)
            WHERE subscription = ? AND state = ? ORDER BY d.subject, seq LIMIT ?""",
            (subscription, _WAITING, limit),
        )
        return [Delivery(*row) for row in rows]

    def depth(self) -> tuple[int, int]:
        """How many deliveries wait, and how many lines they form."""
        waiting = self._connection.execute("SELECT count(*) FROM deliveries WHERE state = ?", (_WAITING,))
        (deliveries,) = waiting.fetchone()
        (lines,) = self._connection.execute("SELECT count(*) FROM heads").fetchone()
        return int(deliveries), int(lines)

    def last_success_ms(self, subscription: str) -> int | None:
        row = self._connection.execute(
            "SELECT last_success_ms FROM endpoints WHERE subscription = ?", (subscription,)
        ).fetchone()
        return None if row is None else row[0]

    def open_alerts(self) -> dict[str, bytes]:
        """By subscription what was kept about it being disabled (:meth:`settle`), until :meth:`close_alert`."""
        rows = self._connection.execute("SELECT subscription, alert FROM endpoints WHERE alert NOTNULL")
        return dict(rows.fetchall())

    def close_alert(self, subscription: str, records: Iterable[NewRecord]) -> None:
        """It is no longer disabled; with the records that say so."""
        with self._transaction() as run:
            run.execute("UPDATE endpoints SET alert = NULL WHERE subscription = ?", (subscription,))
            _say(run, records)

    def retry_abandoned(self, subscription: str, redelivery: str, now_ms: int) -> int:
        """Put what was abandoned back into its lines, and try at once what waits after a failure; how many."""
        with self._transaction() as run:
            rows = run.execute(
                "SELECT subject, event_id FROM deliveries WHERE subscription = ? AND state = ? ORDER BY seq",
                (subscription, _ABANDONED),
            ).fetchall()
            for subject, event_id in rows:
                _enqueue(run, subscription, subject, event_id, redelivery, now_ms)
            hurried = run.execute(
                "UPDATE heads SET due_ms = ? WHERE subscription = ? AND due_ms > ?", (now_ms, subscription, now_ms)
            ).rowcount
        return len(rows) + hurried

    def forget(self, subscription: str) -> None:
        """A subscription was deleted."""
        with self._transaction() as run:
            for table in ("heads", "deliveries", "endpoints"):
                run.execute(f"DELETE FROM {table} WHERE subscription = ?", (subscription,))
            run.execute(_FORGET_EVENTS)

    def prune(self, seen_before_ms: int, abandoned_before_ms: int) -> None:
        """Forget the ids of old events, and deliveries that were abandoned long ago."""
        with self._transaction() as run:
            run.execute("DELETE FROM seen WHERE recorded_ms < ?", (seen_before_ms,))
            gone = run.execute(
                "DELETE FROM deliveries WHERE state = ? AND settled_ms < ?", (_ABANDONED, abandoned_before_ms)
            ).rowcount
            if gone:
                run.execute(_FORGET_EVENTS)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. :raises LogUnavailableError: the disk is full or fails."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise LogUnavailableError(f"the outbox {self._path} can't be written ({error}): free some space") from error


def _enqueue(
    run: sqlite3.Connection, subscription: str, subject: str, event_id: str, redelivery: str, now_ms: int
) -> None:
    """A delivery at the end of its line; one that waits already is tried at once."""
    message = webhook_id(subscription, event_id)
    known = run.execute("SELECT seq, state FROM deliveries WHERE webhook_id = ?", (message,)).fetchone()
    if known is not None and known[1] == _WAITING:
        run.execute("UPDATE heads SET due_ms = min(due_ms, ?) WHERE subscription = ? AND subject = ? AND seq = ?",
                    (now_ms, subscription, subject, known[0]))  # fmt: skip
        return
    if known is not None:
        run.execute("DELETE FROM deliveries WHERE seq = ?", (known[0],))
    seq = run.execute(
        "INSERT INTO deliveries (webhook_id, subscription, subject, event_id, round) VALUES (?, ?, ?, ?, ?)",
        (message, subscription, subject, event_id, redelivery),
    ).lastrowid
    run.execute("INSERT OR IGNORE INTO heads VALUES (?, ?, ?, ?)", (subscription, subject, seq, now_ms))


def _settle(run: sqlite3.Connection, one: Settled, now_ms: int) -> None:
    line = one.subscription, one.subject
    if one.outcome == "failed":
        run.execute(
            "UPDATE deliveries SET attempts = ?, first_attempt_ms = coalesce(first_attempt_ms, ?) WHERE seq = ?",
            (one.attempt, one.attempted_ms, one.seq),
        )
        run.execute("UPDATE heads SET due_ms = ? WHERE subscription = ? AND subject = ? AND seq = ?",
                    (one.next_attempt_ms, *line, one.seq))  # fmt: skip
        return
    if one.outcome == "delivered":
        run.execute("DELETE FROM deliveries WHERE seq = ?", (one.seq,))
        run.execute(
            "DELETE FROM events WHERE event_id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = ?1)",
            (one.event_id,),
        )
        run.execute(
            """INSERT INTO endpoints (subscription, last_success_ms) VALUES (?, ?)
            ON CONFLICT (subscription) DO UPDATE SET last_success_ms = excluded.last_success_ms""",
            (one.subscription, one.attempted_ms),
        )
    else:
        run.execute("UPDATE deliveries SET state = ?, attempts = ?, settled_ms = ? WHERE seq = ?",
                    (_ABANDONED, one.attempt, now_ms, one.seq))  # fmt: skip
    following = run.execute(
        "SELECT seq FROM deliveries WHERE subscription = ? AND state = ? AND subject = ? ORDER BY seq LIMIT 1",
        (one.subscription, _WAITING, one.subject),
    ).fetchone()
    if following is None:
        run.execute("DELETE FROM heads WHERE subscription = ? AND subject = ?", line)
    else:
        run.execute("UPDATE heads SET seq = ?, due_ms = ? WHERE subscription = ? AND subject = ?",
                    (following[0], now_ms, *line))  # fmt: skip


def _say(run: sqlite3.Connection, records: Iterable[NewRecord]) -> None:
    run.executemany(
        "INSERT INTO outgoing (topic, partition, key, value) VALUES (?, ?, ?, ?)",
        [(one.topic, one.partition, one.key, one.value) for one in records],
    )
