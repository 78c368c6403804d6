"""A flood of garbage stops the flow, again and again, until somebody lets it pass; then nothing is lost or doubled."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest

from schemas.records import NewRecord
from schemas.topics import topic_of
from streams.dead_letter_limit import DeadLetterLimitError, DeadLetterLimits
from tests.flow.world import World, district

READINGS = topic_of("readings")
RECORDS, AMIDST, FLOOD = 9_000, 6_000, 300
TIGHT = DeadLetterLimits(max_run=100)
OPEN = DeadLetterLimits(max_ratio=1.0, max_run=0)


def flooded() -> list[NewRecord]:
    """Some of the district's records with a flood of garbage in lane 0, all within a millisecond."""
    records = list(district()[:RECORDS])
    flood = [
        NewRecord(READINGS, 0, b"", b'{"flood": %d' % number, recorded_time_ms=records[AMIDST].recorded_time_ms)
        for number in range(FLOOD)
    ]
    return [*records[:AMIDST], *flood, *records[AMIDST:]]


def letters_of_flood(world: World) -> int:
    """How many of the flood's records were said to be dead letters, each counted once."""
    letters = [orjson.loads(value)["data"] for value in world.said("deadletters")]
    return sum(base64.b64decode(letter["raw_base64"]).startswith(b'{"flood"') for letter in letters)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same log, with no limit from the start."""
    world = World(tmp_path_factory.mktemp("undisturbed"), records=flooded())
    world.run(dead_letters=OPEN)
    return world


@pytest.mark.parametrize("workers", [1, 2])
def test_it_stops_stays_stopped_and_goes_on_without_a_gap(tmp_path: Path, undisturbed: World, workers: int) -> None:
    world = World(tmp_path, records=flooded())
    stopped_at = set()
    for max_batch_records in (500, 97, 1_000_000):
        with pytest.raises(DeadLetterLimitError, match=rf"lane/0000 at {READINGS}/0/\d+ after 101 in a row") as stop:
            world.run(dead_letters=TIGHT, workers=workers, max_batch_records=max_batch_records)
        stopped_at.add(str(stop.value).split(" after ")[0])
        assert letters_of_flood(world) == TIGHT.max_run + 1  # what led to it can be looked into
    assert len(stopped_at) == 1
    assert 0 < len(world.domain_rows()) < len(undisturbed.domain_rows())

    world.run(dead_letters=OPEN, workers=workers)
    assert letters_of_flood(world) == letters_of_flood(undisturbed) == FLOOD
    assert world.domain_rows() == undisturbed.domain_rows()
    for family in ("detections", "alerts", "deadletters"):
        assert sorted(world.said(family)) == sorted(undisturbed.said(family)), family
