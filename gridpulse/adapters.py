"""Builds every adapter from the settings: the one place that knows which implementation stands behind which port.

What is heavy is imported where it is built: most processes and commands need few of these, and importing all of them
takes a second of a slow machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gridpulse.exit import StartError
from gridpulse.secrets import store_secrets, subscriptions_key
from gridpulse.settings import DATABASE, READER_USER, Settings, split_list
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.clocks import FollowedClock, LogClock, wall_clock
from streams.log import EventLog
from streams.log_url import open_log

if TYPE_CHECKING:
    from detectors.contract import Emitted
    from projections.client import Client
    from schemas.codec import Dead
    from schemas.records import NewRecord
    from schemas.strict import Limits
    from streams.dead_letter_limit import DeadLetterLimits
    from streams.flow import FlowPorts, WriterItem
    from streams.ingest import Ingest
    from streams.webhooks.addresses import AddressRule
    from streams.webhooks.vault import Vault

Clock = Callable[[], int]


def the_log(settings: Settings) -> EventLog:
    """The event log with all topics made. :raises LogError: it can't be used."""
    if settings.log_url is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    log = open_log(settings.effective_log_url, wall_clock)
    log.create_topics(ALL_TOPICS, settings.partitions)
    return log


def the_clock(settings: Settings, log: EventLog) -> Clock:
    """What "now" is for what comes in: the machine's clock or, in simulated time, the log's latest."""
    return LogClock(log, DOMAIN_TOPICS) if settings.clock == "log" else wall_clock


@contextmanager
def waitless(settings: Settings, clock: Clock) -> Iterator[Clock]:
    """The same clock for an event loop, which may not wait for a broker. :raises LogUnavailableError: at the start."""
    if settings.clock != "log":
        yield clock
        return
    with FollowedClock(clock) as followed:
        yield followed


def limits(settings: Settings) -> Limits:
    from schemas.strict import Limits

    return Limits(max_event_bytes=settings.max_event_bytes, max_ahead_ms=int(settings.max_ahead_s * 1000))


def the_vault(settings: Settings) -> Vault:
    """What opens and signs for subscriptions. :raises gridpulse.secrets.SecretsError: its key file is not right."""
    from streams.webhooks.vault import Vault

    return Vault(subscriptions_key(settings.data_dir, settings.subscriptions_key_file))


def address_rule(settings: Settings) -> AddressRule:
    """Where webhooks may be delivered to."""
    from streams.webhooks.addresses import AddressRule, networks

    return AddressRule(settings.webhook_allow_http, networks(split_list(settings.webhook_allow_private)))


def dead_letter_limits(settings: Settings) -> DeadLetterLimits:
    from streams.dead_letter_limit import DeadLetterLimits

    return DeadLetterLimits(
        settings.dead_letter_max_ratio, settings.dead_letter_window_records, settings.dead_letter_max_run
    )


def clickhouse(settings: Settings, reader: bool = False, database: str | None = None, later: bool = False) -> Client:
    """A client of the ClickHouse server or the embedded store; retries while it starts.

    ``later``: connect with the first statement only, so that nothing waits for a store that is away.
    ``database``: another one than the settings name, made where it is missing: of a replay run, a rebuild, a check.
    """
    from projections.client import connect, connect_later, with_retries

    url, password = settings.effective_clickhouse_url, _password(settings)
    if settings.embedded_store:
        secrets = store_secrets(settings.data_dir)
        password = secrets.reader if reader else secrets.writer
        if reader:
            url = f"http://{READER_USER}@127.0.0.1:{settings.store_port}/{DATABASE}"
    if database is not None:
        url = urlsplit(url)._replace(path=f"/{database}").geturl()
    if later:
        return connect_later(url, password=password)
    return with_retries(lambda: connect(url, password=password, create_database=not reader))


def _password(settings: Settings) -> str | None:
    if settings.clickhouse_password is not None:
        return settings.clickhouse_password.get_secret_value()
    if settings.clickhouse_password_file is None:
        return None
    try:
        return settings.clickhouse_password_file.read_text("utf-8").strip()
    except OSError as error:
        raise StartError(
            f"GRIDPULSE_CLICKHOUSE_PASSWORD_FILE: cannot read {settings.clickhouse_password_file}: {error.strerror}"
        ) from error


def migrate_database(settings: Settings, dry_run: bool = False) -> list[str]:
    """Create or upgrade the database; the names of the migrations that were (or would be) applied."""
    from projections.migrate import migrate

    with clickhouse(settings) as client:
        return [str(applied) for applied in migrate(client, dry_run=dry_run)]


def the_ingest(settings: Settings, log: EventLog, clock: Clock) -> Ingest:
    from streams.ingest import Ingest, IngestConfig, remember_latest
    from streams.recent_ids import RecentIds

    recent = RecentIds()
    remember_latest(log, DOMAIN_TOPICS, recent, limits=limits(settings))
    config = IngestConfig(settings.partitions, limits(settings), settings.scope_roots)
    return Ingest(log, clock, config, recent)


class FlowWriter:
    """The writer of a dataflow: one insert per event type for all batches at hand."""

    def __init__(self, settings: Settings, flow: str) -> None:
        from projections.writer import Writer

        self._client = clickhouse(settings)
        self._writer = Writer(self._client, flow)

    def write(self, batches: Sequence[WriterItem]) -> None:
        positions = [position for item in batches for position in item.progress]
        self._writer.write([item.events for item in batches], positions, datetime.now(UTC))

    def close(self) -> None:
        self._client.close()


def flow_ports(settings: Settings, log: EventLog, flow: str) -> FlowPorts:
    from detectors.lane import DetectorParams, build_lane
    from detectors.outputs import to_event
    from schemas.codec import Decoder
    from schemas.event import to_new_record
    from streams.flow import FlowPorts
    from streams.ingest import dead_letter_record

    decoder = Decoder(limits(settings))
    params = DetectorParams(timezone=settings.site_timezone)

    def detection_record(emitted: Emitted) -> NewRecord:
        return to_new_record(to_event(emitted), settings.partitions, None)

    def dead_record(dead: Dead) -> NewRecord:
        origin = f"{dead.topic}/{dead.partition}/{dead.offset}"
        return dead_letter_record(
            "decode", dead.reason.value, dead.detail, origin, dead.raw, dead.partition, dead.recorded_time_ms
        )

    return FlowPorts(
        log=log,
        decode=decoder.decode,
        new_writer=lambda: FlowWriter(settings, flow),
        new_lane=lambda: build_lane(params),
        detection_record=detection_record,
        dead_letter_record=dead_record,
    )


def issue_api_key(settings: Settings, role: Any, scope: str, note: str | None) -> tuple[str, str]:
    """A new key: its id and its text."""
    from streams.keys import issue_key

    with the_log(settings) as log:
        text, event = issue_key(log, role, scope, note)
        return event.key_id, text


def list_api_keys(settings: Settings) -> list[dict[str, Any]]:
    from streams.keys import LogKeyRing

    with the_log(settings) as log:
        return [key.model_dump(exclude={"key_sha256"}) for key in LogKeyRing(log).keys()]  # noqa: SIM118 - not a dict


def revoke_api_key(settings: Settings, key_id: str) -> None:
    """:raises StartError: no such key."""
    from streams.keys import LogKeyRing, revoke_key

    with the_log(settings) as log:
        keys = {key.key_id: key for key in LogKeyRing(log).keys()}  # noqa: SIM118 - not a dict
        if key_id not in keys:
            raise StartError(f"there is no key {key_id}; `gridpulse keys list` shows them")
        revoke_key(log, keys[key_id])
