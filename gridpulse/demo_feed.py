"""Feeds the simulated district into the log at a steady rate of events."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from gridpulse.latency import LatencyMeter
from replay.simulator import DistrictConfig, Simulator
from schemas.event import tick_record
from schemas.records import NewRecord, TopicPartition
from schemas.topics import DOMAIN_TOPICS
from streams.log import EventLog

TARGET_SLICES_PER_S = 20.0
EVENTS_PER_DAY = 50_000.0  # of the default district; only sets how long a slice is
MAX_SLICE_MS = 1_800_000
TEN_YEARS_MS = 3650 * 86_400_000


@dataclass(slots=True)
class Feeder:
    """A thread that appends slices; goes on from where the log ends."""

    log: EventLog
    district: DistrictConfig
    partitions: int
    rate: float
    meter: LatencyMeter
    simulator: Simulator = field(init=False)
    events: int = 0
    bad_events: int = 0
    first_ms: int = 0
    now_ms: int = 0
    started_s: float = 0.0
    finished_s: float | None = None
    _failure: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.simulator = Simulator(self.district, self.partitions)
        recorded = [ms for ms in self.log.last_recorded_time_ms(DOMAIN_TOPICS).values() if ms is not None]
        self.first_ms = self.now_ms = max(recorded, default=self.district.start_ms)

    def knock(self) -> dict[TopicPartition, int]:
        """Append a tick everywhere, to see when the pipeline is up; one past each one's offset."""
        places = [TopicPartition(topic, partition) for topic in DOMAIN_TOPICS for partition in range(self.partitions)]
        ticks = [tick_record(where.topic, where.partition, self.now_ms) for where in places]
        return {where: offset + 1 for where, offset in zip(places, self.log.append(ticks), strict=True)}

    def start(self) -> None:
        self.started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise here what failed in the thread."""
        if self._failure is not None:
            raise self._failure

    @property
    def elapsed_s(self) -> float:
        return max((self.finished_s or time.monotonic()) - self.started_s, 1e-9)

    def _run(self) -> None:
        try:
            self._feed()
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread, which raises it
            self._failure = failure

    def _feed(self) -> None:
        if self.now_ms <= self.district.start_ms:
            self._append(self.simulator.registry_events(), ticks=0)
        slice_ms = int(min(MAX_SLICE_MS, 86_400_000 * self.rate / EVENTS_PER_DAY / TARGET_SLICES_PER_S))
        for piece in self.simulator.slices(self.now_ms, self.now_ms + TEN_YEARS_MS, max(slice_ms, 1000)):
            self._pace()
            if self._stop.is_set():
                return
            self._append(piece.records, self.simulator.ticks_per_slice)
            self.now_ms = piece.end_ms

    def _pace(self) -> None:
        due_s = self.started_s + self.events / self.rate
        self._stop.wait(max(0.0, due_s - time.monotonic()))

    def _append(self, records: list[NewRecord], ticks: int) -> None:
        """``ticks``: so many of the last records are ticks, which count for nothing."""
        before_s = time.monotonic()
        offsets = self.log.append(records)
        ends: dict[TopicPartition, tuple[int, int]] = {}
        events = len(records) - ticks
        for record, offset in zip(records[:events], offsets[:events], strict=True):
            where = TopicPartition(record.topic, record.partition)
            ends[where] = (offset + 1, ends.get(where, (0, 0))[1] + 1)
            self.events += 1
            self.bad_events += b'"bad-' in record.value[:80]
        self.meter.appended(ends, before_s)
