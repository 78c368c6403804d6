"""The options of ``gridpulse replay`` as they become a run's."""

from __future__ import annotations

import pytest

from gridpulse.replaying import ReplayOptions
from replay.run import RunConfig
from replay.run_errors import RunUsageError
from replay.run_spec import RunSpec


def test_options_become_a_spec() -> None:
    options = ReplayOptions(
        "2026-03-08", "2026-03-09T00:00:00Z", "14d", ["wuhu/jinghu/"], ["readings.measured"], ["m-1"],
        ["noise_limit.idle_s=5"], has_tables=True,
    )  # fmt: skip
    assert options.spec("Asia/Shanghai") == RunSpec(
        "Asia/Shanghai", 1_772_899_200_000, 1_773_014_400_000, 14 * 86_400_000, ("wuhu/jinghu",),
        ("cn.gridpulse.readings.measured",), ("m-1",), ("noise_limit.idle_s=5",), True,
    )  # fmt: skip
    assert ReplayOptions().spec("UTC") == RunSpec("UTC")


def test_speed_is_max_or_a_multiple() -> None:
    assert ReplayOptions().config() == RunConfig()
    assert ReplayOptions(speed="600").config() == RunConfig(speed=600.0)
    for speed in ("0", "-1", "fast", "inf", "nan"):
        with pytest.raises(RunUsageError, match="--speed"):
            ReplayOptions(speed=speed).config()
