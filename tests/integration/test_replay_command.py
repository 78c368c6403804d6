"""``gridpulse replay`` and ``gridpulse runs`` as their users run them; killed in the middle, too."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.running import Started, World, ended_after, gridpulse, until


def test_replay_killed_resumed_listed_compared_and_dropped(tmp_path: Path) -> None:
    world = World(tmp_path)
    environment = {**world.environment, "GRIDPULSE_SCOPES": ""}
    world.run("simulate", "--days", "0.2", "--size", "0.2", "--json")
    with ended_after(world.start("run", "store")):
        until(world.store_answers, "the store")
        whole = json.loads(world.run("replay", "--json").stdout)
        assert (whole["status"], whole["difference"]["gone"]) == ("finished", 0)
        assert whole["events"] > 1000
        assert "behind" in whole["notes"][0]  # nothing is live here

        manifests = set((world.data_dir / "runs").glob("*/manifest.json"))
        slow = Started.start(
            "replay", "--speed", "600", "--against", whole["run"], environment=environment, log_path=tmp_path / "slow"
        )
        with ended_after(slow):
            begun = until(lambda: set((world.data_dir / "runs").glob("*/manifest.json")) - manifests, "a run has begun")
            slow.kill()
        run = begun.pop().parent.name
        listed = {one["run"]: one["status"] for one in json.loads(world.run("runs", "list", "--json").stdout)}
        assert listed == {whole["run"]: "finished", run: "stopped"}

        resumed = json.loads(world.run("replay", "--resume", run, "--json").stdout)
        assert (resumed["run"], resumed["base"], resumed["same"]) == (run, whole["run"], True)
        assert resumed["hash"] == whole["hash"]
        shown = world.run("runs", "show", whole["run"]).stdout
        assert whole["hash"] in shown
        assert "新增 added" in shown

        world.run("runs", "drop", run)
        refused = gridpulse("runs", "diff", run, environment=environment)
        assert refused.returncode == 78
        assert f"there is no run {run}" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_wrong_options_are_refused_before_anything_is_begun(tmp_path: Path) -> None:
    world = World(tmp_path)
    for options, said in (
        (("--set", "noise_limit.over_margin=2"), "did you mean noise_limit.over_margin_db"),
        (("--resume", "x", "--to", "2026-05-01"), "only --speed"),
    ):
        refused = gridpulse("replay", *options, environment=world.environment)
        assert refused.returncode == 2, refused.stderr
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not world.data_dir.exists()
    assert "noise_limit.over_margin_db" in world.run("replay", "--parameters").stdout
