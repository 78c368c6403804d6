"""Builds the delivery worker from the settings."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from zoneinfo import ZoneInfo

import uvloop
from prometheus_client import start_http_server

from gridpulse import adapters
from gridpulse.exit import StartError
from gridpulse.settings import Settings, split_list
from streams.clocks import wall_clock
from streams.log import EventLog
from streams.webhooks.desk import Desk, DeskPorts
from streams.webhooks.dispatch import Shares
from streams.webhooks.intake import Intake, LogFollower
from streams.webhooks.mail import MailSender, Senders, mail_server
from streams.webhooks.messages import Composer
from streams.webhooks.network import Connections, SystemResolver, tls_context
from streams.webhooks.outbox import Outbox
from streams.webhooks.schedule import Schedule
from streams.webhooks.sending import Bounds, HttpSender
from streams.webhooks.subscriptions import CONTROL_TOPIC, SubscriptionBook
from streams.webhooks.worker import Keep, Worker, WorkerPorts
from streams.webhooks.worker_metrics import WorkerMetrics

_DAY_MS = 86_400_000


def run_worker(settings: Settings, log: EventLog, stop: threading.Event) -> None:
    """Deliver until ``stop`` is set. :raises StartError: a certificate file can't be read. :raises LogError:"""
    with ExitStack() as stack:
        metrics = WorkerMetrics()
        if settings.webhook_metrics_port:
            start_http_server(settings.webhook_metrics_port, "127.0.0.1", metrics.registry)
        identity = log.describe(()).identity
        outbox = stack.enter_context(Outbox(settings.data_dir / "state" / "webhooks.sqlite", identity))
        follower = LogFollower(log, outbox.offsets())
        stack.callback(follower.close)
        book = SubscriptionBook(log.partitions(CONTROL_TOPIC))
        max_age_ms = round(settings.webhook_max_age_s * 1000.0)
        composer = Composer(adapters.the_vault(settings), ZoneInfo(settings.site_timezone))
        ports = DeskPorts(
            log=log,
            outbox=outbox,
            book=book,
            intake=Intake(
                book,
                outbox.offsets(),
                # Where time is simulated, what happened when says nothing about how long ago that was.
                max_age_ms=max_age_ms if settings.clock == "wall" else None,
                not_before_ms=wall_clock() - max_age_ms if outbox.is_new else 0,
            ),
            composer=composer,
            clock=wall_clock,
            schedule=Schedule(tuple(float(delay) for delay in split_list(settings.webhook_retry_delays_s))),
            metrics=metrics,
        )
        shares = Shares(settings.webhook_concurrency, settings.webhook_per_subscription, settings.webhook_per_host)
        desk = Desk(ports, shares)
        uvloop.run(_deliver(settings, ports, desk, follower, stop, Keep(seen_ms=2 * max(max_age_ms, _DAY_MS))))


async def _deliver(
    settings: Settings, ports: DeskPorts, desk: Desk, follower: LogFollower, stop: threading.Event, keep: Keep
) -> None:
    rule, resolver = adapters.address_rule(settings), SystemResolver()
    try:
        tls = tls_context(settings.webhook_ca_file)
    except OSError as error:
        raise StartError(f"GRIDPULSE_WEBHOOK_CA_FILE: cannot read {settings.webhook_ca_file}: {error}") from error
    connections = Connections(resolver, rule, tls)
    secret = settings.webhook_smtp_password
    password = secret.get_secret_value() if secret is not None else None
    url = settings.webhook_smtp_url
    mail = MailSender(mail_server(url, settings.webhook_smtp_from, password) if url else None, tls)
    http = HttpSender(connections, rule, Bounds(exchange_s=settings.webhook_timeout_s), ports.clock)
    worker = Worker(
        WorkerPorts(ports.log, follower, ports.outbox, desk, ports.composer, Senders(http, mail), ports.clock,
                    ports.metrics),
        keep,
    )  # fmt: skip
    try:
        await worker.run(stop)
    finally:
        await connections.close()
        mail.close()
        resolver.close()
