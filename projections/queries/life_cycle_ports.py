"""What may be asked of the life cycle of alerts: how long people took, the cases alerts became, what is silenced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from schemas.families.fields import SilenceKind

TimesBy = Literal["grid", "kind", "grid_and_kind"]
SilenceState = Literal["pending", "active", "ended", "lifted"]


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, over the alerts to which it happened; None where it happened to none."""

    count: int
    p50_s: float | None
    p90_s: float | None


@dataclass(frozen=True, slots=True)
class AlertTimesQuery:
    """Of the alerts opened in ``[from_time, to_time)`` of which somebody was told."""

    scope: str
    by: TimesBy
    detector: str | None
    rule: str | None
    from_time: datetime
    to_time: datetime
    limit: int


@dataclass(frozen=True, slots=True)
class AlertTimesRow:
    """One grid, one kind (detector and rule), or both; what it is not told apart by is None."""

    grid: str | None  # the whole scope path
    detector: str | None
    rule: str | None
    alerts: int
    acknowledge: Spread
    act: Spread
    resolve: Spread
    close: Spread


@dataclass(frozen=True, slots=True)
class AlertTimesOfOne:
    """How long one alert took; None: it has not happened (yet)."""

    raised_time: datetime | None  # None: nobody was ever to be told
    acknowledge_s: float | None
    act_s: float | None
    resolve_s: float | None
    close_s: float | None


@dataclass(frozen=True, slots=True)
class AlertCase:
    """A grid case that an alert became, as it stands."""

    case: str
    service: str
    kind: str
    status: str  # the latest step
    status_time: datetime
    reported_time: datetime | None
    closed_time: datetime | None


@dataclass(frozen=True, slots=True)
class SilenceQuery:
    """``known_to``: the present, which tells pending, active and ended apart."""

    scope: str
    state: SilenceState | None
    known_to: datetime
    before: tuple[datetime, str] | None  # (created_time, silence) of the last row seen
    limit: int


@dataclass(frozen=True, slots=True)
class SilenceRow:
    silence: str
    scope: str
    kind: SilenceKind
    state: SilenceState
    detector: str | None
    rule: str | None
    subject: str | None
    starts_time: datetime
    ends_time: datetime
    actor: str
    comment: str | None
    created_time: datetime
    lifted_time: datetime | None
    lifted_by: str | None
    lifted_comment: str | None


class LifeCycleQueries(Protocol):
    """A part of :class:`projections.queries.ports.QueryPort`; raises what that does."""

    def alert_times(self, query: AlertTimesQuery) -> list[AlertTimesRow]:
        """Most alerts first, at most ``limit``."""
        ...

    def alert_times_of(self, scope: str, alert: str) -> AlertTimesOfOne | None: ...

    def alert_cases(self, scope: str, alert: str, case: str | None) -> list[AlertCase]:
        """The case that the alert names and those that name it, in the community of ``scope``, the earliest first."""
        ...

    def silences(self, query: SilenceQuery) -> list[SilenceRow]:
        """The latest made first, at most ``limit``."""
        ...

    def silence(self, scope: str, silence: str, known_to: datetime) -> SilenceRow | None: ...
