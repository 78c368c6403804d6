"""Which alert steps somebody wants, on the live stream or as a subscriber. Pure.

How grave an alert was is looked at step by step. Its end is told with the gravest severity that it had
(:mod:`detectors.incidents`), so whoever heard of it while it was grave hears its end too.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.families.system import GRAVITY, Severity
from schemas.topics import covers


@dataclass(frozen=True, slots=True)
class StepFilter:
    """Empty sets take everything. ``scope``: a subtree, or empty for all."""

    scope: str = ""
    detectors: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    min_severity: Severity = "info"
    steps: frozenset[str] = frozenset()

    def wants(self, scope: str, detector: str, rule: str, step: str, severity: Severity) -> bool:
        """Whether such a step of an alert in ``scope`` is wanted."""
        return (
            covers(self.scope, scope)
            and (not self.detectors or detector in self.detectors)
            and (not self.rules or rule in self.rules)
            and (not self.steps or step in self.steps)
            and GRAVITY[severity] >= GRAVITY[self.min_severity]
        )
