"""A fake of :class:`projections.queries.ports.QueryPort` over rows in memory: same scope rule, order and paging."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from projections.queries.delivery_ports import DeliverableStep, DeliveryQuery, DeliveryRow
from projections.queries.life_cycle_ports import (
    AlertCase,
    AlertTimesOfOne,
    AlertTimesQuery,
    AlertTimesRow,
    SilenceQuery,
    SilenceRow,
)
from projections.queries.ports import (
    MAX_SAME_NAME,
    AlertQuery,
    AlertRow,
    AlertStepRow,
    BoardQuery,
    DeadLetterQuery,
    DeadLetterRow,
    DeviceQuery,
    DeviceRow,
    MetricQuery,
    PartitionProgress,
    PerceptionBoard,
    Point,
    Series,
    TimelineQuery,
    TimelineRow,
    TooManyPointsError,
)
from schemas.metrics import Metric
from schemas.topics import covers

_NOTHING = PerceptionBoard((), (), None, (), (), False, ())
_LAST = (datetime.max.replace(tzinfo=UTC), "")


class FakeQueries:
    """Put rows into the lists; ``fault`` is raised by every question while it is set."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.missing: list[str] = []
        self.progress_rows: list[PartitionProgress] = []
        self.not_rolled_up: datetime | None = None
        self.metric_keys: list[str] = ["x"]  # the values of ``by``
        self.metric_queries: list[MetricQuery] = []
        self.board = _NOTHING
        self.board_queries: list[BoardQuery] = []
        self.device_rows: list[DeviceRow] = []
        self.timeline_rows: list[TimelineRow] = []
        self.alert_rows: list[AlertRow] = []
        self.step_rows: list[AlertStepRow] = []
        self.times_rows: list[AlertTimesRow] = []
        self.times_queries: list[AlertTimesQuery] = []
        self.times_of: dict[str, AlertTimesOfOne] = {}
        self.case_rows: list[AlertCase] = []
        self.silence_rows: list[SilenceRow] = []
        self.dead_letter_rows: list[DeadLetterRow] = []
        self.delivery_rows: dict[str, list[DeliveryRow]] = {}  # by subscription
        self.deliverables: dict[str, DeliverableStep] = {}

    def missing_migrations(self) -> Sequence[str]:
        self._check()
        return self.missing

    def progress(self) -> list[PartitionProgress]:
        self._check()
        return self.progress_rows

    def first_not_rolled_up(self, metric: Metric) -> datetime | None:
        self._check()
        return self.not_rolled_up

    def metric(self, query: MetricQuery) -> list[Series]:
        """Every window of every key is 1."""
        self._check()
        self.metric_queries.append(query)
        keys: list[str | None] = [None] if query.by is None else [*self.metric_keys]
        starts = list(query.windows.starts())
        if len(keys) * len(starts) > query.max_points:
            raise TooManyPointsError(len(keys), len(starts), query.max_points)
        return [Series(key, tuple(Point(at, 1.0) for at in starts)) for key in keys]

    def perception(self, query: BoardQuery) -> PerceptionBoard:
        self._check()
        self.board_queries.append(query)
        return self.board

    def devices(self, query: DeviceQuery) -> list[DeviceRow]:
        self._check()
        rows = [
            row
            for row in sorted(self.device_rows, key=lambda row: (row.scope, row.device))
            if covers(query.scope, row.scope)
            and query.kind in (None, row.kind)
            and query.status in (None, row.status)
            and query.site in (None, row.site)
            and (query.after is None or (row.scope, row.device) > query.after)
        ]
        return rows[: query.limit]

    def device(self, scope: str, device: str) -> list[DeviceRow]:
        self._check()
        return [row for row in self.device_rows if covers(scope, row.scope) and row.device == device][:MAX_SAME_NAME]

    def timeline(self, query: TimelineQuery) -> list[TimelineRow]:
        self._check()
        rows = sorted(self.timeline_rows, key=lambda row: (row.event_time, row.entry_id), reverse=True)
        return [row for row in rows if (row.event_time, row.entry_id) < (query.before or _LAST)][: query.limit]

    def alerts(self, query: AlertQuery) -> list[AlertRow]:
        self._check()
        rows = [
            row
            for row in sorted(self.alert_rows, key=lambda row: (row.opened_time, row.alert), reverse=True)
            if covers(query.scope, row.scope)
            and query.state in (None, row.state)
            and query.detector in (None, row.detector)
            and query.rule in (None, row.rule)
            and query.severity in (None, row.severity)
            and query.subject in (None, row.subject)
            and (query.from_time is None or row.opened_time >= query.from_time)
            and (query.to_time is None or row.opened_time < query.to_time)
            and (row.opened_time, row.alert) < (query.before or _LAST)
        ]
        return rows[: query.limit]

    def alert(self, scope: str, alert: str) -> AlertRow | None:
        self._check()
        return next((row for row in self.alert_rows if covers(scope, row.scope) and row.alert == alert), None)

    def alert_steps(self, scope: str, alert: str) -> list[AlertStepRow]:
        self._check()
        return self.step_rows if self.alert(scope, alert) else []

    def alert_times(self, query: AlertTimesQuery) -> list[AlertTimesRow]:
        self._check()
        self.times_queries.append(query)
        return [row for row in self.times_rows if row.grid is None or covers(query.scope, row.grid)][: query.limit]

    def alert_times_of(self, scope: str, alert: str) -> AlertTimesOfOne | None:
        self._check()
        return self.times_of.get(alert) if self.alert(scope, alert) else None

    def alert_cases(self, scope: str, alert: str, case: str | None) -> list[AlertCase]:
        self._check()
        return [row for row in self.case_rows if row.case == case] if self.alert(scope, alert) else []

    def silences(self, query: SilenceQuery) -> list[SilenceRow]:
        self._check()
        rows = [
            row
            for row in sorted(self.silence_rows, key=lambda row: (row.created_time, row.silence), reverse=True)
            if covers(query.scope, row.scope)
            and query.state in (None, row.state)
            and (row.created_time, row.silence) < (query.before or _LAST)
        ]
        return rows[: query.limit]

    def silence(self, scope: str, silence: str, known_to: datetime) -> SilenceRow | None:
        self._check()
        return next((row for row in self.silence_rows if covers(scope, row.scope) and row.silence == silence), None)

    def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetterRow]:
        self._check()
        rows = [
            row
            for row in sorted(self.dead_letter_rows, key=lambda row: (row.recorded_time, row.event_id), reverse=True)
            if covers(query.scope, row.scope)
            and query.stage in (None, row.stage)
            and query.reason in (None, row.reason)
            and (query.from_time is None or row.recorded_time >= query.from_time)
            and (query.to_time is None or row.recorded_time < query.to_time)
            and (row.recorded_time, row.event_id) < (query.before or _LAST)
        ]
        return rows[: query.limit]

    def deliveries(self, query: DeliveryQuery) -> list[DeliveryRow]:
        self._check()
        rows = [
            row
            for row in sorted(
                self.delivery_rows.get(query.subscription, []),
                key=lambda row: (row.attempted_time, row.attempt_id),
                reverse=True,
            )
            if query.outcome in (None, row.outcome)
            and (query.from_time is None or row.attempted_time >= query.from_time)
            and (query.to_time is None or row.attempted_time < query.to_time)
            and (row.attempted_time, row.attempt_id) < (query.before or _LAST)
        ]
        return rows[: query.limit]

    def deliverable(self, scope: str, subscription: str, name: str) -> DeliverableStep | None:
        self._check()
        return self.deliverables.get(name)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault
