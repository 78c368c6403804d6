"""The lexer and the statement reader: what is SQL, what is data, what is a second statement."""

from __future__ import annotations

import pytest

from projections.store.errors import StoreError
from projections.store.lexer import Kind, tokens, unquote
from projections.store.statements import HEAD_BYTES, Shape, Statement, read_statement


def texts(sql: str) -> list[str]:
    latin = sql.encode().decode("latin-1")
    return [token.text for token in tokens(latin) if token.kind is not Kind.COMMENT]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", ["SELECT", "1"]),
        ("a/* /* */ b */c", ["a", "c"]),
        ("a -- b\nc", ["a", "c"]),
        ("a # b\nc", ["a", "c"]),
        ("a #!b\nc", ["a", "c"]),
        ("a // b\nc", ["a", "c"]),
        ("'a\\'b' c", ["'a\\'b'", "c"]),
        ("'a''b' c", ["'a''b'", "c"]),
        ("'a -- b' c", ["'a -- b'", "c"]),
        ("$$a;b$$ c", ["$$a;b$$", "c"]),
        ("$x$a$y$b$x$ c", ["$x$a$y$b$x$", "c"]),
        ("a$b$c", ["a$b$c"]),
        ("t.1, 1.5e-3, .5, 0x1F, 1_000", ["t", ".1", ",", "1.5e-3", ",", ".5", ",", "0x1F", ",", "1_000"]),
        ("1file('x')", ["1file", "(", "'x'", ")"]),
        ("a::UInt8->b<=>c", ["a", "::", "UInt8", "->", "b", "<=>", "c"]),
        ("a\u00a0b\u3000c", ["a", "b", "c"]),
    ],
)
def test_words(sql: str, expected: list[str]) -> None:
    assert texts(sql) == expected


@pytest.mark.parametrize("sql", ["'a", '"a', "`a", "/* a", "/* /* a */", "“a", "'a\\'"])
def test_unclosed_text_is_a_syntax_error(sql: str) -> None:
    with pytest.raises(StoreError) as refusal:
        texts(sql)
    assert refusal.value.code == 62


@pytest.mark.parametrize(
    ("text", "plain"),
    [("`a`", "a"), ('"a""b"', 'a"b'), ("'a\\nb'", "a\nb"), ("'\\x41'", "A"), ("'it''s'", "it's"), ("$t$x$t$", "x")],
)
def test_unquote(text: str, plain: str) -> None:
    assert unquote(text) == plain


@pytest.mark.parametrize(
    ("sql", "head", "format_name", "data"),
    [
        (b"INSERT INTO t VALUES (1)", b"INSERT INTO t", "Values", b" (1)"),
        (b"insert into t (a, b) format CSV\n1,2\n", b"insert into t (a, b)", "CSV", b"1,2\n"),
        (b"INSERT INTO t FORMAT CSV 1;2", b"INSERT INTO t", "CSV", b"1;2"),
        (b"INSERT INTO t FORMAT Native\r\n\x00\xff;'", b"INSERT INTO t", "Native", b"\x00\xff;'"),
        (b"INSERT INTO t FORMAT Native", b"INSERT INTO t", "Native", b""),
        (b"INSERT INTO t FORMAT Values (1)", b"INSERT INTO t", "Values", b" (1)"),
        (b"INSERT INTO t SETTINGS a=1 FORMAT CSV\n\n1", b"INSERT INTO t SETTINGS a=1", "CSV", b"\n1"),
        (b"INSERT INTO `values` (a) VALUES (1);", b"INSERT INTO `values` (a)", "Values", b" (1);"),
        (b"/* x */ INSERT INTO db.values VALUES (1)", b"/* x */ INSERT INTO db.values", "Values", b" (1)"),
    ],
)
def test_insert_is_cut_where_its_data_begins(sql: bytes, head: bytes, format_name: str, data: bytes) -> None:
    statement = read_statement(sql)
    assert (statement.shape, statement.sql, statement.format_name, statement.data) == (
        Shape.INSERT_DATA,
        head,
        format_name,
        data,
    )


@pytest.mark.parametrize(
    ("sql", "shape", "format_name"),
    [
        (b"SELECT 1", Shape.SELECT, None),
        (b" select 1 format JSON ;", Shape.SELECT, "JSON"),
        (b"WITH 1 AS x SELECT x FORMAT CSV SETTINGS max_threads = 1", Shape.SELECT, "CSV"),
        (b"SELECT format FROM t", Shape.SELECT, None),
        (b"SELECT format('{}', 'x') AS y", Shape.SELECT, None),
        (b"(SELECT 1)", Shape.SELECT, None),
        (b"SHOW TABLES FORMAT TSV", Shape.REPORT, "TSV"),
        (b"INSERT INTO t SELECT 1", Shape.COMMAND, None),
        (b"INSERT INTO t SELECT * FROM x FORMAT CSV", Shape.COMMAND, "CSV"),
        (b"WITH 1 AS x INSERT INTO t SELECT x", Shape.COMMAND, None),
        (b"CREATE TABLE t (a UInt8) ENGINE = Memory", Shape.COMMAND, None),
    ],
)
def test_shapes(sql: bytes, shape: Shape, format_name: str | None) -> None:
    statement = read_statement(sql)
    assert (statement.shape, statement.format_name) == (shape, format_name)


@pytest.mark.parametrize("sql", [b"", b"  ", b";", b"-- x", b"SELECT 1; SELECT 2", b"SELECT 1;\n/* */ DROP TABLE t"])
def test_empty_and_multiple_statements_are_refused(sql: bytes) -> None:
    with pytest.raises(StoreError) as refusal:
        read_statement(sql)
    assert refusal.value.code == 62


def test_a_semicolon_in_text_or_at_the_end_is_fine() -> None:
    assert read_statement(b"SELECT ';' -- ;\n ; /* ; */ ;").sql == b"SELECT ';' -- ;\n "


def test_query_text_has_a_limit_but_data_has_none() -> None:
    assert read_statement(b"INSERT INTO t FORMAT CSV\n" + b"1\n" * 300_000).data == b"1\n" * 300_000
    with pytest.raises(StoreError):
        read_statement(b"SELECT " + b"'" + b"x" * 300_000 + b"', 1")


STATEMENTS = (
    b"INSERT INTO t FORMAT CSV\n1,2\n",
    b"INSERT INTO t VALUES (1, 'a;b')",
    b"insert into `values` (a) format Native\r\n\x00\xff;'",
    b"INSERT INTO t -- FORMAT CSV\n FORMAT TSV  \n\n1\n",
    b"INSERT INTO t SELECT 'FORMAT CSV' FORMAT JSON",
    b"SELECT ';' /* ; */ FORMAT CSV;",
)


def outcome(text: bytes, body: bytes = b"") -> Statement | tuple[int, str]:
    try:
        return read_statement(text, body)
    except StoreError as refusal:
        return refusal.code, str(refusal)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_is_the_same_wherever_its_body_begins(sql: bytes) -> None:
    for cut in range(1, len(sql)):
        text, body = sql[:cut] + b"\n", sql[cut:]
        assert outcome(text, body) == outcome(text + body)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_long_body_is_the_same_wherever_its_first_part_ends(sql: bytes) -> None:
    for cut in range(1, len(sql)):
        body = b" " * (HEAD_BYTES - cut) + sql + b"3" * 10
        assert outcome(b"", body) == outcome(body)


def test_data_that_begins_with_the_body_is_not_copied() -> None:
    body = b"1\n" * 100_000
    assert read_statement(b"INSERT INTO t FORMAT CSV\n", body).data is body
