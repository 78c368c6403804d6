"""``gridpulse run webhooks``: reads the log, sends, says what came of it, until it is told to stop.

Three loops on one event loop: *reading* (blocking reads on a thread), *sending* (settles all answers at hand in one
transaction, then starts what may be sent), *saying* (appends reports to the log, a few times a second). What an
endpoint does never ends the worker; a log that can't be reached does, and it is started again (see the supervisor).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from streams.log import EventLog
from streams.webhooks.deliveries import Answer, Delivery
from streams.webhooks.desk import Attempted, Desk
from streams.webhooks.intake import LogFollower
from streams.webhooks.messages import Composer
from streams.webhooks.outbox import Outbox
from streams.webhooks.sending import Sender
from streams.webhooks.vault import SealBrokenError
from streams.webhooks.worker_metrics import WorkerMetrics

_IDLE_S: Final = 1.0
_GATHER_S: Final = 0.002  # answers that come so close together are settled together
_SAY_EVERY_S: Final = 0.2
_SAY_RECORDS: Final = 2_000
_TIDY_EVERY_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1
_DAY_MS: Final = 86_400_000
_SEALED: Final = Answer(
    "地址由另一安装的密钥加密,无法打开;请重新填写 URL · the address was sealed with another key: set the URL anew"
)


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are remembered: ids of events that were taken in, deliveries that were abandoned."""

    seen_ms: int = 2 * _DAY_MS
    abandoned_ms: int = 30 * _DAY_MS


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    """What a worker works with."""

    log: EventLog
    follower: LogFollower
    outbox: Outbox
    desk: Desk
    composer: Composer
    sender: Sender
    clock: Callable[[], int]
    metrics: WorkerMetrics


class Worker:
    """See the module."""

    def __init__(self, ports: WorkerPorts, keep: Keep) -> None:
        self._ports, self._keep = ports, keep
        self._desk, self._outbox = ports.desk, ports.outbox
        self._answers: list[Attempted] = []
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._defect: BaseException | None = None
        ports.metrics.watch(lambda: self._desk.dispatcher.under_way)

    async def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; what is under way then is sent again at the next start.

        :raises LogError: the log or the outbox can't be used.
        """
        with ThreadPoolExecutor(2, "webhook-log") as threads:
            loops = (self._read(threads, stop), self._send(), self._say(threads), self._tidy(), _stopped(stop))
            tasks = [asyncio.create_task(each) for each in loops]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                stop.set()  # the reading thread ends with its present read
                for task in (*tasks, *self._sending):
                    task.cancel()
                await asyncio.gather(*tasks, *self._sending, return_exceptions=True)

    async def _read(self, threads: ThreadPoolExecutor, stop: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        timeout_s = 0.0  # the first time subscriptions are what counts
        while not stop.is_set():
            reading = await loop.run_in_executor(threads, partial(self._ports.follower.read, timeout_s))
            if reading:
                self._desk.take_in(reading)
            if not timeout_s:
                self._desk.reconcile()
            self._wake.set()
            timeout_s = 0.25

    async def _send(self) -> None:
        while True:
            if self._defect is not None:
                raise self._defect
            if self._answers:
                answers, self._answers = self._answers, []
                self._desk.settle(answers)
            now_ms = self._ports.clock()
            for delivery in self._desk.dispatcher.take(now_ms):
                task = asyncio.create_task(self._attempt(delivery, now_ms))
                self._sending.add(task)
                task.add_done_callback(self._sent)
            more = self._desk.tidy()
            await self._pause(0.0 if more else self._until_due_s())

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._defect = task.exception()  # senders never raise: it is ours, and ends the worker
            self._wake.set()

    async def _pause(self, seconds: float) -> None:
        """Until something happened, and a moment longer for what comes with it."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
        await asyncio.sleep(_GATHER_S)

    def _until_due_s(self) -> float:
        due_ms = self._desk.dispatcher.next_due_ms()
        return _IDLE_S if due_ms is None else min(_IDLE_S, max(0.001, (due_ms - self._ports.clock()) / 1000.0))

    async def _attempt(self, delivery: Delivery, now_ms: int) -> None:
        subscription = self._desk.subscription(delivery.subscription, for_ping=delivery.is_ping)
        if subscription is None:
            answer = Answer("订阅已停用 · the subscription is not active any more")
        else:
            try:
                message = self._ports.composer.message(subscription, delivery, now_ms)
            except SealBrokenError:
                answer = _SEALED
            else:
                answer = await self._ports.sender.send(message)
        self._answers.append(Attempted(delivery, answer, now_ms))
        self._wake.set()

    async def _say(self, threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            number, records = self._outbox.outgoing(_SAY_RECORDS)
            if records:
                await loop.run_in_executor(threads, self._ports.log.append, records)
                self._outbox.said(number)
            if len(records) < _SAY_RECORDS:
                await asyncio.sleep(_SAY_EVERY_S)

    async def _tidy(self) -> None:
        while True:
            self._ports.metrics.depth(*self._outbox.depth())
            self._desk.prune(self._keep.seen_ms, self._keep.abandoned_ms)
            await asyncio.sleep(_TIDY_EVERY_S)


async def _stopped(stop: threading.Event) -> None:
    """Until it is: it is set by a signal's handler, perhaps on another thread."""
    while not stop.is_set():
        await asyncio.sleep(_LOOK_EVERY_S)
