"""Dead letters for those who mend them: chosen by a condition, with what became of them when they were sent in again.

A condition is given by a person and is SQL: it is looked at with ClickHouse's own lexical rules, so that it can be
nothing but an expression, stands in parentheses in a statement that only reads ids, and runs as the reader with
``readonly`` set. All other values are bound parameters.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from projections.client import Client
from projections.queries.running import BEGIN_OF_TIME_MS, END_OF_TIME_MS, from_epoch_ms
from projections.store.errors import StoreError as LexicalError
from projections.store.lexer import Kind, tokens
from projections.tables import EVENT_TABLES

State = Literal["open", "retried", "rejected"]
Place = tuple[int, str]
"""Recorded time in epoch ms, and id: where a letter stands in the order of letters."""

_OPENING, _CLOSING = {"(": ")", "[": "]", "{": "}"}, frozenset(")]}")
_REFUSED_WORDS = ("SETTINGS", "FORMAT", "OUTFILE")

_MATCHING = """SELECT min(recorded_ms) AS at_ms, event_id
FROM (
SELECT event_id, toUnixTimestamp64Milli(recorded_time) AS recorded_ms FROM dead_letters FINAL
WHERE (
{condition}
) AND ({{stage:String}} = '' OR stage = {{stage:String}}) AND ({{reason:String}} = '' OR reason = {{reason:String}})
) AS chosen
GROUP BY event_id
HAVING at_ms >= {{from_ms:Int64}} AND at_ms < {{to_ms:Int64}}
    AND (at_ms, event_id) {compare} ({{place_ms:Int64}}, {{place_id:String}})
ORDER BY at_ms {direction}, event_id {direction}
LIMIT {{limit:UInt32}}"""
_LETTERS = """SELECT event_id, toUnixTimestamp64Milli(recorded_time) AS recorded_ms,
    toUnixTimestamp64Milli(event_time) AS event_ms, stage, reason, detail, origin, raw_base64, raw_bytes
FROM dead_letters FINAL
WHERE event_id IN {ids:Array(String)}
ORDER BY recorded_time, log_partition, log_offset
LIMIT 1 BY event_id"""
_RETRIES = """SELECT letter, toUnixTimestamp64Milli(event_time) AS event_ms, outcome, reason, detail, retried_id,
    retried_source, retried_type, transform, actor
FROM dead_letter_retries FINAL
WHERE letter IN {ids:Array(String)}
ORDER BY event_time, log_partition, log_offset"""


class ConditionError(ValueError):
    """What was given as a condition is none; the message says why."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters: all that fit every part that is given. Times are recorded times, the end is not included."""

    where: str | None = None
    reason: str | None = None
    stage: str | None = None
    from_ms: int = BEGIN_OF_TIME_MS
    to_ms: int = END_OF_TIME_MS


