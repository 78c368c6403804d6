"""How long people took with alerts, the cases alerts became, and silences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.life_cycle_views import alert_times_select
from projections.queries.life_cycle_ports import (
    AlertCase,
    AlertTimesOfOne,
    AlertTimesQuery,
    AlertTimesRow,
    SilenceQuery,
    SilenceRow,
    Spread,
    TimesBy,
)
from projections.queries.running import (
    SCOPE_RULE,
    WHOLE_COMMUNITIES,
    Runner,
    epoch_ms,
    from_epoch_ms,
    optional_time,
    page_parameters,
    scope_parameters,
    span_parameters,
)

DURATIONS = ("acknowledge", "act", "resolve", "close")
_SINCE = "event_time >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')"  # no step comes before the opening
# Whole communities first, since a thing may have moved to another grid of its own while its alert was open.
_OPENED = (
    f"{WHOLE_COMMUNITIES} AND {_SINCE} AND opened_time_ms >= {{from_ms:Int64}} AND opened_time_ms < {{to_ms:Int64}}"
    " AND ({detector:String} = '' OR detector = {detector:String}) AND ({rule:String} = '' OR rule = {rule:String})"
)
_TOLD_APART: dict[TimesBy, tuple[str, ...]] = {
    "grid": ("scope",),
    "kind": ("detector", "rule"),
    "grid_and_kind": ("scope", "detector", "rule"),
}
_SPREADS = ", ".join(
    f"count({name}_s) AS {name}_count, quantileExactInclusive(0.5)({name}_s) AS {name}_p50, "
    f"quantileExactInclusive(0.9)({name}_s) AS {name}_p90"
    for name in DURATIONS
)
TIMES_OF_ONE_SQL = f"""SELECT * FROM (
{alert_times_select(f"{WHOLE_COMMUNITIES} AND alert = {{alert:String}}", WHOLE_COMMUNITIES)}
)
WHERE {SCOPE_RULE}"""
CASES_SQL = f"""SELECT `case` AS case_id, any(said.service) AS service_name, any(said.kind) AS kind_name,
    argMax(said.step, (said.event_time, said.log_offset)) AS status,
    toUnixTimestamp64Milli(max(said.event_time)) AS status_ms,
    minIf(toUnixTimestamp64Milli(said.event_time), said.step = 'reported') AS reported_ms,
    minIf(toUnixTimestamp64Milli(said.event_time), said.step = 'closed') AS closed_ms
FROM civic_cases AS said FINAL
WHERE {WHOLE_COMMUNITIES}
GROUP BY case_id
HAVING case_id = {{case:String}} OR countIf(said.alert = {{alert:String}}) > 0
ORDER BY min(said.event_time), case_id
LIMIT 20"""
_SILENCE_COLUMNS = """SELECT silence, toString(scope) AS scope_path, kind, detector, rule, subject, starts_time_ms,
    ends_time_ms, actor, comment, toUnixTimestamp64Milli(created_time) AS created_ms,
    toUnixTimestamp64Milli(lifted_time) AS lifted_ms, lifted_by, lifted_comment,
    multiIf(lifted_time IS NOT NULL, 'lifted', ends_time_ms <= {known_to_ms:Int64}, 'ended',
        starts_time_ms > {known_to_ms:Int64}, 'pending', 'active') AS state
FROM silences"""
SILENCES_SQL = f"""{_SILENCE_COLUMNS}
WHERE {SCOPE_RULE} AND ({{state:String}} = '' OR state = {{state:String}})
  AND (created_ms, silence) < ({{before_ms:Int64}}, {{before_id:String}})
ORDER BY created_ms DESC, silence DESC
LIMIT {{limit:UInt32}}"""
SILENCE_SQL = f"""{_SILENCE_COLUMNS}
WHERE {SCOPE_RULE} AND silence = {{silence:String}}
LIMIT 1"""


def times_sql(by: TimesBy) -> str:
    """Spreads over the alerts that are told apart ``by``."""
    keys = ", ".join(_TOLD_APART[by])
    return f"""SELECT {keys}, count() AS alerts, {_SPREADS}
