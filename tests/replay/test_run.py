"""Replay runs on a real store: equal to live, exact bounds, resumed anywhere, nothing appended to the log."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest

from projections.digest import CONTENT_TABLES, table_digest
from replay.run import RunConfig
from replay.run_errors import RunError
from replay.run_notes import notes_of_lag
from replay.run_spec import RunSpec
from schemas.topics import DOMAIN_TOPICS
from tests.flow.world import LANES, district
from tests.replay.run_world import SAID, KilledError, RunWorld

IDS = "event_id, detected_time_ms"
NOT_SAID_IN_RUNS = {"dead_letters"}  # what could not be read is no business of a run
HOUR_MS = 3_600_000
pytestmark = pytest.mark.xdist_group("runs")  # one worker makes the district and its live database


def end_ms(world: RunWorld) -> int:
    """A whole hour near the end of what was recorded."""
    (last_ms,) = {ms for ms in world.log.last_recorded_time_ms(("gridpulse.readings",)).values() if ms is not None}
    return last_ms // HOUR_MS * HOUR_MS


def test_a_replay_of_everything_equals_live(run_world: RunWorld, whole: str) -> None:
    summary = run_world.book.row(whole).summary()
    live = {table: run_world.live.query(f"SELECT count() FROM {table} FINAL").rows[0][0] for table in SAID}
    assert (summary["detections"], summary["statuses"], summary["alerts"]) == tuple(live.values())
    assert all(live.values())
    assert summary["same"] is True
    assert summary["difference"] == {"added": 0, "gone": 0, "moved": 0, "relabelled": 0}
    assert summary["notes"] == []
    print(f"replay hash {summary['hash']} = live {summary['base_hash']}  {summary['events']} events")


def test_its_projections_and_rollups_equal_lives(run_world: RunWorld, whole: str) -> None:
    tables = [table for table in CONTENT_TABLES if table.name not in NOT_SAID_IN_RUNS]
    with run_world.open(f"run_{whole}") as client:
        digests = {table.name: table_digest(client, table) for table in tables}
    assert digests == {table.name: table_digest(run_world.live, table) for table in tables}
    assert digests["readings"].rows > 1000
    assert digests["metrics_day"].rows > 10


def test_bounds_are_exact_to_the_millisecond(run_world: RunWorld, whole: str) -> None:
    everything = run_world.said(f"run_{whole}", IDS)
    border_ms = sorted(at_ms for _, _, at_ms in everything)[len(everything) // 2]
    before = run_world.run("before", to_ms=border_ms)
    after = run_world.run("after", from_ms=border_ms)
    first, second = run_world.said("run_before", IDS), run_world.said("run_after", IDS)
    assert max(at_ms for _, _, at_ms in first) < border_ms
    assert min(at_ms for _, _, at_ms in second) == border_ms
    assert sorted(first + second) == sorted(everything)
    assert (before.summary()["same"], after.summary()["same"]) == (True, True)


def test_a_run_killed_again_and_again_ends_as_one_left_alone(run_world: RunWorld, whole: str) -> None:
    chance = random.Random(4)
    config = RunConfig(max_batch_records=1_500, save_every_records=1_500)
    book = run_world.book
    book.begin("killed", RunSpec(), "live", LANES)
    kills = 0
    while run_world.kill("killed", config, chance.randint(1, 6)):
        kills += 1
        assert book.row("killed").values["status"] == "stopped"
    assert kills > 10
    row, alone = book.row("killed"), book.row(whole)
    assert row.summary()["hash"] == alone.summary()["hash"]
    assert run_world.said("run_killed") == run_world.said(f"run_{whole}")  # log coordinates too
    assert [row.values[name] for name in ("records", "events")] == [
        alone.values[name] for name in ("records", "events")
    ]


def test_a_resumption_reads_no_further_than_the_log_went(run_world: RunWorld, tmp_path: Path) -> None:
    records = district()
    world = RunWorld.of_records(tmp_path, run_world.live, records[:16_000])
    book, config = world.book, RunConfig(max_batch_records=1_000, save_every_records=2_000)
    for run in ("early", "late"):
        book.begin(run, RunSpec(), "live", LANES)
    early = book.carry_out(book.manifest("early"), config)
    assert world.kill("late", config, 5)
    world.log.append(records[16_000:20_000])
    late = book.carry_out(book.manifest("late"), config)
    assert late.values["records"] == early.values["records"] > 14_000
    assert world.said("run_late") == world.said("run_early") != []


def test_live_that_is_behind_is_said(run_world: RunWorld) -> None:
    ends = run_world.log.end_offsets(DOMAIN_TOPICS)
    assert notes_of_lag(run_world.live, run_world.log, ends) == []
    (note,) = notes_of_lag(run_world.live, run_world.log, {where: end + 5 for where, end in ends.items()})
    assert f"{5 * len(ends)} records behind" in note


def test_a_run_of_other_code_is_refused(run_world: RunWorld, whole: str) -> None:
    path = run_world.runs_dir / whole / "manifest.json"
    kept = path.read_bytes()
    path.write_bytes(orjson.dumps({**orjson.loads(kept), "code": "other"}))
    with pytest.raises(RunError, match="begun with code other"):
        run_world.book.manifest(whole)
    path.write_bytes(kept)
    run_world.book.manifest(whole)


def test_speed_is_times_real_time_by_recorded_time(run_world: RunWorld) -> None:
    end = end_ms(run_world)
    run_world.clock.slept_s.clear()
    run_world.run("paced", RunConfig(speed=600.0), from_ms=end - HOUR_MS, to_ms=end, warm_up_ms=0)
    assert sum(run_world.clock.slept_s) == pytest.approx(6.0, abs=0.5)
    assert len(run_world.clock.slept_s) > 1


def test_a_short_warm_up_knows_devices_and_says_so(run_world: RunWorld, whole: str) -> None:
    """Noise meters are held to their zone's limit although they were registered ten days before."""
    where = "detector = 'noise_limit' AND rule = 'over_limit' AND active"
    with run_world.open(f"run_{whole}") as client:
        at_ms = client.query(f"SELECT max(detected_time_ms) FROM detections FINAL WHERE {where}").rows[0][0]
    row = run_world.run("short", from_ms=at_ms, to_ms=at_ms + 1, warm_up_ms=6 * HOUR_MS)
    assert run_world.said("run_short", IDS)
    assert row.values["events"] < 6_000
    assert any("shortened warm-up" in note for note in row.summary()["notes"])


