"""What may be asked of the projections, and what comes back: plain values, all times aware UTC.

Every question about things in space has a ``scope``: answers are about that subtree and nothing beside it; an empty
scope is everything. Lists come in a total order and are paged by the last row's key, so rows that arrive meanwhile
neither repeat nor hide others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from projections.queries.delivery_ports import DeliveryQueries
from projections.queries.life_cycle_ports import LifeCycleQueries
from projections.queries.windows import Windows
from schemas.metrics import Metric
from schemas.topics import partition_key

DeviceState = Literal["online", "offline", "retired", "unknown"]
AlertState = Literal["open", "resolved", "closed"]
TimelineKind = Literal["status", "alert", "heartbeat_gap"]
MAX_SAME_NAME = 20


class QueryTimeoutError(Exception):
    """The question took longer than allowed; a shorter span or a narrower scope helps."""


class TooManyPointsError(Exception):
    """The answer would have more points than allowed."""

    def __init__(self, series: int, windows: int, limit: int) -> None:
        super().__init__(f"{series} series of {windows} windows are more than {limit} points")
        self.series, self.windows, self.limit = series, windows, limit


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """How far a projection has come in one partition: all before ``next_offset`` can be queried."""

    topic: str
    partition: int
    next_offset: int
    recorded_time: datetime | None


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A metric over windows; ``by``: one of its dimensions, ``scope`` (one level below), or None for one series."""

    metric: Metric
    scope: str
    windows: Windows
    by: str | None
    only: tuple[str, ...]  # these values of ``by``; empty: all
    site_timezone: str
    max_points: int


@dataclass(frozen=True, slots=True)
class Point:
    window_start: datetime
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One line: ``key`` is the value of ``by`` (None without it); points of every window, rising."""

    key: str | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """``known_to``: the present; what lies after it is not known and not counted."""

    scope: str
    windows: Windows
    known_to: datetime
    max_gates: int


@dataclass(frozen=True, slots=True)
class DeviceKindCount:
    kind: str
    total: int
    online: int
    offline: int
    unknown: int  # registered, never heard of


@dataclass(frozen=True, slots=True)
class ConnectionPoint:
    """Devices at the window's end, and the share of known device time in it that was online."""

    window_start: datetime
    online: int
    offline: int
    availability_ratio: float | None


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    detector: str
    rule: str
    severity: str
    open: int
    subjects: int


@dataclass(frozen=True, slots=True)
class GateFlow:
    """One gate in one window; a gate's name is unique within its community."""

    community: str  # scope path of the community
    gate: str
    window_start: datetime
    persons_in: int
    persons_out: int
    vehicles_in: int
    vehicles_out: int


@dataclass(frozen=True, slots=True)
class AlertTrend:
    """Alerts opened in the span, and in the equally long one before it."""

    detector: str
    rule: str
    opened: int
    opened_before: int


@dataclass(frozen=True, slots=True)
class PerceptionBoard:
    devices: tuple[DeviceKindCount, ...]
    connection: tuple[ConnectionPoint, ...]
    availability_ratio: float | None
    open_alarms: tuple[OpenAlarm, ...]
    passages: tuple[GateFlow, ...]
    gates_cut: bool  # more gates than ``max_gates``: only those with most passages are in
    alert_trend: tuple[AlertTrend, ...]


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    scope: str
    kind: str | None
    status: DeviceState | None
    site: str | None
    after: tuple[str, str] | None  # (scope, device) of the last row seen
    limit: int


