"""The live stream as the routes know it: one per app, a hub per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Response

from api.live.fan_out import Ending
from api.live.figures import Ask, Figures
from api.live.greeting import greeting
from api.live.hub import FullError, Holder, LiveHub
from api.live.limits import LiveLimits
from api.live.positions import Offsets
from api.live.signals import Signals
from api.live.stream import LiveResponse
from api.problems import Refusal
from api.telemetry import Telemetry
from streams.log import EventLog
from streams.ports import KeyRing
from streams.step_filter import StepFilter


class Live:
    """``ask`` answers about a metric. Without a log nothing can be streamed."""

    def __init__(
        self,
        event_log: EventLog | None,
        keys: KeyRing,
        ask: Ask,
        limits: LiveLimits,
        telemetry: Telemetry,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._log, self._keys, self._ask, self._limits = event_log, keys, ask, limits
        self._telemetry, self._monotonic_s = telemetry, monotonic_s
        self._hub: LiveHub | None = None
        self._figures: Figures | None = None
        self._opened = 0
        telemetry.watch_live(lambda: len(self._hub) if self._hub else 0)

    async def open(
        self,
        wanted: StepFilter,
        metrics: tuple[str, ...],
        holder: Holder,
        since: tuple[int, Offsets] | None,
        asked: dict[str, Any],
    ) -> Response:
        """A stream; ``asked`` is said back to the client.

        :raises Refusal: there are as many clients as may be.
        :raises LogUnavailableError: the log can't be read.
        """
        hub, figures = self._here()
        signals = Signals()
        try:
            joined = await hub.join(wanted, holder, signals, since)
        except FullError:
            raise Refusal(
                "too-many-clients",
                f"最多 {self._limits.clients} 个实时连接,请稍后重连",
                f"at most {self._limits.clients} live streams; come back later",
            ) from None
        self._opened += 1
        client = joined.client
        if since is not None:
            self._telemetry.live_resumed(joined.lost or "resumed")
        figures.watch(client, wanted.scope, metrics)

        def leave() -> None:
            hub.leave(client)
            figures.leave(client, wanted.scope, metrics)

        first = greeting(joined, self._opened, asked, since is not None)
        return LiveResponse(client, signals, first, leave, self._monotonic_s)

    def stop(self) -> None:
        """Every stream ends now. On the event loop."""
        if self._hub is not None:
            self._hub.stop()

    def _here(self) -> tuple[LiveHub, Figures]:
        """Of this event loop: an app is used from one, but for tests."""
        if self._log is None:
            raise Refusal("log-unavailable", "此进程没有事件日志", "this process has no event log")
        if self._hub is None or self._figures is None or self._hub.loop is not asyncio.get_running_loop():
            self._hub = LiveHub(self._log, self._keys, self._limits, self._monotonic_s, self._on_end)
            self._figures = Figures(self._ask, self._limits.metrics_s, self._monotonic_s)
        return self._hub, self._figures

    def _on_end(self, why: Ending) -> None:
        self._telemetry.live_ended(why)
