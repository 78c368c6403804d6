"""What a request's text asks for: its kind, its format, and for an INSERT where the statement ends and the data begins.

Only the head of an INSERT is read as SQL, never its data. Source: ClickHouse ``ParserInsertQuery``, ``executeQuery``.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from enum import Enum

from projections.store.errors import StoreError, syntax_error
from projections.store.lexer import Kind, Token, tokens, unquote

MAX_QUERY_BYTES = 262_144  # the engine's max_query_size
HEAD_BYTES = 16_384  # of a body, in which the head of an INSERT is looked for first
_RESULT_WORDS = frozenset({"SELECT", "WITH", "FROM", "VALUES", "("})
_COMMAND_RESULT_WORDS = frozenset({"SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "EXIST", "CHECK", "KILL"})


class Shape(Enum):
    SELECT = "select"  # a result that can be streamed
    REPORT = "report"  # SHOW, DESCRIBE, EXPLAIN, ...: a small result
    INSERT_DATA = "insert_data"  # INSERT whose rows are in the request
    COMMAND = "command"  # everything else: DDL, INSERT ... SELECT, SET, SYSTEM


@dataclass(frozen=True)
class Statement:
    shape: Shape
    sql: bytes
    """The statement without trailing semicolon; for INSERT_DATA the head only, without FORMAT and data."""
    words: tuple[Token, ...] = field(repr=False)
    """Its tokens, without comments."""
    format_name: str | None = None
    data: bytes = field(default=b"", repr=False)
    """The beginning of an INSERT's data, as far as it stands in the text."""

    @property
    def verb(self) -> str:
        return self.words[0].text.upper()


def read_statement(text: bytes, body: bytes = b"") -> Statement:
    """``text`` and ``body`` are one statement; ``text`` is empty or ends with a line break. Data is copied rarely.

    :raises StoreError: SYNTAX_ERROR (62) for an empty, unclosed or multiple statement.
    """
    begin = text or body[:HEAD_BYTES]
    rest = body if text else body[HEAD_BYTES:]
    if rest:
        with contextlib.suppress(StoreError):  # of a statement that has not ended here
            statement = _read(begin)
            if statement.shape is Shape.INSERT_DATA and (text or statement.data):  # so its head ends here
                return replace(statement, data=statement.data + rest)
    return _read(text + body if text else body)


def _read(text: bytes) -> Statement:
    latin = text.decode("latin-1")
    words: list[Token] = []
    depth = 0
    for token in tokens(latin):
        if token.kind is Kind.COMMENT:
            continue
        if token.start > MAX_QUERY_BYTES:
            raise syntax_error(f"Max query size exceeded ({MAX_QUERY_BYTES} bytes; max_query_size).")
        if token.text == ";":
            if not words:
                raise syntax_error("Empty query.")
            _refuse_second_statement(latin, token.end)
            return _finish(text[: token.start], words)
        words.append(token)
        if token.kind is Kind.PUNCT:
            depth += (token.text == "(") - (token.text == ")")
        data_at = _insert_data_start(words, latin) if depth == 0 else None
        if data_at is not None:
            return _insert(text, words, data_at)
    if not words:
        raise syntax_error("Empty query.")
    return _finish(text, words)


def _refuse_second_statement(latin: str, start: int) -> None:
    if any(token.kind is not Kind.COMMENT and token.text != ";" for token in tokens(latin, start)):
        raise StoreError(
            62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed): one statement per request."
        )


def _finish(text: bytes, words: list[Token]) -> Statement:
    verb = words[0].text.upper()
    if verb in _RESULT_WORDS and not any(word.is_word("INSERT") for word in words):
        shape = Shape.SELECT
    elif verb in _COMMAND_RESULT_WORDS:
        shape = Shape.REPORT
    else:
        shape = Shape.COMMAND
    return Statement(shape, text, tuple(words), _trailing_format(words))


def _trailing_format(words: list[Token]) -> str | None:
    """The name after the last FORMAT, which only SETTINGS, INTO OUTFILE and the like can follow."""
    for index in range(len(words) - 2, 0, -1):
        if words[index].is_word("FORMAT") and words[index + 1].kind in (Kind.WORD, Kind.QUOTED):
            name = words[index + 1]
            tail = words[index + 2 :]
            if not tail or tail[0].is_word("SETTINGS", "INTO"):
                return name.text if name.kind is Kind.WORD else unquote(name.text)
    return None


def _insert_data_start(words: list[Token], latin: str) -> int | None:
    """Where the data of an INSERT begins, once its head is complete; None while it is not."""
    if not words[0].is_word("INSERT") or len(words) < 3:
        return None
    last, before = words[-1], words[-2]
    if last.is_word("VALUES") and not before.is_word("INTO", "TABLE") and before.text != ".":
        return last.end
    if before.is_word("FORMAT") and last.kind is Kind.WORD and not last.is_word("VALUES") and not _is_select(words):
        end = last.end
        while latin[end : end + 1] in (" ", "\t", "\f") and end < len(latin):
            end += 1
        end += latin[end : end + 1] == "\r"
        end += latin[end : end + 1] == "\n"
        return end
    return None


def _is_select(words: list[Token]) -> bool:
    return any(word.is_word("SELECT", "WATCH") for word in words[2:])


def _insert(text: bytes, words: list[Token], data_at: int) -> Statement:
    named = words[-2].is_word("FORMAT")
    head, format_name = (words[:-2], words[-1].text) if named else (words[:-1], "Values")
    return Statement(Shape.INSERT_DATA, text[: head[-1].end], tuple(head), format_name, text[data_at:])
