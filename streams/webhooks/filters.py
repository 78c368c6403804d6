"""Which alert steps a subscription wants, and which words a filter may use. Pure.

A filter with no detectors, rules or steps lets all of them pass. Alerts outside its scope never pass, whatever else it
says; neither do silenced steps, nor alerts for which another one of their group stands, unless it asks for them.
Who asks for openings and not for silenced steps is also told what is still open after a silence (``unsilenced``): to
him that is its opening.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.families.subscriptions import SubscriptionState
from schemas.families.system import ALERT_STEPS, SEVERITIES, Alert
from schemas.nearest import near_and_known
from schemas.rules import ALL_RULES, DETECTORS, rules_of
from schemas.strict import SCOPE_PATTERN
from streams.step_filter import StepFilter

_SCOPE = re.compile(f"(?:{SCOPE_PATTERN})?")


class FilterError(ValueError):
    """A filter is not as it must be; ``field`` is which part, the texts say what is allowed."""

    def __init__(self, field: str, problem_zh: str, problem_en: str) -> None:
        super().__init__(f"{field}: {problem_zh} · {problem_en}")
        self.field = field
        self.problem_zh = problem_zh
        self.problem_en = problem_en


@dataclass(frozen=True, slots=True)
class AlertFilter(StepFilter):
    """What of the alerts a subscription wants. Empty sets: all."""

    silenced: bool = False

    def matches(self, alert: Alert, scope: str) -> bool:
        """Whether this step of an alert in ``scope`` is wanted."""
        return (self.silenced or not (alert.silenced or alert.group)) and self.wants(
            scope, alert.detector, alert.rule, self._meant(alert.step), alert.severity
        )

    def _meant(self, step: str) -> str:
        is_opening = step == "unsilenced" and "opened" in self.steps and not self.silenced
        return "opened" if is_opening else step

    @classmethod
    def of(cls, state: SubscriptionState) -> AlertFilter:
        """The filter as a subscription's event holds it; words that are no longer known match nothing."""
        return cls(
            state.subscription_scope,
            _set(state.detectors),
            _set(state.rules),
            state.min_severity,
            _set(state.steps),
            state.silenced,
        )


def checked_filter(
    scope: str,
    detectors: Sequence[str] = (),
    rules: Sequence[str] = (),
    min_severity: str = "info",
    steps: Sequence[str] = (),
    silenced: bool = False,
) -> AlertFilter:
    """A filter of what somebody asks for. :raises FilterError: a word in it is unknown, or it can never match."""
    if not _SCOPE.fullmatch(scope):
        raise FilterError(
            "scope",
            f"{_shown(scope)} 不是有效范围;应为 1 至 5 段 a-z、0-9、_ 或 -,以 / 分隔,例如 wuhu/jinghu",
            f"{_shown(scope)} is no scope: 1 to 5 segments of a-z, 0-9, _ or -, joined by /, such as wuhu/jinghu",
        )
    _check_words("detectors", detectors, DETECTORS)
    _check_words("rules", rules, ALL_RULES)
    _check_words("steps", steps, ALERT_STEPS)
    _check_words("min_severity", (min_severity,), SEVERITIES)
    known = rules_of(detectors)
    if detectors and (lost := [rule for rule in rules if rule not in known]):
        allowed = ", ".join(known)
        raise FilterError(
            "rules",
            f"{lost[0]} 不属于所选检测器;可选:{allowed}",
            f"{lost[0]} is not a rule of the chosen detectors; allowed: {allowed}",
        )
    severity = next(each for each in SEVERITIES if each == min_severity)
    return AlertFilter(scope, frozenset(detectors), frozenset(rules), severity, frozenset(steps), silenced)


def joined(words: frozenset[str], order: Sequence[str]) -> str | None:
    """Words as an event holds them: in the catalogue's order, separated by commas; None for all."""
    return ",".join(sorted(words, key=order.index)) or None


def _check_words(field: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            zh, en = near_and_known(word, known)
            raise FilterError(field, f"没有 {_shown(word)}{zh}", f"there is no {_shown(word)}{en}")


def _set(words: str | None) -> frozenset[str]:
    return frozenset(words.split(",")) if words else frozenset()


def _shown(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "…'"
