"""``verify`` on a real store: nothing differs, or exactly what was tampered with."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import replay.scratch
from projections.compare import Difference
from projections.digest import CONTENT_TABLES
from projections.sources import TOPIC_OF, projection_tables
from projections.writer import Writer, Written
from replay.verify import Verified
from schemas.records import TopicPartition
from streams.log import OffsetOutOfRangeError
from tests.replay.log_world import LogWorld

KEYS = "scope, event_time, source, event_id"


def told(found: Verified) -> list[tuple[str, str, tuple[object, ...], frozenset[str]]]:
    """Table, kind, key and changed columns of what is shown; in the order of tables and keys."""
    return [(one.table, one.kind, tuple(one.key.values()), frozenset(one.changes)) for one in found.shown]


def only(found: Verified, table: str) -> Difference:
    (one,) = [one for one in found.shown if one.table == table]
    return one


def test_what_the_writer_wrote_is_what_the_log_says(log_world: LogWorld) -> None:
    found = log_world.verify()
    assert told(found) == []
    assert (found.differences, found.pending, found.beyond_log, found.behind_log, found.lost) == (0, 0, 0, 0, {})
    assert found.checked == sum(table.checked for table in found.tables) > 1_000
    checked = {table.table for table in found.tables if table.checked}
    assert {"readings", "latest_readings_state", "device_last_seen_state", "alerts_state", "alert_log"} <= checked
    assert {"metrics_minute", "metrics_hour", "metrics_day"} <= checked
    assert re.fullmatch("[0-9a-f]{32}", found.digest)
    assert log_world.databases() == []


def test_rows_changed_removed_and_added_in_place_are_named(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.happen(1)
    world.say("alerts", "alert.v1", step="opened", resolved_time_ms=None)
    world.write()
    world.roll_up()
    changed, removed = world.rows(f"SELECT {KEYS}, value, log_partition, log_offset FROM readings FINAL "
                                  "ORDER BY log_partition, log_offset LIMIT 2")  # fmt: skip
    seen = world.rows("SELECT community_path, device FROM device_last_seen_state FINAL ORDER BY ALL LIMIT 1")[0]
    present = world.rows(
        "SELECT community_path, device, quantity FROM latest_readings_state FINAL ORDER BY ALL LIMIT 2"
    )
    minute = world.rows("SELECT metric, scope, window_start, dim_1, dim_2 FROM metrics_minute FINAL "
                        "WHERE metric = 'temperature' ORDER BY ALL LIMIT 2")  # fmt: skip
    metric = "metric = 'temperature' AND scope = '{}' AND window_start = '{:%Y-%m-%d %H:%M:%S}' AND dim_1 = '{}'"
    world.do(
        f"ALTER TABLE readings UPDATE value = value + 1 WHERE event_id = '{changed[3]}'",
        f"ALTER TABLE readings DELETE WHERE event_id = '{removed[3]}'",
        "INSERT INTO heartbeats (event_time, recorded_time, scope, source, event_id, device) SELECT event_time, "
        "recorded_time, scope, source, 'by hand', 'ghost' FROM heartbeats ORDER BY log_partition, log_offset LIMIT 1",
        f"ALTER TABLE device_last_seen_state DELETE WHERE community_path = '{seen[0]}' AND device = '{seen[1]}'",
        f"ALTER TABLE latest_readings_state UPDATE unit = 'm' WHERE device = '{present[0][1]}' AND "
        f"quantity = '{present[0][2]}' AND community_path = '{present[0][0]}'",
        "ALTER TABLE alerts_state UPDATE severity = 'info' WHERE 1",
        f"ALTER TABLE metrics_minute UPDATE sum = sum + 0.000000001 WHERE {metric.format(*minute[0][1:4])}",
        f"ALTER TABLE metrics_minute DELETE WHERE {metric.format(*minute[1][1:4])}",
        "ALTER TABLE metrics_hour UPDATE uniq_state = (SELECT uniqState('nobody')) WHERE metric = 'devices_reporting' "
        "AND (scope, window_start) = (SELECT min((scope, window_start)) FROM metrics_hour "
        "WHERE metric = 'devices_reporting')",
        "INSERT INTO metrics_day (metric, scope, window_start, count) VALUES ('temperature', 'a/b', '2020-01-01', 1)",
    )  # fmt: skip
    found = world.verify()
    ghost_scope = only(found, "heartbeats").key["scope"]
    community = "/".join(ghost_scope.split("/")[:4])
    by_name = {(table, kind, key[:5]) for table, kind, key, _ in told(found)}
    assert {
        ("readings", "changed", tuple(changed[:4])),
        ("readings", "missing", tuple(removed[:4])),
        ("latest_readings_state", "changed", tuple(present[0])),
        ("device_last_seen_state", "missing", tuple(seen)),
        ("alerts_state", "changed", ("9c0f2b7a61d84e35",)),
        ("metrics_minute", "changed", tuple(minute[0])),
        ("metrics_minute", "missing", tuple(minute[1])),
    } <= by_name
    assert ("device_last_seen_state", "added", (community, "ghost"), frozenset()) in told(found)
    assert [one.changes.keys() for one in found.shown if one.kind == "changed"] == [
        {"value"}, {"unit"}, {"severity"}, {"sum"}, {"uniq_state"},
    ]  # fmt: skip
    one = next(one for one in found.shown if one.table == "readings" and one.kind == "changed")
    assert one.changes["value"] == (changed[4] + 1, changed[4])
    assert (one.log_topic, one.log_partition, one.log_offset) == ("gridpulse.readings", *changed[5:])
    assert only(found, "metrics_day").kind == "added"
    assert found.differences == len(found.shown) == 11
    assert {table.table for table in found.tables if table.differences} == {one.table for one in found.shown}


def test_rows_that_win_over_the_logs_are_named(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.happen(1)
    world.write()
    world.roll_up()
    columns = "event_time, recorded_time, scope, source, event_id, device, quantity, unit, interval_s"
    (event,) = world.rows(f"SELECT {KEYS} FROM readings FINAL WHERE log_offset > 9 ORDER BY event_time DESC LIMIT 1")
    (day,) = world.rows("SELECT metric, scope, window_start, dim_1, dim_2 FROM metrics_day FINAL ORDER BY ALL LIMIT 1")
    world.do(
        f"INSERT INTO readings ({columns}, value, log_topic, log_partition, log_offset) SELECT {columns}, -1, "
        f"log_topic, log_partition, log_offset - 1 FROM readings WHERE event_id = '{event[3]}'",
        "INSERT INTO metrics_day SELECT * REPLACE (count + 1 AS count, version + 1 AS version) FROM metrics_day FINAL "
        "ORDER BY metric, scope, window_start, dim_1, dim_2 LIMIT 1",
        "INSERT INTO grids_state SELECT * REPLACE ('新' AS title) FROM grids_state FINAL ORDER BY scope LIMIT 1",
    )
    tables = [table for table in CONTENT_TABLES if re.search("readings|grids|day|minute|hour|late$", table.name)]
    found = world.verify(tables)
    named = {one.table: (one.kind, set(one.changes)) for one in found.shown if one.table != "latest_readings_state"}
    assert named == {
        "readings": ("changed", {"value", "log_offset"}),
        "metrics_day": ("changed", {"count"}),
        "grids_state": ("changed", {"title"}),
    }
    assert tuple(only(found, "readings").key.values()) == tuple(event)
    assert tuple(only(found, "metrics_day").key.values()) == tuple(day)
    # the insert went on into the view of the present, as any insert does
    assert only(found, "latest_readings_state").changes["value"][0] == -1
    assert found.differences == len(found.shown) == 4


def test_a_log_that_ends_before_clickhouse_is_refused(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.do(
        "INSERT INTO projection_progress (flow, topic, partition, next_offset) VALUES ('w', 'gridpulse.venue', 1, 9)"
    )
    with pytest.raises(OffsetOutOfRangeError, match=re.escape("offset 9 of gridpulse.venue/1")):
        world.verify(projection_tables("venue_sales"))
    assert world.databases() == []


def test_what_comes_in_during_the_check_is_left_alone(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.happen(1)
    world.write()
    world.roll_up()
    steps: Iterator[Callable[[], None]] = iter([lambda: world.happen(0.5), world.write, world.roll_up])

    def go_on() -> None:
        if (step := next(steps, None)) is not None:
            step()

    before = world.rows("SELECT count() FROM readings FINAL")[0][0]
    found = world.verify(side=world.side_with(go_on))
    assert next(steps, None) is None
    assert world.rows("SELECT count() FROM readings FINAL")[0][0] > before
    assert told(found) == []
    assert found.differences == 0
    assert found.pending > 0
    assert found.behind_log > 0
    assert next(table.checked for table in found.tables if table.table == "readings") == before
    world.happen(0.5)
    world.write()  # the rollup has not come so far yet
    world.do("ALTER TABLE metrics_minute DELETE WHERE metric = 'temperature' AND window_start = "
             "(SELECT min(window_start) FROM metrics_minute WHERE metric = 'temperature')")  # fmt: skip
    found = world.verify(projection_tables("metrics"))
    assert {(one.table, one.kind, one.key["metric"]) for one in found.shown} == {
        ("metrics_minute", "missing", "temperature")
    }
    assert found.pending > 0


def test_what_retention_has_removed_cannot_be_held_against_anything(new_log_world: Callable[[], LogWorld]) -> None:
    world = new_log_world()
    world.happen(1)
    world.write()
    world.roll_up()
    world.log.drop_before(TopicPartition("gridpulse.readings", 0), 50)
    world.log.drop_before(TopicPartition("gridpulse.registry", 1), 10)
    found = world.verify()
    assert told(found) == []
    kept = [
        world.rows(f"SELECT count() FROM {table} FINAL WHERE log_partition = {partition} AND log_offset < {start}")[0][
            0
        ]
        for table, topic in TOPIC_OF.items()
        for name, partition, start in (("gridpulse.readings", 0, 50), ("gridpulse.registry", 1, 10))
        if topic == name
    ]
    assert found.beyond_log == sum(kept) > 50


def test_rows_that_a_table_does_not_take_are_noticed(log_world: LogWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    class LosesTheLast(Writer):
        def write(self, batches: Any, positions: Any, processed_time: Any) -> Written:
            kept = [
                dataclasses.replace(
                    batch,
                    types={
                        name: dataclasses.replace(
                            typed,
                            positions=typed.positions[:-1],
                            envelope=typed.envelope.slice(0, len(typed) - 1),
                            data=typed.data.slice(0, len(typed) - 1),
                        )
                        for name, typed in batch.types.items()
                    },
                )
                for batch in batches
            ]
            return super().write(kept, positions, processed_time)

    monkeypatch.setattr(replay.scratch, "Writer", LosesTheLast)
    found = log_world.verify(projection_tables("readings"))
    events, rows = found.lost["readings"]
    assert events - rows == 2  # one in each partition
    assert {one.kind for one in found.shown} == {"added"}
