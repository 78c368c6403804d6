"""The statements of the rollup: whole windows recomputed from what is below them. Pure; no database here.

Late events (``EventType.is_late``) go into ``metrics_late`` by the same statement and from there into days; hours and
minutes never see them. Which record of an event counts is decided before whether it is late (``FINAL``, then the
condition), so an event that comes again, late, counts once.

Touched minutes are those of the rows with new log offsets; touched hours and days those of finer rows that later runs
(``version``) have written. Each source is read once per group of metrics that share value and dimensions, not once per
metric. Nearly all the work of a small run is planning, table by table; so where new rows fill a span of time, as live
ones do, the span stands in for the set of touched minutes and saves half of it: a superset does no harm.

Sums of floats depend on the order of adding, and parts merge when they please; so values are sorted before they are
added, and the same events always give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from projections.ddl import Table, quoted
from projections.late_tables import late_sql
from projections.metric_tables import ROLLUP_COLUMNS
from projections.tables import EVENT_TABLES
from schemas.catalogue import BY_NAME
from schemas.metrics import Metric

# DateTime holds these years; events outside are kept in their tables and left out of rollups.
FIRST_TIME, LAST_TIME = "1971-01-01 00:00:00", "2105-12-31 00:00:00"
DENSE_SPAN = 3  # minutes of the span per touched minute, at most
_CALENDAR = f"event_time >= '{FIRST_TIME}' AND event_time < '{LAST_TIME}'"
_COLUMNS = ", ".join(ROLLUP_COLUMNS)
LATE_SQL = {table.name: late_sql(BY_NAME[name]) for name, table in EVENT_TABLES.items()}
"""By table the condition that a row is late; None: never."""


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """New records of one partition: offsets from ``start`` to before ``end``."""

    partition: int
    start: int
    end: int

    def sql(self) -> str:
        return f"(log_partition = {self.partition} AND log_offset >= {self.start} AND log_offset < {self.end})"


@dataclass(frozen=True, slots=True)
class NewRows:
    """What is new in one table: its ranges of the log, and the rows of the table in them."""

    ranges: tuple[OffsetRange, ...]
    rows: int = 0  # that are not late
    first_minute: int = 0  # since the epoch; this and the next two of rows that are not late
    last_minute: int = 0
    minutes: int = 0  # different ones
    late_rows: int = 0

    @property
    def dense(self) -> bool:
        """Whether the rows fill their span of time: computing all its windows costs about the same."""
        return self.last_minute - self.first_minute < DENSE_SPAN * self.minutes

    @property
    def condition(self) -> str:
        return "(" + " OR ".join(part.sql() for part in self.ranges) + ")"


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """Metrics of one table that one pass can compute: same value, dimensions and column to tell them apart."""

    table: Table
    value_column: str | None
    dimensions: tuple[str, ...]
    by: str | None  # the one column whose value says which metric a row belongs to
    metrics: tuple[Metric, ...]


def groups(metrics: Sequence[Metric]) -> list[MetricGroup]:
    """All metrics, put together where one pass can compute them; several conditions make a group of its own."""
    found: dict[tuple[object, ...], list[Metric]] = {}
    for metric in metrics:
        alone = "" if len(metric.where) == 1 else metric.name
        key = (metric.type_name, metric.value_column, metric.dimensions, tuple(metric.where), alone)
        members = found.setdefault(key, [])
        if any(tuple(member.where.values()) == tuple(metric.where.values()) for member in members):
            members = found.setdefault((*key, metric.name), [])  # two names for the same rows
        members.append(metric)
    return [
        MetricGroup(
            EVENT_TABLES[members[0].type_name],
            members[0].value_column,
            members[0].dimensions,
            next(iter(members[0].where)) if len(members[0].where) == 1 else None,
            tuple(members),
        )
        for members in found.values()
    ]


def new_rows_query(new: Mapping[str, NewRows]) -> str:
    """Per table with rows in its ranges: name, rows, first and last minute, different minutes (of the calendar only).

    All of rows that are not late; last the number of those that are. One pass over all tables together: planning each
    of them by itself was a third of a small run.
    """
    minute = "intDiv(toUnixTimestamp64Milli(event_time), 60000)"
    wanted = _either((part.condition, name) for name, part in new.items())
    late = _either((condition, name) for name in new if (condition := LATE_SQL[name]) is not None)
    return (
        f"SELECT _table, countIf(NOT ({late} AS is_late)), minIf({minute} AS minute, NOT is_late), "
        "maxIf(minute, NOT is_late), uniqExactIf(minute, NOT is_late), countIf(is_late)\n"
        f"FROM merge(currentDatabase(), '^({'|'.join(sorted(new))})$')\n"
        f"WHERE {wanted} AND {_CALENDAR}\nGROUP BY _table"
    )


def _either(conditions: Iterable[tuple[str, str]]) -> str:
    """Conditions that hold for the tables named beside them, each said once."""
    tables: dict[str, list[str]] = {}
    for condition, name in conditions:
        tables.setdefault(condition, []).append(quoted(name))
    parts = [f"(_table IN ({', '.join(names)}) AND {condition})" for condition, names in tables.items()]
    return f"({' OR '.join(parts)})" if parts else "false"


def minutes_statement(metric_groups: Sequence[MetricGroup], new: Mapping[str, NewRows], run: int) -> str:
    """Recompute every minute that has a new row (``new`` by table name), of all groups of these tables."""
    selects = [_minutes_select(group, run, _in_time(group.table, new[group.table.name])) for group in metric_groups]
    return f"INSERT INTO metrics_minute ({_COLUMNS})\n" + "\nUNION ALL\n".join(selects)


def late_statement(metric_groups: Sequence[MetricGroup], new: Mapping[str, NewRows], run: int) -> str:
    """Recompute every minute of late events that has a new one."""
    selects = [_minutes_select(group, run, _late(group.table, new[group.table.name])) for group in metric_groups]
    return f"INSERT INTO metrics_late ({_COLUMNS})\n" + "\nUNION ALL\n".join(selects)


def coarser_statement(grain: str, after_run: int, to_run: int, run: int, timezone: str) -> str:
    """Recompute every hour (from minutes) or local day (from hours and late events) with finer rows of these runs."""
    sources, window = {
        "hour": (("metrics_minute",), "toStartOfHour(window_start)"),
        "day": (("metrics_hour", "metrics_late"), f"toStartOfDay(window_start, {quoted(timezone)})"),
    }[grain]
    touched = "\n    UNION ALL ".join(
        f"SELECT metric, scope, {window} FROM {source} WHERE version > {after_run} AND version <= {to_run}"
        for source in sources
    )
    finer = "\n    UNION ALL ".join(
        f"SELECT {_COLUMNS} FROM {source} FINAL WHERE (metric, scope, {window}) IN touched" for source in sources
    )
    return f"""INSERT INTO metrics_{grain} ({_COLUMNS})
