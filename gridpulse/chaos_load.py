"""The load of a chaos run: a simulated district whose senders post to the API as real ones do.

Acknowledged    is only what the API has answered "accepted" or "duplicate" to. Whatever got another answer, or none, is
                sent again under the same ids until it has one; nothing is ever given up while the run lasts.
What is sent    the district's events, some broken; some held back for a while, as by a gateway without a line; some
                that were acknowledged long ago once more.
Time            the district's: its ticks go to the log just before the events they are for (``GRIDPULSE_CLOCK=log``).
Memory          a bounded queue: while nobody answers the district waits. Per event kept: 16 bytes of identity.
"""

from __future__ import annotations

import contextlib
import heapq
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson

from replay.simulator import DistrictConfig, Simulator
from schemas.records import NewRecord
from streams.log import EventLog, LogUnavailableError
from streams.recent_ids import Digest, digest_of

BATCH_EVENTS: Final = 300
BAD_RATIO: Final = 0.004
LATE_RATIO: Final = 0.02
LATE_UP_TO_S: Final = 15.0
AGAIN_RATIO: Final = 0.02
SENDERS: Final = 3
_QUEUED_BATCHES: Final = 6
_REMEMBERED: Final = 3000
_SLICES_PER_S: Final = 10.0
_EVENTS_PER_DAY: Final = 50_000.0
_MAX_SLICE_MS: Final = 200_000  # an event may be five minutes ahead of the log's clock, which ticks once a slice
_CATCH_UP_S: Final = 5.0
_ANSWER_WITHIN_S: Final = 60.0
_PAUSE_S: Final = (0.1, 1.0)
_YEARS_MS: Final = 3650 * 86_400_000
_ANSWERED: Final = frozenset({202, 422})
_SEND_AGAIN: Final = frozenset({429, 502, 503, 504})


class LoadError(Exception):
    """The API answered what it never should; the message has the answer."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is sent, and its identity as its sender knows it; None where it is too broken to have one."""

    value: bytes
    digest: Digest | None

    @staticmethod
    def of(value: bytes) -> Event:
        try:
            sent = orjson.loads(value)
            return Event(value, digest_of(sent["source"], sent["id"]))
        except (orjson.JSONDecodeError, KeyError):
            return Event(value, None)


@dataclass(slots=True)
class Answers:
    """What the senders have been told so far. Filled by several threads."""

    acknowledged: set[Digest] = field(default_factory=set)
    rejected: set[Digest] = field(default_factory=set)
    refused: int = 0  # answers "rejected"
    repeated: int = 0  # answers "duplicate"
    sent_again: int = 0  # requests without a usable answer
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, batch: Sequence[Event], results: Sequence[dict[str, Any]]) -> list[Event]:
        """One result per event, in order; the events that are acknowledged. :raises LoadError: it is not so."""
        if len(results) != len(batch):
            raise LoadError(f"{len(batch)} events were sent and {len(results)} answered")
        good = [event for event, result in zip(batch, results, strict=True) if result["status"] != "rejected"]
        with self.lock:
            self.refused += len(batch) - len(good)
            self.repeated += sum(result["status"] == "duplicate" for result in results)
            for event, result in zip(batch, results, strict=True):
                if result["status"] == "rejected":
                    if event.digest is not None:
                        self.rejected.add(event.digest)
                elif event.digest is None:
                    raise LoadError(f"what is no event was {result['status']}: {event.value[:200]!r}")
                else:
                    self.acknowledged.add(event.digest)
        return good


