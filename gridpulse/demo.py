"""``gridpulse demo``: a simulated district in time-lapse, through the very processes that production runs.

The simulator appends to the log at a steady rate of events; its clock is the log's (``GRIDPULSE_CLOCK=log``), so hours
of the district pass in a second. A second start in the same data directory goes on where the log ends. At the end the
alerts are held against the simulator's own truth. Meanwhile a receiver in this process is subscribed to them, as a user
would subscribe it; only the demo's own processes may deliver to loopback.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live

from gridpulse import adapters
from gridpulse.cli.starting import settings_for
from gridpulse.demo_feed import Feeder
from gridpulse.demo_receiver import HOST
from gridpulse.demo_view import View, render
from gridpulse.demo_watch import Watcher
from gridpulse.demo_webhooks import Webhooks, how_to_subscribe, subscribed
from gridpulse.draining import Draining, NotSettledError
from gridpulse.exit import StartError
from gridpulse.processes import stop_on_signal
from gridpulse.settings import Settings
from gridpulse.up import start_all
from replay.simulator.config import DistrictConfig
from replay.simulator.score import score
from schemas.topics import DOMAIN_TOPICS
from streams.supervise import Supervisor

START_TIMEOUT_S = 90.0
DRAIN_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.15
DISTRICT_SCOPE = "wuhu"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """``rate``: events per second to feed; ``seconds`` None: until Ctrl-C."""

    seconds: float | None
    rate: float
    seed: int
    kafka: bool
    json: bool


def run_demo(data_dir: Path, options: DemoOptions) -> None:
    """Run it; the last line on stdout is one JSON object when ``json`` is set."""
    console = Console(stderr=True)
    stop = stop_on_signal()
    with _log_url(data_dir, options, console) as log_url:
        settings = settings_for(
            {
                "data_dir": data_dir,
                "clock": "log",
                "ticker": False,
                "log_url": log_url,
                "scopes": DISTRICT_SCOPE,
                "webhook_allow_http": True,
                "webhook_allow_private": f"{HOST}/32",
            }
        )
        supervisor = Supervisor(settings.data_dir / "logs")
        try:
            start_all(settings, supervisor, console.print)
            result = _watch(settings, supervisor, options, console, stop)
        finally:
            supervisor.stop()
    if options.json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
    else:
        console.print_json(orjson.dumps(result).decode())


@contextlib.contextmanager
def _log_url(data_dir: Path, options: DemoOptions, console: Console) -> Iterator[str | None]:
    if not options.kafka:
        yield None
        return
    from streams.dev_broker import DevBroker

    console.print("启动 Kafka · starting a Kafka broker (the first time its jars are fetched)")
    with DevBroker.start(data_dir / "kafka") as broker:
        yield f"kafka://{broker.bootstrap}"


def demo_key(settings: Settings) -> str:
    """The demo's API key: issued once, kept for the next start, readable by its owner alone."""
    path = settings.data_dir / "demo-key"
    if path.exists():
        return path.read_text("utf-8").strip()
    _, key = adapters.issue_api_key(settings, "admin", "", "demo")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key + "\n")
    return key


def _watch(
    settings: Settings, supervisor: Supervisor, options: DemoOptions, console: Console, stop: threading.Event
) -> dict[str, Any]:
    key = demo_key(settings)
    district = DistrictConfig(seed=options.seed)
    client = adapters.clickhouse(settings)
    with adapters.the_log(settings) as log, subscribed(settings.api_url, key, log) as webhooks:
        watcher = Watcher(client)
        feeder = Feeder(log, district, settings.partitions, options.rate, watcher.meter)
        introduce(settings, key, console)
        how_to_subscribe(settings.api_url, key, webhooks.receiver, console)
        _wait_for_pipeline(supervisor, feeder, watcher)
        feeder.start()
        try:
            _live(supervisor, feeder, watcher, webhooks, options, console, stop)
        finally:
            feeder.stop()
        _drain(supervisor, feeder, watcher, console)
        webhooks.wait(supervisor.check)
        return _result(feeder, watcher, supervisor) | {"webhooks": webhooks.result()}


