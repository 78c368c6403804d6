"""Where a lane's reader is, as small bytes for snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import orjson

from streams.log import LogConfigError

POSITION_VERSION: Final = 1


class PositionError(LogConfigError):
    """A saved position is not one that can be gone on from: state must be rebuilt from the log."""


@dataclass(frozen=True, slots=True)
class LanePosition:
    """Everything before it has been emitted, nothing after it.

    ``last_recorded_ms`` is the running maximum of each topic's recorded times (a broker's clock can step back; a
    reader that starts later could not know), ``frontier_ms`` the lane's clock: the last emitted row's recorded time.
    """

    partition: int
    next_offsets: Mapping[str, int]
    last_recorded_ms: Mapping[str, int | None]
    frontier_ms: int | None

    @classmethod
    def start(cls, partition: int, next_offsets: Mapping[str, int]) -> Self:
        """Nothing has been emitted yet."""
        return cls(partition, dict(next_offsets), dict.fromkeys(next_offsets), None)

    def to_bytes(self) -> bytes:
        """JSON; equal positions give equal bytes."""
        document = {
            "version": POSITION_VERSION,
            "partition": self.partition,
            "next_offsets": dict(self.next_offsets),
            "last_recorded_ms": dict(self.last_recorded_ms),
            "frontier_ms": self.frontier_ms,
        }
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_bytes(cls, saved: bytes) -> Self:
        """:raises PositionError: written by another version, or no position at all."""
        try:
            document = orjson.loads(saved)
            if document["version"] == POSITION_VERSION:
                return cls(
                    document["partition"],
                    document["next_offsets"],
                    document["last_recorded_ms"],
                    document["frontier_ms"],
                )
        except (ValueError, LookupError, TypeError) as error:
            raise PositionError(f"a saved lane position can't be read ({error})") from error
        raise PositionError(
            f"a saved lane position has version {document['version']}, this GridPulse knows {POSITION_VERSION}"
        )
