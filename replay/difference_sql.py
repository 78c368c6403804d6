"""SQL of a run's difference to its base: one statement per table that matches, words and stores, within ClickHouse.

Rows of both sides are grouped by event id. What is equal drops out. What both have with other contents has ``moved``.
Of the rest, rows of one detector, rule, subject and step that follow each other in time and are each other's nearest
within an hour are one that ``moved``; others were ``added`` or are ``gone``. Sorting and grouping may spill to disk.

Identifiers come from the catalogue, and names of databases from ids that were checked; values are bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from projections.ddl import COMMUNITY_PATH, Table, quoted
from projections.digest import content_columns
from projections.run_tables import RUN_DIFFERENCES
from projections.tables import EVENT_TABLES
from schemas.families.system import Alert, Detection, DeviceStatus

DETECTIONS, STATUSES, ALERTS = (EVENT_TABLES[kind.type_name] for kind in (Detection, DeviceStatus, Alert))
COMPARED: tuple[Table, ...] = (DETECTIONS, STATUSES, ALERTS)
"""What detectors say: the tables that a run is compared by."""

NEAR_MS = 3_600_000
SPILLING = {"max_bytes_before_external_group_by": 200_000_000, "max_bytes_before_external_sort": 200_000_000}
# A model's name changes with any parameter, and a step's number with any step before it: labels, no contents.
_LABELS = frozenset({"model_version", "step_number"})
# Names that follow from what moved anyway: they are not worth naming.
_NOT_NAMED = _LABELS | {"event_id", "source", "cause_id", "alert", "group", "silenced_by", "detected_time_ms"}


@dataclass(frozen=True, slots=True)
class _Words:
    """How a table's columns answer the questions of a difference."""

    detector: str = "toString(detector)"
    rule: str = "toString(rule)"
    subject: str = "subject"
    step: str = "toString(step)"
    score: str = "toNullable(score)"
    threshold: str = "toNullable(threshold)"
    reason_zh: str = "reason_zh"
    reason_en: str = "reason_en"


_WORDS = {
    DETECTIONS.name: _Words(step="if(active, 'on', 'over')"),
    ALERTS.name: _Words(),
    STATUSES.name: _Words(
        "'device_offline'", "'status'", "device", "toString(status)", "CAST(NULL AS Nullable(Float64))",
        "CAST(NULL AS Nullable(Float64))", "concat('设备状态 ', status, ',原因 ', cause)",
        "concat('status ', status, ', cause ', cause)",
    ),
}  # fmt: skip

_FIELDS = (
    "detected_ms", "scope", "detector", "rule", "subject", "step", "score", "threshold", "reason_zh", "reason_en",
    "texts", "content",
)  # fmt: skip


def detected_ms(table: Table) -> str:
    """SQL of when it was said on the lane's clock; rows older than that field: when they were recorded."""
    if table is DETECTIONS:
        return "detected_time_ms"
    return "ifNull(detected_time_ms, toUnixTimestamp64Milli(recorded_time))"


def window(table: Table) -> str:
    """SQL of the rows to be compared; see :meth:`replay.difference.Window.parameters`."""
    said = detected_ms(table)
    return (
        f"{said} >= {{from_ms:Int64}} AND {said} < {{ends_ms:Array(Int64)}}[log_partition + 1]"
        f" AND {_inside('scopes')} AND {_inside('other_scopes')}"
    )


def _inside(name: str) -> str:
    one = f"{{{name}:Array(String)}}"
    return f"(empty({one}) OR arrayExists(one -> scope = one OR startsWith(scope, concat(one, '/')), {one}))"


def difference_insert(live: str, run: str, base: str, table: Table) -> str:
    """``INSERT INTO <live>.run_differences``; ``run`` and ``base`` are databases.

    Parameters: those of :func:`window`; ``run_name``, ``base_name``; ``owners``, ``changes_zh``, ``changes_en``: what
    was changed, per detector.
    """
    columns = ", ".join(column.name for column in RUN_DIFFERENCES.columns)
    return f"INSERT INTO {live}.{RUN_DIFFERENCES.name} ({columns})\n{_difference(run, base, table)}"


