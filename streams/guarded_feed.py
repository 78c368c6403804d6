"""A feed with its decoding and its dead letter limit: what a dataflow reads, one decoded batch at a time.

When the limit trips, the batch is held back as a whole, but for the dead letters up to the record that was one too
many: they are given on, so that they can be looked into. From then on nothing more comes, the position stays *before*
that batch, and :meth:`GuardedFeed.poll` raises once the letters have had ``grace_s`` to reach their table. So whoever
starts again, with the same limit, stops at the same record; with a larger one, goes on without a gap, and repeats
nothing but letters, whose ids are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from detectors.contract import StateVersionError
from schemas.codec import Decoded
from schemas.columns import EventBatch
from schemas.records import RawBatch
from streams.dead_letter_limit import DeadLetterGuard, DeadLetterLimitError, DeadLetterLimits, Tripped
from streams.feeds import Ends, FeedName
from streams.log import EventLog
from streams.progress import Progress, progress_of

FEED_STATE_VERSION: Final = 2  # 1 was the bare position, before there were counters


@dataclass(frozen=True, slots=True)
class Piece:
    """A decoded batch; ``progress`` is empty when only dead letters are given on."""

    decoded: Decoded
    progress: tuple[Progress, ...]
    records: int


class GuardedFeed:
    """One feed of a flow. For one thread at a time."""

    def __init__(
        self,
        name: FeedName,
        log: EventLog,
        decode: Callable[[RawBatch], Decoded],
        limits: DeadLetterLimits,
        saved: bytes | None,
        ends: Ends | None,
        *,
        grace_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """:raises StateVersionError: the saved state is of another version. :raises LogConfigError: of another lane."""
        position, counts = (None, {}) if saved is None else _unpacked(saved)
        self._decode, self._grace_s, self._monotonic_s = decode, grace_s, monotonic_s
        self._guard = DeadLetterGuard(str(name), name.kind == "lane", limits)
        self._guard.restore(counts)
        self._feed = name.open(log, position, ends)
        self._tripped: Tripped | None = None
        self._raise_at_s = 0.0
        self._held: bytes = b""  # the state before the batch that tripped

    @property
    def ended(self) -> bool:
        """Whether a bounded feed has given all; never one that has tripped."""
        return self._tripped is None and self._feed.ended

    def poll(self, max_records: int) -> Piece | None:
        """The next batch, decoded; None when there is none now.

        :raises DeadLetterLimitError: too much of it can't be read.
        """
        if self._tripped is not None:
            if self._monotonic_s() >= self._raise_at_s:
                raise DeadLetterLimitError(self._tripped.message)
            return None
        before = self.position()
        raw = self._feed.poll(max_records)
        if raw is None or not len(raw):
            return None
        decoded = self._decode(raw)
        tripped = self._guard.take(raw, decoded)
        if tripped is None:
            return Piece(decoded, progress_of(raw), len(raw))
        self._tripped, self._held = tripped, before
        self._raise_at_s = self._monotonic_s() + self._grace_s
        return Piece(_letters_only(raw, decoded, tripped.row), (), len(raw))

    def position(self) -> bytes:
        """From where a new feed goes on, counting on."""
        if self._tripped is not None:
            return self._held
        return orjson.dumps(
            {
                "feed_state_version": FEED_STATE_VERSION,
                "position": self._feed.position().decode(),
                "dead_letters": self._guard.snapshot(),
            }
        )

    def close(self) -> None:
        self._feed.close()


def _letters_only(raw: RawBatch, decoded: Decoded, row: int) -> Decoded:
    """The dead letters up to ``row``, and no events."""
    topic, offset = raw.topics[int(raw.topic_index[row])], int(raw.offsets[row])
    last = next(n for n, dead in enumerate(decoded.dead) if (dead.topic, dead.offset) == (topic, offset))
    return Decoded(EventBatch(raw.partition, np.empty(0, dtype=np.int64), {}), decoded.dead[: last + 1])


def _unpacked(saved: bytes) -> tuple[bytes, dict[str, object]]:
    try:
        state = orjson.loads(saved)
        if state.get("feed_state_version") == FEED_STATE_VERSION:
            return state["position"].encode(), state["dead_letters"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StateVersionError(f"the saved state of a feed can't be read ({error})") from error
    raise StateVersionError(f"the saved state of a feed is not of version {FEED_STATE_VERSION}")
