"""Late events: those recorded longer after they happened than their type allows (``EventType.allowed_lateness_s``).

They stay in their event table, are listed in ``late_events`` and count in their day; minutes and hours are left as
they are. Lateness is a function of the record, so live, replayed and rebuilt tables list the same events. Repetition
is harmless: the first late record of an event wins. An event that came in time and *again* late is listed too, since
the list is of what came late; it counts once, by its first record.
Fed by the writer (:mod:`projections.late_rows`).
"""

from __future__ import annotations

from projections.ddl import Column, Table, quoted, scope_aliases
from projections.event_tables import ENVELOPE_COLUMNS, LOG_COLUMNS, LOW
from schemas.base import HISTORY_SOURCE_PREFIX, EventType

_LAG_MS = "toUnixTimestamp64Milli(recorded_time) - toUnixTimestamp64Milli(event_time)"
LATE_EVENTS = Table(
    name="late_events",
    comment="迟到事件 events that came too late for minutes and hours; they count in their day. "
    "查询请加 FINAL; read with FINAL",
    columns=(
        Column("type", LOW, "事件类型 type of the event, without its version"),
        *ENVELOPE_COLUMNS,
        Column("lateness_s", "Float64", "迟到时长 seconds from event time to recorded time"),
        *LOG_COLUMNS,
        *scope_aliases(),
    ),
    engine="ReplacingMergeTree(version_key)",
    order_by=("type", "scope", "event_time", "source", "event_id"),
)


def late_sql(event_type: EventType) -> str | None:
    """Condition on rows of the type's table, the same as :meth:`EventType.is_late`; None: never late."""
    if event_type.allowed_lateness_s is None:
        return None
    allowed_ms = event_type.allowed_lateness_s * 1000
    return f"({_LAG_MS} > {allowed_ms} AND NOT startsWith(source, {quoted(HISTORY_SOURCE_PREFIX)}))"
