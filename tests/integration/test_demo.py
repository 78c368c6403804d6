"""``gridpulse demo``: ends by itself with one JSON object, and a second start goes on where the first one stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import World, ended_after, gridpulse, until

KINDS = {"irregular_movement", "device_offline", "noise_limit"}


def demo(world: World, *options: str) -> dict[str, Any]:
    """One run; what its last line on stdout says."""
    done = gridpulse("demo", "--rate", "2000", "--json", *options, environment=world.environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def check(result: dict[str, Any]) -> None:
    """What every run's result holds."""
    assert result["events"] == result["events_queryable"] > 1000
    assert result["events_per_s"] > 0
    assert 0 < result["event_to_queryable_ms"]["p50"] <= result["event_to_queryable_ms"]["p99"]
    assert result["alerts"].keys() == KINDS
    for counts in result["alerts"].values():
        assert {"hit", "missed", "false"} <= counts.keys()
    assert result["restarts"] == 0
    webhooks = result["webhooks"]
    assert webhooks["pinged"]
    assert webhooks["alert_steps"] == webhooks["received"] == webhooks["verified"]
    assert (webhooks["first"] is None) == (webhooks["alert_steps"] == 0)  # a short run may see none


def domain_tables(world: World) -> list[str]:
    """The tables of events that come from outside."""
    system = ("detections", "alerts", "deadletters", "control", "deliveries")
    types = json.loads(world.run("schemas", "--json").stdout)
    return [one["table"] for one in types if one["type"].split(".")[2] not in system]


@pytest.mark.parametrize("log", [(), ("--kafka",)], ids=["sqlite", "kafka"])
def test_a_second_start_goes_on(tmp_path: Path, log: tuple[str, ...]) -> None:
    world = World(tmp_path)
    results = [demo(world, "--seconds", "5", *log) for _ in range(2)]
    for result in results:
        check(result)
    assert results[1]["dead_letters"] >= sum(result["bad_events_sent"] for result in results) > 0

    tables = domain_tables(world)
    union = " UNION ALL ".join(f"SELECT source, event_id, recorded_time FROM {table} FINAL" for table in tables)
    days = "dateDiff('millisecond', min(recorded_time), max(recorded_time)) / 86400000"
    sql = f"SELECT count() AS rows, uniqExact(source, event_id) AS events, {days} AS days FROM ({union})"
    store = world.start("run", "store")
    with ended_after(store):
        until(world.store_answers, "the store")
        (row,) = world.rows(sql)
    assert row["rows"] == row["events"], "an event is there twice"
    # All of both runs is there. The simulator's impatient senders repeat a few in ten thousand under the same id.
    sent = sum(result["events"] - result["bad_events_sent"] for result in results)
    assert 0.997 * sent <= row["events"] <= sent
    # Neither a gap nor an overlap: the time that passed in both together is the time from the first to the last event.
    assert row["days"] == pytest.approx(sum(result["simulated_days"] for result in results), abs=0.02)
