"""A home is silent: is it the person, or the sensor? The whole lane, with what people are told."""

from __future__ import annotations

import pytest

from detectors.lane import build_lane
from schemas.families.system import Alert
from tests.detectors.batches import DAY, HOUR, MINUTE, Say, cut, device_entry, heartbeat, passage, presence, tick
from tests.detectors.incident_world import steps_of
from tests.detectors.streams import START_MS, Life, in_order

LEFT = START_MS + 12 * DAY + 10 * HOUR  # the last sign of life
END = LEFT + 14 * HOUR
SENSOR = "pir-p1"


def lived() -> list[Say]:
    """Twelve days of a person, a morning at home, and signs of life again in the evening."""
    morning = [presence(START_MS + 12 * DAY + 7 * HOUR + n * 20 * MINUTE, "p1") for n in range(10)]
    return [*Life("p1", 0).days(0, 12), *morning, presence(LEFT + 12 * HOUR, "p1"), tick(END)]


def beats(device: str, *until_and_from_ms: int) -> list[Say]:
    """A heartbeat every five minutes, but for a gap."""
    gap_ms, back_ms = until_and_from_ms or (END, END)
    times = range(LEFT - 5 * HOUR, END, 5 * MINUTE)
    return [heartbeat(at, device) for at in times if not gap_ms <= at < back_ms]


def told(rows: list[Say], size: int = 5000) -> list[tuple[str, str | None, str | None, float]]:
    """What is said about the person: step, why it is silenced, by what, and hours after the last sign."""
    lane = build_lane()
    found: list[Alert] = steps_of(one for batch in cut(rows, size) for one in lane.process(batch))
    return [
        (one.step, one.silenced_as, one.silenced_by, round(((one.detected_time_ms or 0) - LEFT) / HOUR, 1))
        for one in found
        if one.subject == "p1" and one.detected_time_ms is not None and one.detected_time_ms >= LEFT
        and one.step not in ("reminded", "escalated")
    ]  # fmt: skip


@pytest.mark.parametrize("size", [7, 5000])
def test_a_home_whose_sensor_is_down_is_no_alarm_until_the_sensor_is_back(size: int) -> None:
    down = in_order(lived(), beats(SENSOR, LEFT, LEFT + 8 * HOUR))
    opened, freed, over = told(down, size)
    assert opened[:3] == ("opened", "inhibited", SENSOR)
    assert freed == ("unsilenced", None, None, 8.0), "the sensor is back, and there is still no sign"
    assert over[:2] == ("resolved", None)


def test_a_sensor_that_lives_makes_it_an_alarm() -> None:
    opened, over = told(in_order(lived(), beats(SENSOR)))
    assert (opened[:3], over[0]) == (("opened", None, None), "resolved")


def test_a_sensor_that_dies_after_the_alarm_takes_nothing_back() -> None:
    opened, over = told(in_order(lived(), beats(SENSOR, LEFT + 5 * HOUR, END)))
    assert opened[0] == "opened"
    assert opened[1] is None
    assert opened[3] < 5.0
    assert over[0] == "resolved"


def test_a_gateway_that_is_down_takes_its_homes_with_it() -> None:
    """The devices have no alert of their own then; their status says it."""
    names = [SENSOR, *(f"d{n}" for n in range(5))]
    entries = [device_entry(LEFT - 6 * HOUR, name, gateway="gw-1") for name in names]
    rows = in_order(entries, *(beats(name, LEFT, LEFT + 8 * HOUR) for name in names))
    opened, freed, _ = told(in_order(lived(), rows))
    assert opened[:3] == ("opened", "inhibited", SENSOR)
    assert freed[0] == "unsilenced"


def test_another_sensor_that_is_down_changes_nothing() -> None:
    """Nor does the gate: who came in and gives no sign is missed."""
    rows = in_order(lived(), beats(SENSOR), beats("door-p1", LEFT, END))
    assert told(rows)[0][:3] == ("opened", None, None)
    at_the_gate = [passage(LEFT - MINUTE, "p1", "out"), passage(LEFT + MINUTE, "p1", "in")]
    rows = in_order(lived(), at_the_gate, beats(SENSOR), beats("gate-1", LEFT + 2 * MINUTE, END))
    assert [one[1] for one in told(rows) if one[0] == "opened"] == [None]
