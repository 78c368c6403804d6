"""The answers to :class:`projections.queries.ports.QueryPort`, from ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from projections.client import Client
from projections.migrate import MigrationError, migrate
from projections.queries import alerts, deliveries, devices, life_cycle, metrics, perception
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
    Series,
    TimelineQuery,
    TimelineRow,
)
from projections.queries.running import Runner, epoch_ms, from_epoch_ms
from schemas.metrics import Metric

DEFAULT_TIMEOUT_S = 20
# Whatever flow wrote a record, it can be queried: a change from one flow to another leaves the old one's rows behind.
PROGRESS_SQL = """SELECT toString(topic) AS topic_name, partition AS partition_number, max(next_offset) AS reached,
    toUnixTimestamp64Milli(argMax(recorded_time, next_offset)) AS recorded_ms
FROM projection_progress FINAL
GROUP BY topic_name, partition_number
ORDER BY topic_name, partition_number"""


class ClickHouseQueries:
    """Implements the port over a client, best one of a read-only user. The caller closes the client."""

    def __init__(self, client: Client, timeout_s: int = DEFAULT_TIMEOUT_S) -> None:
        self._runner = Runner(client, timeout_s)

    def missing_migrations(self) -> Sequence[str]:
        try:
            return [migration.name for migration in migrate(self._runner.client, dry_run=True)]
        except MigrationError as error:
            return [str(error)]

    def progress(self) -> list[PartitionProgress]:
        return [
            PartitionProgress(
                row["topic_name"], row["partition_number"], row["reached"], from_epoch_ms(row["recorded_ms"])
            )
            for row in self._runner.rows(PROGRESS_SQL, {})
        ]

    def first_not_rolled_up(self, metric: Metric) -> datetime | None:
        return metrics.first_not_rolled_up(self._runner, metric)

    def metric(self, query: MetricQuery) -> list[Series]:
        return metrics.series(self._runner, query)

    def perception(self, query: BoardQuery) -> PerceptionBoard:
        return perception.board(self._runner, query)

    def devices(self, query: DeviceQuery) -> list[DeviceRow]:
        return devices.devices(self._runner, query)

    def device(self, scope: str, device: str) -> list[DeviceRow]:
        return devices.device(self._runner, scope, device)

    def timeline(self, query: TimelineQuery) -> list[TimelineRow]:
        return devices.timeline(self._runner, query)

    def alerts(self, query: AlertQuery) -> list[AlertRow]:
        return alerts.alerts(self._runner, query)

    def alert(self, scope: str, alert: str) -> AlertRow | None:
        return alerts.alert(self._runner, scope, alert)

    def alert_steps(self, scope: str, alert: str) -> list[AlertStepRow]:
        return alerts.alert_steps(self._runner, scope, alert)

    def alert_times(self, query: AlertTimesQuery) -> list[AlertTimesRow]:
        return life_cycle.alert_times(self._runner, query)

    def alert_times_of(self, scope: str, alert: str) -> AlertTimesOfOne | None:
        return life_cycle.alert_times_of(self._runner, scope, alert)

    def alert_cases(self, scope: str, alert: str, case: str | None) -> list[AlertCase]:
        return life_cycle.alert_cases(self._runner, scope, alert, case)

    def silences(self, query: SilenceQuery) -> list[SilenceRow]:
        return life_cycle.silences(self._runner, query)

    def silence(self, scope: str, silence: str, known_to: datetime) -> SilenceRow | None:
        return life_cycle.silence(self._runner, scope, silence, epoch_ms(known_to))

    def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetterRow]:
        return alerts.dead_letters(self._runner, query)

    def deliveries(self, query: DeliveryQuery) -> list[DeliveryRow]:
        return deliveries.deliveries(self._runner, query)

    def deliverable(self, scope: str, subscription: str, name: str) -> DeliverableStep | None:
        return deliveries.deliverable(self._runner, scope, subscription, name)