@dataclass(frozen=True, slots=True)
class RetryRow:
    """What became of a letter that was sent in again."""

    time: datetime
    outcome: str
    reason: str | None
    detail: str | None
    retried_id: str | None
    retried_source: str | None
    retried_type: str | None
    transform: str | None
    actor: str | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. ``raw``: its bytes as far as they were kept; ``raw_bytes``: how many there were."""

    id: str
    recorded_time: datetime
    event_time_ms: int
    stage: str
    reason: str
    detail: str
    origin: str
    raw: bytes
    raw_bytes: int
    retries: tuple[RetryRow, ...] = field(default=())

    @property
    def is_cut(self) -> bool:
        return len(self.raw) < self.raw_bytes

    @property
    def state(self) -> State:
        """Open: never sent in again; retried: the event is there; rejected: it still could not be accepted."""
        if not self.retries:
            return "open"
        return "rejected" if all(retry.outcome == "rejected" for retry in self.retries) else "retried"


def vetted_condition(text: str) -> str:
    """``text``, if it is an expression in itself. :raises ConditionError: it is not, or could become more."""
    latin = text.encode().decode("latin-1")
    open_until: list[str] = []
    words = 0
    try:
        for token in tokens(latin):
            words += 1
            if token.kind is Kind.COMMENT:
                raise ConditionError("--where takes no comments")
            if token.is_word(*_REFUSED_WORDS):
                raise ConditionError(f"--where takes a condition; {token.text.upper()} is not part of one")
            if token.kind is Kind.PUNCT:
                _keep_within(token.text, open_until)
    except LexicalError as error:
        raise ConditionError(f"--where is not a condition: {error}") from None
    if not words or open_until:
        raise ConditionError("--where is not a condition: " + ("it is empty" if not words else "a bracket stays open"))
    return text


def _keep_within(text: str, open_until: list[str]) -> None:
    if ";" in text:
        raise ConditionError("--where takes one condition, no statements: ; is not allowed")
    if text in _OPENING:
        open_until.append(_OPENING[text])
    elif text in _CLOSING and (not open_until or open_until.pop() != text):
        raise ConditionError(f"--where is not a condition: {text} closes what it did not open")


def matching(reader: Client, choice: Choice, limit: int, *, after: Place | None = None) -> list[Place]:
    """The oldest letters chosen, after ``after``. :raises ConditionError: :raises StoreError:"""
    return _matching(reader, choice, limit, "ASC", ">", after or (BEGIN_OF_TIME_MS, ""))


def newest(reader: Client, choice: Choice, limit: int) -> list[Place]:
    """The newest letters chosen, newest first. :raises ConditionError: :raises StoreError:"""
    return _matching(reader, choice, limit, "DESC", "<", (END_OF_TIME_MS, ""))


def _matching(reader: Client, choice: Choice, limit: int, direction: str, compare: str, place: Place) -> list[Place]:
    condition = "1" if choice.where is None else vetted_condition(choice.where)
    sql = _MATCHING.format(condition=condition, direction=direction, compare=compare)
    parameters = {
        "stage": choice.stage or "", "reason": choice.reason or "", "from_ms": choice.from_ms, "to_ms": choice.to_ms,
        "place_ms": place[0], "place_id": place[1], "limit": limit,
    }  # fmt: skip
    rows = reader.query(sql, parameters, {"readonly": "1"}).rows
    return [(int(at_ms), str(name)) for at_ms, name in rows]


def letters(client: Client, ids: Sequence[str]) -> list[Letter]:
    """These letters with their retries, in the order asked for; without those that are not there."""
    if not ids:
        return []
    retries: dict[str, list[RetryRow]] = {}
    for row in client.query(_RETRIES, {"ids": list(ids)}).dicts():
        retries.setdefault(row["letter"], []).append(_retry(row))
    found = {
        row["event_id"]: _letter(row, tuple(retries.get(row["event_id"], ())))
        for row in client.query(_LETTERS, {"ids": list(ids)}).dicts()
    }
    return [found[name] for name in ids if name in found]


def known_identities(client: Client, type_name: str, identities: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these ``(source, id)`` the table of a type has, wherever and whenever they happened."""
    wanted = set(identities)
    if not wanted:
        return set()
    rows = client.query(
        f"SELECT DISTINCT toString(source), event_id FROM {EVENT_TABLES[type_name].name} "
        "WHERE event_id IN {ids:Array(String)} AND source IN {sources:Array(String)}",
        {"ids": sorted({name for _, name in wanted}), "sources": sorted({source for source, _ in wanted})},
    ).rows
    return {(str(source), str(name)) for source, name in rows} & wanted


def projected_offsets(client: Client, topic: str) -> dict[int, int]:
    """Per partition, the first offset of a topic that can't be queried yet; a partition never written is not there."""
    rows = client.query(
        "SELECT partition, max(next_offset) FROM projection_progress FINAL WHERE topic = {topic:String} "
        "AND flow IN ('pipeline', 'writer') GROUP BY partition",
        {"topic": topic},
    ).rows
    return {int(partition): int(offset) for partition, offset in rows}


def _letter(row: Mapping[str, Any], retries: tuple[RetryRow, ...]) -> Letter:
    return Letter(
        row["event_id"], from_epoch_ms(row["recorded_ms"]), int(row["event_ms"]), row["stage"], row["reason"],
        row["detail"], row["origin"], base64.b64decode(row["raw_base64"]), int(row["raw_bytes"]), retries,
    )  # fmt: skip


def _retry(row: Mapping[str, Any]) -> RetryRow:
    return RetryRow(
        from_epoch_ms(row["event_ms"]), row["outcome"], row["reason"], row["detail"], row["retried_id"],
        row["retried_source"], row["retried_type"], row["transform"], row["actor"],
    )  # fmt: skip
