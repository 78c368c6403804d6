"""Settings: read once, at the edge, from ``GRIDPULSE_…`` environment variables; frozen and passed on.

Two URLs choose the world: ``GRIDPULSE_LOG_URL`` (``sqlite:///…`` or ``kafka://host:port``) and
``GRIDPULSE_CLICKHOUSE_URL`` (``http://user@host:port/database``). Without them everything is embedded in the data
directory. Secrets come from files or variables and are never printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.nearest import nearest

ENV_PREFIX = "GRIDPULSE_"
WRITER_USER = "gridpulse"
READER_USER = "reader"
DATABASE = "gridpulse"


class SettingsError(Exception):
    """A setting is wrong; the message says which, and what is allowed."""


class Settings(BaseSettings):
    """Everything that can be set. Each field is a ``GRIDPULSE_<NAME>`` variable."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(Path("data"), description="where the embedded log, store, state and secrets live")
    log_url: str | None = Field(None, description="sqlite:///path or kafka://host:port[,host:port]; default: embedded")
    clickhouse_url: str | None = Field(None, description="http(s)://user@host:port/database; default: embedded store")
    clickhouse_password: SecretStr | None = Field(None, description="password of the ClickHouse user")
    clickhouse_password_file: Path | None = Field(None, description="file that holds the password")
    partitions: int = Field(1, ge=1, le=1024, description="partitions per topic, that is lanes; fixed with the log")
    workers: int = Field(1, ge=1, le=64, description="Bytewax workers of this process")
    process_id: int | None = Field(None, ge=0, description="index of this process in a Bytewax cluster")
    addresses: str = Field("", description="host:port of every process of the cluster, comma-separated")
    api_host: str = Field("127.0.0.1", description="address the API listens on")
    api_port: int = Field(8080, ge=1, le=65535, description="port of the API")
    store_port: int = Field(8123, ge=1, le=65535, description="port of the embedded store")
    answers_fresh_s: float = Field(
        2.0, ge=0.0, le=60.0, description="the API gives an answer again for so long; 0: asks the store every time"
    )
    answers_stale_s: float = Field(
        5.0, ge=0.0, le=60.0, description="and for so long after that while it works out a new one"
    )
    answers_max_bytes: int = Field(64 << 20, ge=0, le=1 << 34, description="size of all answers that the API keeps")
    query_threads: int = Field(8, ge=1, le=64, description="questions that the API asks the store at a time")
    live_clients: int = Field(2_000, ge=0, le=100_000, description="clients of one API process's live stream at most")
    site_timezone: str = Field("Asia/Shanghai", description="time zone of the site: day and night, days of rollups")
    scopes: str = Field("", description="allowed scope subtrees, comma-separated; empty: all")
    bridge_topics: str = Field("", description="vendors' Kafka topics to take events from, comma-separated")
    clock: Literal["wall", "log"] = Field("wall", description="wall: the machine's clock; log: the log's latest time")
    ticker: bool = Field(True, description="whether the API process writes ticks to idle partitions")
    tick_interval_ms: int = Field(500, ge=50, le=60_000, description="a partition idle for so long gets a tick")
    tick_look_ms: int = Field(
        100, ge=10, le=60_000, description="so often idle topics are ticked where rows of their lane wait for them"
    )
    linger_ms: int = Field(300, ge=0, le=10_000, description="rows wait at most so long to be inserted together")
    max_batch_records: int = Field(20_000, ge=1, le=1_000_000, description="records per micro-batch at most")
    snapshot_interval_s: float = Field(
        60.0, ge=0.1, le=3600.0, description="time between snapshots of state; a crash repeats at most so much"
    )
    rollup_interval_s: float = Field(2.0, ge=0.1, le=3600.0, description="time between rollup runs")
    max_ahead_s: float = Field(300.0, ge=0.0, le=86_400.0, description="how far ahead an event's time may be")
    max_event_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="size of one event at most")
    dead_letter_max_ratio: float = Field(
        0.5, ge=0.0, le=1.0, description="more dead letters than this share of a window stop the flow; 1: never"
    )
    dead_letter_window_records: int = Field(
        10_000, ge=1, le=100_000_000, description="records of such a window, per feed and in log order"
    )
    dead_letter_max_run: int = Field(
        5_000, ge=0, le=100_000_000, description="more dead letters than this in a row stop the flow; 0: never"
    )
    webhook_allow_http: bool = Field(False, description="whether webhooks may be delivered over http, not only https")
    webhook_allow_private: str = Field(
        "", description="private networks that webhooks may be delivered to, comma-separated, e.g. 10.1.0.0/16"
    )
    subscriptions_key_file: Path | None = Field(
        None, description="key that seals webhook addresses; default: subscriptions.key in the data directory"
    )
    webhook_timeout_s: float = Field(
        15.0, ge=0.1, le=120.0, description="a delivery's whole exchange takes at most so long"
    )
    webhook_concurrency: int = Field(256, ge=2, le=4096, description="deliveries under way at a time")
    webhook_per_subscription: int = Field(8, ge=1, le=256, description="of these, to one subscription")
    webhook_per_host: int = Field(64, ge=1, le=4096, description="of these, to one host and port")
    webhook_retry_delays_s: str = Field(
        "5,30,120,600,1800,3600,7200,14400,28800,28800",
        description="pauses after the first, second … failure, comma-separated; after the last one it is abandoned",
    )
    webhook_max_age_s: float = Field(
        86_400.0,
        ge=60.0,
        description="alerts said so long after they happened are told to nobody: state was built anew",
    )
    webhook_ca_file: Path | None = Field(
        None, description="certificates of further authorities that receivers may have"
    )
    webhook_metrics_port: int = Field(0, ge=0, le=65535, description="loopback port of the worker's metrics; 0: none")
    webhook_smtp_url: str = Field("", description="mail server for email: smtp://user@host:port or smtps://…")
    webhook_smtp_from: str = Field("gridpulse@localhost", description="sender of email")
    webhook_smtp_password: SecretStr | None = Field(None, description="password of the mail server's user")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @field_validator("site_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no such time zone: {name!r}; take an IANA name such as Asia/Shanghai") from error
        return name

    @field_validator("webhook_allow_private")
    @classmethod
    def _networks(cls, names: str) -> str:
        for name in split_list(names):
            try:
                ip_network(name)
            except ValueError as error:
                raise ValueError(f"{name!r} is no network: write it like 10.1.0.0/16 or fd00:1::/32") from error
        return names

    @field_validator("webhook_retry_delays_s")
    @classmethod
    def _delays(cls, text: str) -> str:
        try:
            fine = all(0.0 < float(delay) <= 604_800.0 for delay in split_list(text))
        except ValueError:
            fine = False
        if not fine:
            raise ValueError("write seconds, each above 0 and at most 604800, such as 5,30,120")
        return text

    @field_validator("webhook_smtp_url")
    @classmethod
    def _mail_server(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.password is not None):
            raise ValueError("write smtp://user@host:port or smtps://…; the password has a setting of its own")
        return url

    @model_validator(mode="after")
    def _one_password(self) -> Settings:
        if self.clickhouse_password is not None and self.clickhouse_password_file is not None:
            raise ValueError("set either clickhouse_password or clickhouse_password_file, not both")
        return self

    @property
    def embedded_store(self) -> bool:
        return self.clickhouse_url is None

    @property
    def effective_log_url(self) -> str:
        return self.log_url or f"sqlite:///{self.data_dir / 'log.sqlite'}"

    @property
    def effective_clickhouse_url(self) -> str:
        return self.clickhouse_url or f"http://{WRITER_USER}@127.0.0.1:{self.store_port}/{DATABASE}"

    @property
    def api_url(self) -> str:
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def scope_roots(self) -> tuple[str, ...]:
        return split_list(self.scopes)

    @property
    def is_kafka(self) -> bool:
        return self.effective_log_url.startswith("kafka://")

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these same settings."""
        out: dict[str, str] = {}
        for name, value in self:
            if value is None or value == "":
                continue
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            out[ENV_PREFIX + name.upper()] = text
        return out


def split_list(text: str) -> tuple[str, ...]:
    """``a, b`` → ``("a", "b")``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def load_settings(overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings from the environment, with the command line's on top.

    :raises SettingsError: an unknown or wrong setting; says which and what is allowed.
    """
    _refuse_unknown(os.environ)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(problem) for problem in error.errors())) from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(environ):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            near = nearest(name.upper(), sorted(known))
            hint = f"; did you mean {near}?" if near else f"; allowed are {', '.join(sorted(known))}"
            raise SettingsError(f"unknown setting {name}{hint}")


def _explain(problem: object) -> str:
    assert isinstance(problem, dict)
    where = ".".join(str(part) for part in problem["loc"])
    name = f"{ENV_PREFIX}{where.upper()}: " if where else ""
    return f"{name}{str(problem['msg']).removeprefix('Value error, ')}"
