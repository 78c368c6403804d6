"""How much the live stream gives, and how long it waits."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Of one API process."""

    clients: int = 2_000
    steps_kept: int = 20_000  # that a client may be behind: when it comes back, or while it is slow
    metrics: int = 5  # per client
    heartbeat_s: float = 15.0  # a stream that is silent for so long says that it is there
    stalled_s: float = 10.0  # a client that takes nothing for so long is ended
    keys_checked_s: float = 2.0  # a revoked key's streams end this much after the key ring has learned of it
    metrics_s: float = 5.0  # between two looks at a metric
    idle_s: float = 60.0  # without clients nothing is read
    lifetime_s: float = math.inf  # a stream ends then, and its client comes back


LIVE = LiveLimits()
RETRY_MS = 1_000  # at least; clients that lose their streams together do not come back together
RETRY_SPREAD_MS = 4_000
