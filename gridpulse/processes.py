"""What ``gridpulse run`` can run. Each runs in the foreground until it is told to stop, and is safe to restart.

Each imports what it needs when it is started: a store that is to be back soon does not wait for Bytewax.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gridpulse.exit import StartError
from gridpulse.secrets import store_secrets
from gridpulse.settings import READER_USER, WRITER_USER, Settings, split_list
from streams.supervise import EXIT_UNAVAILABLE

if TYPE_CHECKING:
    from streams.cluster import Cluster
    from streams.ticker import Ticker

READER_PROFILE = {"max_execution_time": "20"}
"""The reader's limits: a read-only user cannot set its own."""


def run_store(settings: Settings) -> None:
    """The embedded ClickHouse store; owns its directory."""
    from projections.store.config import StoreConfig, StoreUser, password_hash
    from projections.store.server import run_store as serve

    secrets = store_secrets(settings.data_dir)

    serve(
        StoreConfig(
            data_dir=settings.data_dir / "store",
            port=settings.store_port,
            users={
                WRITER_USER: StoreUser(password_hash(secrets.writer)),
                READER_USER: StoreUser(password_hash(secrets.reader), readonly=True, settings=READER_PROFILE),
            },
        )
    )


def run_api(settings: Settings) -> None:
    """Query API and ingest; writes ticks to idle partitions when ``ticker`` is on."""
    from gridpulse import adapters
    from gridpulse.api_wiring import build_api
    from gridpulse.serving import serve
    from schemas.topics import DOMAIN_TOPICS
    from streams.ticker import Ticker

    require_free_port(settings.api_host, settings.api_port, "GRIDPULSE_API_PORT")
    with ExitStack() as stack:
        log = stack.enter_context(adapters.the_log(settings))
        clock = adapters.the_clock(settings, log)
        app = build_api(settings, log, clock, stack.enter_context(adapters.waitless(settings, clock)))
        stop = threading.Event()
        if settings.ticker:
            # Never gives up while the log is away: queries are answered all the same.
            ticker = Ticker(
                log, DOMAIN_TOPICS, clock, settings.tick_interval_ms, give_up_after_s=math.inf,
                look_every_ms=settings.tick_look_ms,
            )  # fmt: skip
            threading.Thread(target=_tick, args=(ticker, stop), name="ticker", daemon=True).start()
        try:
            serve(app, settings.api_host, settings.api_port, settings.live_clients)
        finally:
            stop.set()


def _tick(ticker: Ticker, stop: threading.Event) -> None:
    """Silent partitions need ticks: when the ticker fails, its process ends, to be restarted."""
    try:
        ticker.run(stop)
    except BaseException:
        signal.raise_signal(signal.SIGTERM)
        raise


def _flow(name: str, write: bool, detect: bool) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        from gridpulse import adapters
        from streams.flow import FlowConfig, run_flow

        cluster = cluster_of(settings)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Bytewax panics on Ctrl-C; ending anywhere is safe here
        if write:
            adapters.clickhouse(settings).close()  # says at once where there is none
        with adapters.the_log(settings) as log:
            config = FlowConfig(
                name=name,
                lanes=settings.partitions,
                write=write,
                detect=detect,
                linger_ms=settings.linger_ms,
                max_batch_records=settings.max_batch_records,
                snapshot_interval_s=settings.snapshot_interval_s,
                dead_letters=adapters.dead_letter_limits(settings),
            )
            state_dir = settings.data_dir / "state" / name
            run_flow(config, adapters.flow_ports(settings, log, name), state_dir, cluster, _end_alone)

    return run


def cluster_of(settings: Settings) -> Cluster:
    """Which process of which cluster this is. :raises StartError: that is not said, or its port is in use."""
    from streams.cluster import Cluster, ClusterError

    cluster = Cluster(settings.workers, settings.process_id, split_list(settings.addresses))
    try:
        cluster.check()
    except ClusterError as error:
        raise StartError(str(error)) from None
    if cluster.own_address is not None:
        require_free_port(*cluster.own_address, "GRIDPULSE_ADDRESSES")
    return cluster


def _end_alone(why: str) -> None:
    """Nothing can be waited for: what Bytewax waits for will never come. Ending anywhere is safe."""
    sys.stderr.write(f"gridpulse: {why}\n")
    sys.stderr.flush()
    os._exit(EXIT_UNAVAILABLE)


def run_rollup(settings: Settings) -> None:
    """Keeps minutes, hours and days of every metric up to date."""
    from gridpulse import adapters
    from projections.rollup import RollupWorker

    client = adapters.clickhouse(settings)
    RollupWorker(client, settings.site_timezone).run(stop_on_signal(), settings.rollup_interval_s)


def run_bridge(settings: Settings) -> None:
    """Takes events from vendors' Kafka topics."""
    from gridpulse import adapters
    from streams.bridge import Bridge
    from streams.log_url import kafka_client

    topics = split_list(settings.bridge_topics)
    if not topics or not settings.is_kafka:
        raise StartError("the bridge needs GRIDPULSE_BRIDGE_TOPICS and a kafka:// GRIDPULSE_LOG_URL")
    with adapters.the_log(settings) as log:
        clock = adapters.the_clock(settings, log)
        bootstrap, options = kafka_client(settings.effective_log_url)
        ingest = adapters.the_ingest(settings, log, clock)
        Bridge(bootstrap, topics, ingest, log, clock, options).run(stop_on_signal())


def run_webhooks(settings: Settings) -> None:
    """Delivers alerts to those who subscribed."""
    from gridpulse import adapters
    from gridpulse.webhook_wiring import run_worker

    stop = stop_on_signal()
    with adapters.the_log(settings) as log:
        run_worker(settings, log, stop)


PROCESSES: dict[str, Callable[[Settings], None]] = {
    "store": run_store,
    "api": run_api,
    "pipeline": _flow("pipeline", write=True, detect=True),
    "writer": _flow("writer", write=True, detect=False),
    "detect": _flow("detect", write=False, detect=True),
    "rollup": run_rollup,
    "bridge": run_bridge,
    "webhooks": run_webhooks,
}


def stop_on_signal() -> threading.Event:
    """Set by SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def require_free_port(host: str, port: int, setting: str) -> None:
    """:raises StartError: somebody listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"cannot listen on {host}:{port}: {error.strerror}; end what uses it, or set {setting} to another port"
            ) from error
