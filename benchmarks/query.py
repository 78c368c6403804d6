"""Dashboards while the city reports: latency of the query API at a rate of questions, with events flowing in.

Everything is real: store, pipeline, rollup and API as processes, keys from the log, questions by HTTP. Some weeks of
rollups are there from the start. The city's time is the log's and passes as fast as ours, so "the last hour" means what
it says. Scopes from the whole city to single communities, each asked about by a key of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.city import DEVICES_PER_COMMUNITY, INTERVAL_S, START_MS, city_records, city_registry
from benchmarks.query_load import Question, ask, ask_each
from benchmarks.world import World, world
from gridpulse import adapters
from gridpulse.up import api_child

HISTORY_METRICS = ("heartbeats", "presence", "temperature")
MINUTES_OF_HISTORY, HOURS_OF_HISTORY = 120, 24 * 14
FIRST_S = 30.0  # that it may take at most to ask each question once
_ANSWERS = re.compile(r'gridpulse_answers_total\{how="(\w+)",kind="\w+"\} ([0-9.e+]+)')
Note = Callable[[str], None]


def query(
    *,
    scratch: Path,
    rate: int = 100,
    seconds: int = 30,
    feed_rate: int = 20_000,
    warm_s: float = 3.0,
    note: Note = lambda _text: None,
    **given: Any,
) -> dict[str, Any]:
    """One run; each question is asked for the first time, then all are for ``warm_s``, before they count.

    ``first``: of the first time, one after another, when nothing is kept. Events flow in all the time.

    ``given``: settings of the processes, say ``answers_fresh_s=0`` for the API without its cache.
    """
    devices = max(DEVICES_PER_COMMUNITY, round(feed_rate * INTERVAL_S))
    with world(scratch, None, clock="log", ticker=False, **given) as live:
        note("registering the city")
        _prepare(live, devices)
        questions = _questions(_keys(live, devices))
        live.supervisor.start(api_child(live.settings))
        note("the load")
        with _feeding(live, devices, round(feed_rate * (seconds + 2 * warm_s + FIRST_S)), feed_rate) as feeder:
            _say(feeder, "go")
            began_s = time.monotonic()
            first = ask_each("127.0.0.1", live.settings.api_port, questions)
            ask("127.0.0.1", live.settings.api_port, questions, rate, warm_s, seed=1)  # not counted
            before, cpu_before = _found(live, questions[0].key), live.spent()
            answers = ask("127.0.0.1", live.settings.api_port, questions, rate, seconds)
            found, spent = _found(live, questions[0].key), live.spent().since(cpu_before)
            lag_s = _lag_s(live, questions[0].key)
            busy_s = time.monotonic() - began_s
            _say(feeder, "end")
            fed = _outcome(feeder)
        return {
            "rate": rate, "seconds": seconds, "feed_rate": feed_rate, "devices": devices, **answers.flat(),
            **{f"first_{name}": value for name, value in first.flat().items()},
            **{f"answers_{how}": round(found.get(how, 0.0) - before.get(how, 0.0)) for how in
               ("hit", "stale", "coalesced", "miss", "off")},
            "different_questions": len({(one.path, one.key) for one in questions}),
            "events": fed["events"],
            "feed_rate_reached": round(fed["events"] / fed["seconds"], 1),
            "load_lasted_s": round(busy_s, 1),
            "lag_s_at_end": lag_s,
            "cpu_s_per_s": {name: round(cpu_s / seconds, 3) for name, cpu_s in spent.cpu_s.items()},
            "rows_in_minutes": live.count("metrics_minute"),
        }  # fmt: skip


def _prepare(live: World, devices: int) -> None:
    """The registry and one event of each device in the database, and rollups of some weeks."""
    records = [*city_registry(devices), *city_records(devices, devices)]
    ends = live.append_settled(records, 1)
    live.start("pipeline", "rollup")
    live.wait_until(lambda: live.are_rows_in(ends), "the registry in the database")
    live.wait_until(lambda: live.are_minutes_in(ends), "its rollups")
    communities = -(-devices // DEVICES_PER_COMMUNITY)
    for table, windows, step_s in (("minute", MINUTES_OF_HISTORY, 60), ("hour", HOURS_OF_HISTORY, 3600)):
        live.client.command(_HISTORY_SQL.format(
            table=table, metrics=list(HISTORY_METRICS), communities=communities, windows=windows, step_s=step_s,
            start_s=START_MS // 3_600_000 * 3600,
        ))  # fmt: skip


_HISTORY_SQL = """INSERT INTO metrics_{table}
    (metric, scope, window_start, dim_1, dim_2, count, sum, min, max, energy_sum, uniq_state, version)
