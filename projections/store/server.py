"""The store process: owns a data directory, serves it on loopback, ends on SIGTERM or SIGINT.

One process per directory (a lock file says so) and one per port; both refusals are one sentence in a
:class:`~projections.store.config.StoreStartError`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from pathlib import Path
from typing import IO

import uvicorn

from projections.store.config import StoreConfig, StoreStartError

_GRACE_S = 10
_KEEP_ALIVE_S = 75


def run_store(config: StoreConfig) -> None:
    """Serve until told to stop; blocks.

    :raises StoreStartError: the directory is in use or cannot be written, the port is taken.
    """
    lock = _lock_directory(config.data_dir)
    listener = _listen(config)
    try:
        _serve(config, listener)
    finally:
        listener.close()
        lock.close()


def _serve(config: StoreConfig, listener: socket.socket) -> None:
    # The engine takes the host's zone for naive times when it loads; a store always lives in UTC.
    os.environ["TZ"] = "UTC"
    time.tzset()
    from projections.store.app import StoreApp
    from projections.store.connections import Connections
    from projections.store.engine import Engine
    from projections.store.execution import StoreParts
    from projections.store.remembered import VettedQueries
    from projections.store.running import RunningQueries
    from projections.store.sessions import Sessions

    try:
        engine = Engine(config.data_dir / "chdb")
    except RuntimeError as error:
        raise StoreStartError(f"The engine cannot open {config.data_dir}: {error}") from error
    connections = Connections(engine, max_idle=2 * config.max_concurrent_queries)
    sessions = Sessions(engine, time.monotonic, config.max_sessions)
    app = StoreApp(StoreParts(config, engine, connections, sessions, RunningQueries(), VettedQueries()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it once more when done; the engine still has to close
    try:
        uvicorn.Server(
            uvicorn.Config(
                app.asgi(),
                loop="uvloop",
                http="httptools",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        ).run(sockets=[listener])
    finally:
        app.close()
        connections.forget()
        sessions.close_all()
        engine.close()


def _lock_directory(data_dir: Path) -> IO[str]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "store.lock").open("a+")
    except OSError as error:
        raise StoreStartError(f"The data directory {data_dir} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreStartError(f"The data directory {data_dir} is in use by another store process.") from None
    return lock


def _listen(config: StoreConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise StoreStartError(f"The store cannot listen on {config.host}:{config.port}: {error.strerror}.") from error
    return listener
