"""Rollups equal what plain Python computes from the distinct events, however the rows came in."""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from projections.client import Client, StoreError, StoreUnavailableError
from projections.rollup import RollupWorker
from projections.rollup_sql import groups
from projections.writer import Writer
from schemas.metrics import BY_NAME, METRICS, Metric
from tests.projections.batches import NOON_MS, SCOPE, Row, batch, positions
from tests.projections.conftest import empty

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
OTHER = "wuhu/yijiang/zhongshan/tieqiao/g02"
MEASURED, HEARTBEAT, PASSAGE, CLICK = (
    "readings.measured",
    "readings.heartbeat",
    "passages.passage",
    "online.interaction",
)
QUANTITIES = {"laeq": "dB(A)", "temperature": "Cel", "smoke": "%/m", "voltage": "V"}  # the last has no metric
DAY_MS = 86_400_000


def write(client: Client, rows: Mapping[str, Sequence[Row]], partition: int = 0) -> None:
    Writer(client, "test").write([batch(rows, partition)], positions(rows, partition), NOW)


def level(offset: int, at_ms: int, value: float, scope: str = SCOPE) -> Row:
    return Row(offset, at_ms, {"device": "d1", "quantity": "laeq", "unit": "dB(A)", "value": value}, scope)


def random_rows(rng: random.Random, count: int, start_ms: int, span_ms: int) -> dict[str, list[Row]]:
    """Events of several types over some days, with ids that repeat now and then."""
    rows: dict[str, list[Row]] = {MEASURED: [], HEARTBEAT: [], PASSAGE: [], CLICK: []}
    for offset in range(count):
        kind = rng.choice(list(rows))
        scope, at_ms = rng.choice((SCOPE, OTHER)), start_ms + rng.randrange(span_ms)
        quantity = rng.choice(list(QUANTITIES))
        choices: dict[str, dict[str, Any]] = {
            MEASURED: {
                "device": rng.choice("ab"), "quantity": quantity, "unit": QUANTITIES[quantity],
                "value": rng.uniform(0.1, 99.0),
            },
            HEARTBEAT: {"device": rng.choice("abc"), "battery_ratio": rng.choice((None, rng.random()))},
            PASSAGE: {
                "gate": rng.choice(("g1", "g2")), "kind": rng.choice(("person", "vehicle")),
                "direction": rng.choice(("in", "out")), "method": "card",
            },
            CLICK: {"app": rng.choice(("x", "y")), "kind": "click", "page": "p", "session": f"s{rng.randrange(9)}"},
        }  # fmt: skip
        rows[kind].append(Row(offset, at_ms, choices[kind], scope))
    for some in rows.values():
        for row in rng.sample(some, len(some) // 5):  # said again later, with other contents: the first one counts
            other = dict(rng.choice(some).data)
            some.append(Row(count, row.event_time_ms, other, row.scope, event_id=f"e{row.offset}"))
            count += 1
    return rows


def cut(rows: Mapping[str, Sequence[Row]], parts: int) -> list[dict[str, list[Row]]]:
    """The rows in log order, in so many parts."""
    end = 1 + max(row.offset for some in rows.values() for row in some)
    borders = [end * part // parts for part in range(parts + 1)]
    return [
        {kind: [row for row in some if low <= row.offset < high] for kind, some in rows.items()}
        for low, high in itertools.pairwise(borders)
    ]


def window_of(grain: str, at_ms: int) -> datetime:
    time = datetime.fromtimestamp(at_ms / 1000, UTC)
    if grain == "day":
        return time.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    return time.replace(minute=time.minute if grain == "minute" else 0, second=0, microsecond=0)


def expected(metric: Metric, grain: str, rows: Sequence[Row]) -> dict[tuple[Any, ...], float]:
    """(window, scope, dimensions) -> value, straight from the metric's declaration."""
    first: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row.offset):
        first.setdefault((row.scope, row.event_time_ms, row.source, row.event_id or f"e{row.offset}"), row)
    values: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in first.values():
        value = row.data.get(metric.value_column) if metric.value_column else 1
        if value is None or any(row.data[column] != wanted for column, wanted in metric.where.items()):
            continue
        key = (window_of(grain, row.event_time_ms), row.scope, *(str(row.data[d]) for d in metric.dimensions))
        values[key].append(value)
    compute: dict[str, Callable[[list[Any]], float]] = {
        "count": len,
        "sum": math.fsum,
        "mean": lambda v: math.fsum(v) / len(v),
        "min": min,
        "max": max,
        "energy_mean": lambda v: 10 * math.log10(math.fsum(10 ** (x / 10) for x in v) / len(v)),
        "uniq": lambda v: len(set(v)),
    }
    return {key: compute[metric.aggregate](v) for key, v in values.items()}


def found(client: Client, metric: Metric, grain: str) -> dict[tuple[Any, ...], float]:
    columns = ", ".join(("window_start", "scope", *metric.dimensions, "value"))
    rows = client.query(f"SELECT {columns} FROM metric_{metric.name} WHERE grain = {{g:String}}", {"g": grain}).rows
    assert len({tuple(row[:-1]) for row in rows}) == len(rows)
    return {tuple(row[:-1]): row[-1] for row in rows}


def assert_equal_to_python(client: Client, rows: dict[str, list[Row]], at_least: int = 100) -> None:
    compared = 0
    for metric in METRICS:
        of_type = rows.get(metric.type_name.removeprefix("cn.gridpulse."))
        for grain in ("minute", "hour", "day") if of_type else ():
            wanted = expected(metric, grain, of_type or ())
            assert found(client, metric, grain) == pytest.approx(wanted, rel=1e-12), (metric.name, grain)
            compared += len(wanted)
    assert compared > at_least


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rollups_equal_python_however_the_rows_come_in(seed: int, empty_database: Client) -> None:
    rng = random.Random(seed)
    client = empty_database
    rows = random_rows(rng, 400, NOON_MS, 2 * DAY_MS)
    worker = RollupWorker(client, max_records=rng.choice((150, 10_000)), hour_every_runs=2, day_every_runs=3)
    for part in cut(rows, 5):  # some parts twice; runs in between, and new workers
        write(client, part)
        if rng.random() < 0.5:
            write(client, part)
        worker.run_once()
        if rng.random() < 0.3:
            worker = RollupWorker(client, max_records=100)
    worker.catch_up()
    assert_equal_to_python(client, rows)


def test_a_late_event_corrects_its_windows_and_no_others(empty_database: Client) -> None:
    client = empty_database
    worker = RollupWorker(client)
    rows = [level(i, NOON_MS + i * 3_600_000, 50.0 + i) for i in range(30)]
    write(client, {MEASURED: rows})
    worker.catch_up()
    before = {grain: found(client, BY_NAME["noise_laeq"], grain) for grain in ("minute", "hour", "day")}
    late = level(30, NOON_MS + 1_800_000, 70.0)
    too = level(31, NOON_MS + 5_400_000, 30.0)  # an hour apart: the minutes between are left alone
    write(client, {MEASURED: [late, too]})
    done = worker.catch_up()
    assert (done.new_rows, done.minute_rows, done.hour_rows, done.day_rows) == (2, 2, 2, 1)
    for grain in before:
        now = found(client, BY_NAME["noise_laeq"], grain)
        assert now == pytest.approx(expected(BY_NAME["noise_laeq"], grain, [*rows, late, too]))
        changed = {key[0] for key in now if now[key] != before[grain].get(key)}
        assert changed == {window_of(grain, late.event_time_ms), window_of(grain, too.event_time_ms)}


@pytest.mark.parametrize("kinds", [(HEARTBEAT,), (HEARTBEAT, PASSAGE), (PASSAGE, CLICK), (MEASURED,)])
def test_any_types_may_come_in_together(kinds: tuple[str, ...], empty_database: Client) -> None:
    """Minutes of all types are one statement; numbers and counts have different types in it."""
    rows = {kind: some for kind, some in random_rows(random.Random(4), 80, NOON_MS, DAY_MS).items() if kind in kinds}
    write(empty_database, rows)
    RollupWorker(empty_database).catch_up()
    assert_equal_to_python(empty_database, rows, at_least=10)


def test_days_wait_for_their_hours(empty_database: Client) -> None:
    """Days are due before hours: they must not take the runs for done whose hours are still to come."""
    write(empty_database, {MEASURED: [level(1, NOON_MS, 50.0)]})
    worker = RollupWorker(empty_database, hour_every_runs=3, day_every_runs=1)
    assert worker.run_once().hour_rows == 0
    done = worker.catch_up()
    assert (done.hour_rows, done.day_rows) == (1, 1)


def test_days_begin_at_local_midnight(empty_database: Client) -> None:
    client = empty_database
    midnight_ms = int(datetime(2026, 3, 2, tzinfo=SHANGHAI).timestamp() * 1000)
    write(client, {MEASURED: [level(1, midnight_ms - 1, 60.0), level(2, midnight_ms, 70.0)]})
    RollupWorker(client).catch_up()
    assert found(client, BY_NAME["noise_laeq"], "day") == pytest.approx(
        {
            (datetime(2026, 2, 28, 16, tzinfo=UTC), SCOPE, "d1"): 60.0,
            (datetime(2026, 3, 1, 16, tzinfo=UTC), SCOPE, "d1"): 70.0,
        }
    )


def test_rows_beyond_the_stored_progress_wait(empty_database: Client) -> None:
    """A slower insert of the same batch may still be under way: only what progress names is rolled up."""
    client = empty_database
    worker = RollupWorker(client)
    rows = {MEASURED: [level(7, NOON_MS, 50.0)]}
    Writer(client, "test").write([batch(rows)], [], NOW)
    assert worker.catch_up().idle
    Writer(client, "test").write([], positions(rows), NOW)
    assert worker.catch_up().new_rows == 1


def test_nothing_new_changes_nothing(empty_database: Client) -> None:
    client = empty_database
    write(client, {MEASURED: [level(1, NOON_MS, 50.0)]})
    worker = RollupWorker(client)
    worker.catch_up()
    contents = client.query("SELECT * EXCEPT uniq_state FROM metrics_minute").rows
    assert worker.run_once().idle
    assert RollupWorker(client).run_once().idle
    assert client.query("SELECT * EXCEPT uniq_state FROM metrics_minute").rows == contents


class Breaking:
    """Passes statements on; the n-th one fails, before or after it took effect."""

    def __init__(self, client: Client, fail_at: int, after: bool) -> None:
        self._client, self._left, self._after = client, fail_at, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise StoreUnavailableError("gone")
            answer = call(*args, **kwargs)
            if self._left == 0:
                raise StoreUnavailableError("gone")
            return answer

        return guarded


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_statement_is_made_good(after: bool, empty_database: Client) -> None:
    client = empty_database
    rng = random.Random(5)
    rows = random_rows(rng, 240, NOON_MS, DAY_MS)
    # one crash per part, at a later statement each time: two loads, ends, counts, three rollups, progress
    for number, part in enumerate(cut(rows, 8), 1):
        write(client, part)
        breaking: Any = Breaking(client, number, after)
        with pytest.raises(StoreUnavailableError):
            RollupWorker(breaking).run_once(coarse=True)
    RollupWorker(client).catch_up()
    assert_equal_to_python(client, rows)


def test_a_worker_goes_on_after_a_failure(empty_database: Client) -> None:
    client = empty_database
    write(client, {MEASURED: [level(1, NOON_MS, 50.0)]})
    breaking: Any = Breaking(client, 6, after=True)
    worker = RollupWorker(breaking)
    with pytest.raises(StoreError):
        worker.run_once(coarse=True)
    worker.catch_up()
    assert found(client, BY_NAME["noise_laeq"], "day")


def test_everything_is_computed_again_when_progress_is_emptied(empty_database: Client) -> None:
    client = empty_database
    write(client, {MEASURED: [level(1, NOON_MS, 50.0)]})
    RollupWorker(client).catch_up()
    client.command("TRUNCATE TABLE rollup_progress")
    done = RollupWorker(client).catch_up()
    assert (done.minute_rows, done.hour_rows, done.day_rows) == (1, 1, 1)
    assert client.query("SELECT version FROM metrics_day FINAL").rows == [(2,)]


def test_a_backlog_is_worked_off_in_bounded_pieces(empty_database: Client) -> None:
    client = empty_database
    rows = [level(i, NOON_MS + i * 1000, 50.0) for i in range(100)]
    write(client, {MEASURED: rows})
    worker = RollupWorker(client, max_records=30)
    pieces = [worker.run_once() for _ in range(4)]
    assert [(piece.new_rows, piece.behind) for piece in pieces] == [(30, True), (30, True), (30, True), (10, False)]


def test_events_out_of_the_calendar_stay_out(empty_database: Client) -> None:
    client = empty_database
    far = [level(1, -(2**40), 50.0), level(2, 2**42 + 2**41, 50.0), level(3, NOON_MS, 50.0)]
    write(client, {MEASURED: far})
    RollupWorker(client).catch_up()
    assert [key[0] for key in found(client, BY_NAME["noise_laeq"], "minute")] == [window_of("minute", NOON_MS)]


def test_sums_have_the_same_bits_whatever_the_order(empty_database: Client) -> None:
    client = empty_database
    rng = random.Random(9)
    rows = [level(i, NOON_MS + i, rng.uniform(20.0, 120.0)) for i in range(500)]
    sums = set()
    for order in (rows, rows[::-1]):
        empty(client)
        for start in range(0, 500, 100):
            write(client, {MEASURED: order[start : start + 100]})
        RollupWorker(client).catch_up()
        sums.add(client.query("SELECT sum, energy_sum FROM metrics_day FINAL").rows[0])
    assert len(sums) == 1


def test_one_pass_for_all_quantities_and_each_metric_once() -> None:
    found_groups = groups(METRICS)
    assert sorted(m.name for group in found_groups for m in group.metrics) == sorted(BY_NAME)
    readings = [group for group in found_groups if group.table.name == "readings"]
    assert [group.by for group in readings] == ["quantity"]


def test_zones_whose_days_are_not_whole_hours_are_refused() -> None:
    client: Any = None
    with pytest.raises(ValueError, match="Asia/Kolkata"):
        RollupWorker(client, "Asia/Kolkata")
    RollupWorker(client, "Europe/Berlin")


class Pauses:
    """In the place of an event that is set after so many waits."""

    def __init__(self, most: int) -> None:
        self.taken_s: list[float] = []
        self._most = most

    def is_set(self) -> bool:
        return len(self.taken_s) >= self._most

    def wait(self, pause_s: float) -> None:
        self.taken_s.append(pause_s)


def test_the_loop_waits_out_an_absent_store_and_ends_when_told(empty_database: Client) -> None:
    client = empty_database
    write(client, {MEASURED: [level(1, NOON_MS, 50.0)]})
    pauses: Any = Pauses(3)
    breaking: Any = Breaking(client, 3, after=False)
    times = iter([0.0, 10.0, 10.01, 20.0, 20.01])  # the first run breaks off; then short ones
    RollupWorker(breaking).run(pauses, 0.25, lambda: next(times))
    assert pauses.taken_s == [1.0, 0.25, 0.25]
    assert found(client, BY_NAME["noise_laeq"], "hour") != {}


class Flowing:
    """A store into which somebody writes between any two looks, so many times."""

    def __init__(self, client: Client, times: int) -> None:
        self._client, self._times = client, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query(self, sql: str, *arguments: Any) -> Any:
        if "FROM projection_progress" in sql and self._times > 0:
            self._times -= 1
            write(self._client, {MEASURED: [level(1000 - self._times, NOON_MS, 50.0)]})
        return self._client.query(sql, *arguments)


def test_after_long_work_the_loop_gives_way_until_the_writer_stands_still(empty_database: Client) -> None:
    def pauses_s(writes: int, most: int) -> list[float]:
        flowing: Any = Flowing(empty_database, writes)
        pauses: Any = Pauses(most)
        times = iter([0.0, 2.0, 10.0, 10.01])
        RollupWorker(flowing).run(pauses, 0.25, lambda: next(times))
        return list(pauses.taken_s)

    assert pauses_s(9, 7) == [0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75]  # three times as long as it worked: 6 s
    assert pauses_s(3, 4) == [0.25, 1.0, 1.0, 0.25]  # written twice while resting: then the next run


def test_a_window_start_is_what_python_says() -> None:
    start = window_of("day", NOON_MS)
    assert start == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert start + timedelta(hours=20) == datetime.fromtimestamp(NOON_MS / 1000, UTC)
