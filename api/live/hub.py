"""The open streams of a process: lets clients in, hands them what comes, and ends those that must end.

Everything of it lives on the event loop, but for the thread that reads the log (:mod:`api.live.reader`). That thread
runs while there are clients, and a while longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from api.live.fan_out import Ending, FanOut, LiveClient
from api.live.limits import LiveLimits
from api.live.positions import Offsets
from api.live.reader import TOPIC, AlertReader, beginning
from api.live.signals import Signals
from api.live.steps import ReadSteps
from api.live.tail import Tail
from streams.log import EventLog, LogUnavailableError
from streams.ports import KeyRing, Principal
from streams.step_filter import StepFilter

_SWEEP_S = 0.25
log = structlog.get_logger(__name__)
Ended = Callable[[Ending], None]


class FullError(Exception):
    """There are as many clients as may be."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose stream it is: the key as it was presented, and what it was good for then."""

    key: str
    principal: Principal


@dataclass(frozen=True, slots=True)
class Joined:
    """A client that was let in. ``lost``: why it could not go on from where it was, if it could not."""

    client: LiveClient
    position: str
    lost: str | None
    last_recorded_ms: int | None


class LiveHub:
    """See the module. One per event loop."""

    def __init__(
        self,
        event_log: EventLog,
        keys: KeyRing,
        limits: LiveLimits,
        monotonic_s: Callable[[], float],
        ended: Ended,
    ) -> None:
        self._log, self._keys, self._limits, self._monotonic_s = event_log, keys, limits, monotonic_s
        self._ended = ended
        self.loop = asyncio.get_running_loop()
        self._fan_out: FanOut | None = None
        self._reader: AlertReader | None = None
        self._starting: asyncio.Task[FanOut] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._holders: dict[LiveClient, tuple[Holder, float]] = {}
        self._reserved = 0
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._holders)

    async def join(
        self, wanted: StepFilter, holder: Holder, signals: Signals, since: tuple[int, Offsets] | None
    ) -> Joined:
        """A client that goes on from ``since`` (mark and offsets), or from now.

        :raises FullError: no more clients.
        :raises LogUnavailableError: the log can't be read.
        """
        if self._is_stopping or len(self._holders) + self._reserved >= self._limits.clients:
            raise FullError
        self._reserved += 1
        try:
            fan_out = await self._started()
            lost = await self._lost(fan_out.tail, since)
            return self._let_in(fan_out, wanted, holder, signals, since, lost)
        finally:
            self._reserved -= 1

    def _let_in(
        self,
        fan_out: FanOut,
        wanted: StepFilter,
        holder: Holder,
        signals: Signals,
        since: tuple[int, Offsets] | None,
        lost: str | None,
    ) -> Joined:
        if fan_out is not self._fan_out:
            raise LogUnavailableError("reading the alerts has ended")
        client = fan_out.join(wanted, signals.something.set, signals.end)
        position = fan_out.tail.position
        if since is not None and lost is None:
            client.go_on_from(since[1])
            position = fan_out.tail.text(since[1])
        client.last_sent_s = self._monotonic_s()
        self._holders[client] = holder, client.last_sent_s
        if self._sweeping is None:
            self._sweeping = self.loop.create_task(self._sweep())
        if self._limits.lifetime_s <= 0.0:
            client.end("lifetime")
        return Joined(client, position, lost, fan_out.tail.last_recorded_ms)

    def leave(self, client: LiveClient) -> None:
        """Its stream is over."""
        if self._holders.pop(client, None) is not None:
            client.end("gone")
            assert client.ending is not None
            self._ended(client.ending)
        if self._fan_out is not None:
            self._fan_out.leave(client)

    def end_all(self, why: Ending) -> None:
        for client in tuple(self._holders):
            client.end(why)

    def stop(self) -> None:
        """For ever: every stream ends and nobody is let in."""
        self._is_stopping = True
        self.end_all("stopping")
        self._stop_reading()

    # -- reading the log ---------------------------------------------------------------------------------------------

    async def _started(self) -> FanOut:
        if self._starting is None:
            self._starting = self.loop.create_task(self._start())
            self._starting.add_done_callback(self._on_started)
        return await asyncio.shield(self._starting)  # who goes away does not stop it for the others

    def _on_started(self, task: asyncio.Task[FanOut]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._starting is task:
            self._starting = None  # the next who asks tries again

    async def _start(self) -> FanOut:
        begin = await run_in_threadpool(beginning, self._log, self._limits.steps_kept)
        fan_out = FanOut(Tail(begin.mark, begin.start, self._limits.steps_kept))
        caught_up: asyncio.Future[None] = self.loop.create_future()

        def take(reads: Sequence[ReadSteps], is_caught_up: bool, taken: Future[None]) -> None:
            fan_out.add(reads)
            if is_caught_up and not caught_up.done():
                caught_up.set_result(None)
            taken.set_result(None)

        def receive(reads: Sequence[ReadSteps], is_caught_up: bool) -> None:
            taken: Future[None] = Future()
            try:
                self.loop.call_soon_threadsafe(take, reads, is_caught_up, taken)
                while not taken.done():
                    wait([taken], _SWEEP_S)
                    self.loop.call_soon_threadsafe(_nothing)
            except RuntimeError:  # the loop is closed
                reader.stop()

        def over() -> None:
            if not caught_up.done():
                caught_up.set_exception(LogUnavailableError("the alerts can't be read"))
            self._on_reader_ended(reader)

        def ended() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self.loop.call_soon_threadsafe(over)

        self._reader = reader = AlertReader(self._log, begin, receive, ended)
        reader.start()
        await caught_up
        if self._reader is not reader:
            raise LogUnavailableError("reading the alerts has ended")
        self._fan_out = fan_out
        return fan_out

    def _on_reader_ended(self, reader: AlertReader) -> None:
        """Told to, overtaken by retention, or by a defect: who is there comes back, and reading begins anew."""
        if self._reader is reader:
            self.end_all("log")
            self._stop_reading()

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        self._reader = self._fan_out = self._starting = None

    async def _lost(self, tail: Tail, since: tuple[int, Offsets] | None) -> str | None:
        """Why ``since`` can't be gone on from; None when it can."""
        if since is None:
            return None
        mark, offsets = since
        if mark != tail.mark or len(offsets) != len(tail.next):
            return "other_log"
        if tail.is_ahead(offsets):  # of what this process has read so far; also of the log?
            ends = await run_in_threadpool(self._log.end_offsets, [TOPIC])
            if any(wanted > ends[where] for wanted, where in zip(offsets, sorted(ends), strict=True)):
                return "other_log"
        return None if tail.keeps(offsets) else "too_far_behind"

    # -- looking after the clients -----------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        now_s = self._monotonic_s()
        checked_s = used_s = now_s
        try:
            while self._holders or self._reserved or now_s - used_s < self._limits.idle_s:
                await asyncio.sleep(_SWEEP_S)
                now_s = self._monotonic_s()
                if self._holders:
                    used_s = now_s
                for client, (_, joined_s) in tuple(self._holders.items()):
                    self._look_after(client, now_s, joined_s)
                if now_s - checked_s >= self._limits.keys_checked_s:
                    checked_s = now_s
                    await self._check_keys()
            self._stop_reading()
        finally:
            self._sweeping = None

    def _look_after(self, client: LiveClient, now_s: float, joined_s: float) -> None:
        if client.sending_since_s is not None and now_s - client.sending_since_s >= self._limits.stalled_s:
            client.end("slow")
        elif now_s - joined_s >= self._limits.lifetime_s:
            client.end("lifetime")
        elif now_s - client.last_sent_s >= self._limits.heartbeat_s:
            client.last_sent_s = now_s
            client.beat()

    async def _check_keys(self) -> None:
        held: dict[Holder, list[LiveClient]] = {}
        for client, (holder, _) in self._holders.items():
            held.setdefault(holder, []).append(client)
        bad = await run_in_threadpool(self._no_longer_good, tuple(held))
        for holder in bad:
            for client in held[holder]:
                client.end("revoked")

    def _no_longer_good(self, holders: Sequence[Holder]) -> list[Holder]:
        try:
            return [holder for holder in holders if self._keys.verify(holder.key) != holder.principal]
        except LogUnavailableError as fault:
            log.warning("live_keys_not_checked", fault=str(fault))
            return list(holders)  # for too long nobody could see whether they were revoked


def _nothing() -> None:
    """Tells whether a loop is open."""
