"""Answers of the query routes, kept for a moment and worked out once for all who ask at the same time.

Key          what was asked and the scope that it was asked about. Whoever may ask about that scope may have the
             answer; nobody else comes to it, since the scope is found from the caller's own key first.
Fresh        an answer is given again for ``fresh_s``, or ``REST`` times as long as it took, if that is longer: so one
             costly question takes at most a fifth of a thread. ``MAX_FRESH_S`` at most. 0 turns everything off.
Stale        for ``stale_s`` more it is still given, while a new one is being worked out: whoever looks regularly never
             waits. A refresh that fails leaves the old answer until that time is over; one that is under way, and has
             to wait since much is asked, ``GRACE_S`` longer.
Together     questions with the same key are worked out once; a failure reaches all who wait, and is not kept. The work
             is a worker's, not the first asker's: who goes away takes nothing from the others.
First        come those who wait: refreshes have a few workers of their own, and who can no longer be given the old
             answer moves up.
Bounds       ``max_entries`` and ``max_bytes``; the least recently used go first. An answer of more than an eighth of
             the bytes is not kept.
Age          counted from when the work began, so what it says is at least that fresh.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

How = Literal["hit", "stale", "miss", "coalesced", "off"]
Submit = Callable[[Callable[[], None]], None]
REST = 4.0
MAX_FRESH_S = 10.0
GRACE_S = 10.0
LARGEST = 8  # an answer may fill this part of the bytes at most


class AnswerKey(NamedTuple):
    """``scope``: the subtree that the answer is about, after the caller's own rights; empty for everything."""

    kind: str
    scope: str
    parameters: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class CacheLimits:
    fresh_s: float = 2.0
    stale_s: float = 5.0
    max_entries: int = 2_000
    max_bytes: int = 64 << 20


OFF = CacheLimits(fresh_s=0.0)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is sent, and the monotonic times of its beginning and of its end as a fresh one."""

    body: bytes
    began_s: float
    fresh_until_s: float


@dataclass(slots=True, eq=False)
class _Work:
    """One answer being worked out; ``is_awaited``: by somebody who has none to go on with."""

    build: Callable[[], bytes]
    promise: Future[Kept] = field(default_factory=Future)
    is_awaited: bool = False
    is_begun: bool = False


class AnswerCache:
    """Thread-safe. ``submit`` and ``refresh`` have a job done elsewhere, at once or when there is time; none raises."""

    def __init__(self, limits: CacheLimits, submit: Submit, refresh: Submit, monotonic_s: Callable[[], float]) -> None:
        self._limits = limits
        self._submit, self._refresh = submit, refresh
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._kept: OrderedDict[AnswerKey, Kept] = OrderedDict()
        self._under_way: dict[AnswerKey, _Work] = {}
        self._bytes = 0

    @property
    def entries(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def age_s(self, kept: Kept) -> float:
        return max(0.0, self._monotonic_s() - kept.began_s)

    def ask(self, key: AnswerKey, build: Callable[[], bytes]) -> tuple[How, Kept | Future[Kept]]:
        """The answer, or the promise of it; ``build`` works it out, in a worker, when it has to be."""
        if self._limits.fresh_s <= 0.0:
            return "off", self._begin(key, _Work(build), self._submit)
        with self._lock:
            work = self._under_way.get(key)
            kept = self._young(key, self._limits.stale_s + (0.0 if work is None else GRACE_S))
            if kept is not None:
                is_fresh = self._monotonic_s() < kept.fresh_until_s
                if is_fresh or work is not None:
                    return ("hit" if is_fresh else "stale"), kept
            elif work is not None:
                if not work.is_awaited:
                    self._begin(key, work, self._submit)  # in both queues now; whoever comes to it first does it
                return "coalesced", work.promise
            work = self._under_way[key] = _Work(build)
            if kept is None:
                return "miss", self._begin(key, work, self._submit)
            self._begin(key, work, self._refresh)
            return "stale", kept

    def _young(self, key: AnswerKey, stale_s: float) -> Kept | None:
        """The answer that may still be given; it has been used."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._monotonic_s() >= kept.fresh_until_s + stale_s:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def _begin(self, key: AnswerKey, work: _Work, submit: Submit) -> Future[Kept]:
        work.is_awaited = submit is self._submit
        submit(lambda: self._do(key, work))
        return work.promise

    def _do(self, key: AnswerKey, work: _Work) -> None:
        with self._lock:
            if work.is_begun:
                return
            work.is_begun = True
        began_s = self._monotonic_s()
        try:
            body = work.build()
        except BaseException as fault:  # noqa: BLE001 - handed to all who wait, who raise it
            self._over(key, work, None)
            work.promise.set_exception(fault)
            return
        kept = Kept(body, began_s, self._fresh_until_s(began_s))
        self._over(key, work, kept)
        work.promise.set_result(kept)

    def _fresh_until_s(self, began_s: float) -> float:
        now_s = self._monotonic_s()
        return now_s + min(MAX_FRESH_S, max(self._limits.fresh_s, REST * (now_s - began_s)))

    def _over(self, key: AnswerKey, work: _Work, kept: Kept | None) -> None:
        """Before the promise is kept: who asks from now on finds the answer, or asks anew."""
        with self._lock:
            if self._under_way.get(key) is not work:
                return  # off: nothing is kept
            del self._under_way[key]
            if kept is None or len(kept.body) > self._limits.max_bytes // LARGEST:
                return
            self._drop(key)
            self._kept[key] = kept
            self._bytes += len(kept.body)
            while len(self._kept) > self._limits.max_entries or self._bytes > self._limits.max_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: AnswerKey) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept.body)
