"""A storm of alerts: noise meters that exceed the night limit by far, reported to the API as meters do.

One loud reading at night opens one ``night_burst`` alert, and half an hour of log time without another ends it. The
meters are loud in four waves, 36 minutes apart, so every subject has four alerts, each opened and resolved, that must
reach everybody in that order. The district's time is in the ticks that go to the log (``GRIDPULSE_CLOCK=log``).

Nothing is given up: what the API did not answer is sent again under the same ids.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from gridpulse.chaos_alerts_account import Cause
from gridpulse.chaos_load import LoadError, event_client, post_until_answered
from gridpulse.chaos_world import DISTRICT_SCOPE
from schemas.base import EventData
from schemas.event import new_event, tick_record, to_record_value
from schemas.families.readings import Measured
from schemas.families.registry import Device
from schemas.topics import DOMAIN_TOPICS
from streams.log import EventLog, LogUnavailableError

WAVES: Final = 4
START_MS: Final = 1_772_460_300_000  # 2026-03-02 22:05 in Shanghai
_WAVE_APART_MS: Final = 36 * 60_000
_STEP_MS: Final = 1_000
_BATCH_EVENTS: Final = 50
_COMMUNITIES: Final = 8
_LOUD_DB: Final = 92.0  # class 2: 50 dB at night, and 15 dB more for a moment
_SOURCE: Final = "//chaos/meters"
_PAUSE_S: Final = 0.1
_CLOCK_SEEN_S: Final = 0.5  # the API may know the log's time from a moment ago; an event must not be ahead of it


class Storm:
    """A thread that makes ``alerts`` alerts, from :meth:`start` on. ``may_send``: asked before each batch of them with
    how many were sent, so that a storm can go on for as long as there are faults."""

    def __init__(
        self, api_url: str, key: str, log: EventLog, *, alerts: int, partitions: int, may_send: Callable[[int], bool]
    ) -> None:
        self.causes: list[Cause] = []  # in order; those that were sent for certain, once :attr:`ended`
        self.sent_again = 0
        self._url, self._key, self._log, self._partitions = f"{api_url}/v1/events", key, log, partitions
        self._alerts, self._may_send = alerts, may_send
        self._meters = -(-alerts // WAVES)
        self._now_ms = START_MS
        self._abandoned = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name="storm", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise here what failed in the thread."""
        if self._failure is not None:
            raise self._failure

    @property
    def ended(self) -> bool:
        """Whether everything was sent and answered."""
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """End it now."""
        self._abandoned.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _guarded(self) -> None:
        try:
            with event_client(self._key) as client:
                self._blow(client)
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread, which raises it
            self._failure = failure

    def _blow(self, client: httpx.Client) -> None:
        self._pass(0)
        for start in range(0, self._meters, _BATCH_EVENTS):
            self._post(client, [self._entry(n) for n in range(start, min(start + _BATCH_EVENTS, self._meters))])
        for wave in range(WAVES):
            first, end = wave * self._meters, min((wave + 1) * self._meters, self._alerts)
            for start in range(first, end, _BATCH_EVENTS):
                while not self._may_send(start) and not self._abandoned.wait(_PAUSE_S):
                    pass
                self._loud(client, range(start, min(start + _BATCH_EVENTS, end)))
            self._pass(_WAVE_APART_MS)
            self._abandoned.wait(_CLOCK_SEEN_S)

    def _loud(self, client: httpx.Client, numbers: Sequence[int]) -> None:
        at_ms = self._now_ms
        self._post(client, [self._reading(number, at_ms) for number in numbers])
        if not self._abandoned.is_set():
            self.causes += [(_name(number % self._meters), at_ms) for number in numbers]

    def _post(self, client: httpx.Client, events: Sequence[bytes]) -> None:
        results = post_until_answered(client, self._url, b"\n".join(events), self._abandoned, self._count_again)
        refused = [result for result in results or () if result["status"] == "rejected"]
        if refused:
            raise LoadError(f"the API refused {len(refused)} events of the storm, the first one: {refused[0]}")
        self._pass(_STEP_MS)

    def _count_again(self) -> None:
        self.sent_again += 1

    def _pass(self, for_ms: int) -> None:
        """Time goes on, and a millisecond more lets out what happened until then."""
        for step_ms in (for_ms, 1):
            self._now_ms += step_ms
            ticks = [tick_record(topic, n, self._now_ms) for topic in DOMAIN_TOPICS for n in range(self._partitions)]
            while not self._abandoned.is_set():
                try:
                    self._log.append(ticks)
                    break
                except LogUnavailableError:
                    self._abandoned.wait(_PAUSE_S)

    def _entry(self, meter: int) -> bytes:
        data = Device(change="registered", device=_name(meter), kind="noise", noise_zone="2")
        return self._event(data, f"meter-{meter}", meter, self._now_ms)

    def _reading(self, number: int, at_ms: int) -> bytes:
        meter = number % self._meters
        data = Measured(device=_name(meter), quantity="lamax", value=_LOUD_DB, unit="dB(A)", interval_s=1.0)
        return self._event(data, f"loud-{number}", meter, at_ms)

    @staticmethod
    def _event(data: EventData, event_id: str, meter: int, at_ms: int) -> bytes:
        scope = f"{DISTRICT_SCOPE}/jinghu/storm/c{meter % _COMMUNITIES}/g{meter % 97:02}"
        return to_record_value(new_event(data, id=event_id, source=_SOURCE, scope=scope, event_time_ms=at_ms), None)


def _name(meter: int) -> str:
    return f"storm-{meter:05}"
