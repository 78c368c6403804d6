"""Which rules each detector has: the words that filters and silences may use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

WEBHOOKS_DETECTOR: Final = "webhooks"
WEBHOOKS_RULE: Final = "endpoint_disabled"
RULES: Final[dict[str, tuple[str, ...]]] = {
    "irregular_movement": ("unusual_hour", "unknown_place", "absent_too_long", "no_sign_of_life"),
    "device_offline": ("silent", "flapping", "gateway_silent", "site_silent"),
    "noise_limit": ("over_limit", "night_burst", "louder_than_usual"),
    WEBHOOKS_DETECTOR: (WEBHOOKS_RULE,),  # no detector of a lane: the delivery worker speaks for itself
}
DETECTORS: Final[tuple[str, ...]] = tuple(RULES)


def rules_of(detectors: Iterable[str]) -> tuple[str, ...]:
    """Their rules, each once."""
    return tuple(dict.fromkeys(rule for detector in detectors for rule in RULES[detector]))


ALL_RULES: Final = rules_of(DETECTORS)
