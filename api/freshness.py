"""How fresh answers are: what of the log can be queried by now.

``as_of``       everything recorded up to then is in the answer: the least recorded time of the partitions that the
                writer has not finished, or the log's latest one when it has finished all. Never later than the truth.
``lag_events``  records not yet queryable; ``lag_s`` how far their newest lies behind the log's. Both are measured in
                the log's own time, read no clock, and are None while the log can't be asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from projections.queries.ports import PartitionProgress, QueryPort
from schemas.metrics import Metric
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, topic_of
from streams.log import LogUnavailableError
from streams.ports import LogStatePort

TOPICS = tuple(topic for topic in ALL_TOPICS if topic not in (topic_of("control"), topic_of("deliveries")))
CACHED_S = 1.0


@dataclass(frozen=True, slots=True)
class FreshnessNow:
    as_of: datetime | None  # None: nothing can be queried yet
    lag_events: int | None
    lag_s: float | None


@dataclass(slots=True)
class _Moment:
    """What was written, and what rollups lacked, by type of event: asked for later, so they lack at most that."""

    at_s: float
    written: FreshnessNow
    lacking: dict[str, datetime | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Freshness:
    """Asks the writer's progress and the log's end, at most once a second. Thread-safe."""

    def __init__(self, queries: QueryPort, log_state: LogStatePort, monotonic_s: Callable[[], float]) -> None:
        self._queries = queries
        self._log_state = log_state
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._cached: _Moment | None = None

    def now(self) -> FreshnessNow:
        """Ask *before* the query that it describes: then the answer is at least that fresh.

        :raises projections.client.StoreUnavailableError: the store can't be reached.
        """
        return self._moment().written

    def of_metric(self, metric: Metric) -> FreshnessNow:
        """The same for a metric: its rollups may lack rows that are written already."""
        moment = self._moment()
        with moment.lock:
            if metric.type_name not in moment.lacking:  # all metrics of a type are rolled up together
                moment.lacking[metric.type_name] = self._queries.first_not_rolled_up(metric)
        written, lacking = moment.written, moment.lacking[metric.type_name]
        if lacking is None or written.as_of is None or written.as_of < lacking:
            return written
        return replace(written, as_of=lacking - timedelta(milliseconds=1))

    def _moment(self) -> _Moment:
        with self._lock:
            at_s = self._monotonic_s()
            if self._cached is None or at_s - self._cached.at_s >= CACHED_S:
                self._cached = _Moment(at_s, self._ask())
            return self._cached

    def _ask(self) -> FreshnessNow:
        progress = {TopicPartition(row.topic, row.partition): row for row in self._queries.progress()}
        try:
            ends = self._log_state.end_offsets(TOPICS)
            last_ms = self._log_state.last_recorded_time_ms(TOPICS)
        except LogUnavailableError:
            known = [row.recorded_time for row in progress.values() if row.recorded_time is not None]
            return FreshnessNow(min(known, default=None), None, None)
        return compare(progress, ends, last_ms)


def compare(
    progress: dict[TopicPartition, PartitionProgress],
    ends: dict[TopicPartition, int],
    last_ms: dict[TopicPartition, int | None],
) -> FreshnessNow:
    """Freshness from the writer's progress and the log's state."""
    behind: list[datetime | None] = []
    lag_events, lag_s = 0, 0.0
    for where, end in ends.items():
        row = progress.get(where)
        missing = end - (row.next_offset if row else 0)
        if missing <= 0:
            continue
        lag_events += missing
        queryable = row.recorded_time if row else None
        behind.append(queryable)
        last = last_ms.get(where)
        if queryable is not None and last is not None:
            lag_s = max(lag_s, last / 1000.0 - queryable.timestamp())
    if behind:
        known = [at for at in behind if at is not None]
        return FreshnessNow(min(known) if len(known) == len(behind) else None, lag_events, round(lag_s, 3))
    latest_ms = max((at for at in last_ms.values() if at is not None), default=None)
    as_of = None if latest_ms is None else datetime.fromtimestamp(latest_ms / 1000.0, UTC)
    return FreshnessNow(as_of, 0, 0.0)