@pytest.mark.parametrize("code", ["this", "other"])
def test_a_run_killed_as_it_began_is_one_like_any_other(
    run_world: RunWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Its manifest is there and its row is not; the manifest may be of other code, with other parameters."""
    book = RunWorld.of_records(tmp_path, run_world.live, district()[:100]).book

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("replay.run_book.write_row", die)
        with pytest.raises(KilledError):
            book.begin("young", RunSpec(to_ms=HOUR_MS, scopes=("wuhu",)), "live", LANES)
    if code == "other":
        path = tmp_path / "runs/young/manifest.json"
        saved = orjson.loads(path.read_bytes())
        spec = {"from_ms": None, "to_ms": HOUR_MS, "scopes": ["wuhu"], "parameters": ["gone.by=1"], "who": "?"}
        path.write_bytes(orjson.dumps({**saved, "code": "other", "spec": spec}))
    summary = book.row("young").summary()
    assert summary == next(row for row in book.rows() if row.run == "young").summary()
    assert (summary["run"], summary["status"], summary["scopes"]) == ("young", "stopped", ["wuhu"])
    assert (summary["to"], summary["started"]) == ("1970-01-01T01:00:00.000Z", "2030-01-01T00:00:00.000Z")
    with pytest.raises(RunError, match="run young is not finished"):
        book.compare("young", "live")
    with pytest.raises(RunError, match="run young is not finished"):
        book.begin("against", RunSpec(), "young", LANES)
    with book.directory("young").held():
        assert book.row("young").values["status"] == "running"
    if code == "this":
        book.carry_out(book.manifest("young"), RunConfig())
        assert [row.values["status"] for row in book.rows() if row.run == "young"] == ["finished"]
    book.drop(["young"])
    assert "young" not in [row.run for row in book.rows()]


def test_a_dropped_run_leaves_nothing(run_world: RunWorld) -> None:
    run_world.book.begin("doomed", RunSpec(), "live", LANES)
    run_world.open("run_doomed").close()
    run_world.book.drop(["doomed"])
    assert "doomed" not in [row.run for row in run_world.book.rows()]
    assert not (run_world.runs_dir / "doomed").exists()
    assert run_world.live.query("SELECT count() FROM system.databases WHERE name = 'run_doomed'").rows[0][0] == 0
    with pytest.raises(RunError, match="there is no run doomed"):
        run_world.book.drop(["doomed"])


def test_a_run_at_work_is_left_alone(run_world: RunWorld, whole: str) -> None:
    with run_world.book.directory(whole).held(), pytest.raises(RunError, match="at work in another process"):
        run_world.book.drop([whole])
    assert run_world.book.row(whole).values["status"] == "finished"
