"""The truth: enough labels of every kind, none while learning, none overlapping, and the events agree with them."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from math import log10

import orjson
import pytest

from replay.simulator import KINDS, DistrictConfig, Label, Simulator
from replay.simulator.chance import DAY_MS, HOUR_MS, MINUTE_MS, day_of
from schemas.times import parse_rfc3339_ms

RULES = {
    "irregular_movement": {"unusual_hour", "absent_too_long", "no_sign_of_life", "unknown_place"},
    "device_offline": {"silent", "gateway_silent", "site_silent"},
    "noise_limit": {"over_limit", "night_burst", "louder_than_usual"},
}
SMALL = DistrictConfig(seed=11, communities=2, learning_days=1.0, anomaly_rate=4.0, bad_ratio=0.0)
START_MS = SMALL.start_ms
DAYS = 5
Json = dict[str, object]


@cache
def small() -> tuple[list[Label], dict[str, list[tuple[int, str, dict[str, object]]]]]:
    """Labels of the small district, and its events (event time, fact, data) by what they are about."""
    simulator = Simulator(SMALL)
    about: dict[str, list[tuple[int, str, Json]]] = defaultdict(list)
    for piece in simulator.slices(START_MS, START_MS + DAYS * DAY_MS, 6 * HOUR_MS):
        for record in piece.records:
            event = orjson.loads(record.value)
            data, fact = event["data"], event["type"].split(".")[3]
            for key in {data.get("device"), data.get("person")} - {None}:
                about[key].append((parse_rfc3339_ms(event["time"]), fact, data))
    return simulator.labels(START_MS, START_MS + DAYS * DAY_MS), about


def labels_of(rule: str) -> list[Label]:
    found = [label for label in small()[0] if label.rule == rule and label.end_ms < START_MS + DAYS * DAY_MS]
    assert found, f"no label {rule} in the sample: choose another seed"
    return found


def during(label: Label, slack_ms: int = 10_000) -> list[tuple[int, str, Json]]:
    events = small()[1][label.subject]
    return [event for event in events if label.start_ms + slack_ms < event[0] < label.end_ms - slack_ms]


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_sixteen_days_give_eight_labels_of_every_kind_and_none_while_learning(seed: int) -> None:
    config = DistrictConfig(seed=seed)
    labels = Simulator(config).labels(config.start_ms, config.start_ms + 16 * DAY_MS)
    counts = Counter(label.kind for label in labels)
    assert all(8 <= counts[kind] <= 60 for kind in KINDS), counts
    assert min(label.start_ms for label in labels) >= config.learning_until_ms


def test_every_rule_occurs_in_time() -> None:
    config = DistrictConfig()
    labels = Simulator(config).labels(config.start_ms, config.start_ms + 60 * DAY_MS)
    for kind, rules in RULES.items():
        assert {label.rule for label in labels if label.kind == kind} == rules


def test_labels_of_a_subject_do_not_overlap() -> None:
    config = DistrictConfig(anomaly_rate=3.0)
    labels = Simulator(config).labels(config.start_ms, config.start_ms + 30 * DAY_MS)
    by_subject: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        assert label.start_ms < label.end_ms
        assert label.start_ms <= label.detectable_by_ms <= label.end_ms + HOUR_MS
        assert label.end_ms - label.start_ms <= DAY_MS
        for subject in {label.subject, *label.members}:
            by_subject[subject].append(label)
    for same in by_subject.values():
        for first, second in pairwise(same):
            assert first.end_ms < second.start_ms, (first, second)


def test_labels_do_not_depend_on_the_asked_span() -> None:
    config = DistrictConfig()
    start, middle, end = (config.start_ms + days * DAY_MS for days in (0, 13, 20))
    simulator = Simulator(config)
    parts = simulator.labels(start, middle) + simulator.labels(middle, end)
    assert parts == Simulator(config).labels(start, end)


def test_no_anomalies_when_none_are_wanted() -> None:
    config = DistrictConfig(anomaly_rate=0.0)
    assert Simulator(config).labels(config.start_ms, config.start_ms + 30 * DAY_MS) == []


def test_a_silent_device_says_nothing_and_others_do() -> None:
    for label in labels_of("silent"):
        assert during(label) == []
        before = [e for e in small()[1][label.subject] if e[0] < label.start_ms]
        assert before


def test_a_silent_gateway_takes_its_devices_along() -> None:
    simulator = Simulator(SMALL)
    for label in labels_of("gateway_silent"):
        behind = [d.name for d in simulator.world.devices if d.gateway == label.subject]
        assert set(label.members) == {label.subject, *behind}


def test_over_limit_is_over_limit_on_the_energy_average() -> None:
    for label in labels_of("over_limit"):
        assert label.end_ms - label.start_ms >= 40 * MINUTE_MS
        assert energy_mean_db(label) > limit_db(label) + 1.0


def test_louder_than_usual_stays_below_the_limit() -> None:
    for label in labels_of("louder_than_usual"):
        assert energy_mean_db(label) < limit_db(label) - 1.5
        usual = [
            float(str(data["value"]))
            for at, _, data in small()[1][label.subject]
            if data.get("quantity") == "laeq"
            and day_of(at) < day_of(label.start_ms)
            and hour_of(at) == hour_of(label.start_ms)
        ]
        assert energy_mean_db(label) > sum(usual) / len(usual) + 6.0


def test_night_bursts_exceed_what_a_burst_may() -> None:
    for label in labels_of("night_burst"):
        peaks = [float(str(d["value"])) for _, _, d in during(label, -5 * MINUTE_MS) if d.get("quantity") == "lamax"]
        assert max(peaks) > limit_db(label) + 15.0


def test_outside_the_labels_energy_averages_keep_the_limit() -> None:
    simulator = Simulator(SMALL)
    meters = {d.name: d.noise_zone for d in simulator.world.devices if d.kind == "noise"}
    labelled = {(label.subject, day_of(label.start_ms) + extra) for label in small()[0] for extra in (0, 1)}
    single_over = windows = 0
    for meter in meters:
        slots: dict[int, list[float]] = defaultdict(list)
        for at, _, data in small()[1][meter]:
            if data.get("quantity") == "laeq" and (meter, day_of(at)) not in labelled:
                slots[at // (20 * MINUTE_MS)].append(float(str(data["value"])))
        for slot, values in slots.items():
            limit = zone_limit(str(meters[meter]), hour_of(slot * 20 * MINUTE_MS))
            single_over += sum(value > limit for value in values)
            windows += 1
            assert mean_db(values) < limit + 1.0, (meter, slot)
    assert single_over > windows / 40  # a threshold on single readings would cry all day


def test_out_at_night_is_seen_at_night_and_a_still_home_is_still() -> None:
    for label in labels_of("unusual_hour"):
        facts = {fact for _, fact, _ in during(label, -MINUTE_MS)}
        assert facts & {"passage", "sighting"}
        assert hour_of(label.start_ms) < 5
    for label in labels_of("no_sign_of_life"):
        assert label.end_ms - label.start_ms >= 8 * HOUR_MS
        assert not [e for e in during(label, 15 * MINUTE_MS) if e[1] in {"presence", "sighting", "passage"}]


def test_persons_without_consent_have_no_labels() -> None:
    config = DistrictConfig(anomaly_rate=4.0)
    simulator = Simulator(config)
    refused = {person.name for person in simulator.world.people if not person.consent}
    labels = simulator.labels(config.start_ms, config.start_ms + 20 * DAY_MS)
    assert refused
    assert not refused & {label.subject for label in labels}


def hour_of(time_ms: int) -> int:
    return (time_ms // HOUR_MS + 8) % 24


def zone_limit(zone: str, hour: int) -> float:
    limits = {"0": (50, 40), "1": (55, 45), "2": (60, 50), "3": (65, 55), "4a": (70, 55), "4b": (70, 60)}
    return limits[zone][0 if 6 <= hour < 22 else 1]


def limit_db(label: Label) -> float:
    zones = {d.name: d.noise_zone for d in Simulator(SMALL).world.devices}
    return zone_limit(str(zones[label.subject]), hour_of(label.start_ms))


def mean_db(values: list[float]) -> float:
    return 10 * log10(sum(10 ** (value / 10) for value in values) / len(values))


def energy_mean_db(label: Label) -> float:
    return mean_db([float(str(d["value"])) for _, _, d in during(label, 5 * MINUTE_MS) if d.get("quantity") == "laeq"])
