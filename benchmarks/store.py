"""The embedded store by itself: how many rows it takes, what a small insert costs, and who waits for whom.

A real store process on a port of its own, migrated; rows go in as the writer sends them. CPU is that of both sides,
merges in the background included as far as they happen while inserts run.
"""

from __future__ import annotations

import contextlib
import functools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.city import city_records
from benchmarks.figures import cpu_seconds, percentile
from benchmarks.parts import as_batches
from benchmarks.world import store_started
from gridpulse import adapters
from gridpulse.free_ports import free_ports
from gridpulse.settings import load_settings
from projections.client import Client, StoreError
from projections.writer import INSERT_SETTINGS, rows_by_table
from schemas.codec import Decoder
from schemas.strict import Limits

BLOCK_ROWS = 50_000
SMALL_ROWS = 300
DEVICES = 20_000
_PLAIN = "bench_plain"
_MEASURED = "readings"
_PLAIN_DDL = (
    f"CREATE TABLE {_PLAIN} (device String, event_time DateTime64(3, 'UTC'), value Float64, scope String, "
    "log_offset UInt64) ENGINE = MergeTree ORDER BY (device, event_time)"
)
_SHORT = f"SELECT count(), max(log_offset) FROM {_PLAIN} WHERE device = {{device:String}}"
_LONG_ID = "gridpulse-bench-long"
_LONG = f"SELECT sum(sipHash64(number)) FROM numbers_mt(1000000000000) /* {_LONG_ID} */"


def store(*, rows: int, scratch: Path, runs: int) -> dict[str, Any]:
    """``rows`` into each of two tables per run, and ``runs`` x 50 short queries in each situation."""
    (store_port,) = free_ports(1)
    settings = load_settings({"data_dir": scratch / "data", "store_port": store_port})
    with store_started(settings) as supervisor, adapters.clickhouse(settings) as client:
        bench = _Bench(client, psutil.Process(supervisor.pids()["store"]))
        client.command(_PLAIN_DDL)
        measured = _readings(min(rows, BLOCK_ROWS))
        plain = measured.select(["device", "event_time", "value", "scope", "log_offset"])
        figures = [
            _small_figures(bench, measured.slice(0, SMALL_ROWS), runs),  # first: no large merges beside it
            _rows_figures(bench, _PLAIN, lambda number: _later(plain, number), rows, runs),
            _rows_figures(bench, _MEASURED, lambda number: _later(measured, number), rows, runs),
            _waiting_figures(bench, plain, runs),
        ]
        return {
            "rows": rows,
            "runs": runs,
            "block_rows": measured.num_rows,
            **{name: value for some in figures for name, value in some.items()},
            "rows_in_plain": _count(client, _PLAIN),
            "rows_in_measured": _count(client, f"{_MEASURED} FINAL"),
        }


@dataclass(frozen=True, slots=True)
class _Bench:
    client: Client
    process: psutil.Process  # the store

    def cpu_s(self) -> float:
        """CPU seconds so far, of the store and of this process."""
        return cpu_seconds(self.process) + time.process_time()

    def spent(self, work: Callable[[], object]) -> tuple[float, float]:
        """Wall and CPU seconds."""
        wall_s, cpu_s = time.perf_counter(), self.cpu_s()
        work()
        return time.perf_counter() - wall_s, self.cpu_s() - cpu_s

    def insert(self, table: str, rows: pa.Table) -> None:
        self.client.insert_arrow(table, rows, INSERT_SETTINGS)


def _rows_figures(
    bench: _Bench, table: str, block: Callable[[int], pa.Table], rows: int, runs: int
) -> dict[str, float]:
    name = "plain" if table == _PLAIN else "measured"
    rates, costs = [], []
    for run in range(runs):
        blocks, left, number = [], rows, run * 1_000
        while left > 0:
            blocks.append(block(number).slice(0, left))
            left, number = left - blocks[-1].num_rows, number + 1
        wall_s, cpu_s = bench.spent(functools.partial(_insert_all, bench, table, blocks))
        rates.append(rows / wall_s)
        costs.append(cpu_s / rows * 1e6)
    return {
        f"arrow_rows_per_s_{name}": round(statistics.median(rates), 1),
        f"cpu_us_per_row_{name}": round(statistics.median(costs), 3),
    }


