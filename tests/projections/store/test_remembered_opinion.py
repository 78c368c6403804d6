"""What a reader may ask is found out once per text; a refusal every time anew."""

from __future__ import annotations

import pytest

from projections.store.errors import StoreError
from projections.store.lexer import tokens
from projections.store.reader_grammar import _judge_once, second_opinion


def ask(sql: str) -> None:
    second_opinion(list(tokens(sql)), sql.encode())


def test_a_refusal_is_never_forgotten() -> None:
    for _ in range(3):
        with pytest.raises(StoreError):
            ask("SELECT * FROM '/etc/passwd'")
        with pytest.raises(StoreError):
            ask("SELECT 1; DROP TABLE alerts")


def test_the_same_text_is_judged_once_and_another_anew() -> None:
    _judge_once.cache_clear()
    for sql in ("SELECT {a:String} FROM alerts", "SELECT {a:String} FROM alerts", "SELECT {b:String} FROM alerts"):
        ask(sql)
    assert (_judge_once.cache_info().hits, _judge_once.cache_info().misses) == (1, 2)


def test_giant_texts_are_judged_and_not_remembered() -> None:
    _judge_once.cache_clear()
    ask("SELECT '" + "x" * 20_000 + "'")
    assert _judge_once.cache_info().currsize == 0
    with pytest.raises(StoreError):
        ask("SELECT '" + "x" * 20_000 + "' FROM '/etc/passwd'")
