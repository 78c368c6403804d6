"""Device offline: learned intervals, groups, flapping; and what must not be flagged."""

from __future__ import annotations

import random

import pytest

from detectors.contract import Emitted
from detectors.device_offline import DeviceOffline
from schemas.families.system import Detection, DeviceStatus
from tests.detectors.batches import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Say,
    cut,
    device_entry,
    heartbeat,
    laeq,
    presence,
    tick,
)  # fmt: skip
from tests.detectors.streams import START_MS, beats, gateway_district, in_order


def run(rows: list[Say], size: int = 1000) -> list[Emitted]:
    detector = DeviceOffline()
    return [emitted for batch in cut(rows, size) for emitted in detector.process(batch)]


def detections(out: list[Emitted], rule: str | None = None) -> list[Detection]:
    found = [emitted.data for emitted in out if isinstance(emitted.data, Detection)]
    return [data for data in found if rule is None or data.rule == rule]


def statuses(out: list[Emitted]) -> list[DeviceStatus]:
    return [emitted.data for emitted in out if isinstance(emitted.data, DeviceStatus)]


@pytest.mark.parametrize("interval_s", [10.0, 60.0, 900.0])
def test_silence_beyond_the_own_interval_is_flagged_soon_and_ends_when_seen_again(interval_s: float) -> None:
    stop = START_MS + int(40 * interval_s * SECOND)
    back = stop + int(20 * interval_s * SECOND)
    rows = beats("d1", START_MS, stop, interval_s, 1, jitter_s=0.2)
    rows += [heartbeat(back, "d1"), tick(back + DAY)]
    last = rows[-3].recorded_ms

    out = run(rows[:-1])

    on, over = detections(out)
    assert (on.rule, on.subject, on.active) == ("silent", "d1", True)
    assert (over.rule, over.active) == ("silent", False)
    assert on.baseline == pytest.approx(interval_s, rel=0.1)
    assert 3.2 * interval_s < (on.detected_time_ms - last) / SECOND < 4 * interval_s + 8
    assert on.score >= on.threshold
    assert [(s.status, s.cause) for s in statuses(out)] == [
        ("online", "first_seen"), ("offline", "silent"), ("online", "seen_again"),
    ]  # fmt: skip
    assert "设备 d1" in on.reason_zh
    assert "Device d1" in on.reason_en


def test_nothing_is_flagged_while_a_device_is_learned() -> None:
    rows = [heartbeat(START_MS + n * MINUTE, "d1") for n in range(9)]
    assert detections(run([*rows, tick(START_MS + DAY)])) == []
    rows.append(heartbeat(START_MS + 9 * MINUTE, "d1"))
    assert len(detections(run([*rows, tick(START_MS + DAY)]))) == 1


def test_normal_loss_and_jitter_raise_no_alarm_over_a_month() -> None:
    end = START_MS + 30 * DAY
    parts = [beats(f"d{n}", START_MS, end, 300.0, n, loss=0.02 + 0.02 * (n % 3), jitter_s=3.0) for n in range(12)]
    out = run(in_order(*parts), 5000)
    assert len(detections(out)) <= 2  # 100,000 messages, up to 6% lost; 2.5 intervals would flag hundreds


