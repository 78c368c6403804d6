"""Gathers micro-batches into fewer, larger writes on a thread of its own, so that decoding and detection go on.

Guarantees
    durable     :meth:`flush` returns when everything added before it has been written; what a write raised is raised
                there, or at the next :meth:`add`, whichever comes first, and nothing is written after a failure.
    order       writes follow one another, in the order of adding.
    bounded     :meth:`add` waits while ``max_rows`` are waiting already: this is what holds reading back.
    prompt      nothing waits longer than ``linger_s`` after the write before it has ended, whether or not more comes;
                but while whoever adds knows that much more follows, ``backlog_linger_s``: such rows are late already,
                and two large writes cost half of what eight small ones do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class GatheringWriter(Generic[T]):
    """``write`` gets all items that came since it was called last."""

    def __init__(
        self,
        write: Callable[[Sequence[T]], None],
        *,
        linger_s: float,
        max_rows: int,
        backlog_linger_s: float | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._max_rows, self._monotonic_s = write, max_rows, monotonic_s
        self._linger_s, self._backlog_linger_s = linger_s, linger_s if backlog_linger_s is None else backlog_linger_s
        self._more_follows = False
        self._changed = threading.Condition()
        self._items: list[T] = []
        self._rows = 0
        self._first_s = 0.0
        self._flushes_wanted = 0
        self._writing = False
        self._closed = False
        self._failure: BaseException | None = None
        self._told = False
        self._thread = threading.Thread(target=self._run, name="clickhouse-writer", daemon=True)
        self._thread.start()

    def add(self, item: T, rows: int, more_follows: bool = False) -> None:
        """Take an item; waits while too many rows wait already. :raises Exception: an earlier write's."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows < self._max_rows or self._failure is not None)
            self._raise_failure()
            if not self._items:
                self._first_s = self._monotonic_s()
            self._items.append(item)
            self._rows += rows
            self._more_follows = more_follows
            self._changed.notify_all()

    def flush(self) -> None:
        """Everything added so far is written when this returns. :raises Exception: the write's."""
        with self._changed:
            self._flushes_wanted += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: (not self._items and not self._writing) or self._failure is not None)
            self._flushes_wanted -= 1
            self._raise_failure()

    def close(self) -> None:
        """Write what is left and end the thread.

        :raises Exception: the write's, unless :meth:`add` or :meth:`flush` has raised it already. Bytewax closes while
            such a failure is on its way out, and a second one would abort the process without a word.
        """
        try:
            if not self._told:
                self.flush()
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._told = True
            raise self._failure

    def _run(self) -> None:
        while (items := self._next()) is not None:
            try:
                self._write(items)
            except BaseException as failure:  # noqa: BLE001 - handed to whoever adds or flushes
                self._fail(failure)
                return
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self._failure, self._writing = failure, False
            self._changed.notify_all()

    def _next(self) -> list[T] | None:
        """The items of the next write, once it is due; None when closed."""
        with self._changed:
            while not self._due():
                if self._closed:
                    return None
                self._changed.wait(self._left_s() if self._items else None)
            items, self._items, self._rows, self._writing = self._items, [], 0, True
            self._changed.notify_all()
            return items

    def _due(self) -> bool:
        if not self._items:
            return False
        return self._rows >= self._max_rows or bool(self._flushes_wanted) or self._left_s() <= 0.0

    def _left_s(self) -> float:
        """Until the oldest item has waited long enough."""
        linger_s = self._backlog_linger_s if self._more_follows else self._linger_s
        return self._first_s + linger_s - self._monotonic_s()
