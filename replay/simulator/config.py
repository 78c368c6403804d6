"""What a simulated district is made of: one frozen object from which every byte of its stream follows."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass

DEFAULT_START_MS = 1_772_380_800_000  # Monday 2026-03-02 00:00 in Wuhu (UTC+8)
MAX_COMMUNITIES = 7


@dataclass(frozen=True, slots=True)
class DistrictConfig:
    """Seed and size of the district, its first moment, and how often things go wrong.

    :param size: multiplies devices, persons and traffic of every community; 1.0 gives about 50,000 events a day.
    :param start_ms: first simulated moment (epoch ms); registry events are recorded at it.
    :param learning_days: days from the start on without labelled anomalies.
    :param anomaly_rate: multiplies the rates of all labelled anomalies; 0 for none.
    :param bad_ratio: share of events that are broken on purpose; their ids start with ``bad-``.
    """

    seed: int = 7
    communities: int = 4
    size: float = 1.0
    start_ms: int = DEFAULT_START_MS
    learning_days: float = 8.0
    anomaly_rate: float = 1.0
    bad_ratio: float = 0.0005

    def __post_init__(self) -> None:
        if not 1 <= self.communities <= MAX_COMMUNITIES:
            raise ValueError(f"communities is {self.communities}; allowed are 1 to {MAX_COMMUNITIES}")
        if not 0.1 <= self.size <= 1000.0:
            raise ValueError(f"size is {self.size}; allowed are 0.1 to 1000")
        if self.learning_days < 0 or self.anomaly_rate < 0:
            raise ValueError("learning_days and anomaly_rate must not be negative")
        if not 0.0 <= self.bad_ratio <= 0.5:
            raise ValueError(f"bad_ratio is {self.bad_ratio}; allowed are 0 to 0.5")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; allowed are 0 and above")

    @property
    def learning_until_ms(self) -> int:
        """From here on there are labelled anomalies."""
        return self.start_ms + round(self.learning_days * 86_400_000)

    @property
    def tag(self) -> str:
        """Six hex digits that differ between districts: part of every event id, so two districts never collide."""
        return f"{zlib.crc32(repr(sorted(asdict(self).items())).encode()) & 0xFFFFFF:06x}"
