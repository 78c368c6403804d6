"""What became of alerts, read from their log: how long people took, and what is silenced. Plain views, no rows.

Times to acknowledge, to act and to close begin when the alert was *raised*: when the lane's clock came to a first step
that was not silenced, since nobody can act on what nobody was told of. An alert that was silenced all along, or stood
under another of its group, was never raised. The time to resolve is how long the trouble itself lasted, in
event time. An alert that became a grid case is closed with the alert or with the case, whichever comes first.
"""

from __future__ import annotations

from projections.ddl import COMMUNITY_PATH, SCOPE_VIEW_COLUMNS, View, scope_select

_NEVER_MS = "9223372036854775807"
_STEP_MS = "ifNull(detected_time_ms, toUnixTimestamp64Milli(recorded_time))"  # steps of old say no lane clock


def alert_times_select(these_alerts: str = "1", these_cases: str = "1") -> str:
    """One row per alert. The conditions are on rows of ``alert_log`` and ``civic_cases``."""
    return f"""SELECT a.scope AS scope, a.alert AS alert, a.detector AS detector, a.rule AS rule,
    a.opened_time_ms AS opened_time_ms, a.raised_ms AS raised_time_ms,
    a.acknowledged_ms AS acknowledged_time_ms,
    {_first("a.acted_ms", "n.reported_ms")} AS acted_time_ms,
    a.resolved_ms AS resolved_time_ms,
    {_first("a.closed_ms", "c.closed_ms", "n.closed_ms")} AS closed_time_ms,
    {_seconds("acknowledged_time_ms", "raised_time_ms")} AS acknowledge_s,
    {_seconds("acted_time_ms", "raised_time_ms")} AS act_s,
    {_seconds("resolved_time_ms", "opened_time_ms")} AS resolve_s,
    {_seconds("closed_time_ms", "raised_time_ms")} AS close_s
FROM (
    SELECT alert, argMax(scope, (log_partition, log_offset)) AS scope, {COMMUNITY_PATH} AS community_path,
        any(detector) AS detector, any(rule) AS rule, min(opened_time_ms) AS opened_time_ms,
        {_when("NOT ifNull(silenced, false) AND `group` IS NULL")} AS raised_ms,
        {_when("step = 'acknowledged'")} AS acknowledged_ms,
        {_when("step IN ('acknowledged', 'assigned', 'reported')")} AS acted_ms,
        min(log.resolved_time_ms) AS resolved_ms, {_when("step = 'closed'")} AS closed_ms,
        ifNull(max(log.`case`), '') AS case_id
    FROM (SELECT *, {_STEP_MS} AS at_ms FROM alert_log FINAL WHERE {these_alerts}) AS log
    GROUP BY alert
) AS a
LEFT JOIN (
    {_cases(these_cases)}
) AS c ON a.community_path = c.community_path AND a.case_id = c.case_id
LEFT JOIN (
    SELECT alert_id, min(cases.reported_ms) AS reported_ms, min(cases.closed_ms) AS closed_ms
    FROM ({_cases(these_cases)}) AS cases WHERE alert_id != '' GROUP BY alert_id
) AS n ON a.alert = n.alert_id"""


def _cases(these: str) -> str:
    """One row per case; the alert that it came from need be said once only."""
    return f"""SELECT {COMMUNITY_PATH} AS community_path, `case` AS case_id, ifNull(max(alert), '') AS alert_id,
        {_when("step = 'reported'")} AS reported_ms, {_when("step = 'closed'")} AS closed_ms
    FROM (SELECT *, toUnixTimestamp64Milli(event_time) AS at_ms FROM civic_cases FINAL WHERE {these})
    GROUP BY community_path, case_id"""


def _when(condition: str) -> str:
    return f"if(countIf({condition}) = 0, NULL, minIf(at_ms, {condition}))"


def _first(*times_ms: str) -> str:
    """The earliest of those there are."""
    earliest = ", ".join(f"ifNull({time_ms}, {_NEVER_MS})" for time_ms in times_ms)
    return f"nullIf(least({earliest}), {_NEVER_MS})"


def _seconds(until_ms: str, since_ms: str) -> str:
    # Without the condition 0 would come of NULL: newer ClickHouse leaves NULLs out of greatest.
    is_there = f"isNotNull({until_ms}) AND isNotNull({since_ms})"
    return f"if({is_there}, greatest(0, {until_ms} - {since_ms}) / 1000, NULL)"


