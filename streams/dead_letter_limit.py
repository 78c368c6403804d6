"""How much unreadable input a flow puts up with before it stops: a share of a window of records, and a run in a row.

A few dead letters are a sender's fault and stop nothing. Very many mean that something is wrong at large (a producer
changed its format, a schema was rolled back, a topic was mixed up): going on would only pile up letters, and detectors
would take the missing readings for silence. So the flow stops, says why, and goes on from where it was.

Guarantees
    order       counted record by record in log order; where batches are cut makes no difference.
    ticks       are not counted: how busy other topics are neither thins the ratio nor breaks a run.
    resuming    the counters are part of the feed's snapshot: a resumed flow stops at the same record.

A ratio is measured over tumbling windows of ``window_records`` records, and is exceeded as soon as the dead ones of a
window are more than the whole window allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.codec import Dead, Decoded
from schemas.records import IntArray, RawBatch


@dataclass(frozen=True, slots=True)
class DeadLetterLimits:
    """``max_ratio`` 1.0 and ``max_run`` 0 switch each off."""

    max_ratio: float = 0.5
    window_records: int = 10_000
    max_run: int = 5_000


class DeadLetterLimitError(Exception):
    """Too much of the input can't be read; the message says where, what, and what to do."""


@dataclass(frozen=True, slots=True)
class Tripped:
    """The record that was one too many: its row in the batch, and what to say."""

    row: int
    message: str


@dataclass(slots=True)
class _Counts:
    """Of one stream. ``reasons``: of the present window and run, for the message."""

    seen: int = 0
    dead: int = 0
    run: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class DeadLetterGuard:
    """Counts for one feed. ``merged``: all its topics are one stream in one order; otherwise each topic is its own."""

    def __init__(self, feed: str, merged: bool, limits: DeadLetterLimits) -> None:
        self._feed, self._merged, self._limits = feed, merged, limits
        self._counts: dict[str, _Counts] = {}

    def take(self, raw: RawBatch, decoded: Decoded) -> Tripped | None:
        """Count a batch. Once it has tripped the counters are of no more use: restore them from before."""
        stream = "" if self._merged else raw.topics[int(raw.topic_index[0])]
        counts = self._counts.setdefault(stream, _Counts())
        sound = _sound_rows(decoded)
        if not decoded.dead:
            self._count_sound(counts, len(sound))
            return None
        counted = 0
        for row, dead in zip(_dead_rows(raw, decoded.dead, sound), decoded.dead, strict=True):
            before = int(np.searchsorted(sound, row))
            self._count_sound(counts, before - counted)
            counted = before
            if why := self._count_dead(counts, dead.reason.value):
                return Tripped(row, self._message(dead, counts, why))
        self._count_sound(counts, len(sound) - counted)
        return None

    def snapshot(self) -> dict[str, Any]:
        """The counters, fit for JSON."""
        return {
            stream: [counts.seen, counts.dead, counts.run, dict(sorted(counts.reasons.items()))]
            for stream, counts in sorted(self._counts.items())
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from :meth:`snapshot`; the limits may be other ones than they were."""
        self._counts = {
            stream: _Counts(seen, dead, run, Counter(reasons)) for stream, (seen, dead, run, reasons) in saved.items()
        }

    def _count_sound(self, counts: _Counts, rows: int) -> None:
        if not rows:
            return
        counts.run = 0
        counts.seen += rows
        if counts.seen >= self._limits.window_records:
            counts.seen %= self._limits.window_records
            counts.dead = 0
        if not counts.dead:
            counts.reasons.clear()

    def _count_dead(self, counts: _Counts, reason: str) -> list[str]:
        """What is exceeded by one more; empty: nothing."""
        limits = self._limits
        counts.seen, counts.dead, counts.run = counts.seen + 1, counts.dead + 1, counts.run + 1
        counts.reasons[reason] += 1
        why = []
        if limits.max_run and counts.run > limits.max_run:
            why.append(f"{counts.run:,} in a row (allowed are {limits.max_run:,})")
        if limits.max_ratio < 1.0 and counts.dead > limits.max_ratio * limits.window_records:
            why.append(
                f"{counts.dead:,} of {counts.seen:,} records in a window of {limits.window_records:,} "
                f"(allowed is a share of {limits.max_ratio:g})"
            )
        if counts.seen >= limits.window_records:
            counts.seen = counts.dead = 0
        return why

    def _message(self, dead: Dead, counts: _Counts, why: list[str]) -> str:
        reason, times = counts.reasons.most_common(1)[0]
        return (
            f"too many dead letters: stopped {self._feed} at {dead.topic}/{dead.partition}/{dead.offset} after "
            f"{' and '.join(why)}, most for {reason} ({times:,}), lately: {dead.detail[:200]}. Fix the producer or the "
            "schema; then, to let what is in the log already pass as dead letters, start with a larger "
            "GRIDPULSE_DEAD_LETTER_MAX_RUN (0: no limit) and GRIDPULSE_DEAD_LETTER_MAX_RATIO (1: no limit): "
            "it goes on from here, and `gridpulse deadletters retry` sends them in again"
        )


def _sound_rows(decoded: Decoded) -> IntArray:
    """Rows that are events, in order; ticks are in no table."""
    positions = [typed.positions for typed in decoded.events.types.values()]
    return np.sort(np.concatenate(positions)) if positions else np.empty(0, dtype=np.int64)


def _dead_rows(raw: RawBatch, dead: Sequence[Dead], sound: IntArray) -> list[int]:
    """The row of each dead letter: what is no event is one of them, or a tick."""
    is_left = np.ones(len(raw), dtype=np.bool_)
    is_left[sound] = False
    rows = np.flatnonzero(is_left)
    topics, offsets = raw.topic_index[rows].tolist(), raw.offsets[rows].tolist()
    at = {(raw.topics[topic], offset): row for topic, offset, row in zip(topics, offsets, rows.tolist(), strict=True)}
    return [at[one.topic, one.offset] for one in dead]