def _difference(run: str, base: str, table: Table) -> str:
    sides = f"{_side(0, run, table)}\n  UNION ALL\n  {_side(1, base, table)}"
    both = (
        "SELECT event_id, countIf(side = 0) > 0 AS in_run, countIf(side = 1) > 0 AS in_base, "
        "anyIf(fields, side = 0) AS run_fields, anyIf(fields, side = 1) AS base_fields, "
        f"anyIf(full_hash, side = 0) AS run_hash, anyIf(full_hash, side = 1) AS base_hash\n  FROM ({sides})\n  "
        "GROUP BY event_id HAVING NOT (in_run AND in_base AND run_hash = base_hash)"
    )
    own = f"SELECT *, in_run AND in_base AS in_both, if(in_run, run_fields, base_fields) AS own\n  FROM ({both})"
    flat = (
        f"SELECT *, {_part('own', 'detected_ms')} AS at_ms, "
        "if(in_both, [event_id], ["
        + ", ".join(_part("own", name) for name in ("detector", "rule", "subject", "step"))
        + f", substringIndex({_part('own', 'scope')}, '/', 4)]) AS kin\n  FROM ({own})"
    )
    frame = (
        "PARTITION BY in_both, kin ORDER BY at_ms, in_run, event_id "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    )
    neighbours = (
        "SELECT *, lagInFrame(toInt8(in_run), 1, toInt8(-1)) OVER w AS side_before, "
        "leadInFrame(toInt8(in_run), 1, toInt8(-1)) OVER w AS side_after, "
        "at_ms - lagInFrame(at_ms) OVER w AS since_ms, leadInFrame(at_ms) OVER w - at_ms AS until_ms\n  "
        f"FROM ({flat}) WINDOW w AS ({frame})"
    )
    near_before = f"(side_before = 1 - in_run AND since_ms <= {NEAR_MS})"
    near_after = f"(side_after = 1 - in_run AND until_ms <= {NEAR_MS})"
    chosen = (
        f"SELECT *, toInt8(multiIf(in_both, 0, {near_before} AND (NOT {near_after} OR since_ms <= until_ms), -1, "
        f"{near_after}, 1, 0)) AS choice\n  FROM ({neighbours})"
    )
    mated = (
        "SELECT *, lagInFrame(choice) OVER w AS choice_before, leadInFrame(choice) OVER w AS choice_after, "
        "lagInFrame(event_id) OVER w AS id_before, leadInFrame(event_id) OVER w AS id_after, "
        f"lagInFrame(own) OVER w AS own_before, leadInFrame(own) OVER w AS own_after\n  FROM ({chosen}) "
        f"WINDOW w AS ({frame})"
    )
    settled = (
        "SELECT *, multiIf(choice = 1 AND choice_after = -1, 1, choice = -1 AND choice_before = 1, -1, 0) AS mate, "
        "in_both OR mate != 0 AS is_pair, "
        "multiIf(in_both, base_fields, mate = 1, own_after, mate = -1, own_before, own) AS other, "
        "multiIf(in_both, event_id, mate = 1, id_after, mate = -1, id_before, '') AS other_id\n  "
        f"FROM ({mated}) WHERE in_run OR mate = 0"
    )
    return _worded(settled, table, run, base)


