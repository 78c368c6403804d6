"""Parameters of the noise detector (:mod:`detectors.noise_limit` says what they do)."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.noise_baseline import BaselineParams


@dataclass(frozen=True, slots=True)
class NoiseLimitParams:
    """Parameters of the noise detector."""

    timezone: str = "Asia/Shanghai"
    window_s: int = 300  # divides an hour
    grace_s: int = 60
    window_coverage_ratio: float = 0.4
    default_interval_s: float = 60.0  # of a reading that names none
    assess_windows: int = 4
    assess_coverage_ratio: float = 0.5
    over_margin_db: float = 1.0
    over_closes: int = 2
    clear_margin_db: float = 1.0
    clear_closes: int = 3
    burst_repeat_s: int = 60
    lamax_expected_s: int = 3600
    louder_closes: int = 3
    louder_clear_margin_db: float = 2.0
    idle_s: int = 3600
    baseline: BaselineParams = field(default_factory=BaselineParams)