def _wait_for_pipeline(supervisor: Supervisor, feeder: Feeder, watcher: Watcher) -> None:
    """Until what is appended comes out at the other end: from then on figures are of the flow, not of its start."""
    ends = feeder.knock()
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while not any(watcher.look().get(where, 0) >= end for where, end in ends.items()):
        supervisor.check()
        if time.monotonic() > give_up_s:
            raise StartError(f"nothing came out of the pipeline within {START_TIMEOUT_S:.0f} s; see its log")
        time.sleep(LOOK_EVERY_S)


def introduce(settings: Settings, key: str, console: Console) -> None:
    """Where everything is, ready to be pasted."""
    url = settings.api_url
    header = f'-H "Authorization: Bearer {key}"'
    console.print(f"接口 · API        {url}/v1/metrics", highlight=False)
    console.print(f"密钥 · API key    {key}", highlight=False, soft_wrap=True)
    console.print(f'看板 · board      curl -s {header} "{url}/v1/boards/perception"', highlight=False, soft_wrap=True)
    console.print(f'告警 · alerts     curl -s {header} "{url}/v1/alerts?limit=5"', highlight=False, soft_wrap=True)
    sql = f'.venv/bin/gridpulse sql --data-dir {settings.data_dir} "SELECT * FROM alerts LIMIT 5"'
    console.print(f"SQL               {sql}", highlight=False, soft_wrap=True)


def _live(
    supervisor: Supervisor,
    feeder: Feeder,
    watcher: Watcher,
    webhooks: Webhooks,
    options: DemoOptions,
    console: Console,
    stop: threading.Event,
) -> None:
    end_s = None if options.seconds is None else time.monotonic() + options.seconds
    view = View()
    plain = options.json or not console.is_terminal
    with contextlib.nullcontext() if plain else Live(console=console, refresh_per_second=4) as live:
        while not stop.is_set() and (end_s is None or time.monotonic() < end_s):
            supervisor.check()
            feeder.check()
            watcher.look()
            for news in webhooks.news():
                console.print(news, highlight=False, markup=False)
            if view.due(time.monotonic()):
                watcher.count()
                view.update(feeder, watcher, supervisor, webhooks.receiver)
                if live is not None:
                    live.update(render(view))
                elif view.due_line(time.monotonic()):
                    console.print(view.line(), highlight=False)
            time.sleep(LOOK_EVERY_S)


def _drain(supervisor: Supervisor, feeder: Feeder, watcher: Watcher, console: Console) -> None:
    """Wait until everything appended can be queried, then until nothing is on its way any more."""
    console.print("收尾 · waiting until everything is written, said and rolled up")
    give_up_s = time.monotonic() + DRAIN_TIMEOUT_S
    while watcher.meter.waiting_events and time.monotonic() < give_up_s:
        supervisor.check()
        watcher.look()
        time.sleep(0.05)
    feeder.finished_s = time.monotonic()
    draining = Draining(feeder.log, watcher.client, supervisor.check, DRAIN_TIMEOUT_S)
    # Ticks of the time that there is already: of these the merge lets out those of the first topic.
    ticks = {where: end for where, end in feeder.knock().items() if where.topic == min(DOMAIN_TOPICS)}
    try:
        draining.everything(ticks)
    except NotSettledError as error:
        console.print(f"{error}", markup=False)


def _result(feeder: Feeder, watcher: Watcher, supervisor: Supervisor) -> dict[str, Any]:
    watcher.count()
    labels = feeder.simulator.labels(feeder.first_ms, feeder.now_ms)
    alerts = watcher.alerts(feeder.first_ms)
    return {
        "events": feeder.events,
        "events_queryable": watcher.meter.events,
        "events_per_s": round(watcher.meter.events / feeder.elapsed_s, 1),
        "seconds": round(feeder.elapsed_s, 2),
        "simulated_days": round((feeder.now_ms - feeder.first_ms) / 86_400_000, 2),
        "event_to_queryable_ms": {
            "p50": _rounded(watcher.meter.percentile_ms(0.50)),
            "p99": _rounded(watcher.meter.percentile_ms(0.99)),
        },
        "alerts": score(labels, alerts, until_ms=feeder.now_ms, from_ms=feeder.first_ms),
        "alerts_by_kind": watcher.alert_counts,
        "dead_letters": watcher.dead_letters,
        "bad_events_sent": feeder.bad_events,
        "restarts": supervisor.restarts,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