def _worded(settled: str, table: Table, run: str, base: str) -> str:
    """The rows of :data:`RUN_DIFFERENCES`, with reasons made of what is known."""
    names = [name for name in content_columns(table) if name not in _NOT_NAMED]
    texts = ", ".join(f"'{name}'" for name in names)
    own, other = partial(_part, "own"), partial(_part, "other")
    compared = (
        "SELECT *, if(is_pair, arrayFilter((name, here, there) -> here != there, "
        f"[{texts}], {own('texts')}, {other('texts')}), CAST([] AS Array(String))) AS changed, "
        "arrayFilter(name -> name NOT IN ('score', 'threshold', 'reason_zh', 'reason_en'), changed) AS unsaid, "
        f"multiIf(in_both AND {own('content')} = {other('content')}, 'relabelled', is_pair, 'moved', in_run, 'added', "
        f"'gone') AS kind, if(is_pair, ({own('detected_ms')} - {other('detected_ms')}) / 1000, NULL) AS later_s,\n  "
        f"indexOf({{owners:Array(String)}}, {own('detector')}) AS owner, "
        f"{own('score')} AS own_score, {own('threshold')} AS own_threshold, "
        f"{other('score')} AS other_score, {other('threshold')} AS other_threshold, there.latest AS there_threshold\n  "
        f"FROM ({settled}) AS s LEFT JOIN ({_latest_thresholds(table, run, base)}) AS there "
        "ON there.side = toUInt8(s.in_run) AND there.kin = s.kin"
    )
    of_run, of_base = "(kind != 'gone')", "(kind != 'added')"
    time = "fromUnixTimestamp64Milli({}, 'UTC')"
    columns = {
        "run": "{run_name:String}",
        "base": "{base_name:String}",
        "kind": "kind",
        "source_table": f"'{table.name}'",
        **{name: own(name) for name in ("scope", "detector", "rule", "subject", "step")},
        "event_id": f"if({of_run}, event_id, '')",
        "base_event_id": "if(kind = 'gone', event_id, other_id)",
        "detected_time": f"if({of_run}, {time.format(own('detected_ms'))}, NULL)",
        "base_detected_time": f"if({of_base}, {time.format(other('detected_ms'))}, NULL)",
        "moved_s": "later_s",
        "score": f"if({of_run}, own_score, NULL)",
        "base_score": f"if({of_base}, other_score, NULL)",
        "threshold": f"if({of_run}, own_threshold, NULL)",
        "base_threshold": f"if({of_base}, other_threshold, NULL)",
        "changed": "changed",
        "reason_zh": _reason("zh", own("reason_zh")),
        "reason_en": _reason("en", own("reason_en")),
    }
    select = ",\n  ".join(f"{columns[column.name]} AS {column.name}_" for column in RUN_DIFFERENCES.columns)
    return f"SELECT {select}\nFROM ({compared})"


def _side(number: int, database: str, table: Table) -> str:
    """One side's rows: an id, the fields of :data:`_FIELDS`, and a hash of all that is content."""
    words = _WORDS[table.name]
    columns = content_columns(table)
    named = [name for name in columns if name not in _NOT_NAMED]
    texts = ", ".join(f"ifNull(toString({name}), '–')" for name in named)
    content = ", ".join(name for name in columns if name not in _LABELS)
    fields = {
        "detected_ms": f"assumeNotNull({detected_ms(table)})", "scope": "toString(scope)", "detector": words.detector,
        "rule": words.rule, "subject": words.subject, "step": words.step, "score": words.score,
        "threshold": words.threshold, "reason_zh": words.reason_zh, "reason_en": words.reason_en,
        "texts": f"[{texts}]", "content": f"sipHash64(tuple({content}))",
    }  # fmt: skip
    return (
        f"SELECT toUInt8({number}) AS side, event_id, tuple({', '.join(fields[name] for name in _FIELDS)}) AS fields, "
        f"sipHash64(tuple({', '.join(columns)})) AS full_hash FROM {database}.{table.name} FINAL WHERE {window(table)}"
    )


def _latest_thresholds(table: Table, run: str, base: str) -> str:
    """Per side and subject the threshold of its latest row; 1 is the base's, as seen from the run."""
    words = _WORDS[table.name]
    kin = f"[{words.detector}, {words.rule}, {words.subject}, {words.step}, {COMMUNITY_PATH}]"
    one = (
        f"SELECT toUInt8({{side}}) AS side, {kin} AS kin, argMax({words.threshold}, {detected_ms(table)}) AS latest "
        f"FROM {{database}}.{table.name} FINAL WHERE {window(table)} GROUP BY kin"
    )
    return f"{_filled(one, 1, base)} UNION ALL {_filled(one, 0, run)}"


def _filled(sql: str, side: int, database: str) -> str:
    return sql.replace("{side}", str(side)).replace("{database}", database)


