"""How often a device speaks, learned from the gaps between its periodic messages.

The interval is the 0.9 quantile of the gaps (``river.stats.Quantile``: P2 of Jain & Chlamtac, CACM 1985), which a few
lost messages do not move; the longest gap of late (a maximum that decays) covers devices that lose more, or that
speak irregularly. Not learned from: messages at the same moment, buffered messages sent in a burst (they come closer
together than they were made), and silences that were flagged. When the gaps stop fitting, it learns anew.
Size: about 300 bytes. Times are log time, milliseconds.
"""

from __future__ import annotations

from typing import Any

from river import stats

from detectors.device_interval import IntervalParams


class IntervalLearner:
    """One device's interval. ``timeout_ms`` is None until it is learned."""

    __slots__ = (
        "_first_ms",
        "_interval_ms",
        "_last_event_ms",
        "_last_ms",
        "_messages",
        "_misfits",
        "_peak_ms",
        "_quantile",
        "timeout_ms",
    )

    def __init__(self, params: IntervalParams) -> None:
        self.timeout_ms: int | None = None
        self._restart(params, 0, 0)

    def _restart(self, params: IntervalParams, now_ms: int, event_ms: int) -> None:
        self._quantile: Any = stats.Quantile(params.quantile)
        self._messages = 0
        self._misfits = 0
        self._interval_ms = 0.0
        self._peak_ms = 0.0
        self._first_ms = now_ms
        self._last_ms = now_ms
        self._last_event_ms = event_ms

    @property
    def interval_s(self) -> float | None:
        """The learned interval; None while learning."""
        return None if self.timeout_ms is None else self._interval_ms / 1000.0

    def saved(self) -> tuple[Any, ...]:
        """Plain values for the snapshot."""
        return tuple(getattr(self, name) for name in self.__slots__)

    @staticmethod
    def of(saved: tuple[Any, ...], params: IntervalParams) -> IntervalLearner:
        """From :meth:`saved`."""
        learner = IntervalLearner(params)
        for name, value in zip(IntervalLearner.__slots__, saved, strict=True):
            setattr(learner, name, value)
        return learner

    def learn(self, now_ms: int, event_ms: int, flagged: bool, params: IntervalParams) -> None:
        """A periodic message came. ``flagged``: the silence before it was called offline."""
        messages = self._messages
        if messages == 0:
            self._messages = 1
            self._first_ms = self._last_ms = now_ms
            self._last_event_ms = event_ms
            return
        gap = now_ms - self._last_ms
        interval = self._interval_ms
        event_gap = event_ms - self._last_event_ms
        if gap < 0.5 * event_gap:  # sent in a burst: closer together than they were made
            self._last_ms = now_ms
            self._last_event_ms = event_ms
            return
        if gap < params.same_moment_s * 1000.0:
            return  # the gap goes on from the first message of this moment
        if gap < params.same_moment_ratio * interval:
            self._misfit(1, now_ms, event_ms, params)
            return
        self._last_ms = now_ms
        self._last_event_ms = event_ms
        if flagged:
            self._misfit(params.flagged_weight, now_ms, event_ms, params)
            return
        if gap < params.short_ratio * interval:
            self._misfit(1, now_ms, event_ms, params)
        else:
            self._misfits = 0
        self._absorb(float(gap), now_ms, params)

    def _absorb(self, gap_ms: float, now_ms: int, params: IntervalParams) -> None:
        self._messages += 1
        self._quantile.update(gap_ms)
        interval = self._quantile.get()
        self._interval_ms = interval
        decayed = self._peak_ms * params.peak_decay
        self._peak_ms = peak = gap_ms if gap_ms > decayed else decayed
        if self._messages >= params.min_messages and now_ms - self._first_ms >= params.min_observed_s * 1000.0:
            allowed = max(params.factor * interval, params.peak_factor * peak, params.min_timeout_s * 1000.0)
            self.timeout_ms = int(allowed + params.jitter_s * 1000.0)

    def _misfit(self, weight: int, now_ms: int, event_ms: int, params: IntervalParams) -> None:
        """Count what does not fit; learn anew after enough of it. The old timeout holds until then."""
        self._misfits += weight
        if self._misfits >= params.relearn_after:
            self._restart(params, now_ms, event_ms)
            self._messages = 1
            self.timeout_ms = None
