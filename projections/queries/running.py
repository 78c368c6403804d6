"""Running a query: constant SQL, bound parameters, a time limit, and the scope rule that every query carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from projections.client import Client, StoreUnavailableError
from projections.queries.ports import QueryTimeoutError
from projections.queries.windows import GRAIN_S, Windows
from schemas.topics import partition_key

TIMEOUT_EXCEEDED = 159  # ClickHouse src/Common/ErrorCodes.cpp
MAY_SET_SQL = "SELECT count() FROM system.settings WHERE name = 'max_execution_time' AND readonly = 0"
SCOPE_RULE = "({scope:String} = '' OR scope = {scope:String} OR startsWith(scope, {below:String}))"
"""The subtree rule: the scope itself and what lies below it; an empty scope is everything.

The engine folds it to one range of the primary key or two: an equality and a prefix."""
COMMUNITY_RULE = "({scope:String} = '' OR community_path = {root:String} OR startsWith(community_path, {below:String}))"
"""For tables ordered by community: all communities that have something in the scope."""
WHOLE_COMMUNITIES = "({scope:String} = '' OR scope = {root:String} OR startsWith(scope, {root_below:String}))"
"""For tables ordered by scope: everything in these communities."""

BEGIN_OF_TIME_MS, END_OF_TIME_MS = -(1 << 43), 1 << 43  # further than any time that a table can hold

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Runner:
    """Runs queries on a client. Thread-safe as the client is.

    A user of ``readonly = 1`` may set nothing, and the driver refuses to try: such a user's own profile must limit
    ``max_execution_time`` (the embedded store's reader does).
    """

    def __init__(self, client: Client, timeout_s: int) -> None:
        self.client = client
        self._timeout_s = timeout_s
        self._settings: Mapping[str, Any] | None = None  # asked for with the first query: the store may not be up yet

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """:raises QueryTimeoutError: it took too long. :raises projections.client.StoreError:"""
        if self._settings is None:
            may_set = self.client.query(MAY_SET_SQL).rows[0][0]
            self._settings = {"max_execution_time": self._timeout_s} if may_set else {}
        try:
            return self.client.query(sql, parameters, self._settings).dicts()
        except StoreUnavailableError as error:
            if error.code == TIMEOUT_EXCEEDED:
                raise QueryTimeoutError(str(error)) from error
            raise


def scope_parameters(scope: str) -> dict[str, Any]:
    """The parameters of the rules above."""
    root = partition_key(scope)  # the community around the scope, or the scope
    return {"scope": scope, "below": scope + "/", "root": root, "root_below": root + "/"}


def span_parameters(from_time: datetime | None, to_time: datetime | None) -> dict[str, Any]:
    """``from_ms`` and ``to_ms``, ``[from, to)``; ``None``: no bound."""
    return {
        "from_ms": BEGIN_OF_TIME_MS if from_time is None else epoch_ms(from_time),
        "to_ms": END_OF_TIME_MS if to_time is None else epoch_ms(to_time),
    }


def page_parameters(before: tuple[datetime, str] | None, limit: int) -> dict[str, Any]:
    """``before_ms``, ``before_id`` and ``limit``: a page of rows, newest first, that goes on from time and id of the
    last row of the page before; ``None``: the first page."""
    before_ms, before_id = (epoch_ms(before[0]), before[1]) if before else (END_OF_TIME_MS, "")
    return {"before_ms": before_ms, "before_id": before_id, "limit": limit}


def epoch_ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


def optional_time(value: int | None) -> datetime | None:
    return None if value is None else from_epoch_ms(value)


def window_number_sql(windows: Windows, column: str) -> str:
    """SQL of the number of the window that holds ``column``; see :func:`window_parameters`."""
    if windows.grain == "day":
        return f"toInt64(toDate({column}, {{zone:String}})) - {{first_day:Int64}}"
    return f"intDiv(toInt64(toUnixTimestamp({column})) - {{start_s:Int64}}, {{step_s:Int64}})"


def window_parameters(windows: Windows) -> dict[str, Any]:
    """The parameters of :func:`window_number_sql`, and the span."""
    first_day = windows.start.astimezone(windows.zone).date().toordinal() - _EPOCH.toordinal()
    return {
        "zone": windows.zone.key,
        "first_day": first_day,
        "step_s": GRAIN_S[windows.grain],
        "start_s": epoch_ms(windows.start) // 1000,
        "end_s": epoch_ms(windows.end) // 1000,
    }


def numbered_starts(windows: Windows) -> dict[int, datetime]:
    """The start of each window by its number, rising."""
    if windows.grain != "day":
        return dict(enumerate(windows.starts()))
    first = windows.start.astimezone(windows.zone).date()
    return {(at.astimezone(windows.zone).date() - first).days: at for at in windows.starts()}
