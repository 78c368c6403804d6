"""Which statements reach the engine at all: rules for everyone, and stricter ones for read-only users.

The engine is embedded in a process that can read this machine's files, and its own ``readonly=1`` still lets the scalar
``file('/etc/passwd')`` through (measured on 26.9, also as ``* APPLY(file)``, ``arrayMap(file, ..)``). So nothing that
names a file, an address or a foreign engine passes for anyone, and a reader's SQL passes only where every call in it is
one of the functions that were reviewed by name. The rules work on the engine's own lexical structure; sqlglot is the
second opinion on the reader's SQL. Comments are blanked out before the engine sees a reader's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import resources

from projections.store import reader_grammar
from projections.store.errors import access_denied, readonly_refusal
from projections.store.lexer import Kind, Token, tokens
from projections.store.statements import Shape, Statement
from projections.store.vetting_names import (
    ALLOWED_ENGINES,
    ALLOWED_TABLE_FUNCTIONS,
    FOREIGN_FUNCTIONS,
    FOREIGN_TABLE_FUNCTIONS,
    NEVER_FOR_READERS,
    NOT_CALLS,
    READER_SYSTEM_TABLES,
    TYPES,
)

_READER_VERBS = frozenset({"SELECT", "WITH", "(", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS"})
_SHOW_WORDS = frozenset(
    {"TABLES", "DATABASES", "COLUMNS", "FIELDS", "CREATE", "FUNCTIONS", "INDEX", "INDEXES", "INDICES", "KEYS"}
)
_COMBINATORS = re.compile(
    r"(?:if|array|map|distinct|ornull|ordefault|state|merge|mergestate|simplestate|foreach|resample|argmin|argmax)$"
)
_READER_SETTINGS = re.compile(
    r"(?:max_(?:threads|block_size|execution_time|result_rows|result_bytes|rows_to_read|bytes_to_read|rows_to_group_by|"
    r"rows_to_sort|rows_in_set|memory_usage|bytes_before_external_group_by|bytes_before_external_sort|query_size)|"
    r"output_format_\w+|input_format_\w+|format_csv_\w+|date_time_(?:in|out)put_format|join_use_nulls|group_by_use_nulls|"
    r"session_timezone|extremes|limit|offset|log_comment|final|(?:result|read|timeout|join|distinct|sort|group_by)_overflow_mode|"
    r"cast_string_to_dynamic_use_inference|use_uncompressed_cache|use_query_cache|join_algorithm|prefer_column_name_to_alias|"
    r"short_circuit_function_evaluation|optimize_\w+|count_distinct_implementation|aggregate_functions_null_for_empty|"
    r"transform_null_in|enable_analyzer|allow_experimental_analyzer|http_\w+|log_queries)"
)


_SUSPECT_VALUES = re.compile(
    rb"\\x|(?i:"
    + b"|".join(sorted(name.encode() for name in FOREIGN_FUNCTIONS | FOREIGN_TABLE_FUNCTIONS))
    + rb")[`\"\s/(]"
)
"""What makes the expressions in VALUES worth reading: most data is not, and may be large."""


@lru_cache(maxsize=1)
def reviewed_functions() -> frozenset[str]:
    """Lower-case names of the engine's functions that were read one by one and touch nothing but their arguments."""
    text = resources.files("projections.store").joinpath("reviewed_functions.txt").read_text()
    return frozenset(line for line in text.split() if line)


def vet_for_everyone(statement: Statement) -> None:
    """:raises StoreError: ACCESS_DENIED for whatever would leave the database."""
    _refuse_foreign(statement.words)
    if statement.format_name == "Values" and _SUSPECT_VALUES.search(statement.data):
        data = statement.data.decode("latin-1")
        _refuse_foreign([token for token in tokens(data) if token.kind is not Kind.COMMENT])
    if statement.verb in ("BACKUP", "RESTORE", "ATTACH") and any(word.kind is Kind.STRING for word in statement.words):
        raise access_denied(f"{statement.verb} from or to a path is not available in the embedded store.")
    _refuse_definitions(statement)


def _refuse_foreign(words: Sequence[Token]) -> None:
    for index, word in enumerate(words):
        if word.is_word("OUTFILE", "INFILE") and index and words[index - 1].is_word("INTO", "FROM"):
            raise access_denied("INTO OUTFILE and FROM INFILE are not available in the embedded store.")
        name = word.name
        if not name:
            continue
        called = index + 1 < len(words) and words[index + 1].text == "("
        if called and (name in FOREIGN_TABLE_FUNCTIONS or name in FOREIGN_FUNCTIONS):
            raise access_denied(f"Function {name} leaves the database and is not available in the embedded store.")
        if name in FOREIGN_FUNCTIONS and _passed_as_function(words, index):
            raise access_denied(f"Function {name} is not available in the embedded store.")


def _passed_as_function(words: Sequence[Token], index: int) -> bool:
    """``APPLY f``, ``APPLY(f)``, ``arrayMap(f, ..)``: the function is named without being called."""
    if index < 1:
        return False
    if words[index - 1].is_word("APPLY"):
        return True
    caller = words[index - 2].name if index > 1 and words[index - 1].text == "(" else ""
    return caller == "apply" or caller.startswith(("array", "map"))