WITH touched AS ({touched})
SELECT metric, scope, {window} AS w_start, dim_1, dim_2, sum(count),
    {_exact_sum("sum")}, min(min), max(max), {_exact_sum("energy_sum")}, uniqMergeState(uniq_state), {run}
FROM ({finer})
GROUP BY metric, scope, w_start, dim_1, dim_2"""


def _minutes_select(group: MetricGroup, run: int, rows: str) -> str:
    """Minutes of a group's metrics from the rows that the condition ``rows`` leaves."""
    minute = "toStartOfMinute(event_time)"
    dimensions = [f"toString({name})" for name in group.dimensions] + ["''"] * (2 - len(group.dimensions))
    name, condition = _which_metric(group)
    conditions = [rows, *condition]
    if group.value_column and group.table.column(group.value_column).type.startswith("Nullable"):
        conditions.append(f"{group.value_column} IS NOT NULL")
    where = "\n    AND ".join(conditions)
    return f"""SELECT {name} AS m_name, scope, {minute} AS m_window,
    {dimensions[0]} AS m_dim_1, {dimensions[1]} AS m_dim_2, {_named(_aggregates(group))}, {run}
FROM {group.table.name} FINAL
WHERE {where}
GROUP BY m_name, scope, m_window, m_dim_1, m_dim_2"""


