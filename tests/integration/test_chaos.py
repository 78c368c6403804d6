"""A short chaos run on each log: kills under load, and then the account is exact. And what it relies on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.running import Started, World, ended_after, gridpulse, measured, until


def chaos(data_dir: Path, *options: str) -> dict[str, Any]:
    """One run with seed 1; what its last line on stdout says."""
    options = ("--data-dir", str(data_dir), "--rate", "400", "--seed", "1", "--json", *options)
    done = gridpulse("chaos", *options, environment={})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("log", ["sqlite", "kafka"])
def test_nothing_is_lost_nothing_is_there_twice_and_all_is_as_the_log_says(tmp_path: Path, log: str) -> None:
    result = chaos(tmp_path / "chaos", "--log", log, "--minutes", "0.3")
    assert result["lost"] == result["duplicated"] == result["mismatched"] == 0
    assert result["rejected_in_log"] == result["unread_in_log"] == 0
    assert result["in_log"] == result["in_clickhouse"] == result["acknowledged"] > 1000
    assert result["kills"] >= 5
    assert result["restarts"] >= result["kills"] - 2  # two may be killed again before they are back
    assert result["rejected"] > 0
    (run,) = result["runs"]
    assert run["log"] == log
    assert run["duplicates_answered"] > 0
    assert run["peak_rss_mb"].keys() >= {"store", "api", "pipeline", "rollup"}
    assert all(peak < 1500 for peak in run["peak_rss_mb"].values())


def test_everybody_gets_every_alert_once_and_in_order_though_everyone_is_killed(tmp_path: Path) -> None:
    options = ("--alerts", "--storm", "100", "--endpoints", "8")
    done = gridpulse("chaos", *options, "--data-dir", str(tmp_path / "chaos"), "--json", environment={})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["alerts"], result["subscribers"]) == (100, 8)
    assert result["missing"] == result["out_of_order"] == result["raised_twice"] == 0
    assert result["unexplained"] == result["uncaused"] == result["bad_signatures"] == 0
    assert result["deliveries"] == 100 * 8 + 100 * 2  # two of them ask for the end of each, too
    assert result["attempts"] > result["deliveries"]
    (run,) = result["runs"]
    assert run["kills_by_process"] == dict.fromkeys(("api", "pipeline", "store", "rollup", "webhooks"), 1)


def test_events_are_taken_in_while_the_store_is_away(tmp_path: Path) -> None:
    world = World(tmp_path)
    key = world.issue_key()
    api = world.start("run", "api")
    with ended_after(api):
        until(lambda: _alive(world, api), "the API")
        assert world.get("/readyz").status_code == 503
        assert world.send(key, measured("early")).status_code == 202
        assert world.get("/v1/alerts", key).status_code == 503
        with ended_after(world.start("run", "store")):
            until(world.store_answers, "the store")
            world.run("migrate")
            until(lambda: world.get("/readyz").status_code == 200, "ready, without a restart")
            assert world.get("/v1/alerts", key).status_code == 200


def _alive(world: World, api: Started) -> bool:
    api.require_running()
    try:
        return world.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
