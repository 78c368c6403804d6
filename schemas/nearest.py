"""What to say of a word that is not known: the one it was meant to be, and those there are."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most like it; None where none is."""
    return next(iter(difflib.get_close_matches(word, known, 1)), None)


def near_and_known(word: str, known: Sequence[str]) -> tuple[str, str]:
    """How a sentence about a word that is not known goes on, in Chinese and in English."""
    near, allowed = nearest(word, known), ", ".join(known)
    hint_zh, hint_en = (f";相近:{near}", f"; near: {near}") if near else ("", "")
    return f"{hint_zh};可选:{allowed}", f"{hint_en}; allowed: {allowed}"
