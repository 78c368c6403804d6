"""Late events count in their day and nowhere else, are listed, and count once whatever comes again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from projections.client import Client
from projections.digest import combined, table_digest
from projections.late_tables import LATE_EVENTS, late_sql
from projections.queries.metrics import series
from projections.queries.ports import MetricQuery
from projections.queries.running import Runner
from projections.queries.windows import Grain, Windows
from projections.rollup import RollupStats, RollupWorker
from projections.tables import METRIC_TABLES
from schemas.base import DAY_S
from schemas.catalogue import BY_NAME, EVENT_TYPES
from schemas.metrics import BY_NAME as METRIC
from schemas.metrics import METRICS
from tests.projections.batches import NOON_MS, SCOPE, Row
from tests.projections.conftest import empty
from tests.projections.test_rollup import (
    DAY_MS,
    MEASURED,
    Breaking,
    cut,
    expected,
    found,
    level,
    random_rows,
    write,
)

ALLOWED_MS = 2 * DAY_MS
NOISE = METRIC["noise_laeq"]
Rows = dict[str, list[Row]]


def recorded(row: Row, after_ms: int) -> Row:
    """The row as it would have been recorded so much later than it happened."""
    return replace(row, recorded_time_ms=row.event_time_ms + after_ms)


def listed(client: Client) -> list[tuple[str, float]]:
    rows = client.query("SELECT event_id, lateness_s FROM late_events FINAL ORDER BY event_id").rows
    return [(str(event_id), float(late)) for event_id, late in rows]


def is_late(kind: str, row: Row) -> bool:
    recorded_ms = row.event_time_ms if row.recorded_time_ms is None else row.recorded_time_ms
    return BY_NAME["cn.gridpulse." + kind].is_late(row.source, row.event_time_ms, recorded_ms)


def first_records(rows: Sequence[Row]) -> list[Row]:
    first: dict[tuple[str, int, str, str], Row] = {}
    for row in sorted(rows, key=lambda row: row.offset):
        first.setdefault((row.scope, row.event_time_ms, row.source, row.event_id or f"e{row.offset}"), row)
    return list(first.values())


def assert_days_count_late_events_and_nothing_finer_does(client: Client, rows: Rows) -> None:
    compared = late = 0
    for metric in METRICS:
        kind = metric.type_name.removeprefix("cn.gridpulse.")
        if not (of_type := first_records(rows.get(kind, []))):
            continue
        in_time = [row for row in of_type if not is_late(kind, row)]
        late += len(of_type) - len(in_time)
        for grain, wanted in (("minute", in_time), ("hour", in_time), ("day", of_type)):
            values = expected(metric, grain, wanted)
            assert found(client, metric, grain) == pytest.approx(values, rel=1e-12), (metric.name, grain)
            compared += len(values)
    assert compared > 100
    assert late > 20


def disordered(seed: int) -> Rows:
    """Events over two days, a third of them late; repeated ones are often late where the first was not."""
    rng = random.Random(seed)
    rows = random_rows(rng, 240, NOON_MS, 2 * DAY_MS)
    latest: dict[tuple[str, int], int] = {}
    lags = {kind: [rng.choice((1_000, 1_000, rng.randrange(4 * DAY_MS))) for _ in some] for kind, some in rows.items()}
    for kind, some in rows.items():
        some.sort(key=lambda row: row.offset)
        for place, row in enumerate(some):  # a repetition is never recorded before the first
            key = (row.event_id or f"e{row.offset}", row.event_time_ms)
            latest[key] = lag = max(lags[kind][place], latest.get(key, 0))
            some[place] = recorded(row, lag)
    return rows


@pytest.mark.parametrize("seed", [1, 2])
def test_days_equal_python_however_late_the_rows_come(seed: int, empty_database: Client) -> None:
    rows = disordered(seed)
    worker = RollupWorker(empty_database, hour_every_runs=2, day_every_runs=3)
    for part in cut(rows, 4):
        write(empty_database, part)
        worker.run_once()
    worker.catch_up()
    assert_days_count_late_events_and_nothing_finer_does(empty_database, rows)


def test_the_order_of_coming_in_changes_nothing(empty_database: Client) -> None:
    """Within lateness and beyond it: rows inserted in any order, in any pieces, with runs in between."""
    rng = random.Random(7)
    in_order = [
        recorded(level(n, NOON_MS + rng.randrange(DAY_MS // 48), rng.uniform(30, 90)), rng.randrange(3 * DAY_MS))
        for n in range(120)
    ]
    hashes = []
    for shuffled in (False, True):
        empty(empty_database)
        rows = rng.sample(in_order, len(in_order)) if shuffled else in_order
        rows = [replace(row, offset=n, event_id=f"e{row.offset}") for n, row in enumerate(rows)]
        worker = RollupWorker(empty_database, hour_every_runs=1, day_every_runs=1)
        for start in range(0, len(rows), 30):
            write(empty_database, {MEASURED: rows[start : start + 30]})
            worker.run_once()
        worker.catch_up()
        tables = (*METRIC_TABLES, LATE_EVENTS)
        hashes.append(combined({table.name: table_digest(empty_database, table) for table in tables}))
    assert hashes[0] == hashes[1]
    assert 20 < len(listed(empty_database)) < 100


def test_a_late_event_corrects_its_day_and_is_listed(empty_database: Client) -> None:
    client = empty_database
    worker = RollupWorker(client)
    on_time = [recorded(level(n, NOON_MS + n * 1000, 50.0), ALLOWED_MS) for n in range(2)]  # the very last moment
    write(client, {MEASURED: on_time})
    assert worker.catch_up() == RollupStats(2, 1, 0, 1, 1)
    late = recorded(level(2, NOON_MS + 2000, 80.0), ALLOWED_MS + 1)
    write(client, {MEASURED: [late]})
    assert worker.catch_up() == RollupStats(new_rows=1, late_rows=1, day_rows=1)
    for grain, wanted in (("minute", on_time), ("hour", on_time), ("day", [*on_time, late])):
        assert found(client, NOISE, grain) == pytest.approx(expected(NOISE, grain, wanted))
    assert listed(client) == [("e2", 172800.001)]
    write(client, {MEASURED: [late]})  # once more: the same row
    RollupWorker(client).catch_up()
    assert listed(client) == [("e2", 172800.001)]
    assert worker.run_once().idle
    another = recorded(level(3, NOON_MS + 3000, 55.0), 1000)  # its minute is computed anew, still without the late one
    write(client, {MEASURED: [another]})
    worker.catch_up()
    for grain, wanted in (("hour", [*on_time, another]), ("day", [*on_time, another, late])):
        assert found(client, NOISE, grain) == pytest.approx(expected(NOISE, grain, wanted))


def test_a_day_of_late_events_alone(empty_database: Client) -> None:
    late = recorded(level(1, NOON_MS, 80.0), 30 * DAY_MS)
    write(empty_database, {MEASURED: [late]})
    RollupWorker(empty_database).catch_up()
    assert found(empty_database, NOISE, "hour") == {}
    assert found(empty_database, NOISE, "day") == pytest.approx(expected(NOISE, "day", [late]))


def test_an_event_that_comes_again_late_counts_once(empty_database: Client) -> None:
    client = empty_database
    worker = RollupWorker(client)
    first = recorded(level(1, NOON_MS, 60.0), 1000)
    again = replace(recorded(level(2, NOON_MS, 60.0), 9 * DAY_MS), event_id="e1")
    write(client, {MEASURED: [first]})
    worker.catch_up()
    write(client, {MEASURED: [again]})
    worker.catch_up()
    for grain in ("minute", "hour", "day"):
        assert found(client, NOISE, grain) == pytest.approx(expected(NOISE, grain, [first]))
    assert client.query("SELECT count FROM metrics_day FINAL").rows == [(1,)]
    assert client.query("SELECT count() FROM metrics_late FINAL").rows == [(0,)]
    assert listed(client) == [("e1", 9.0 * DAY_S)]  # what came late, though it had come before


def test_recorded_series_are_never_late(empty_database: Client) -> None:
    history = replace(recorded(level(1, NOON_MS, 60.0), 3000 * DAY_MS), source="//import/nab")
    write(empty_database, {MEASURED: [history]})
    RollupWorker(empty_database).catch_up()
    assert found(empty_database, NOISE, "minute") == pytest.approx(expected(NOISE, "minute", [history]))
    assert listed(empty_database) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_statement_is_made_good_with_late_events_too(after: bool, empty_database: Client) -> None:
    client = empty_database
    rows = disordered(3)
    for number, part in enumerate(cut(rows, 9), 1):
        write(client, part)
        worker = RollupWorker(Breaking(client, number, after))  # type: ignore[arg-type]
        with pytest.raises(Exception, match="gone"):
            worker.run_once(coarse=True)
    RollupWorker(client).catch_up()
    assert_days_count_late_events_and_nothing_finer_does(client, rows)


@pytest.mark.parametrize("rolled_up", ["minutes", "all"])
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "Asia/Kolkata"])
def test_queries_count_late_events_in_days_of_any_zone(zone: str, rolled_up: str, empty_database: Client) -> None:
    client = empty_database
    worker = RollupWorker(client, hour_every_runs=100, day_every_runs=100)
    midnight_ms = int(datetime(2026, 3, 2, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    rows = [
        recorded(level(n, midnight_ms + at, 60.0 + n), lag)
        for n, (at, lag) in enumerate([(-1, 0), (0, 0), (-1, 9 * DAY_MS), (0, 9 * DAY_MS), (DAY_MS, 9 * DAY_MS)])
    ]
    write(client, {MEASURED: rows[:2]})
    worker.catch_up() if rolled_up == "all" else worker.run_once()
    write(client, {MEASURED: rows[2:]})
    worker.catch_up() if rolled_up == "all" else worker.run_once()

    def asked(grain: Grain) -> list[float | None]:
        start, end = (datetime.fromtimestamp((midnight_ms + d * DAY_MS) / 1000, UTC) for d in (-1, 2))
        windows = Windows.covering(grain, ZoneInfo(zone), start, end)
        query = MetricQuery(NOISE, SCOPE, windows, None, (), "Asia/Shanghai", 1000)
        (one,) = series(Runner(client, 20), query)
        return [point.value for point in one.points]

    def mean(*numbers: int) -> float:
        return next(iter(expected(NOISE, "day", [replace(rows[n], event_time_ms=NOON_MS) for n in numbers]).values()))

    assert asked("day") == pytest.approx([mean(0, 2), mean(1, 3), mean(4)])
    assert [value for value in asked("hour") if value is not None] == pytest.approx([60.0, 61.0])


def test_sql_and_python_agree_on_what_is_late(empty_database: Client) -> None:
    rng = random.Random(3)
    sample = [t for t in EVENT_TYPES if t.table]
    questions, wanted = [], []
    for number in range(200):
        event_type = rng.choice(sample)
        allowed_ms = (event_type.allowed_lateness_s or DAY_S) * 1000
        event_ms = rng.randrange(-(2**40), 2**42)
        recorded_ms = event_ms + rng.choice((-300_000, 0, allowed_ms - 1, allowed_ms, allowed_ms + 1, 2 * allowed_ms))
        source = rng.choice(("//import/x", "//imports", "/devices/1", "x//import/"))
        times = (f"fromUnixTimestamp64Milli({ms}, 'UTC')" for ms in (event_ms, recorded_ms))
        row = "SELECT {} AS event_time, {} AS recorded_time, '{}' AS source".format(*times, source)
        questions.append(f"SELECT {number}, {late_sql(event_type) or 'false'} FROM ({row})")
        wanted.append(event_type.is_late(source, event_ms, recorded_ms))
    answer = {int(number): bool(late) for number, late in empty_database.query("\nUNION ALL\n".join(questions)).rows}
    assert answer == dict(enumerate(wanted))
    assert 20 < sum(wanted) < 150


def test_what_is_never_late() -> None:
    """Entries of the registry are states; what GridPulse says itself is said again at another time by a replay."""
    never = {t.family for t in EVENT_TYPES if t.allowed_lateness_s is None}
    assert never == {"registry", "detections", "alerts", "deadletters", "control", "deliveries"}
    assert not {t.family for t in EVENT_TYPES if t.allowed_lateness_s is not None} & never