@dataclass(frozen=True, slots=True)
class DeviceRow:
    scope: str
    device: str
    kind: str
    site: str | None
    gateway: str | None
    noise_zone: str | None
    model: str | None
    status: DeviceState
    status_since: datetime | None
    last_seen: datetime | None
    battery_ratio: float | None

    @property
    def community(self) -> str:
        """The scope path within which the device's name is unique."""
        return partition_key(self.scope)


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """``community``: the scope path within which the device's name is unique."""

    scope: str
    community: str
    device: str
    from_time: datetime
    to_time: datetime
    gap_s: float
    before: tuple[datetime, str] | None  # (event_time, entry_id) of the last row seen
    limit: int


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One thing that happened to a device; fields that its kind does not have are None."""

    event_time: datetime
    kind: TimelineKind
    entry_id: str
    status: str | None = None
    cause: str | None = None
    alert: str | None = None
    step: str | None = None
    detector: str | None = None
    rule: str | None = None
    severity: str | None = None
    reason_zh: str | None = None
    reason_en: str | None = None
    gap_s: float | None = None
    until_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertQuery:
    scope: str
    state: AlertState | None
    detector: str | None
    rule: str | None
    severity: str | None
    subject: str | None
    from_time: datetime | None  # of opening, half-open
    to_time: datetime | None
    before: tuple[datetime, str] | None  # (opened_time, alert) of the last row seen
    limit: int


@dataclass(frozen=True, slots=True)
class AlertRow:
    alert: str
    scope: str
    detector: str
    rule: str
    subject: str
    severity: str
    state: AlertState
    count: int
    opened_time: datetime
    updated_time: datetime
    resolved_time: datetime | None
    score: float
    threshold: float
    baseline: float | None
    observed: float | None
    unit: str | None
    model_version: str
    reason_zh: str
    reason_en: str
    acknowledged_by: str | None = None
    acknowledged_time: datetime | None = None
    assignee: str | None = None
    verdict: str | None = None
    case: str | None = None
    closed_time: datetime | None = None
    silenced: bool = False
    silenced_as: str | None = None
    silenced_by: str | None = None
    unstable: bool = False
    escalation: int = 0
    group: str | None = None
    grouped: int = 0


@dataclass(frozen=True, slots=True)
class AlertStepRow:
    event_time: datetime
    recorded_time: datetime
    step: str
    severity: str
    count: int
    score: float
    threshold: float
    baseline: float | None
    observed: float | None
    reason_zh: str
    reason_en: str
    actor: str | None = None  # None: GridPulse itself
    comment: str | None = None
    assignee: str | None = None
    verdict: str | None = None
    case: str | None = None
    escalation: int = 0
    silenced_as: str | None = None
    silenced_by: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterQuery:
    scope: str
    stage: str | None
    reason: str | None
    from_time: datetime | None  # of recording, half-open
    to_time: datetime | None
    before: tuple[datetime, str] | None  # (recorded_time, event_id) of the last row seen
    limit: int


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    event_id: str
    recorded_time: datetime
    scope: str
    stage: str
    reason: str
    detail: str
    origin: str
    raw_base64: str
    raw_bytes: int


class QueryPort(LifeCycleQueries, DeliveryQueries, Protocol):
    """Questions to the projections. Thread-safe.

    Every method raises :class:`projections.client.StoreUnavailableError` when ClickHouse can't be reached and
    :class:`QueryTimeoutError` when the question takes too long.
    """

    def missing_migrations(self) -> Sequence[str]:
        """What the database lacks to be as this code needs it; empty when it is up to date."""
        ...

    def progress(self) -> list[PartitionProgress]:
        """How far the writer has come, per partition."""
        ...

    def first_not_rolled_up(self, metric: Metric) -> datetime | None:
        """Recorded time of the earliest row of the metric's events that its rollups lack; None: they have all."""
        ...

    def metric(self, query: MetricQuery) -> list[Series]:
        """One series per value of ``by``, by key, gaps filled as the metric declares.

        :raises TooManyPointsError: more than ``query.max_points``.
        """
        ...

    def perception(self, query: BoardQuery) -> PerceptionBoard: ...

    def devices(self, query: DeviceQuery) -> list[DeviceRow]:
        """By scope and device, at most ``limit``."""
        ...

    def device(self, scope: str, device: str) -> list[DeviceRow]:
        """All of that name in ``scope``, at most :data:`MAX_SAME_NAME`; names are unique within a community."""
        ...

    def timeline(self, query: TimelineQuery) -> list[TimelineRow]:
        """Newest first, at most ``limit``."""
        ...

    def alerts(self, query: AlertQuery) -> list[AlertRow]:
        """Newest opening first, at most ``limit``."""
        ...

    def alert(self, scope: str, alert: str) -> AlertRow | None: ...

    def alert_steps(self, scope: str, alert: str) -> list[AlertStepRow]:
        """In the order in which they were said."""
        ...

    def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetterRow]:
        """Newest first, at most ``limit``."""
        ...