def _in_time(table: Table, new: NewRows) -> str:
    late = LATE_SQL[table.name]
    only = f" AND NOT {late}" if late is not None else ""
    if new.dense:
        return f"event_time >= {_time(new.first_minute)} AND event_time < {_time(new.last_minute + 1)}{only}"
    return _touched(table, new, only)


def _late(table: Table, new: NewRows) -> str:
    return _touched(table, new, f" AND {LATE_SQL[table.name]}")


def _touched(table: Table, new: NewRows, only: str) -> str:
    """All rows of the minutes with a new row; ``only`` some of them, both of the new ones and of all."""
    minute = "toStartOfMinute(event_time)"
    touched = f"SELECT scope, {minute} FROM {table.name} WHERE {new.condition} AND {_CALENDAR}{only}"
    return f"(scope, {minute}) IN ({touched}) AND {_CALENDAR}{only}"


def _time(minute: int) -> str:
    return f"fromUnixTimestamp64Milli({minute * 60_000}, 'UTC')"


def _which_metric(group: MetricGroup) -> tuple[str, list[str]]:
    """SQL of the metric's name, and the conditions on rows."""
    if group.by is None:
        metric = group.metrics[0]
        return quoted(metric.name), [f"{column} = {_constant(value)}" for column, value in metric.where.items()]
    values = [_constant(metric.where[group.by]) for metric in group.metrics]
    names = [quoted(metric.name) for metric in group.metrics]
    name = f"transform({group.by}, [{', '.join(values)}], [{', '.join(names)}], '')"
    return name, [f"{group.by} IN ({', '.join(values)})"]


def _named(aggregates: list[str]) -> str:
    """Each with a name of its own: the engine takes two columns of one name, say ``0``, for the same column."""
    names = ("m_count", "m_sum", "m_min", "m_max", "m_energy_sum", "m_uniq_state")
    return ", ".join(f"{sql} AS {name}" for sql, name in zip(aggregates, names, strict=True))


def _aggregates(group: MetricGroup) -> list[str]:
    """count, sum, min, max, energy_sum, uniq_state."""
    kinds = {metric.aggregate for metric in group.metrics}
    nothing = "uniqStateIf('', 0)"
    value = group.value_column
    if value is None:
        return ["count()", "0", "0", "0", "0", nothing]
    if "uniq" in kinds:
        return ["count()", "0", "0", "0", "0", f"uniqState(toString({value}))"]
    number = f"(toFloat64({_not_null(group, value)}) + 0)"  # -0.0 becomes 0.0: of the two, min and max take the first
    return ["count()", _exact_sum(number), f"min({number})", f"max({number})", _energy(group, number), nothing]


def _energy(group: MetricGroup, number: str) -> str:
    levels = [metric for metric in group.metrics if metric.aggregate == "energy_mean"]
    if not levels:
        return "0"
    energy = f"exp10({number} / 10)"
    if group.by is None:
        return _exact_sum(energy)
    wanted = ", ".join(_constant(metric.where[group.by]) for metric in levels)
    return f"arraySum(arraySort(groupArrayIf({energy}, {group.by} IN ({wanted}))))"


def _exact_sum(number: str) -> str:
    return f"arraySum(arraySort(groupArray({number})))"


def _not_null(group: MetricGroup, column: str) -> str:
    nullable = group.table.column(column).type.startswith("Nullable")
    return f"assumeNotNull({column})" if nullable else column


def _constant(value: str | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else quoted(value)
