"""What was made to go wrong: labels, the truth that detectors are measured against."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["irregular_movement", "device_offline", "noise_limit"]
KINDS: tuple[Kind, ...] = ("irregular_movement", "device_offline", "noise_limit")


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """One anomaly. ``members``: devices a gateway or site took along; an alert about one of them belongs to it.

    ``detectable_by_ms``: a detector that has said nothing by then missed it. Times are true event times.
    """

    start_ms: int
    kind: Kind
    rule: str
    subject: str
    scope: str
    end_ms: int
    detectable_by_ms: int
    members: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, for ``labels.json``."""
        return {**asdict(self), "members": list(self.members)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Label:
        """Back from :meth:`as_json`."""
        return Label(**{**value, "members": tuple(value["members"])})