_TIMES = (
    ("opened_time", "触发时间 event time of the opening detection, UTC"),
    ("raised_time", "告知时间 lane clock when somebody was first told: people's times begin here, UTC; NULL: never"),
    ("acknowledged_time", "确认时间 when it was first acknowledged, UTC; NULL: never"),
    ("acted_time", "处置时间 when it was first acknowledged, assigned or reported as a case, UTC; NULL: never"),
    ("resolved_time", "解除时间 event time of the end, UTC; NULL: not yet"),
    ("closed_time", "关闭时间 when it, or the case that it became, was closed, UTC; NULL: not yet"),
)
_DURATIONS = (
    ("acknowledge_s", "确认用时 seconds from raised to acknowledged"),
    ("act_s", "处置用时 seconds from raised to acted"),
    ("resolve_s", "持续时间 seconds from opened to resolved, in event time"),
    ("close_s", "关闭用时 seconds from raised to closed"),
)
_ALERT_TIMES_VIEW = View(
    name="alert_times",
    comment="告警处置用时 how long it took to acknowledge, act on, resolve and close each alert",
    select=f"SELECT scope, {scope_select()}, alert, detector, rule, "
    + ", ".join(f"fromUnixTimestamp64Milli({name}_ms, 'UTC') AS {name}" for name, _ in _TIMES)
    + f", {', '.join(name for name, _ in _DURATIONS)}\nFROM (\n{alert_times_select()}\n)",
    columns=(
        ("scope", "范围 scope path"), *SCOPE_VIEW_COLUMNS, ("alert", "告警 the alert"),
        ("detector", "检测器 who noticed it"), ("rule", "规则 which rule"), *_TIMES, *_DURATIONS,
    ),
)  # fmt: skip

# What a silence is never changes; it is only lifted. Its ids are given out by the API, so they are its own.
_SAID = ("kind", "detector", "rule", "subject", "starts_time_ms", "ends_time_ms", "actor", "comment")
_FIRST_SAID = ", ".join(f"_said.{place} AS {name}" for place, name in enumerate(_SAID, 1))
_ALL_SAID = ", ".join(f"said.{name}" for name in _SAID)
_SILENCES_VIEW = View(
    name="silences",
    comment="静默 what is or was silenced: by hand, for maintenance, in a power cut",
    select=f"""SELECT scope, {scope_select()}, silence, {", ".join(_SAID)},
    fromUnixTimestamp64Milli(starts_time_ms, 'UTC') AS starts_time,
    fromUnixTimestamp64Milli(ends_time_ms, 'UTC') AS ends_time, created_time, lifted_time, lifted_by, lifted_comment
FROM (
    SELECT silence, any(silenced_scope) AS scope, {_FIRST_SAID},
        argMin(tuple({_ALL_SAID}), (said.status = 'lifted', said.event_time)) AS _said,
        min(said.event_time) AS created_time, countIf(said.status = 'lifted') > 0 AS is_lifted,
        if(is_lifted, minIf(said.event_time, said.status = 'lifted'), NULL) AS lifted_time,
        argMinIf(tuple(said.actor, said.comment), said.event_time, said.status = 'lifted') AS _lifted,
        if(is_lifted, _lifted.1, NULL) AS lifted_by, if(is_lifted, _lifted.2, NULL) AS lifted_comment
    FROM alert_silences AS said FINAL
    GROUP BY silence
)""",
    columns=(
        ("scope", "范围 scope path that is silenced"), *SCOPE_VIEW_COLUMNS, ("silence", "静默 the silence"),
        ("kind", "类型 silence, maintenance or power_cut"), ("detector", "检测器 only of this one; NULL: of all"),
        ("rule", "规则 only of this one; NULL: of all"), ("subject", "对象 only about this; NULL: about all"),
        ("starts_time_ms", "起 from when on, epoch ms"), ("ends_time_ms", "止 until when, epoch ms"),
        ("actor", "操作人 who made it: the id of a key"), ("comment", "原因 why"),
        ("starts_time", "起 from when on, UTC"), ("ends_time", "止 until when, UTC"),
        ("created_time", "创建时间 when it was made, UTC"),
        ("lifted_time", "撤销时间 when it was lifted, UTC; NULL: it was not"),
        ("lifted_by", "撤销人 who lifted it"), ("lifted_comment", "撤销原因 why it was lifted"),
    ),
)  # fmt: skip
LIFE_CYCLE_VIEWS: tuple[View, ...] = (_ALERT_TIMES_VIEW, _SILENCES_VIEW)
