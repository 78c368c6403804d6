"""``gridpulse doctor``: what is well and what is not, each with what to do about it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from gridpulse import adapters
from gridpulse.settings import Settings
from projections.client import StoreError, StoreUnavailableError
from schemas.topics import ALL_TOPICS
from streams.log import LogError

MIN_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Check]:
    """All checks; none of them changes anything but making topics that are missing.

    The API is looked for where everything is on this machine; elsewhere it runs on a host of its own.
    """
    checks: list[Callable[[Settings], Check]] = [_python, _disk, _log, _clickhouse]
    if settings.embedded_store:
        checks.append(_api)
    return [check(settings) for check in checks]


def _python(_: Settings) -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    ok = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return Check("python", ok, version if ok else f"{version}; Bytewax needs 3.11 or 3.12")


def _disk(settings: Settings) -> Check:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    detail = f"{free / (1 << 30):.1f} GiB free at {settings.data_dir}"
    return Check("disk", free >= MIN_FREE_BYTES, detail if free >= MIN_FREE_BYTES else detail + "; make room")


def _log(settings: Settings) -> Check:
    try:
        with adapters.the_log(settings) as log:
            records = sum(log.end_offsets(ALL_TOPICS).values())
            return Check("log", True, f"{len(ALL_TOPICS)} topics × {settings.partitions} partitions, {records} records")
    except LogError as error:
        return Check("log", False, str(error))


def _clickhouse(settings: Settings) -> Check:
    try:
        with adapters.clickhouse(settings) as client:
            version = str(client.query("SELECT version()").rows[0][0])
        pending = adapters.migrate_database(settings, dry_run=True)
    except (StoreUnavailableError, StoreError) as error:
        hint = "; start it with `gridpulse up` or `gridpulse run store`" if settings.embedded_store else ""
        return Check("clickhouse", False, f"{error}{hint}")
    if pending:
        return Check("clickhouse", False, f"{version}, {len(pending)} migrations pending; run `gridpulse migrate`")
    return Check("clickhouse", True, f"{version}, migrated")


def _api(settings: Settings) -> Check:
    url = f"{settings.api_url}/readyz"
    try:
        answer = httpx.get(url, timeout=5.0, trust_env=False)
    except httpx.TransportError:
        return Check("api", False, f"nothing answers at {url}; start it with `gridpulse up` or `gridpulse run api`")
    return Check("api", answer.status_code == 200, f"{url} answers {answer.status_code}")