def _insert_all(bench: _Bench, table: str, pieces: list[pa.Table]) -> None:
    for piece in pieces:
        bench.insert(table, piece)


def _small_figures(bench: _Bench, rows: pa.Table, runs: int) -> dict[str, float]:
    """CPU of one insert of a few hundred rows; the store's clock ticks in 10 ms, so many are counted together."""
    many = 50
    costs = []
    for run in range(runs):
        pieces = [_later(rows, 100_000 + run * many + number) for number in range(many)]
        _, cpu_s = bench.spent(functools.partial(_insert_all, bench, _MEASURED, pieces))
        costs.append(cpu_s / many * 1e3)
    return {"small_insert_rows": float(rows.num_rows), "small_insert_cpu_ms": round(statistics.median(costs), 2)}


def _waiting_figures(bench: _Bench, plain: pa.Table, runs: int) -> dict[str, float]:
    """Short queries alone, beside inserts, and beside a query that would never end; and inserts beside that."""
    device = plain["device"][0].as_py()
    asked = runs * 50

    def ask() -> None:
        bench.client.query(_SHORT, {"device": device})

    ask()
    figures = _percentiles("short_query", _each_ms(ask, asked))
    with _inserting(bench, plain):
        figures |= _percentiles("short_query_beside_inserts", _each_ms(ask, asked))
    with _long_query(bench.client):
        figures |= _percentiles("short_query_beside_long_query", _each_ms(ask, asked))
        numbers = iter(range(300_000, 400_000))
        small = plain.slice(0, SMALL_ROWS)
        inserts = _each_ms(lambda: bench.insert(_PLAIN, _later(small, next(numbers))), asked)
        figures |= _percentiles("small_insert_beside_long_query", inserts)
    return figures


def _each_ms(work: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began_s = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began_s) * 1e3)
    return taken


def _percentiles(name: str, taken_ms: list[float]) -> dict[str, float]:
    return {f"{name}_p{share}_ms": round(percentile(taken_ms, share), 2) for share in (50, 99)}


@contextlib.contextmanager
def _inserting(bench: _Bench, plain: pa.Table) -> Iterator[None]:
    """Blocks go in one after the other meanwhile."""
    stop = threading.Event()

    def work() -> None:
        number = 200_000
        while not stop.is_set():
            bench.insert(_PLAIN, _later(plain, number))
            number += 1

    with _beside(work, stop.set):
        yield


@contextlib.contextmanager
def _long_query(client: Client) -> Iterator[None]:
    """A query on all threads that ends only because it is killed."""

    def work() -> None:
        with contextlib.suppress(StoreError):  # killed
            client.query(_LONG)

    def kill() -> None:
        client.command(f"KILL QUERY WHERE query LIKE '%{_LONG_ID}%' AND query NOT LIKE '%KILL %' SYNC")

    running = f"SELECT count() FROM system.processes WHERE query LIKE '%{_LONG_ID}%' AND query NOT LIKE '%processes%'"
    with _beside(work, kill):
        while not client.query(running).rows[0][0]:
            time.sleep(0.01)
        yield


@contextlib.contextmanager
def _beside(work: Callable[[], None], end: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        end()
        thread.join()


def _readings(rows: int) -> pa.Table:
    """The first rows that a city's readings become in their table."""
    records = city_records(DEVICES, 3 * rows + 1_000)
    decoder = Decoder(Limits())
    table = rows_by_table([decoder.decode(batch).events for batch in as_batches(records)])[_MEASURED]
    return table.slice(0, rows).combine_chunks()


def _later(rows: pa.Table, number: int) -> pa.Table:
    """The same rows as other events: later by ``number`` blocks, with ids and offsets of their own."""
    moved = {
        "event_time": pc.add(rows["event_time"], pa.scalar(number, pa.duration("ms"))),
        "log_offset": pc.add(rows["log_offset"], number * BLOCK_ROWS),
    }
    if "event_id" in rows.column_names:
        moved["event_id"] = pc.binary_join_element_wise(rows["event_id"], str(number), "-")
    for name, column in moved.items():
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").rows[0][0])
