"""Defaults are those with which the plain objects (``reference/``) were replaced: every detection names their hash.

The references take their parameters from the detectors, so a default that changes would change on both sides.
"""

from __future__ import annotations

import pytest

from detectors.device_offline import DeviceOffline
from detectors.irregular_movement import IrregularMovement
from detectors.noise_limit import NoiseLimit


@pytest.mark.parametrize(
    ("detector", "version"),
    [
        (DeviceOffline(), "device_offline-1-d6232e73"),
        (IrregularMovement(), "irregular_movement-1-b98b5ad5"),
        (NoiseLimit(), "noise_limit-1-0424201d"),
    ],
    ids=["device_offline", "irregular_movement", "noise_limit"],
)
def test_the_defaults_are_as_before(detector: DeviceOffline | IrregularMovement | NoiseLimit, version: str) -> None:
    assert detector.model_version == version