def test_event_driven_presence_alone_is_never_flagged() -> None:
    rng = random.Random(3)
    rows, at = [], START_MS
    while at < START_MS + 20 * DAY:
        rows.append(presence(at, "p1"))
        at += int(rng.expovariate(1 / (20 * MINUTE if at // HOUR % 24 < 14 else 6 * HOUR))) + 1
    assert detections(run(rows)) == []


def test_irregular_measurements_widen_the_allowed_silence() -> None:
    rng = random.Random(4)
    rows, at = [], START_MS
    while at < START_MS + 20 * DAY:
        rows.append(laeq(at, "d1", 50.0))
        at += int(rng.expovariate(1 / (10 * MINUTE))) + SECOND
    assert len(detections(run(rows))) <= 2


def test_presence_between_heartbeats_is_a_sign_of_life_but_not_an_interval() -> None:
    rows = beats("pir-p1", START_MS, START_MS + 2 * DAY, 3600.0, 1)
    chatter = [presence(START_MS + n * 7 * MINUTE, "p1") for n in range(200)]
    out = run([*in_order(rows, chatter), tick(START_MS + 2 * DAY + HOUR)])
    assert detections(out) == []


def test_buffered_messages_sent_in_a_burst_do_not_spoil_the_interval() -> None:
    first = beats("d1", START_MS, START_MS + 3 * HOUR, 60.0, 1)
    back = START_MS + 5 * HOUR
    burst = [
        heartbeat(back + n * 2 * SECOND, "d1", event_ms=START_MS + 3 * HOUR + n * MINUTE) for n in range(120)
    ]  # fmt: skip
    later = beats("d1", back + 5 * MINUTE, back + 5 * HOUR, 60.0, 2)
    gone = [tick(back + 6 * HOUR)]
    out = detections(run([*first, *burst, *later, *gone]))
    assert [(data.rule, data.active) for data in out] == [("silent", True), ("silent", False), ("silent", True)]
    assert out[-1].baseline == pytest.approx(60.0, abs=6.0)


def test_a_new_interval_is_learned_anew() -> None:
    slow = beats("d1", START_MS, START_MS + 2 * DAY, 600.0, 1)
    fast = beats("d1", START_MS + 2 * DAY, START_MS + 3 * DAY, 30.0, 1)
    out = detections(run([*slow, *fast, tick(START_MS + 4 * DAY)]))
    assert len(out) == 1
    assert out[0].baseline == pytest.approx(30.0, abs=5.0)


def test_a_gateway_of_300_devices_gives_one_detection() -> None:
    fail, back = START_MS + 3 * HOUR, START_MS + 4 * HOUR
    rows = gateway_district(300, START_MS, fail, back, START_MS + 6 * HOUR)
    out = run(rows, 777)
    found = detections(out)
    assert [(data.rule, data.subject, data.active) for data in found] == [
        ("gateway_silent", "gw-1", True), ("gateway_silent", "gw-1", False),
    ]  # fmt: skip
    assert found[0].detected_time_ms - fail < 5 * MINUTE
    gone = [data for data in statuses(out) if data.status == "offline"]
    assert len(gone) == 300
    assert {data.cause for data in gone} == {"gateway_silent"}
    assert sum(data.cause == "seen_again" for data in statuses(out)) == 300


def test_single_devices_of_a_gateway_are_said_one_by_one() -> None:
    rows = gateway_district(30, START_MS, 2**62, 2**62, START_MS + 6 * HOUR)
    gone = {"d001", "d002", "d004", "d005"}
    rows = [row for row in rows if row.data["device"] not in gone or row.recorded_ms < START_MS + 3 * HOUR]
    found = detections(run(rows))
    assert {data.subject for data in found} == gone
    assert {data.rule for data in found} == {"silent"}


def test_two_gateways_of_a_site_give_one_detection_for_the_site() -> None:
    fail = START_MS + 3 * HOUR
    parts = [[device_entry(START_MS, f"gw-{g}", "gateway", site="compound-1") for g in range(3)]]
    for g in range(3):
        for n in range(10):
            device = f"d{g}-{n}"
            parts.append([device_entry(START_MS, device, gateway=f"gw-{g}", site=f"home-{g}-{n}")])
            parts.append(beats(device, START_MS, fail, 60.0, n))
    out = run([*in_order(*parts), tick(fail + HOUR)])
    assert [(data.rule, data.subject) for data in detections(out)] == [("site_silent", "compound-1")]
    assert {data.cause for data in statuses(out) if data.status == "offline"} == {"site_silent"}


def test_devices_that_stay_away_when_the_gateway_is_back_are_said_then() -> None:
    fail, back, end = START_MS + 3 * HOUR, START_MS + 4 * HOUR, START_MS + 6 * HOUR
    rows = gateway_district(30, START_MS, fail, back, end)
    rows = [row for row in rows if row.data["device"] != "d007" or row.recorded_ms < fail]
    found = [(data.rule, data.subject, data.active) for data in detections(run(rows))]
    assert found == [
        ("gateway_silent", "gw-1", True), ("gateway_silent", "gw-1", False), ("silent", "d007", True),
    ]  # fmt: skip


def test_flapping_is_said_once() -> None:
    rows = beats("d1", START_MS, START_MS + HOUR, 10.0, 1, jitter_s=0.1)
    at = START_MS + HOUR
    for _ in range(12):  # two minutes silent, two minutes there
        at += 2 * MINUTE
        rows += beats("d1", at, at + 2 * MINUTE, 10.0, at, jitter_s=0.1)
        at += 2 * MINUTE
    rows += beats("d1", at, at + 3 * HOUR, 10.0, 2, jitter_s=0.1)
    found = [(data.rule, data.active) for data in detections(run(rows))]
    assert found == [("silent", True), ("silent", False)] * 3 + [("flapping", True), ("flapping", False)]


def test_a_retired_device_is_forgotten() -> None:
    rows = beats("d1", START_MS, START_MS + HOUR, 60.0, 1)
    rows.append(device_entry(START_MS + HOUR, "d1", change="retired"))
    out = run([*rows, tick(START_MS + DAY)])
    assert detections(out) == []
    assert statuses(out)[-1].status == "retired"


def test_scope_and_cause_come_from_the_registry_and_the_row() -> None:
    entry = {"change": "registered", "device": "d1", "kind": "other"}
    rows = [Say(START_MS, "registry.device", entry, scope="a/b/c/d/g2")]
    rows += beats("d1", START_MS, START_MS + HOUR, 60.0, 1)
    rows.append(heartbeat(START_MS + 2 * HOUR, "d1", id="back-again"))
    out = [emitted for emitted in run(rows) if isinstance(emitted.data, Detection)]
    assert {emitted.scope for emitted in out} == {"a/b/c/d/g2"}
    assert detections(out)[1].cause_id == "back-again"
    assert detections(out)[0].cause_id.startswith("timer:silent:d1@")


def test_a_device_takes_a_few_hundred_bytes_of_memory() -> None:
    devices = 2000
    rows = [device_entry(START_MS, f"device-{n:06d}-heart", site=f"site-{n}") for n in range(devices)]
    rows += [heartbeat(START_MS + t * MINUTE + n, f"device-{n:06d}-heart") for t in range(12) for n in range(devices)]
    detector = DeviceOffline()
    for batch in cut(rows, 10_000):
        detector.process(batch)
    assert detector.devices == devices
    assert 250 < detector.nbytes / devices <= 450
    assert len(detector.snapshot()) / devices <= 450
