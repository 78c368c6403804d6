"""Everything on one machine: which processes, in which order, and when each is ready."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import httpx

from gridpulse import adapters
from gridpulse.processes import require_free_port, stop_on_signal
from gridpulse.settings import Settings
from streams.supervise import ChildSpec, Supervisor

Note = Callable[[str], None]


def start_all(settings: Settings, supervisor: Supervisor, note: Note) -> None:
    """Store (when embedded), database, topics, then the processes that use them.

    :raises ChildFailedError: one of them can't run; its own words say why.
    """
    require_free_port(settings.api_host, settings.api_port, "GRIDPULSE_API_PORT")
    if settings.embedded_store:
        require_free_port("127.0.0.1", settings.store_port, "GRIDPULSE_STORE_PORT")
        note("启动存储 · starting the store")
        supervisor.start(store_child(settings))
    note("建立数据库 · migrating the database")
    adapters.migrate_database(settings)
    adapters.the_log(settings).close()  # makes the topics, so that all processes find them
    note("启动处理进程 · starting the processes")
    supervisor.start(api_child(settings))
    supervisor.start(child(settings, "pipeline"))
    supervisor.start(child(settings, "rollup"))
    supervisor.start(child(settings, "webhooks"))
    if settings.bridge_topics:
        supervisor.start(child(settings, "bridge"))


def store_child(settings: Settings) -> ChildSpec:
    """The embedded store, ready when it answers."""
    return child(settings, "store", _answers(f"http://127.0.0.1:{settings.store_port}/ping"))


def api_child(settings: Settings) -> ChildSpec:
    """The API, ready when it answers."""
    return child(settings, "api", _answers(f"{settings.api_url}/healthz"))


def child(settings: Settings, name: str, ready: Callable[[], bool] | None = None) -> ChildSpec:
    """``gridpulse run NAME`` with these settings."""
    return ChildSpec(name, [sys.executable, "-m", "gridpulse", "run", name], settings.environment(), ready)


def _answers(url: str) -> Callable[[], bool]:
    client = httpx.Client(timeout=2.0, trust_env=False, verify=False)  # loopback; loading certificates costs 50 ms

    def ready() -> bool:
        try:
            return client.get(url).status_code == 200
        except httpx.TransportError:
            return False

    return ready


def run_up(settings: Settings) -> None:
    """Start, say where things are, and keep everything running until told to stop."""

    def note(text: str) -> None:
        sys.stderr.write(text + "\n")

    stop = stop_on_signal()
    supervisor = Supervisor(settings.data_dir / "logs")
    try:
        start_all(settings, supervisor, note)
        note(f"接口 · API          {settings.api_url}/v1/metrics")
        note(f"ClickHouse         {settings.effective_clickhouse_url}")
        note(f"日志 · logs         {settings.data_dir / 'logs'}")
        note("签发密钥 · a key     gridpulse keys issue --role admin")
        while not stop.is_set():
            supervisor.check()
            time.sleep(0.2)
    finally:
        supervisor.stop()