class Load:
    """Threads that make and send events from :meth:`start` to :meth:`finish`."""

    def __init__(self, api_url: str, key: str, log: EventLog, *, partitions: int, rate: float, seed: int) -> None:
        self.answers = Answers()
        self._url, self._log, self._rate = f"{api_url}/v1/events", log, rate
        self._key = key
        self._simulator = Simulator(DistrictConfig(seed=seed, bad_ratio=BAD_RATIO), partitions)
        self._random = random.Random(seed)
        self._queue: queue.Queue[list[Event] | None] = queue.Queue(_QUEUED_BATCHES)
        self._late: list[tuple[float, int, Event]] = []  # a heap by when they are sent
        self._remembered: deque[Event] = deque(maxlen=_REMEMBERED)
        self._made = 0
        self._ending, self._abandoned = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._guarded, args=(self._make,), name="district", daemon=True)]
        self._threads += [
            threading.Thread(target=self._guarded, args=(self._send,), name=f"sender-{n}", daemon=True)
            for n in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise here what failed in a thread."""
        if self._failure is not None:
            raise self._failure

    @property
    def ended(self) -> bool:
        """Whether everything that was made has been answered."""
        return not any(thread.is_alive() for thread in self._threads)

    def finish(self) -> None:
        """Make no more; what was made is still sent until it is answered. See :attr:`ended`."""
        self._ending.set()

    def abandon(self) -> None:
        """End all threads now."""
        self._ending.set()
        self._abandoned.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_ANSWER_WITHIN_S)

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread, which raises it
            self._failure = self._failure or failure

    def _make(self) -> None:
        try:
            start_ms = self._simulator.config.start_ms
            self._tick(next(self._simulator.slices(start_ms, start_ms + 1, 1)).records)
            self._put_all([Event.of(record.value) for record in self._simulator.registry_events()])
            self._make_slices(start_ms)
            self._put_all([late for _, _, late in sorted(self._late)])
        finally:
            for _ in range(SENDERS):
                self._put(None)

    def _make_slices(self, start_ms: int) -> None:
        slice_ms = int(min(_MAX_SLICE_MS, 86_400_000 * self._rate / _EVENTS_PER_DAY / _SLICES_PER_S))
        due_s = time.monotonic()
        for piece in self._simulator.slices(start_ms, start_ms + _YEARS_MS, max(slice_ms, 1000)):
            due_s = max(due_s, time.monotonic() - _CATCH_UP_S)
            if self._ending.wait(max(0.0, due_s - time.monotonic())):
                return
            ticks = len(piece.records) - self._simulator.ticks_per_slice
            self._tick(piece.records[ticks:])
            events = list(self._disturbed(piece.records[:ticks]))
            self._put_all(events)
            due_s += len(events) / self._rate

    def _disturbed(self, records: Sequence[NewRecord]) -> Iterator[Event]:
        """Some later, some once more."""
        now_s = time.monotonic()
        for record in records:
            self._made += 1
            event, chance = Event.of(record.value), self._random.random()
            if chance < LATE_RATIO:
                heapq.heappush(self._late, (now_s + self._random.uniform(1.0, LATE_UP_TO_S), self._made, event))
                continue
            if chance < LATE_RATIO + AGAIN_RATIO and self._remembered:
                yield self._remembered[self._random.randrange(len(self._remembered))]
            yield event
        while self._late and self._late[0][0] <= now_s:
            yield heapq.heappop(self._late)[2]

    def _tick(self, ticks: Sequence[NewRecord]) -> None:
        """Time must come before what happens in it, so this waits for the log."""
        while not self._abandoned.is_set():
            try:
                self._log.append(ticks)
                return
            except LogUnavailableError:
                self._abandoned.wait(_PAUSE_S[0])

    def _put_all(self, events: Sequence[Event]) -> None:
        for start in range(0, len(events), BATCH_EVENTS):
            self._put(list(events[start : start + BATCH_EVENTS]))

    def _put(self, batch: list[Event] | None) -> None:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(batch, timeout=0.5)
                return

    def _send(self) -> None:
        with event_client(self._key) as client:
            while not self._abandoned.is_set():
                try:
                    batch = self._queue.get(timeout=0.5)
                except queue.Empty:
                    continue
                if batch is None:
                    return
                self._send_until_answered(client, batch)

    def _send_until_answered(self, client: httpx.Client, batch: list[Event]) -> None:
        body = b"\n".join(event.value for event in batch)
        results = post_until_answered(client, self._url, body, self._abandoned, self._sent_again)
        if results is not None:
            self._remembered.extend(self.answers.note(batch, results)[::20])

    def _sent_again(self) -> None:
        with self.answers.lock:
            self.answers.sent_again += 1


def post_until_answered(
    client: httpx.Client, url: str, body: bytes, abandoned: threading.Event, again: Callable[[], None]
) -> list[dict[str, Any]] | None:
    """The results of each event, from the first answer that is one; None: ``abandoned`` was set before.

    ``again`` is called for every answer that is none. :raises LoadError: the API answered what it never should.
    """
    pause_s = _PAUSE_S[0]
    while not abandoned.is_set():
        try:
            answer = client.post(url, content=body)
        except httpx.TransportError:
            pass
        else:
            if answer.status_code in _ANSWERED:
                results: list[dict[str, Any]] = answer.json()["results"]
                return results
            if answer.status_code not in _SEND_AGAIN:
                raise LoadError(f"the API answered {answer.status_code}: {answer.text[:500]}")
        again()
        abandoned.wait(pause_s)
        pause_s = min(pause_s * 2, _PAUSE_S[1])
    return None


def event_client(key: str) -> httpx.Client:
    """A client that posts events, one a line."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    return httpx.Client(timeout=_ANSWER_WITHIN_S, trust_env=False, verify=False, headers=headers)
