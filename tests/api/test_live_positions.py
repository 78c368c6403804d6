"""Positions: what is written is read again, and nothing else is."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live.positions import MAX_CHARS, PositionError, decode, encode, mark_of

offsets = st.lists(st.integers(0, (1 << 48) - 1), max_size=40).map(tuple)
marks = st.integers(0, (1 << 32) - 1)


@given(marks, offsets)
def test_what_is_written_is_read_again(mark: int, place: tuple[int, ...]) -> None:
    assert decode(encode(mark, place)) == (mark, place)


@given(marks, offsets, st.data())
def test_a_changed_position_is_no_position(mark: int, place: tuple[int, ...], data: st.DataObject) -> None:
    text = encode(mark, place)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("AZaz09-_").filter(lambda letter: letter != text[at]))
    changed = text[:at] + other + text[at + 1 :]
    if raw_of(changed) != raw_of(text):  # the last letter may carry bits that nobody reads
        with pytest.raises(PositionError):
            decode(changed)
    with pytest.raises(PositionError):
        decode(text[:at])


def raw_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@given(st.text(max_size=60))
def test_anything_else_is_refused_and_nothing_worse(text: str) -> None:
    with pytest.raises(PositionError):
        decode(text)


def test_the_largest_log_fits_and_what_is_longer_is_not_even_looked_at() -> None:
    assert len(encode(mark_of("x"), [(1 << 48) - 1] * 1024)) <= MAX_CHARS
    assert len(encode(mark_of("x"), [1_000_000])) <= 20
    with pytest.raises(PositionError, match="too long"):
        decode("A" * (MAX_CHARS + 1))
