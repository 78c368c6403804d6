"""What is called added, gone, moved or relabelled, and why; on rows made for it, and on a run with other parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from detectors.contract import Emitted
from detectors.lane import DetectorParams
from projections.client import Client
from projections.tables import BY_NAME
from projections.writer import Writer
from replay.difference import Side, Window, side_hash, store_difference, stored_rows
from replay.difference_sql import COMPARED, window
from replay.difference_sql import DETECTIONS as BY_DETECTION
from replay.parameters import with_parameters
from replay.run_errors import RunError
from replay.run_sink import RunSink
from replay.run_spec import RunSpec
from replay.run_state import LaneState
from schemas.codec import Decoder
from schemas.families.system import Alert, Detection, DeviceStatus
from schemas.strict import Limits
from tests.flow.world import LANES
from tests.replay.run_world import RunWorld, now

pytestmark = pytest.mark.xdist_group("runs")
SCOPE = "wuhu/jinghu/tingtang/jianyang/g01"
EVERYTHING = Window(None, (10**15,))
MIN_MS = 60_000


def detection(cause: str, at_ms: int, subject: str = "m1", score: float = 60.0, **changes: Any) -> Emitted:
    data = Detection(
        detector="noise_limit", rule="over_limit", subject=subject, active=changes.pop("active", True),
        severity="warning", score=score, threshold=changes.pop("threshold", 55.0),
        model_version=changes.pop("model_version", "noise_limit-1-a"), reason_zh="吵", reason_en="loud",
        cause_id=cause, detected_time_ms=at_ms,
    )  # fmt: skip
    scope = changes.pop("scope", SCOPE)
    assert not changes
    return Emitted(at_ms, False, 0, scope, at_ms, data)


def status(device: str, at_ms: int, state: Any = "offline") -> Emitted:
    data = DeviceStatus(device=device, status=state, cause="silent", detected_time_ms=at_ms)
    return Emitted(at_ms, True, 0, SCOPE, at_ms, data)


def updated(number: int) -> Emitted:
    """A step of an alert that one more or one less step came before."""
    data = Alert(
        alert="a1", alert_key="noise_limit/over_limit/m7", step="updated", detector="noise_limit", rule="over_limit",
        subject="m7", severity="warning", count=4, opened_time_ms=1_000, updated_time_ms=7_000, score=60.0,
        threshold=55.0, model_version="noise_limit-1-a", reason_zh="吵", reason_en="loud", detected_time_ms=7_000,
        step_number=number,
    )  # fmt: skip
    return Emitted(7_000, False, 0, SCOPE, 7_000, data)


ELSEWHERE = SCOPE.replace("jianyang", "huaqiang")
NEAREST = {  # subject -> minutes in the base, minutes in the run, by how many minutes those that are one have moved
    "near": ([0], [60], [60.0]),
    "far": ([0], [61], []),
    "two": ([0, 100], [10, 90], [10.0, -10.0]),
    "later": ([10], [0, 11], [1.0]),
    "second": ([0, 30], [31], [1.0]),
    "new": ([], [0, 5], []),
    "old": ([0, 1, 2], [], []),
}
BASE = [
    detection("same", 1_000), status("d1", 5_000),
    detection("changed", 2_000, score=60.0), detection("label", 3_000), detection("gone", 4_000, "m2"),
    detection("cause-1", 600 * MIN_MS, "m3"), status("d2", 6_000),
    detection("one", 1_000, "m6"), detection("two", 400 * MIN_MS, "m6", score=56.0),
    *(detection(f"base-{at}", at * MIN_MS + 1, subject) for subject, (base, _, _) in NEAREST.items() for at in base),
    detection("4", 2_000, "k1"), detection("5", 2_000, "k2"), status("k3", 2_000), detection("6", 2_000, "k4"),
    updated(2),
]  # fmt: skip
RUN = [
    detection("same", 1_000), status("d1", 5_000),
    detection("changed", 2_000, score=61.5, threshold=58.0, model_version="b"),
    detection("label", 3_000, model_version="b"), detection("new", 4_500, "m4", score=70.0),
    detection("cause-2", 602 * MIN_MS, "m3"), status("d2", 8_000),
    detection("one", 1_000, "m6", threshold=58.0),
    *(detection(f"run-{at}", at * MIN_MS + 1, subject) for subject, (_, run, _) in NEAREST.items() for at in run),
    detection("1", 1_000, "k1", scope=ELSEWHERE), detection("2", 1_000, "k2", active=False),
    detection("3", 1_000, "k3"), detection("7", 2_000, "k4"),
    updated(3),
]  # fmt: skip


def filled(client: Client, said: Sequence[Emitted]) -> Client:
    """A database with nothing but what is compared, filled as a run fills its own."""
    for name in (*(table.name for table in COMPARED), "projection_progress", "run_differences"):
        client.command(BY_NAME[name].ddl())
    sink = RunSink(Writer(client, "test"), Decoder(Limits()).decode, now, 0, LaneState(), has_tables=False)
    sink.say(sorted(said, key=lambda emitted: emitted.order))
    sink.flush()
    return client


@pytest.fixture(scope="module")
def sides(new_database: Callable[..., Client]) -> tuple[Side, Side]:
    params = with_parameters(DetectorParams(), ["noise_limit.over_margin_db=3"])
    here, there = filled(new_database(migrated=False), RUN), filled(new_database(migrated=False), BASE)
    return Side("a", here, params), Side("live", there)


@pytest.fixture(scope="module")
def told(sides: tuple[Side, Side]) -> list[dict[str, Any]]:
    """The stored rows; asked twice, so that the second time must replace the first."""
    live = sides[1].client
    counts = [store_difference(live, *sides, EVERYTHING) for _ in range(2)]
    rows = stored_rows(live, "a", "live", 100)
    assert counts[0] == counts[1]
    assert sum(counts[1].values()) == len(rows) + 2
    assert counts[1]["relabelled"] == 2
    return rows


def of(told: list[dict[str, Any]], subject: str) -> list[dict[str, Any]]:
    return sorted((row for row in told if row["subject"] == subject), key=lambda row: str(row["kind"]))


def test_what_has_the_same_id_and_other_contents_has_moved(told: list[dict[str, Any]]) -> None:
    (moved,) = of(told, "m1")
    assert (moved["kind"], moved["moved_s"], moved["changed"]) == ("moved", 0.0, ["score", "threshold"])
    assert (moved["base_score"], moved["score"], moved["base_threshold"], moved["threshold"]) == (
        60.0,
        61.5,
        55.0,
        58.0,
    )
    assert "noise_limit.over_margin_db 1.0 → 3.0: score 60 → 61.5; threshold 55 → 58" in moved["reason_en"]
    assert "参数 noise_limit.over_margin_db 1.0 → 3.0: 分值 60 → 61.5" in moved["reason_zh"]


def test_what_is_said_at_another_time_has_moved(told: list[dict[str, Any]]) -> None:
    ((detected,), (changed,), (caused,)) = of(told, "m3"), of(told, "d2"), of(told, "k4")
    assert (detected["kind"], detected["moved_s"]) == ("moved", 120.0)
    assert "120 s later" in detected["reason_en"]
    assert (changed["kind"], changed["moved_s"]) == ("moved", 2.0)
    assert (caused["kind"], caused["moved_s"]) == ("moved", 0.0)
    assert "another cause" in caused["reason_en"]


def test_what_one_side_says_alone_is_added_or_gone(told: list[dict[str, Any]]) -> None:
    ((added,), (gone,)) = of(told, "m4"), of(told, "m2")
    assert (added["kind"], gone["kind"]) == ("added", "gone")
    assert added["reason_en"].endswith("here score 70 reaches threshold 55. In its own words: loud")
    assert "in the base score 60 reaches threshold 55; not said here" in gone["reason_en"]


def test_the_other_sides_threshold_is_named(told: list[dict[str, Any]]) -> None:
    gone, moved = of(told, "m6")
    assert (gone["kind"], moved["kind"]) == ("gone", "moved")
    assert "last had threshold 58, which it does not reach" in gone["reason_en"]


@pytest.mark.parametrize("subject", NEAREST)
def test_rows_are_matched_with_the_nearest_one_to_one(told: list[dict[str, Any]], subject: str) -> None:
    base, run, pairs = NEAREST[subject]
    kinds = [row["kind"] for row in of(told, subject)]
    assert sorted(row["moved_s"] / 60 for row in of(told, subject) if row["kind"] == "moved") == sorted(pairs)
    assert (kinds.count("added"), kinds.count("gone")) == (len(run) - len(pairs), len(base) - len(pairs))


@pytest.mark.parametrize("subject", ["k1", "k2", "k3"])
def test_only_what_is_of_one_kind_is_matched(told: list[dict[str, Any]], subject: str) -> None:
    """Not with another community's, not what began with what is over, not detections with statuses."""
    assert [row["kind"] for row in of(told, subject)] == ["added", "gone"]


