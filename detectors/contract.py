"""What a detector is, and what it says.

A detector is a pure operator over batches of one lane in log order: the same records give the same outputs, however
they are cut into batches, whatever the wall clock says. Its only clock is the records' ``recorded_time_ms``.

Timers: a timer due at D fires as soon as the lane clock has *passed* D (strictly greater), before any row recorded
later than D is processed; what it emits depends on D, never on the row that made it fire. So a timer's output is the
same wherever the batch ends.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Protocol

from schemas.base import EventData
from schemas.columns import EventBatch


class StateVersionError(Exception):
    """Saved state is of another version of the code; rebuild it by replaying the log."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event that an operator wants said, with its place in the lane's order."""

    detected_ms: int  # lane clock: the row's recorded time, or the timer's due time
    from_timer: bool
    position: int  # row number within the batch; 0 for timers
    scope: str
    event_time_ms: int  # when it happened, for the event's own ``time``
    data: EventData
    causes: tuple[str, ...] = ()  # of a detection: keys of alerts that make it moot while they are open
    relies_on: str | None = None  # of a detection that something is missing: the device that would have seen it

    @property
    def order(self) -> tuple[int, bool, int, str, str]:
        """Sorting key: rows of a millisecond in log order, then the timers due in it, by name."""
        return (self.detected_ms, self.from_timer, self.position, type(self.data).type_name, repr(self.data))


class Detector(Protocol):
    """One detector for one lane. Built with frozen parameters and, on resume, its own snapshot."""

    name: ClassVar[str]
    state_version: ClassVar[int]
    model_version: str  # code and parameters: see detectors.state.model_version

    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed. Does not change the batch. Any order: the lane sorts."""
        ...

    def snapshot(self) -> bytes:
        """The whole state, from which :meth:`restore` goes on with identical outputs."""
        ...

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        ...


def derived_id(*parts: object) -> str:
    """A stable id from what caused an event: 32 hex digits."""
    return hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=16).hexdigest()
