"""Which hours and days of a metric have rows that the coarser rollups have not come to yet.

They are taken from finer rows. Asked before the rows, so that these can be asked for by ranges of the primary key:
mostly it is the present hour, and of a month of hours or days sixty minutes are read. What comes in between is
harmless: a window named here is taken from finer rows, which are never behind; any other was as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from projections.queries.running import SCOPE_RULE, Runner
from projections.queries.windows import Grain

IN_SPAN = "window_start >= toDateTime({start_s:Int64}, 'UTC') AND window_start < toDateTime({end_s:Int64}, 'UTC')"
HOUR_SQL = "intDiv(toInt64(toUnixTimestamp(window_start)), 3600)"
DAY_SQL = "toInt64(toDate(window_start, {zone:String}))"
MAX_LISTED = 200  # a parameter travels in the URL; of more windows, all from the first to the last are taken
_DAY_S = 86_400


def _untaken_sql(number: str, source: str, step: str) -> str:
    """Numbers of the windows with rows of ``source`` that the step has not come to."""
    done = f"(SELECT max(done_to) FROM rollup_progress FINAL WHERE step = '{step}')"
    return (
        f"SELECT DISTINCT '{step}' AS step, {number} AS number FROM {source}\n"
        f"WHERE metric = {{metric:String}} AND {SCOPE_RULE} AND {IN_SPAN} AND version > {done}"
    )


HOURS_SQL = _untaken_sql(HOUR_SQL, "metrics_minute", "hour")
HOURS_AND_DAYS_SQL = "\nUNION ALL\n".join(
    (HOURS_SQL, *(_untaken_sql(DAY_SQL, source, "day") for source in ("metrics_minute", "metrics_late")))
)


@dataclass(frozen=True, slots=True)
class Touched:
    """Windows by their number since the epoch: hours of UTC, days of the asker's zone. Rising."""

    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """Of the conditions, which go only with windows there are."""
        hours, days = self.hours or (0,), self.days or (0,)
        return {
            "hours": _listed(hours), "first_hour": hours[0], "last_hour": hours[-1],
            "days": _listed(days), "first_touched_day": days[0], "last_touched_day": days[-1],
            "hours_from_s": hours[0] * 3600, "hours_to_s": (hours[-1] + 1) * 3600,
            # midnight lies within a day of UTC's, wherever it is
            "days_from_s": (days[0] - 1) * _DAY_S, "days_to_s": (days[-1] + 2) * _DAY_S,
        }  # fmt: skip

    @property
    def in_hours(self) -> str:
        """Of a row with ``window_start``: its hour is one of these."""
        if len(self.hours) > MAX_LISTED:
            return f"({HOUR_SQL} BETWEEN {{first_hour:Int64}} AND {{last_hour:Int64}})"
        return f"has({{hours:Array(Int64)}}, {HOUR_SQL})"

    @property
    def in_days(self) -> str:
        if len(self.days) > MAX_LISTED:
            return f"({DAY_SQL} BETWEEN {{first_touched_day:Int64}} AND {{last_touched_day:Int64}})"
        return f"has({{days:Array(Int64)}}, {DAY_SQL})"


BETWEEN_HOURS = (
    "window_start >= toDateTime({hours_from_s:Int64}, 'UTC') AND window_start < toDateTime({hours_to_s:Int64}, 'UTC')"
)
BETWEEN_DAYS = (
    "window_start >= toDateTime({days_from_s:Int64}, 'UTC') AND window_start < toDateTime({days_to_s:Int64}, 'UTC')"
)


def touched(runner: Runner, grain: Grain, parameters: dict[str, Any]) -> Touched:
    """Of the metric, scope and span in ``parameters``, as far as rows of ``grain`` are to be read."""
    if grain == "minute":
        return Touched()
    rows = runner.rows(HOURS_SQL if grain == "hour" else HOURS_AND_DAYS_SQL, parameters)
    return Touched(
        _rising(row["number"] for row in rows if row["step"] == "hour"),
        _rising(row["number"] for row in rows if row["step"] == "day"),
    )


def _rising(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(numbers)))


def _listed(numbers: tuple[int, ...]) -> list[int]:
    return list(numbers) if len(numbers) <= MAX_LISTED else []