FROM (
{alert_times_select(_OPENED, f"{WHOLE_COMMUNITIES} AND {_SINCE}")}
)
WHERE {SCOPE_RULE} AND isNotNull(raised_time_ms)
GROUP BY {keys}
ORDER BY alerts DESC, {keys}
LIMIT {{limit:UInt32}}"""


def alert_times(runner: Runner, query: AlertTimesQuery) -> list[AlertTimesRow]:
    parameters = {
        "detector": query.detector or "",
        "rule": query.rule or "",
        "limit": query.limit,
    }
    parameters |= span_parameters(query.from_time, query.to_time) | scope_parameters(query.scope)
    rows = runner.rows(times_sql(query.by), parameters)
    return [
        AlertTimesRow(
            grid=row.get("scope"),
            detector=row.get("detector"),
            rule=row.get("rule"),
            alerts=row["alerts"],
            acknowledge=_spread(row, "acknowledge"),
            act=_spread(row, "act"),
            resolve=_spread(row, "resolve"),
            close=_spread(row, "close"),
        )
        for row in rows
    ]


def _spread(row: Mapping[str, Any], name: str) -> Spread:
    if not row[f"{name}_count"]:
        return Spread(0, None, None)
    return Spread(row[f"{name}_count"], round(row[f"{name}_p50"], 3), round(row[f"{name}_p90"], 3))


def alert_times_of(runner: Runner, scope: str, alert: str) -> AlertTimesOfOne | None:
    rows = runner.rows(TIMES_OF_ONE_SQL, {"alert": alert} | scope_parameters(scope))
    if not rows:
        return None
    (row,) = rows
    return AlertTimesOfOne(
        optional_time(row["raised_time_ms"]), row["acknowledge_s"], row["act_s"], row["resolve_s"], row["close_s"]
    )


def alert_cases(runner: Runner, scope: str, alert: str, case: str | None) -> list[AlertCase]:
    """``scope``: the alert's own; its cases lie in its community."""
    rows = runner.rows(CASES_SQL, {"alert": alert, "case": case or ""} | scope_parameters(scope))
    return [
        AlertCase(
            case=row["case_id"],
            service=row["service_name"],
            kind=row["kind_name"],
            status=row["status"],
            status_time=from_epoch_ms(row["status_ms"]),
            reported_time=optional_time(row["reported_ms"] or None),
            closed_time=optional_time(row["closed_ms"] or None),
        )
        for row in rows
    ]


def silences(runner: Runner, query: SilenceQuery) -> list[SilenceRow]:
    parameters = {
        "state": query.state or "",
        "known_to_ms": epoch_ms(query.known_to),
    }
    parameters |= page_parameters(query.before, query.limit) | scope_parameters(query.scope)
    return [_silence(row) for row in runner.rows(SILENCES_SQL, parameters)]


def silence(runner: Runner, scope: str, name: str, known_to_ms: int) -> SilenceRow | None:
    rows = runner.rows(SILENCE_SQL, {"silence": name, "known_to_ms": known_to_ms} | scope_parameters(scope))
    return _silence(rows[0]) if rows else None


def _silence(row: Mapping[str, Any]) -> SilenceRow:
    return SilenceRow(
        silence=row["silence"],
        scope=row["scope_path"],
        kind=row["kind"],
        state=row["state"],
        detector=row["detector"],
        rule=row["rule"],
        subject=row["subject"],
        starts_time=from_epoch_ms(row["starts_time_ms"]),
        ends_time=from_epoch_ms(row["ends_time_ms"]),
        actor=row["actor"],
        comment=row["comment"],
        created_time=from_epoch_ms(row["created_ms"]),
        lifted_time=optional_time(row["lifted_ms"]),
        lifted_by=row["lifted_by"],
        lifted_comment=row["lifted_comment"],
    )
