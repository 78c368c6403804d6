"""What a running system is rightly still at work on, as SQL over what a comparison has found.

The present: keys whose row was recorded after the pin, in partitions that have moved on. Rollups: windows with events
that came in after the pin, that the live rollup has not reached, or whose finer windows wait for their coarser ones.
Ask for it *after* the comparison has read the live tables, with the rollup's progress read *before*: so whatever moved
in between is covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from projections.client import Client
from projections.ddl import Table, quoted
from projections.pins import Place, Reached
from projections.rollup_progress import Key, load_progress
from projections.sources import TOPIC_OF, sources_of, topics_of
from projections.tables import EVENT_TABLES
from schemas.metrics import METRICS

_FINER = {"hour": ("metrics_minute",), "day": ("metrics_minute", "metrics_hour", "metrics_late")}
_COARSER: Mapping[str, Key] = {
    "metrics_minute": ("hour", "metrics_minute", "", 0),
    "metrics_hour": ("day", "metrics_hour", "", 0),
    "metrics_late": ("day", "metrics_hour", "", 0),
}
"""Who goes on from a finer rollup, as ``rollup_progress`` names it."""


@dataclass(frozen=True, slots=True)
class RollupState:
    """How far the live rollup was when it was asked. ``run``: the last that wrote minutes."""

    done_to: Mapping[Key, int]
    run: int

    @staticmethod
    def of(client: Client) -> RollupState:
        """:raises StoreError:"""
        loaded = load_progress(client)
        return RollupState(loaded.done_to, loaded.run)

    def minute_done_to(self, source: str, place: Place) -> int:
        return self.done_to.get(("minute", source, *place), 0)

    def coarser_done_to(self, finer: str) -> int:
        return self.done_to.get(_COARSER[finer], 0)

    def level(self, tables: Iterable[Table], ends: Mapping[Place, int]) -> bool:
        """Whether minutes have come to ``ends``, and hours and days to the minutes."""
        sources = {source for table in tables for source in sources_of(table)}
        minutes = all(
            self.minute_done_to(source, place) >= end
            for source in sources
            for place, end in ends.items()
            if place[0] == TOPIC_OF[source]
        )
        return minutes and all(self.coarser_done_to(finer) >= self.run for finer in _COARSER)


def moving_present(table: Table, pinned: Reached, log_ends: Mapping[Place, int]) -> str:
    """Rows of the present that records after the pin may have made; none where the log ends at the pin."""
    topics = topics_of([table])
    moved = [place for place, end in log_ends.items() if place[0] in topics and end > pinned.ends.get(place, 0)]
    times = [pinned.recorded[place] for place in moved if place in pinned.recorded]
    if not times:
        return "0"
    since = min(times).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"last_recorded >= toDateTime64({quoted(since)}, 3, 'UTC')"


def moving_windows(
    live_database: str, table: Table, rollup: RollupState, pins: Mapping[Place, int], timezone: str
) -> str:
    """Windows of a rollup table that are not settled."""
    grain = table.name.removeprefix("metrics_")
    day = "toStartOfDay({}, " + quoted(timezone) + ")"
    window = {"hour": "toStartOfHour({})", "day": day}.get(grain, "toStartOfMinute({})")
    touched = [_new_events(live_database, source, rollup, pins) for source in sources_of(table)]
    touched += [
        f"SELECT metric, scope, window_start AS at FROM {live_database}.{finer} "
        f"WHERE version > {rollup.coarser_done_to(finer)}"
        for finer in _FINER.get(grain, ())
    ]
    union = "\nUNION ALL\n".join(touched)
    at = window.format("at")
    return f"(metric, scope, {window.format('window_start')}) IN (SELECT metric, scope, {at} FROM (\n{union}\n))"


def _new_events(live_database: str, source: str, rollup: RollupState, pins: Mapping[Place, int]) -> str:
    """Metric, scope and minute of the events of one table that are not settled."""
    topic = TOPIC_OF[source]
    since = {place: min(end, rollup.minute_done_to(source, place)) for place, end in pins.items() if place[0] == topic}
    new = " OR ".join(f"(log_partition = {partition} AND log_offset >= {at})" for (_, partition), at in since.items())
    names = ", ".join(quoted(metric.name) for metric in METRICS if EVENT_TABLES[metric.type_name].name == source)
    return (
        f"SELECT arrayJoin([{names}]) AS metric, toString(scope) AS scope, at FROM (SELECT DISTINCT scope, "
        f"toStartOfMinute(toDateTime(event_time, 'UTC')) AS at FROM {live_database}.{source} WHERE {new or '0'})"
    )
