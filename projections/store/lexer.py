"""ClickHouse's lexical structure, as its own lexer has it, for looking at statements before the engine does.

Input is the statement as latin-1 text (one character per byte), so that offsets are byte offsets and nothing is lost.
Comments nest, ``//``, ``--``, ``# `` and ``#!`` start line comments, ``$tag$ .. $tag$`` are heredocs, and curly quotes
U+201C/U+201D and U+2018/U+2019 quote identifiers and strings: all of it measured against engine 26.9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from projections.store.errors import syntax_error


class Kind(Enum):
    WORD = auto()
    QUOTED = auto()  # quoted identifier
    STRING = auto()
    NUMBER = auto()
    PUNCT = auto()
    COMMENT = auto()
    FOREIGN = auto()  # a byte outside ASCII, outside quotes


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str  # as written
    start: int
    end: int

    @property
    def name(self) -> str:
        """The lower-case identifier, unquoted; empty for anything that cannot name a thing."""
        if self.kind is Kind.WORD:
            return self.text.lower()
        return unquote(self.text).lower() if self.kind is Kind.QUOTED else ""

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the given (upper-case) unquoted words."""
        return self.kind is Kind.WORD and self.text.upper() in words


_SPACE = re.compile(r"(?:[ \t\n\r\f\v\x00]|\xc2[\x85\xa0]|\xe2\x80[\x80-\x8b\xa8\xa9\xaf]|\xe3\x80\x80|\xef\xbb\xbf)+")
_WORD = re.compile(r"[A-Za-z_$0-9][A-Za-z_$0-9]*")
_NUMBER = re.compile(
    r"0[xXbB][0-9a-fA-F_]+(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?\d+)?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?"
)
_HEREDOC = re.compile(r"\$\w*\$")
_LINE_COMMENT = re.compile(r"(?:--|//|#[ !])[^\n]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_PUNCT = ("<=>", "::", "->", "||", "==", "!=", "<>", "<=", ">=")
_SINGLE = frozenset("(),;[]{}*+%?")  # never the beginning of anything longer
_CURLY = {"\xe2\x80\x9c": ("\xe2\x80\x9d", Kind.QUOTED), "\xe2\x80\x98": ("\xe2\x80\x99", Kind.STRING)}
_QUOTES = {"'": Kind.STRING, '"': Kind.QUOTED, "`": Kind.QUOTED}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "e": "\x1b"}


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """Tokens of ``text`` from ``start`` on, comments included, white space not.

    :raises StoreError: SYNTAX_ERROR for an unclosed quote or comment.
    """
    position = start
    while position < len(text):
        if text[position] <= " " or text[position] > "\x7f":
            space = _SPACE.match(text, position)
            if space:
                position = space.end()
                continue
        kind, end = _next(text, position)
        yield Token(kind, text[position:end], position, end)
        position = end


def _next(text: str, at: int) -> tuple[Kind, int]:
    char = text[at]
    if char in _SINGLE:
        return Kind.PUNCT, at + 1
    if char.isascii() and (char.isalpha() or char == "_"):
        word = _WORD.match(text, at)
        return Kind.WORD, word.end() if word else at + 1
    if char in _QUOTES:
        return _QUOTES[char], _closing_quote(text, at, char)
    line = _LINE_COMMENT.match(text, at)
    if line:
        return Kind.COMMENT, line.end()
    if text.startswith("/*", at):
        return Kind.COMMENT, _closing_comment(text, at)
    heredoc = _HEREDOC.match(text, at) if char == "$" else None
    if heredoc:
        close = text.find(heredoc.group(), heredoc.end())
        if close >= 0:
            return Kind.STRING, close + len(heredoc.group())
    if char.isdigit() or (char == "." and text[at + 1 : at + 2].isdigit()):
        return _number(text, at)
    word = _WORD.match(text, at)
    if word:
        return Kind.WORD, word.end()
    return _symbol(text, at)


def _number(text: str, at: int) -> tuple[Kind, int]:
    number = _NUMBER.match(text, at)
    word = _WORD.match(text, at)
    end = number.end() if number else at + 1
    if word and word.end() > end:  # a name that starts with a digit
        return Kind.WORD, word.end()
    return Kind.NUMBER, end


def _symbol(text: str, at: int) -> tuple[Kind, int]:
    for opening, (closing, kind) in _CURLY.items():
        if text.startswith(opening, at):
            end = text.find(closing, at + 3)
            if end < 0:
                raise syntax_error(f"Quoted text is not closed at position {at + 1}.")
            return kind, end + 3
    if text[at] > "\x7f":
        return Kind.FOREIGN, at + 1
    for symbol in _PUNCT:
        if text.startswith(symbol, at):
            return Kind.PUNCT, at + len(symbol)
    return Kind.PUNCT, at + 1


def _closing_quote(text: str, at: int, quote: str) -> int:
    position = at + 1
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 2
        elif char == quote:
            if text[position + 1 : position + 2] != quote:
                return position + 1
            position += 2
        else:
            position += 1
    raise syntax_error(f"Quoted text is not closed at position {at + 1}.")


def _closing_comment(text: str, at: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise syntax_error(f"Multiline comment is not closed at position {at + 1}.")


def unquote(text: str) -> str:
    """The contents of a quoted token, escapes resolved."""
    if text.startswith("\xe2\x80"):
        return text[3:-3]
    if text.startswith("$"):
        tag = text[: text.index("$", 1) + 1]
        return text[len(tag) : -len(tag)]
    quote, body = text[0], text[1:-1].replace(text[0] * 2, text[0])
    del quote
    return re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|(.))",
        lambda match: chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2]),
        body,
        flags=re.DOTALL,
    )