SELECT metric, concat('wuhu/d', toString(c % 8), '/s', toString(c % 64), '/c', leftPad(toString(c), 4, '0'), '/g0',
        toString(number % 4)) AS scope,
    toDateTime({start_s}, 'UTC') - toUInt32((1 + intDiv(number, 4) % {windows}) * {step_s}) AS window_start,
    '' AS dim_1, '' AS dim_2, 100, 2150., 19., 24., 0., uniqStateIf('', 0) OVER (), 0
FROM (SELECT number, intDiv(number, 4 * {windows}) AS c FROM numbers({communities} * 4 * {windows})) AS all_windows
ARRAY JOIN {metrics} AS metric"""


def _keys(live: World, devices: int) -> list[tuple[str, str, int]]:
    """Scope, the key of somebody whose it is, and how much more often than the least it is looked at."""
    communities = -(-devices // DEVICES_PER_COMMUNITY)
    scopes = [("", 8), ("wuhu/d1", 4), ("wuhu/d2", 3), ("wuhu/d1/s1", 2), ("wuhu/d2/s2", 2)]
    scopes += [(f"wuhu/d{c % 8}/s{c % 64}/c{c:04d}", 1) for c in range(min(4, communities))]
    return [
        (scope, adapters.issue_api_key(live.settings, "reader", scope, "bench")[1], often) for scope, often in scopes
    ]


def _questions(keys: list[tuple[str, str, int]]) -> list[Question]:
    """A dashboard of each scope, every question as often as it comes up. The first key is good for everything."""
    panels = [("board", "/v1/boards/perception")] * 2
    panels += [("metric", f"/v1/metrics/{name}?grain=minute") for name in ("heartbeats", "temperature")] * 2
    panels += [("metric", f"/v1/metrics/{name}?grain=hour&from=-24h") for name in ("presence", "temperature")]
    panels += [("metric", "/v1/metrics/heartbeats?grain=hour&from=-24h&by=scope")]
    panels += [("devices", "/v1/devices?limit=50"), ("alerts", "/v1/alerts?state=open&limit=50")]
    return [Question(kind, path, key) for _, key, often in keys for kind, path in panels * often]


@contextmanager
def _feeding(live: World, devices: int, events: int, rate: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "benchmarks.query_feed", *map(str, (devices, devices, events, rate))]
    environment = {**_paths(), **live.settings.environment()}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # ready
        yield process
    finally:
        process.kill()
        process.communicate()


def _paths() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("GRIDPULSE_")}


def _say(feeder: subprocess.Popen[bytes], word: str) -> None:
    assert feeder.stdin is not None
    feeder.stdin.write(f"{word}\n".encode())
    feeder.stdin.flush()


def _outcome(feeder: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert feeder.stdout is not None
    outcome: dict[str, Any] = orjson.loads(feeder.stdout.readline())
    return outcome


def _found(live: World, key: str) -> dict[str, float]:
    """Where answers came from so far, by the API's own metrics."""
    text = httpx.get(f"{live.settings.api_url}/metrics", headers={"X-API-Key": key}, timeout=30.0, trust_env=False).text
    found: dict[str, float] = {}
    for how, count in _ANSWERS.findall(text):
        found[how] = found.get(how, 0.0) + float(count)
    return found


def _lag_s(live: World, key: str) -> float | None:
    url = f"{live.settings.api_url}/v1/metrics"
    lag_s: float | None = httpx.get(url, headers={"X-API-Key": key}, timeout=30.0, trust_env=False).json()["lag_s"]
    return lag_s
