"""SQL of comparing one table: what of a row is compared, and into which shares the rows are put."""

from __future__ import annotations

from projections.ddl import Table
from projections.sources import is_of_log
from projections.tables import METRIC_TABLES

SHARES = 64  # a table of the present is compared in so many shares of its keys
NO_DAY = "toDate(0)"
_RECORDED = ("recorded_time", "last_recorded")


def value_columns(table: Table) -> list[tuple[str, str]]:
    """Name and SQL of the columns that are compared: all that is stored but what only says which run computed it."""
    return [
        (column.name, column.reading)
        for column in table.columns
        if not column.computed and not (column.name == "version" and table in METRIC_TABLES)
    ]


def whole_row_hash(table: Table) -> str:
    """Other than :func:`projections.digest.row_hash` with the place in the log: both sides are of the same log."""
    return f"sipHash64(tuple({', '.join(sql for _, sql in value_columns(table))}))"


def share_and_day(table: Table) -> tuple[str, str]:
    """SQL of the share that a row belongs to, a number, and of the day of its time, :data:`NO_DAY` if it has none."""
    if is_of_log(table):
        return "sipHash64(log_topic, log_partition, toDate(event_time))", "toDate(event_time)"
    if table.partition_by:
        return "toUInt64(toDate(window_start))", "toDate(window_start)"
    return f"sipHash64({', '.join(table.order_by)}) % {SHARES}", NO_DAY


def recorded(table: Table) -> str:
    """SQL of when a row of the present was recorded; for other tables a constant."""
    named = [column.name for column in table.columns if column.name in _RECORDED]
    return f"toDateTime64({named[0]}, 3, 'UTC')" if named else "toDateTime64(0, 3, 'UTC')"