def test_the_hash_is_of_what_is_said(sides: tuple[Side, Side]) -> None:
    early = Window(None, (1_900,))
    assert side_hash(sides[0], Window(None, ())) == side_hash(sides[1], Window(None, ()))
    assert side_hash(sides[0], EVERYTHING) != side_hash(sides[1], EVERYTHING)
    assert side_hash(sides[0], early) != side_hash(sides[1], early)


@pytest.mark.parametrize(
    ("rows", "causes"),
    [
        (Window(2_000, (4_500,), ()), {"changed", "label", "7"}),
        (Window(2_000, (4_501,), ()), {"changed", "label", "7", "new"}),
        (Window(2_001, (4_501,), ()), {"label", "new"}),
        (Window(None, (1_001,), (ELSEWHERE,)), {"1"}),
        (Window(None, (1_001,), (ELSEWHERE[:-1],)), set()),  # a segment, not a beginning of one
        (Window(None, (1_001,), ("wuhu/jinghu",), (ELSEWHERE,)), {"1"}),
        (Window(None, ()), set()),  # no such lane
    ],
)
def test_the_window_is_half_open_by_lane_and_scope(sides: tuple[Side, Side], rows: Window, causes: set[str]) -> None:
    sql = f"SELECT cause_id FROM detections WHERE {window(BY_DETECTION)} AND subject NOT IN {{nearest:Array(String)}}"
    found = sides[0].client.query(sql, {**rows.parameters(), "nearest": list(NEAREST)}).rows
    assert {str(cause) for (cause,) in found} == causes


