"""A flood of broken events stops everything, and stays stopped, until an operator lets it pass and mends it.

The flood goes straight into the log, as a producer on Kafka would send it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from schemas.records import NewRecord, TopicPartition
from schemas.topics import topic_of
from streams.log_url import open_log
from tests.integration.running import PATIENCE_S, Started, World, ended_after, measured, until

EXIT_CONFIG = 78
FLOOD, MAX_RUN = 120, 40
LET_PASS = {"GRIDPULSE_DEAD_LETTER_MAX_RUN": "0", "GRIDPULSE_DEAD_LETTER_MAX_RATIO": "1"}


def flood(world: World) -> set[str]:
    """Readings in a wrong unit, into the only lane; their ids."""
    data = {**measured("x")["data"], "unit": "V"}
    events = [measured(f"flood-{number}", data=data, time="2026-09-01T00:00:00Z") for number in range(FLOOD)]
    with open_log(f"sqlite:///{world.data_dir / 'log.sqlite'}", lambda: int(time.time() * 1000)) as log:
        log.append([NewRecord(topic_of("readings"), 0, b"", json.dumps(event).encode()) for event in events])
    return {str(event["id"]) for event in events}


def one_too_many(world: World) -> int:
    """The offset of the record that is one too many."""
    with open_log(f"sqlite:///{world.data_dir / 'log.sqlite'}", lambda: 0) as log:
        batch = log.read(TopicPartition(topic_of("readings"), 0), 0, 100_000)
    broken = [int(offset) for offset, value in zip(batch.offsets, batch.values, strict=True) if b"flood-" in value]
    return broken[MAX_RUN]


def said_records(world: World) -> int:
    """How many records of what is sent in and said there are; ticks come by themselves, into idle domain topics."""
    with open_log(f"sqlite:///{world.data_dir / 'log.sqlite'}", lambda: 0) as log:
        batch = log.read(TopicPartition(topic_of("readings"), 0), 0, 100_000)
        letters_end = log.end_offsets([topic_of("deadletters")])[TopicPartition(topic_of("deadletters"), 0)]
    return letters_end + sum(b'"quantity"' in value for value in batch.values)


def letters(world: World, *arguments: str) -> Any:
    return json.loads(world.run("deadletters", *arguments, "--json").stdout)


def stopped(process: Started, offset: int) -> None:
    """It ends by itself and says why in its last line."""
    assert process.process.wait(PATIENCE_S) == EXIT_CONFIG, process.said[-2000:]
    sentence = process.said.splitlines()[-1]
    for words in ("too many dead letters", f"readings/0/{offset} ", "wrong_unit", "GRIDPULSE_DEAD_LETTER_MAX_RUN"):
        assert words in sentence


def test_a_flood_stops_everything_until_it_is_let_pass_and_mended(tmp_path: Path) -> None:
    world = World(tmp_path, {"GRIDPULSE_DEAD_LETTER_MAX_RUN": f"{MAX_RUN}"})
    world.up = world.start("up")
    with ended_after(world.up):
        world.wait_ready(world.up)
        key = world.issue_key()
        assert world.send(key, measured("before")).status_code == 202
        world.wait_found({"before"})
        flooded = flood(world)
        offset = one_too_many(world)
        stopped(world.up, offset)

    store = world.start("run", "store")
    with ended_after(store):
        until(world.store_answers, "the store")
        pipeline = world.start("run", "pipeline")  # nobody has done anything about it
        with ended_after(pipeline):
            stopped(pipeline, offset)
        listed = letters(world, "list", "--limit", "1000")
    assert len(listed) == MAX_RUN + 1  # what led to it can be looked into while everything stands still
    assert {(one["state"], one["reason"], one["raw"]["data"]["unit"]) for one in listed} == {
        ("open", "wrong_unit", "V")
    }

    world.settings.update(LET_PASS)
    world.up = world.start("up")
    with ended_after(world.up):
        world.wait_ready(world.up)
        assert world.send(key, measured("after")).status_code == 202
        world.wait_found({"before", "after"})
        sql = "SELECT event_id FROM dead_letters FINAL"
        until(lambda: len(world.rows(sql)) == FLOOD, "all letters of the flood")
        mend = ["--reason", "wrong_unit", "--transform", '{"data":{"unit":"dB(A)"}}']
        before = said_records(world)
        dry = letters(world, "retry", *mend, "--dry-run")
        assert (dry["accepted"], dry["dry_run"], said_records(world)) == (FLOOD, True, before)
        assert letters(world, "retry", *mend)["accepted"] == FLOOD
        world.wait_found({"before", "after"} | flooded)
        links = "SELECT letter FROM dead_letter_retries FINAL WHERE outcome = 'accepted'"
        until(lambda: len(world.rows(links)) == FLOOD, "the links of all letters")
        shown = letters(world, "show", listed[0]["id"])
        (link,) = shown["retries"]
        assert (link["outcome"], link["retried_id"]) == ("accepted", shown["raw"]["id"])

    again = letters(world, "retry", "--where", "1", "--transform", '{"data":{"unit":"dB(A)"}}')  # with nothing running
    assert (again["accepted"], again["duplicate"]) == (0, FLOOD)
