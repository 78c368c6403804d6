"""The store for commands that need ClickHouse whether or not everything is running: uses it, or runs it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from gridpulse import adapters
from gridpulse.settings import Settings
from gridpulse.up import store_child
from streams.supervise import Supervisor


@contextmanager
def store_at_hand(settings: Settings) -> Iterator[None]:
    """While the block runs, ClickHouse answers and its database is up to date.

    An embedded store that is not running is started, and ended afterwards; anything else is left as it is.
    :raises ChildFailedError: the store can't run; its own words say why.
    """
    if not settings.embedded_store or _answers(settings):
        adapters.migrate_database(settings)
        yield
        return
    supervisor = Supervisor(settings.data_dir / "logs")
    try:
        supervisor.start(store_child(settings))
        adapters.migrate_database(settings)
        yield
    finally:
        supervisor.stop()


def _answers(settings: Settings) -> bool:
    try:
        return (
            httpx.get(f"http://127.0.0.1:{settings.store_port}/ping", timeout=2.0, trust_env=False).status_code == 200
        )
    except httpx.TransportError:
        return False
