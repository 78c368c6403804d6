"""The writer: rows as sent, harmless repetition, progress last; and the present-state views it feeds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projections.client import Client, StoreError, StoreUnavailableError
from projections.tables import EVENT_TABLES, PROJECTION_PROGRESS
from projections.writer import Writer, rows_by_table
from schemas.catalogue import EVENT_TYPES
from tests.projections.batches import NOON_MS, At, Row, batch, positions
from tests.projections.conftest import empty

NOW = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
HEARTBEAT, MEASURED, DEVICE = "readings.heartbeat", "readings.measured", "registry.device"
STATUS, ALERT = "detections.device_status", "alerts.alert"


def utc(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def write(client: Client, *parts: dict[str, Sequence[Row]], partition: int = 0) -> None:
    at = [position for part in parts for position in positions(part, partition)]
    Writer(client, "test").write([batch(part, partition) for part in parts], at, NOW)


def measured(value: float, **more: Any) -> dict[str, Any]:
    return {"device": "d1", "quantity": "laeq", "unit": "dB(A)", "value": value, **more}


def alert(step: str, updated_ms: int, count: int, **more: Any) -> dict[str, Any]:
    return {
        "alert": "a1", "alert_key": "noise_limit/night/d1", "step": step, "detector": "noise_limit", "rule": "night",
        "subject": "d1", "severity": "warning", "count": count, "opened_time_ms": NOON_MS,
        "updated_time_ms": updated_ms, "score": 1.5, "threshold": 1.0, "model_version": "1",
        "reason_zh": "夜间超标", "reason_en": "over the limit at night", **more,
    }  # fmt: skip


class Recording:
    """A client that only notes inserts; fails where told."""

    def __init__(self, failures: list[Exception | None] | None = None) -> None:
        self.inserted: list[tuple[str, int]] = []
        self.failures = failures or []

    def insert_arrow(self, table: str, rows: Any, settings: object = None) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.inserted.append((table, rows.num_rows))


def test_rows_come_back_as_they_were_sent(empty_database: Client) -> None:
    client = empty_database
    write(client, {MEASURED: [Row(41, NOON_MS + 7, measured(61.5), recorded_time_ms=NOON_MS + 99)]}, partition=3)
    assert client.query("SELECT *, city, grid FROM readings FINAL").dicts() == [
        {
            "event_time": utc(NOON_MS + 7), "recorded_time": utc(NOON_MS + 99),
            "scope": "wuhu/jinghu/tingtang/jianyang/g01", "source": "//test", "event_id": "e41", "device": "d1",
            "quantity": "laeq", "value": 61.5, "unit": "dB(A)", "interval_s": None, "log_topic": "gridpulse.readings",
            "log_partition": 3, "log_offset": 41, "city": "wuhu", "grid": "g01",
        }
    ]  # fmt: skip
    assert client.query("SELECT * FROM projection_progress FINAL").rows == [
        ("test", "gridpulse.readings", 3, 42, utc(NOON_MS), NOW)
    ]


@pytest.mark.parametrize("event_type", [t for t in EVENT_TYPES if t.table], ids=lambda t: t.table)
def test_every_table_takes_its_types_smallest_event(event_type: Any, database: Client) -> None:
    data = {name: _some_value(field) for name, field in event_type.latest.model_fields.items() if field.is_required()}
    if event_type.table == "readings":
        data = measured(1.0)
    write(database, {event_type.name.removeprefix("cn.gridpulse."): [Row(1, NOON_MS, data, scope="every/x/y/z")]})
    [row] = database.query(f"SELECT * FROM {event_type.table} FINAL WHERE scope = 'every/x/y/z'").dicts()
    assert {name: row[name] for name in event_type.latest.model_fields} == event_type.latest(**data).model_dump()


def _some_value(field: Any) -> Any:
    annotation = getattr(field.annotation, "__origin__", field.annotation)
    options = getattr(field.annotation, "__args__", None)
    if options and isinstance(options[0], str):
        return options[-1]
    lowest = max([getattr(m, "ge", None) or 0 for m in field.metadata], default=0)
    pattern = next((m.pattern for m in field.metadata if getattr(m, "pattern", None)), "")
    return {str: "a" * (64 if "64" in pattern else 1), bool: True, int: lowest, float: 0.5}[annotation]


def test_writing_twice_and_in_other_pieces_changes_nothing(empty_database: Client, database: Client) -> None:
    rows = [Row(i, NOON_MS + i * 500, measured(50.0 + i)) for i in range(20)]
    beats = [Row(i, NOON_MS + i * 700, {"device": "d1", "battery_ratio": 0.5}) for i in range(100, 110)]
    whole, pieces = empty_database, database
    empty(pieces)
    write(whole, {MEASURED: rows, HEARTBEAT: beats})
    write(pieces, {MEASURED: rows[:13]})
    write(pieces, {MEASURED: rows[5:], HEARTBEAT: beats})
    write(pieces, {HEARTBEAT: beats[:3]}, {MEASURED: rows})
    for table in (
        "readings FINAL",
        "heartbeats FINAL",
        "latest_readings",
        "device_last_seen",
        "projection_progress FINAL",
    ):
        question = f"SELECT * FROM {table} ORDER BY ALL"
        assert pieces.query(question).rows == whole.query(question).rows, table
        assert whole.query(question).rows, table


def test_the_first_record_of_an_event_wins_whoever_is_inserted_last(database: Client) -> None:
    scope = "first/x/y/z/g"
    first = Row(10, NOON_MS, measured(1.0), scope, event_id="same")
    again = Row(11, NOON_MS, measured(2.0), scope, event_id="same")
    for order in ((first, again), (again, first)):
        for row in order:
            write(database, {MEASURED: [row]})
        write(database, {MEASURED: list(order)})
        found = database.query("SELECT value, log_offset FROM readings FINAL WHERE scope = {s:String}", {"s": scope})
        assert found.rows == [(1.0, 10)]


def test_progress_comes_after_the_rows_and_only_then() -> None:
    fake = Recording()
    rows = {MEASURED: [Row(1, NOON_MS, measured(1.0))], HEARTBEAT: [Row(2, NOON_MS, {"device": "d1"})]}
    done = Writer(fake, "f").write([batch(rows)], positions(rows), NOW)  # type: ignore[arg-type]
    assert fake.inserted[-1] == (PROJECTION_PROGRESS.name, 1)
    assert sorted(fake.inserted[:-1]) == [("heartbeats", 1), ("readings", 1)]
    assert (done.rows, done.inserts) == (2, 2)


def test_a_store_that_stays_away_leaves_no_progress() -> None:
    waits: list[float] = []
    away = StoreUnavailableError("away")
    fake = Recording([None, away, away, away])
    rows = {MEASURED: [Row(1, NOON_MS, measured(1.0))], HEARTBEAT: [Row(2, NOON_MS, {"device": "d1"})]}
    writer = Writer(fake, "f", attempts=3, sleep=waits.append)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailableError):
        writer.write([batch(rows)], positions(rows), NOW)
    assert [table for table, _ in fake.inserted] == ["readings"]
    assert len(waits) == 2


def test_what_passes_by_itself_is_waited_out_and_defects_are_not() -> None:
    rows = {MEASURED: [Row(1, NOON_MS, measured(1.0))]}
    fake = Recording([StoreUnavailableError("busy", 252)])
    Writer(fake, "f", sleep=lambda _: None).write([batch(rows)], positions(rows), NOW)  # type: ignore[arg-type]
    assert [table for table, _ in fake.inserted] == ["readings", "projection_progress"]
    broken = Recording([StoreError("no such column", 16)])
    with pytest.raises(StoreError, match="no such column"):
        Writer(broken, "f").write([batch(rows)], positions(rows), NOW)  # type: ignore[arg-type]
    assert broken.inserted == []


def test_large_batches_go_in_pieces_and_of_a_partition_the_furthest_position_counts() -> None:
    fake = Recording()
    rows = {MEASURED: [Row(i, NOON_MS, measured(1.0)) for i in range(10)]}
    at = [At("gridpulse.readings", 0, 5), At("gridpulse.readings", 0, 10), At("gridpulse.readings", 1, 3)]
    Writer(fake, "f", max_insert_rows=4).write([batch(rows)], at, NOW)  # type: ignore[arg-type]
    assert fake.inserted == [("readings", 4), ("readings", 4), ("readings", 2), ("projection_progress", 2)]


def test_progress_never_goes_back(database: Client) -> None:
    writer = Writer(database, "back")
    writer.write([], [At("gridpulse.venue", 0, 90)], NOW)
    writer.write([], [At("gridpulse.venue", 0, 40)], NOW)
    kept = database.query("SELECT next_offset FROM projection_progress FINAL WHERE flow = 'back'").rows
    assert kept == [(90,)]


def test_ticks_have_no_table() -> None:
    assert rows_by_table([batch({"control.tick": [Row(1, NOON_MS, {})]})]) == {}
    assert "cn.gridpulse.control.tick" not in EVENT_TABLES


def test_events_of_any_century_and_many_months_go_in(database: Client) -> None:
    """More months than ClickHouse lets one block touch by default."""
    month_ms = 31 * 86_400_000
    rows = [Row(i, -40 * 365 * 86_400_000 + i * month_ms, measured(1.0), "months/x/y/z") for i in range(150)]
    write(database, {MEASURED: rows})
    assert database.query("SELECT count() FROM readings FINAL WHERE city = 'months'").rows == [(150,)]


def test_late_uploads_never_set_the_present_back(empty_database: Client) -> None:
    client = empty_database
    late = NOON_MS - 3_600_000
    write(
        client,
        {
            MEASURED: [Row(1, NOON_MS, measured(60.0))],
            HEARTBEAT: [Row(2, NOON_MS, {"device": "d1", "battery_ratio": 0.4})],
        },
    )
    write(
        client,
        {MEASURED: [Row(3, late, measured(80.0))], HEARTBEAT: [Row(4, late, {"device": "d1", "battery_ratio": 0.9})]},
    )
    write(client, {HEARTBEAT: [Row(5, NOON_MS + 1, {"device": "d1"})]})  # says nothing of its battery
    assert client.query("SELECT device, value, event_time FROM latest_readings").rows == [("d1", 60.0, utc(NOON_MS))]
    assert client.query("SELECT device, last_seen_time, battery_ratio FROM device_last_seen").rows == [
        ("d1", utc(NOON_MS + 1), 0.4)
    ]


def test_devices_show_registry_status_and_signs_of_life(empty_database: Client) -> None:
    client = empty_database
    entry = {"change": "registered", "kind": "noise", "gateway": "gw1"}
    other = "wuhu/yijiang/zhongshan/tieqiao/g02"
    write(
        client,
        {
            DEVICE: [
                Row(1, NOON_MS, {**entry, "device": "d1", "noise_zone": "2"}),
                Row(2, NOON_MS, {**entry, "device": "gone"}),
                Row(3, NOON_MS, {**entry, "device": "d1"}, other),  # the same name in another community
                Row(4, NOON_MS + 5, {**entry, "device": "gone", "change": "retired"}),
                Row(5, NOON_MS + 5, {**entry, "device": "d1", "change": "changed", "noise_zone": None}),
            ],
            HEARTBEAT: [Row(6, NOON_MS + 9, {"device": "d1", "battery_ratio": 0.7})],
            STATUS: [
                Row(7, NOON_MS + 9, {"device": "d1", "status": "online", "cause": "first_seen"}),
                Row(8, NOON_MS + 99, {"device": "d1", "status": "offline", "cause": "silent"}),
            ],
        },
    )  # fmt: skip
    columns = "community, device, noise_zone, status, status_since, status_cause, last_seen_time, battery_ratio"
    assert client.query(f"SELECT {columns} FROM devices ORDER BY scope, device").rows == [
        ("jianyang", "d1", None, "offline", utc(NOON_MS + 99), "silent", utc(NOON_MS + 9), 0.7),
        ("tieqiao", "d1", None, "unknown", None, None, None, None),
    ]
    assert client.query("SELECT device, status, since FROM device_status").rows == [
        ("d1", "offline", utc(NOON_MS + 99))
    ]
    periods = client.query("SELECT status, since, until FROM device_status_periods ORDER BY since").rows
    assert periods == [("online", utc(NOON_MS + 9), utc(NOON_MS + 99)), ("offline", utc(NOON_MS + 99), None)]


def test_alerts_are_in_their_latest_state_whatever_is_said_again(empty_database: Client) -> None:
    client = empty_database
    end_ms = NOON_MS + 90_000
    steps = [
        Row(1, NOON_MS, alert("opened", NOON_MS, 1)),
        Row(2, NOON_MS + 60_000, alert("updated", NOON_MS + 60_000, 2, severity="critical")),
        Row(3, end_ms, alert("resolved", NOON_MS + 60_000, 2, severity="critical", resolved_time_ms=end_ms)),
    ]
    question = "SELECT alert, state, severity, count, updated_time, resolved_time FROM alerts"
    write(client, {ALERT: steps[:2]})
    assert client.query(question).rows == [("a1", "open", "critical", 2, utc(NOON_MS + 60_000), None)]
    write(client, {ALERT: steps[2:]})
    write(
        client,
        {ALERT: [Row(row.offset + 10, row.event_time_ms, row.data, event_id=f"e{row.offset}") for row in steps[:2]]},
    )
    resolved = ("a1", "resolved", "critical", 2, utc(NOON_MS + 60_000), utc(end_ms))
    assert client.query(question).rows == [resolved]
    assert client.query("SELECT count() FROM alert_log FINAL").rows == [(3,)]
