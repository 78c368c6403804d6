"""What each projection is made from, and the names that people give to projections. Derived from the declarations."""

from __future__ import annotations

from collections.abc import Iterable

from projections.ddl import MaterializedView, Table, View
from projections.digest import CONTENT_TABLES
from projections.late_tables import LATE_EVENTS
from projections.tables import DATABASE, EVENT_TABLES, METRIC_TABLES, STATE_TABLES
from schemas.catalogue import BY_NAME
from schemas.metrics import METRICS
from schemas.nearest import nearest
from schemas.topics import topic_of

METRICS_NAME, ALL_NAME = "metrics", "all"
TYPE_OF: dict[str, str] = {table.name: name for name, table in EVENT_TABLES.items()}
"""Event type of each event table."""
TOPIC_OF: dict[str, str] = {table: topic_of(BY_NAME[name].family) for table, name in TYPE_OF.items()}
"""Topic whose records an event table holds."""
_METRIC_SOURCES = tuple(dict.fromkeys(EVENT_TABLES[metric.type_name].name for metric in METRICS))


class UnknownProjectionError(Exception):
    """There is no projection of this name; the sentence says which there are."""


def sources_of(table: Table) -> tuple[str, ...]:
    """The event tables that a table's contents follow from; an event table follows from the log alone."""
    if table.name in TYPE_OF:
        return (table.name,)
    if table in METRIC_TABLES:
        return _METRIC_SOURCES
    if table.name == LATE_EVENTS.name:
        return tuple(EVENT_TABLES[name].name for name in EVENT_TABLES if BY_NAME[name].allowed_lateness_s is not None)
    return tuple(feed.source for feed in DATABASE if isinstance(feed, MaterializedView) and feed.target == table.name)


def types_of(tables: Iterable[Table]) -> frozenset[str]:
    """The event types whose records are needed to build ``tables``."""
    return frozenset(TYPE_OF[source] for table in tables for source in sources_of(table))


def topics_of(tables: Iterable[Table]) -> tuple[str, ...]:
    """The topics that hold them."""
    return tuple(sorted({TOPIC_OF[source] for table in tables for source in sources_of(table)}))


def projection_tables(name: str) -> tuple[Table, ...]:
    """The tables behind a name: an event table, a view of the present or its table, ``metrics`` or a metric, ``all``.

    All rollup tables go together, since hours are made from minutes and days from hours.
    :raises UnknownProjectionError: no such projection.
    """
    if name == ALL_NAME:
        return CONTENT_TABLES
    found: dict[str, tuple[Table, ...]] = {table.name: (table,) for table in (*EVENT_TABLES.values(), *STATE_TABLES)}
    found |= {view: tables for view, tables in _views().items() if view not in found}
    if name in found:
        return found[name]
    metric_names = {METRICS_NAME, *(table.name for table in METRIC_TABLES)}
    metric_names |= {prefix + metric.name for metric in METRICS for prefix in ("", "metric_")}
    if name in metric_names:
        return METRIC_TABLES
    near = nearest(name, sorted({ALL_NAME, *found, *metric_names}))
    hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted({ALL_NAME, METRICS_NAME, *found}))}"
    raise UnknownProjectionError(f"no projection {name}; {hint}")


def is_of_log(table: Table) -> bool:
    """Whether each row is of one record of the log and says which."""
    return any(column.name == "log_offset" for column in table.columns)


def _views() -> dict[str, tuple[Table, ...]]:
    """Plain views and the state tables that they read."""
    views = [one for one in DATABASE if isinstance(one, View)]
    return {
        view.name: tables
        for view in views
        if (tables := tuple(table for table in STATE_TABLES if _reads(view, table.name)))
    }


def _reads(view: View, table: str) -> bool:
    """Directly, or through the view that has the table's name without ``_state``."""
    words = set(view.select.replace("(", " ").replace(")", " ").split())
    return table in words or table.removesuffix("_state") in words