def _refuse_definitions(statement: Statement) -> None:
    words = statement.words
    if statement.verb in ("CREATE", "ATTACH", "REPLACE", "ALTER"):
        if any(word.is_word("DICTIONARY") or word.is_word("COLLECTION") for word in words[1:5]):
            raise access_denied("Dictionaries and named collections are not available in the embedded store.")
        for index, word in enumerate(words[:-1]):
            if word.is_word("ENGINE"):
                engine = words[index + 2 if words[index + 1].text == "=" and index + 2 < len(words) else index + 1]
                if engine.name not in ALLOWED_ENGINES:
                    raise access_denied(f"Engine {engine.text} is not available in the embedded store.")
    moves_database = statement.verb in ("DROP", "DETACH", "RENAME") and words[1:2] and words[1].is_word("DATABASE")
    if moves_database and any(word.name in ("default", "system") for word in words[2:]):
        raise access_denied("The databases default and system stay where they are.")
    if statement.verb == "SYSTEM" and words[1:2] and words[1].is_word("SHUTDOWN", "KILL"):
        raise access_denied("The store is stopped by its supervisor, not by SQL.")


def vet_reader_setting(name: str) -> None:
    """:raises StoreError: READONLY for a setting that a read-only user may not choose."""
    if not _READER_SETTINGS.fullmatch(name):
        raise readonly_refusal(f"Cannot modify '{name}' setting in readonly mode.")


def vet_for_reader(statement: Statement, is_view: Callable[[str], bool]) -> bytes:
    """The statement as a read-only user may run it: comments blanked, everything else as written.

    ``is_view`` says whether a name is a view of this store, for calls of parameterised views.
    :raises StoreError: READONLY or ACCESS_DENIED, with the reason.
    """
    words = statement.words
    if statement.verb not in _READER_VERBS or statement.shape in (Shape.COMMAND, Shape.INSERT_DATA):
        raise readonly_refusal(f"Cannot execute {statement.verb} in readonly mode: read-only users may only read.")
    if statement.verb == "SHOW" and not _SHOW_WORDS & {word.text.upper() for word in words[1:4]}:
        raise readonly_refusal(
            "Read-only users may SHOW tables, databases, columns, indexes, functions and CREATE statements."
        )
    for index, word in enumerate(words):
        _vet_reader_word(words, index, word, is_view)
    sql = _without_comments(statement.sql)
    reader_grammar.second_opinion(words, sql)
    return sql


def _vet_reader_word(words: Sequence[Token], index: int, word: Token, is_view: Callable[[str], bool]) -> None:
    after_dot = index > 0 and words[index - 1].text == "."
    if word.kind is Kind.FOREIGN:
        raise access_denied("Characters outside ASCII must stand in quotes in a read-only user's SQL.")
    if word.is_word("SETTINGS") and not after_dot and words[0].text.upper() != "SHOW":
        raise readonly_refusal("SETTINGS clauses are not available in readonly mode; send settings as URL parameters.")
    if word.text == "{":
        _refuse_identifier_parameter(words, index)
    name = word.name
    if not name:
        return
    if name in NEVER_FOR_READERS and not after_dot:
        raise access_denied(f"Not enough privileges: {word.text} is not available to read-only users.")
    table = words[index + 2] if index + 2 < len(words) and words[index + 1].text == "." else None
    if name == "system" and table is not None and table.name not in READER_SYSTEM_TABLES:
        raise access_denied(f"Not enough privileges: read-only users may not read system.{table.text}.")
    if index + 1 < len(words) and words[index + 1].text == "(":
        _vet_call(word, name, is_view)


def _vet_call(word: Token, name: str, is_view: Callable[[str], bool]) -> None:
    if word.kind is Kind.WORD and (name in NOT_CALLS or name in TYPES):
        return
    if name in reviewed_functions() or name in ALLOWED_TABLE_FUNCTIONS:
        return
    base = name
    while (shorter := _COMBINATORS.sub("", base)) != base and shorter:
        base = shorter
        if base in reviewed_functions():
            return
    if not is_view(word.text if word.kind is Kind.WORD else name):
        raise access_denied(f"Not enough privileges: function {word.text} is not available to read-only users.")


def _refuse_identifier_parameter(words: Sequence[Token], index: int) -> None:
    for word in words[index + 1 : index + 12]:
        if word.text == "}":
            return
        if word.name == "identifier":
            raise access_denied("Parameters of type Identifier are not available to read-only users.")


def _without_comments(sql: bytes) -> bytes:
    text = sql.decode("latin-1")
    parts: list[str] = []
    position = 0
    for token in tokens(text):
        if token.kind is Kind.COMMENT:
            parts += (text[position : token.start], " ")
            position = token.end
    parts.append(text[position:])
    return "".join(parts).encode("latin-1")


def forbidden_database(name: str) -> bool:
    """Whether a read-only user may not make this the current database (its bare names would escape the rules)."""
    return name.lower() == "system"


def check_reader_database(name: str) -> None:
    if forbidden_database(name):
        raise access_denied(f"Not enough privileges: read-only users may not work in the database {name}.")