def _part(row: str, name: str) -> str:
    return f"{row}.{_FIELDS.index(name) + 1}"


def _number(sql: str) -> str:
    return f"ifNull(toString(round({sql}, 3)), '–')"


_PHRASES = {
    "zh": {
        "added": "此处分值 {own} 达到阈值 {own_threshold}",
        "gone": "对照中分值 {own} 达到阈值 {own_threshold},此处没有",
        "lower": ";另一侧该规则与对象最近的阈值为 {there},此分值未达到",
        "same": ";另一侧该规则与对象最近的阈值为 {there}",
        "said": "{here}只在此处出现",
        "unsaid": "{here}只在对照中出现",
        "score": "分值 {other} → {own}",
        "threshold": "阈值 {other_threshold} → {own_threshold}",
        "later": "晚 {seconds} 秒",
        "earlier": "早 {seconds} 秒",
        "columns": "变动的列 ",
        "relabelled": "内容相同,仅模型名或步骤序号不同",
        "another": "起因不同",
        "own": "。原述:",
    },
    "en": {
        "added": "here score {own} reaches threshold {own_threshold}",
        "gone": "in the base score {own} reaches threshold {own_threshold}; not said here",
        "lower": "; on the other side this rule and subject last had threshold {there}, which it does not reach",
        "same": "; on the other side this rule and subject last had threshold {there}",
        "said": "{here}said here only",
        "unsaid": "{here}said in the base only",
        "score": "score {other} → {own}",
        "threshold": "threshold {other_threshold} → {own_threshold}",
        "later": "{seconds} s later",
        "earlier": "{seconds} s earlier",
        "columns": "columns that differ: ",
        "relabelled": "same contents, only the model's name or the step's number differs",
        "another": "another cause",
        "own": ". In its own words: ",
    },
}


def _reason(language: str, own_words: str) -> str:
    """SQL of one sentence: what was changed, how score and threshold stand, and what the row itself says."""
    phrases = _PHRASES[language]
    values = {
        "own": _number("own_score"), "own_threshold": _number("own_threshold"), "other": _number("other_score"),
        "other_threshold": _number("other_threshold"), "there": _number("there_threshold"),
        "seconds": "toString(abs(later_s))", "here": "''",
    }  # fmt: skip

    def say(name: str) -> str:
        return _concat(phrases[name], values)

    lonely = (
        f"concat(if(isNull(own_score) OR {_part('own', 'step')} IN ('over', 'resolved'), "
        f"if(in_run, {say('said')}, {say('unsaid')}), "
        f"concat(if(in_run, {say('added')}, {say('gone')}), multiIf(isNull(there_threshold), '', "
        f"own_score < there_threshold, {say('lower')}, {say('same')}))))"
    )
    parts = (
        "arrayStringConcat(arrayFilter(part -> part != '', ["
        f"multiIf(later_s > 0, {say('later')}, later_s < 0, {say('earlier')}, ''), "
        f"if(ifNull(own_score != other_score, 0), {say('score')}, ''), "
        f"if(ifNull(own_threshold != other_threshold, 0), {say('threshold')}, ''), "
        f"if(empty(unsaid), '', concat({quoted(phrases['columns'])}, arrayStringConcat(unsaid, ', ')))]), '; ')"
    )
    moved = f"if({parts} = '', {say('another')}, {parts})"
    changes = f"arrayElement({{changes_{language}:Array(String)}}, owner)"
    return (
        f"concat(if(owner = 0, '', concat({changes}, ': ')), multiIf(kind = 'relabelled', {say('relabelled')}, "
        f"kind = 'moved', {moved}, {lonely}), {quoted(phrases['own'])}, {own_words})"
    )


def _concat(phrase: str, values: dict[str, str]) -> str:
    """``concat('…', …)`` of a phrase with ``{names}``."""
    pieces: list[str] = []
    for piece in phrase.split("{"):
        name, closed, rest = piece.partition("}")
        if closed:
            pieces += [values[name], quoted(rest)]
        else:
            pieces.append(quoted(piece))
    return f"concat({', '.join(pieces)}, '')"