def test_other_parameters_differ_with_reasons(run_world: RunWorld, whole: str) -> None:
    set_ = ("device_offline.interval.factor=4", "incidents.update_every_min=5")
    row = run_world.run("set", parameters=set_, base=whole)
    summary, rows = row.summary(), run_world.book.first_differences("set", whole, 1000)
    assert summary["same"] is False
    assert all(summary["difference"][kind] for kind in ("gone", "moved"))
    offline = [one for one in rows if one["detector"] == "device_offline"]
    assert offline
    assert all("device_offline.interval.factor 3.2 → 4.0" in one["reason_en"] for one in offline)
    later = [one["moved_s"] for one in offline if one["kind"] == "moved" and one["step"] in ("on", "offline")]
    assert later
    assert min(later) > 0  # who waits longer says it later
    assert sum(summary["difference"][kind] for kind in ("added", "gone", "moved")) == len(rows)
    ids = [set(run_world.said(f"run_{side}", "event_id")) for side in ("set", whole)]
    with run_world.open(run_world.live.database) as live:
        apart = "SELECT count() FROM run_differences WHERE run = 'set' AND kind = 'moved' AND event_id != base_event_id"
        matched = live.query(apart).rows[0][0]
    assert summary["difference"]["added"] == len(ids[0] - ids[1]) - matched
    assert summary["difference"]["gone"] == len(ids[1] - ids[0]) - matched
    assert run_world.book.compare("set", "live").summary()["difference"] == summary["difference"]


def test_an_unfinished_run_is_not_compared(run_world: RunWorld) -> None:
    run_world.book.begin("unfinished", RunSpec(), "live", LANES)
    with pytest.raises(RunError, match="gridpulse replay --resume unfinished"):
        run_world.book.compare("unfinished", "live")
    with pytest.raises(RunError, match="not finished"):
        run_world.book.begin("another", RunSpec(), "unfinished", LANES)
