"""When a delivery that was not taken is tried again: pauses that grow over a day, each a little different. Pure.

Jitter is a function of the message and the attempt, so that it spreads what failed together and is still the same
whenever it is worked out. ``Retry-After`` (RFC 9110, 10.2.3) can make a pause longer, up to a bound, never shorter: a
receiver that says 0 must not use up its attempts within a second.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

DELAYS_S: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
JITTER_RATIO: Final = 0.2
MAX_RETRY_AFTER_S: Final = 6 * 3_600


@dataclass(frozen=True, slots=True)
class Schedule:
    """The pauses after the first, second … attempt; one attempt more than pauses is made."""

    delays_s: tuple[float, ...] = DELAYS_S
    jitter_ratio: float = JITTER_RATIO
    max_retry_after_s: float = MAX_RETRY_AFTER_S

    @property
    def attempts(self) -> int:
        return len(self.delays_s) + 1

    def pause_ms(self, webhook_id: str, attempt: int, retry_after_s: float | None = None) -> int | None:
        """How long to wait after attempt number ``attempt`` (from 1) has failed; None: that was the last one."""
        if attempt > len(self.delays_s):
            return None
        spread = 1.0 + self.jitter_ratio * (2.0 * _fraction(webhook_id, attempt) - 1.0)
        pause_s = self.delays_s[attempt - 1] * spread
        if retry_after_s is not None:
            pause_s = max(pause_s, min(retry_after_s, self.max_retry_after_s))
        return round(pause_s * 1000.0)


def retry_after_s(header: str | None, now_ms: int) -> float | None:
    """The seconds that a ``Retry-After`` header asks for; None where there is none that can be understood."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - now_ms / 1000.0)


def _fraction(webhook_id: str, attempt: int) -> float:
    digest = hashlib.blake2b(f"{webhook_id}\x1f{attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / float(1 << 32)
