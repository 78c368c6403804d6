"""The comparison with other stream processors: input, what must come out, results and the bare loop. No timing."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from benchmarks.parts import as_batches
from benchmarks.peers.environments import HERE
from benchmarks.peers.job import END_MS, LIMITS_DB, START_MS, Job
from benchmarks.peers.measure import Measured, Moment, what_is_wrong
from benchmarks.peers.peer import BY_KEY, PEERS
from benchmarks.peers.results import assemble, markdown
from benchmarks.peers.running import PeerFailedError, run_peer
from benchmarks.peers.tables import Found
from benchmarks.peers.world import World
from schemas.codec import Decoder
from schemas.event import new_event, to_record_value
from schemas.families.readings import Measured as Reading
from schemas.records import NewRecord
from schemas.strict import Limits
from schemas.times import parse_rfc3339_ms
from streams.dev_broker import DevBroker

SMALL = Job(devices=40)


@pytest.fixture(scope="module")
def records() -> list[NewRecord]:
    return [record for chunk in SMALL.records() for record in chunk]


def test_all_readings_are_valid_in_recorded_order_and_spread_evenly(records: list[NewRecord]) -> None:
    times = [record.recorded_time_ms or 0 for record in records]
    decoded = [Decoder(Limits()).decode(batch) for batch in as_batches([*SMALL.registry(), *records])]
    assert len(records) == SMALL.events
    assert times == sorted(times)
    assert not any(batch.dead for batch in decoded)
    assert sum(record.partition for record in records) == SMALL.events // 2


def test_the_bytes_are_those_that_ingest_would_write(records: list[NewRecord]) -> None:
    record = records[12_345]
    value = json.loads(record.value)
    event = new_event(
        Reading(**value["data"]),
        id=value["id"],
        source=value["source"],
        scope=value["scope"],
        event_time_ms=parse_rfc3339_ms(value["time"]),
    )
    assert to_record_value(event, record.recorded_time_ms) == record.value
    assert record.key.decode() == value["data"]["device"]


def test_what_must_come_out_is_what_a_plain_loop_finds(records: list[NewRecord]) -> None:
    minutes: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for record in records:
        event = json.loads(record.value)
        time_ms = parse_rfc3339_ms(event["time"])
        if time_ms < END_MS:
            zone = event["scope"].rsplit("/", 1)[1].split("-", 1)[0][1:]
            minutes[event["data"]["device"], zone, (time_ms - START_MS) // 60_000].append(event["data"]["value"])
    expected = SMALL.expected
    assert expected.rows_minute == len(minutes) == 40 * 60
    assert expected.counted == sum(map(len, minutes.values()))
    assert expected.sum_of_means == pytest.approx(sum(map(fmean, minutes.values())))
    assert expected.sum_of_maxima == pytest.approx(sum(map(max, minutes.values())))
    assert expected.alarms == sum(fmean(values) > LIMITS_DB[zone] for (_, zone, _), values in minutes.items()) == 70
    assert expected.loud_devices == 2


@pytest.mark.parametrize("key", ["bare_loop", "bare_loop_store"])
def test_the_bare_loop_does_the_whole_job(kafka_broker: DevBroker, tmp_path: Path, key: str) -> None:
    world = World(kafka_broker.bootstrap, tmp_path, 2)
    world.fill(SMALL, f"peers.{uuid.uuid4().hex[:8]}", lambda events: None)
    result = run_peer(BY_KEY[key], SMALL, world, tmp_path)
    assert (result["result"], result["alarms"], result["events"]) == ("right", 70, SMALL.events)
    assert result.get("rows_minute", 2400) == 2400
    assert min(result["events_per_s"], result["cpu_s_per_million"], result["rss_mb"], result["seconds_cold"]) > 0
    assert result["versions"].keys() == set(BY_KEY[key].packages)


def test_a_peer_that_ends_is_a_failure_in_its_own_words(kafka_broker: DevBroker, tmp_path: Path) -> None:
    world = World(kafka_broker.bootstrap, tmp_path, 2, filled={SMALL.devices: "peers.nothing"})
    broken = replace(BY_KEY["bare_loop"], arguments=("-c", "raise ValueError('no such thing')"))
    with pytest.raises(PeerFailedError, match="exit code 1: ValueError: no such thing"):
        run_peer(broken, SMALL, world, tmp_path)


def test_a_figure_that_is_not_as_reckoned_is_named() -> None:
    wanted = SMALL.expected
    found = Found(
        wanted.rows_raw, wanted.rows_minute, wanted.counted, wanted.sum_of_means, wanted.sum_of_maxima, wanted.alarms
    )
    assert what_is_wrong(found, wanted) is None
    assert what_is_wrong(replace(found, counted=found.counted - 1), wanted) == "wrong: counted is 28799, not 28800"
    assert "sum_of_means" in (what_is_wrong(replace(found, sum_of_means=found.sum_of_means * 1.0001), wanted) or "")


def test_rates_leave_out_what_was_there_at_the_first_look() -> None:
    measured = Measured(Moment(0.0, 1.0, 0), Moment(4.0, 3.0, 200), Moment(6.0, 4.0, 1000), 50, whole=True)
    figures = measured.figures(1000)
    assert (figures["events_per_s"], figures["cpu_s_per_million"], figures["seconds_cold"]) == (400.0, 1250.0, 6.0)
    cold = replace(measured, first=Moment(4.0, 3.0, 600)).figures(1000)
    assert (cold["events_per_s"], cold["note"]) == (166.7, "too short: counted from the cold start")


def _result(events_per_s: float, result: str = "right") -> dict[str, Any]:
    figures = {"events_per_s": events_per_s, "cpu_s_per_million": 1e6 / events_per_s, "rss_mb": 1, "seconds_cold": 1.0}
    return {**figures, "events": 10, "result": result, "versions": {}, "settings": {}, "cannot": ["Fly."]}


def test_only_right_results_are_compared() -> None:
    peers = {
        "bare_loop": _result(400.0),
        "quix_streams": _result(20.0),
        "bytewax_naive": _result(1000.0, "wrong: rows_raw is 9, not 10"),
        "pathway": {"error": "cannot be installed: no wheel", "settings": {}, "cannot": []},
    }
    page = assemble(SMALL, 355, _result(200.0), peers)
    assert page["ratios"] == page["cpu_ratios"] == {"bare_loop": 0.5, "quix_streams": 10.0}
    assert assemble(SMALL, 355, _result(200.0, "wrong: x"), peers)["ratios"] == {}
    text = markdown(page)
    assert "| Quix Streams | 20 | 10.00 × |" in text
    assert "cannot be installed: no wheel" in text
    assert "wrong: rows_raw is 9, not 10" in text
    assert "* Fly." in text


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.folder != "bare_loop"], ids=lambda peer: peer.key)
def test_every_environment_is_pinned_by_version_and_hash(peer: Any) -> None:
    lock = (HERE / peer.folder / "requirements.txt").read_text("utf-8")
    pins = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert (HERE / peer.folder / "app.py").exists()
    assert all("==" in pin for pin in pins)
    assert lock.count("--hash=sha256:") >= len(pins)
    assert "://" not in lock
    assert all(any(pin.startswith(f"{package}==") for pin in pins) for package in peer.packages)
