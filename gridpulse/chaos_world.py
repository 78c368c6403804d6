"""The world that a chaos run breaks: all processes as ``gridpulse up`` starts them, on free ports, and their memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psutil

from gridpulse import adapters
from gridpulse.chaos_faults import BROKER, Broker
from gridpulse.cli.starting import settings_for
from gridpulse.free_ports import free_ports
from gridpulse.settings import Settings
from gridpulse.up import start_all
from streams.supervise import Supervisor

DISTRICT_SCOPE: Final = "wuhu"
PARTITIONS: Final = 2
SNAPSHOT_INTERVAL_S: Final = 2.0  # so that some crashes repeat much and some little
ROLLUP_INTERVAL_S: Final = 1.0
_MIB: Final = 1 << 20


@dataclass(slots=True)
class Memory:
    """Peak resident memory of each process by name, over all its lives."""

    peak_bytes: dict[str, int] = field(default_factory=dict)

    def look(self, pids: dict[str, int]) -> None:
        for name, pid in pids.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                resident = int(psutil.Process(pid).memory_info().rss)
                self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), resident)

    @property
    def peak_mb(self) -> dict[str, int]:
        return {name: peak // _MIB for name, peak in sorted(self.peak_bytes.items())}


@dataclass(slots=True)
class World:
    """Everything is up. ``broker`` None: the embedded log."""

    settings: Settings
    supervisor: Supervisor
    broker: Broker | None
    api_key: str
    memory: Memory = field(default_factory=Memory)

    def look(self) -> None:
        pids = self.supervisor.pids()
        if self.broker is not None:
            with contextlib.suppress(Exception):  # it is down
                pids[BROKER] = self.broker.pid
        self.memory.look(pids)


@contextlib.contextmanager
def running_world(
    data_dir: Path, kafka: bool, note: Callable[[str], None], more: Mapping[str, object] = MappingProxyType({})
) -> Iterator[World]:
    """``more``: further settings. :raises ChildFailedError: something can't run."""
    with contextlib.ExitStack() as stack:
        broker = None
        if kafka:
            from streams.dev_broker import DevBroker  # its packages are for development

            note("启动 Kafka · starting a Kafka broker (the first time its jars are fetched)")
            broker = stack.enter_context(DevBroker.start(data_dir / "kafka"))
        settings = chaos_settings(data_dir, None if broker is None else f"kafka://{broker.bootstrap}", more)
        supervisor = Supervisor(settings.data_dir / "logs")
        stack.callback(supervisor.stop)
        _, api_key = adapters.issue_api_key(settings, "writer", DISTRICT_SCOPE, "chaos")  # before anybody asks for it
        start_all(settings, supervisor, note)
        yield World(settings, supervisor, broker, api_key)


def chaos_settings(data_dir: Path, log_url: str | None, more: Mapping[str, object]) -> Settings:
    """Those of the environment, with what a chaos run needs on top."""
    api_port, store_port = free_ports(2)
    return settings_for(
        {
            "data_dir": data_dir,
            "log_url": log_url,
            "api_port": api_port,
            "store_port": store_port,
            "partitions": PARTITIONS,
            "clock": "log",
            "ticker": False,
            "scopes": DISTRICT_SCOPE,
            "snapshot_interval_s": SNAPSHOT_INTERVAL_S,
            "rollup_interval_s": ROLLUP_INTERVAL_S,
            **more,
        }
    )
