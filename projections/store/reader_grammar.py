"""The second opinion on a reader's SQL: sqlglot must understand it, as a query, and see no foreign table in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from projections.store.errors import access_denied
from projections.store.lexer import Token, tokens

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # falling back to an opaque command is judged here, not logged

_EXPLAIN_KINDS = ("AST", "SYNTAX", "QUERY", "TREE", "PLAN", "PIPELINE", "ESTIMATE")
_QUERY_STARTS = ("SELECT", "WITH")


def second_opinion(words: Sequence[Token], sql: bytes) -> None:
    """:raises StoreError: ACCESS_DENIED when the query inside the statement cannot be understood as a plain query."""
    start = _query_start(words)
    if start is None:
        return  # SHOW, EXISTS, DESCRIBE of a name: no query inside
    _judge(sql.decode("latin-1")[_offset(words, start, sql) :])


def _without_limit_by(text: str) -> str:
    """sqlglot takes only one LIMIT: a ``LIMIT n BY a, b`` that another LIMIT follows is left to the word rules."""
    words = list(tokens(text))
    kept: list[str] = []
    position = 0
    for index, word in enumerate(words):
        if word.start < position or not word.is_word("LIMIT"):
            continue
        clause = words[index + 1 : index + 6]
        following = _next_limit(words, index) if any(part.is_word("BY") for part in clause) else None
        if following is not None:
            kept.append(text[position : word.start])
            position = following.start
    kept.append(text[position:])
    return "".join(kept).encode("latin-1").decode("utf-8", "replace")


def _next_limit(words: Sequence[Token], index: int) -> Token | None:
    depth = 0
    for word in words[index + 1 :]:
        depth += (word.text == "(") - (word.text == ")")
        if depth < 0:
            return None
        if depth == 0 and word.is_word("LIMIT"):
            return word
    return None


def _query_start(words: Sequence[Token]) -> int | None:
    if words[0].is_word("SELECT", "WITH") or words[0].text == "(":
        return 0
    if words[0].is_word("EXPLAIN", "DESCRIBE", "DESC"):
        for index, word in enumerate(words[1:], 1):
            if word.is_word(*_QUERY_STARTS) or word.text == "(":
                return index
        if words[0].is_word("EXPLAIN"):
            raise access_denied("Read-only users may EXPLAIN queries only.")
    return None


def _offset(words: Sequence[Token], index: int, sql: bytes) -> int:
    """Where word ``index`` begins in ``sql``, whose comments became single spaces: counted by searching forward."""
    text = sql.decode("latin-1")
    position = 0
    for word in words[: index + 1]:
        position = text.index(word.text, position)
        if word is words[index]:
            return position
        position += len(word.text)
    return position


def _judge(text: str) -> None:
    try:
        parsed = sqlglot.parse(_without_limit_by(text), read="clickhouse")
    except (SqlglotError, RecursionError) as error:
        raise access_denied(
            f"This SQL could not be understood, so read-only users may not run it: {_first_line(error)}"
        ) from None
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise access_denied("This SQL could not be understood as one query, so read-only users may not run it.")
    for kind in (exp.Command, exp.DDL, exp.DML, exp.Set, exp.Use, exp.Into):
        if any(not isinstance(node, exp.Query) for node in parsed[0].find_all(kind)):
            raise access_denied("Read-only users may only read.")
    for table in parsed[0].find_all(exp.Table):
        _judge_table(table)


def _judge_table(table: exp.Table) -> None:
    name = table.name
    if isinstance(table.this, exp.Literal) or any(mark in name for mark in ("/", "\\", "://")):
        raise access_denied("Read-only users may not read files or addresses.")


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
