"""Live, cut anywhere, crashed anywhere, with one worker or two, twice: the same rows, detections, alerts, letters."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

import orjson
import pytest

from tests.flow.world import CrashError, World

FAMILIES = ("detections", "alerts", "deadletters")


def assert_same(world: World, reference: World) -> None:
    assert world.domain_rows() == reference.domain_rows()
    for family in FAMILIES:
        assert world.said(family) == reference.said(family), family


def digest(world: World) -> str:
    sums = hashlib.sha256()
    for family in FAMILIES:
        for value in world.said(family):
            sums.update(value)
    for key, row in sorted(world.domain_rows().items()):
        sums.update(f"{key}{row}".encode())
    return sums.hexdigest()


def test_the_reference_says_something_of_every_kind(reference: World) -> None:
    detectors = Counter(orjson.loads(v)["data"].get("detector", "status") for v in reference.said("detections"))
    assert set(detectors) == {"irregular_movement", "device_offline", "noise_limit", "status"}
    assert reference.said("alerts")
    assert reference.said("deadletters")
    print(f"determinism hash {digest(reference)}  detections {dict(detectors)}")


@pytest.mark.parametrize("max_batch_records", [97, 1_000, 1_000_000])
def test_it_does_not_matter_where_batches_are_cut(
    new_world: Callable[[str], World], reference: World, max_batch_records: int
) -> None:
    world = new_world("cut")
    world.run(max_batch_records=max_batch_records)
    assert_same(world, reference)


def test_two_workers_give_the_same(new_world: Callable[[str], World], reference: World) -> None:
    world = new_world("two")
    world.run(workers=2)
    assert_same(world, reference)


@pytest.mark.parametrize("after", [False, True], ids=["before-write", "after-write"])
@pytest.mark.parametrize("crash_at", [1, 3, 10])
def test_a_crash_and_resume_gives_the_same(
    new_world: Callable[[str], World], reference: World, crash_at: int, after: bool
) -> None:
    world = new_world("crash")
    with pytest.raises(CrashError):
        world.run(crash_at=crash_at, after=after)
    world.run()
    assert_same(world, reference)


def test_many_crashes_in_a_row_give_the_same(new_world: Callable[[str], World], reference: World) -> None:
    world = new_world("many")
    for _ in range(6):
        with pytest.raises(CrashError):
            world.run(crash_at=world.kept.batches + 2)
    world.run()
    assert_same(world, reference)


def test_detection_alone_says_what_the_pipeline_says(new_world: Callable[[str], World], reference: World) -> None:
    world = new_world("alone")
    world.run(write=False)
    assert world.said("detections") == reference.said("detections")
    assert world.said("alerts") == reference.said("alerts")


def test_going_on_later_equals_going_through_at_once(new_world: Callable[[str], World], reference: World) -> None:
    world = new_world("later")
    world.run()
    before = world.said("alerts")
    world.run()  # nothing new but what it said itself, which is written and not detected upon
    assert world.said("alerts") == before
    assert any(key[0].endswith("alerts") for key in world.kept.rows)
    assert_same(world, reference)
