"""Scoring: hits, misses and false alarms, by hand-made truth."""

from __future__ import annotations

import pytest

from replay.simulator import Label, ScoredAlert, score
from replay.simulator.chance import HOUR_MS

PERSON = Label(10 * HOUR_MS, "irregular_movement", "absent_too_long", "p-1", "a/b", 14 * HOUR_MS, 13 * HOUR_MS)
GATEWAY = Label(
    10 * HOUR_MS, "device_offline", "gateway_silent", "gw-1", "a/b", 12 * HOUR_MS, 11 * HOUR_MS, ("gw-1", "dev-1")
)
NONE = {"hit": 0, "missed": 0, "false": 0}


def alert(label: Label, opened_h: float, subject: str | None = None, rule: str = "any") -> ScoredAlert:
    return ScoredAlert(label.kind, rule, subject or label.subject, int(opened_h * HOUR_MS))


@pytest.mark.parametrize(
    ("opened_h", "expected"),
    [
        (11.0, {"hit": 1, "missed": 0, "false": 0}),
        (14.9, {"hit": 1, "missed": 0, "false": 0}),  # within the grace
        (9.5, {"hit": 0, "missed": 1, "false": 1}),  # before it happened
        (15.5, {"hit": 0, "missed": 1, "false": 1}),  # long after
    ],
)
def test_an_alert_counts_within_the_labels_time(opened_h: float, expected: dict[str, int]) -> None:
    result = score([PERSON], [alert(PERSON, opened_h)], until_ms=24 * HOUR_MS)
    assert result == {"irregular_movement": expected, "device_offline": NONE, "noise_limit": NONE}


def test_several_alerts_on_one_label_are_one_hit_and_none_false() -> None:
    alerts = [alert(PERSON, 11.0, rule="unusual_hour"), alert(PERSON, 12.0), alert(PERSON, 13.0)]
    assert score([PERSON], alerts, until_ms=24 * HOUR_MS)["irregular_movement"] == {"hit": 1, "missed": 0, "false": 0}


def test_another_subject_or_kind_is_false() -> None:
    alerts = [alert(PERSON, 11.0, subject="p-2"), ScoredAlert("noise_limit", "over_limit", "p-1", 11 * HOUR_MS)]
    result = score([PERSON], alerts, until_ms=24 * HOUR_MS)
    assert result["irregular_movement"] == {"hit": 0, "missed": 1, "false": 1}
    assert result["noise_limit"]["false"] == 1


def test_an_alert_about_a_device_behind_a_silent_gateway_belongs_to_it() -> None:
    result = score([GATEWAY], [alert(GATEWAY, 11.0, subject="dev-1")], until_ms=24 * HOUR_MS)
    assert result["device_offline"] == {"hit": 1, "missed": 0, "false": 0}


def test_what_could_not_be_known_yet_is_not_missed() -> None:
    assert score([PERSON], [], until_ms=12 * HOUR_MS)["irregular_movement"] == NONE
    assert score([PERSON], [], until_ms=13 * HOUR_MS)["irregular_movement"]["missed"] == 1
    assert score([PERSON], [], until_ms=9 * HOUR_MS)["irregular_movement"] == NONE


def test_what_was_before_the_watch_is_left_out() -> None:
    alerts = [alert(PERSON, 11.0), alert(PERSON, 5.0)]
    assert score([PERSON], alerts, until_ms=24 * HOUR_MS, from_ms=20 * HOUR_MS)["irregular_movement"] == NONE


def test_other_detectors_are_left_out() -> None:
    assert score([], [ScoredAlert("data_quality", "stuck", "x", 1)], until_ms=9)["noise_limit"] == NONE
