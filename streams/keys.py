"""API keys: issued and revoked as events in the control topic, verified from memory.

A key reads ``gp_<key_id>_<secret>``; the secret has 256 random bits in base62. The log holds only the secret's
SHA-256 (a fast hash is enough for a random secret), so the text is shown once, at issue, and is nowhere afterwards.

Guarantees: a revocation counts in every ring within ``REFRESH_INTERVAL_S`` and is final; hashes are compared in
constant time; while the log is away known keys stay good for ``MAX_STALE_S``, then nobody is let in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable

import orjson
import structlog
from pydantic import ValidationError

from schemas.event import NO_SCOPE
from schemas.families.system import ApiKey
from schemas.records import NewRecord, RawBatch
from schemas.strict import SCOPE_PATTERN
from schemas.topics import partition_of, topic_of
from streams.log import EventLog, LogUnavailableError
from streams.ports import Principal, Role

CONTROL_TOPIC = topic_of("control")
EVENT_SOURCE = "/gridpulse/keys"
SYSTEM_SCOPE = NO_SCOPE  # the envelope's scope of keys that are good for everything
REFRESH_INTERVAL_S = 0.5
MAX_STALE_S = 300.0
READ_RECORDS = 5_000
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_CHARS = 12
_SECRET_CHARS = 43  # 43 * log2(62) = 256 bits
_KEY_TEXT = re.compile(r"gp_([0-9A-Za-z]{4,32})_([0-9A-Za-z]{43,128})")
_SCOPE = re.compile(f"(?:{SCOPE_PATTERN})?")
_API_KEY_TYPE = f"{ApiKey.type_name}.v{ApiKey.version}"
_NO_SUCH_KEY_SHA256 = "0" * 64  # compared with when the key is unknown, so that an answer takes as long

log = structlog.get_logger(__name__)


class KeyScopeError(ValueError):
    """The scope wanted for a key is no scope path."""


def issue_key(
    event_log: EventLog,
    role: Role,
    scope: str,
    note: str | None = None,
    *,
    choose: Callable[[str], str] = secrets.choice,
) -> tuple[str, ApiKey]:
    """Make a key and append its event; returns the key text (show it once, keep it nowhere) and the event.

    ``scope``: the subtree it is good for, empty for everything.
    :raises KeyScopeError: ``scope`` is no scope path.
    :raises streams.log.LogUnavailableError: not issued.
    """
    if not _SCOPE.fullmatch(scope):
        raise KeyScopeError(f"scope {scope!r}: 1 to 5 segments of a-z, 0-9, _ or -, joined by /; or empty for all")
    key_id = "".join(choose(_BASE62) for _ in range(_KEY_ID_CHARS))
    secret = "".join(choose(_BASE62) for _ in range(_SECRET_CHARS))
    event = ApiKey(key_id=key_id, key_sha256=_sha256(secret), role=role, key_scope=scope, status="active", note=note)
    event_log.append([_record(event_log, event)])
    return f"gp_{key_id}_{secret}", event


def revoke_key(event_log: EventLog, key: ApiKey) -> ApiKey:
    """Append the revocation of ``key`` (as :meth:`LogKeyRing.keys` lists it); revoking twice is harmless."""
    event = key.model_copy(update={"status": "revoked"})
    event_log.append([_record(event_log, event)])
    return event


class LogKeyRing:
    """The keys as the control topic tells them: read whole at start, then onwards, at most once a second."""

    def __init__(self, event_log: EventLog, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """:raises LogUnavailableError: the control topic can't be read."""
        self._log = event_log
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] = {}
        self._next = event_log.earliest_offsets([CONTROL_TOPIC])
        self._read_onwards()
        self._refreshed_s = self._tried_s = monotonic_s()

    def verify(self, presented: str) -> Principal | None:
        """See :class:`streams.ports.KeyRing`."""
        self._refresh()
        match = _KEY_TEXT.fullmatch(presented)
        if match is None:
            return None
        key_id, secret = match.groups()
        key = self._keys.get(key_id)
        expected = key.key_sha256 if key else _NO_SUCH_KEY_SHA256
        if not hmac.compare_digest(expected, _sha256(secret)) or key is None or key.status != "active":
            return None
        return Principal(key.key_id, key.role, key.key_scope)

    def keys(self) -> list[ApiKey]:
        """Every key ever issued, in its present state, by key id."""
        self._refresh()
        return [self._keys[key_id] for key_id in sorted(self._keys)]

    def _refresh(self) -> None:
        with self._lock:
            now_s = self._monotonic_s()
            if now_s - self._tried_s >= REFRESH_INTERVAL_S:
                self._tried_s = now_s
                try:
                    self._read_onwards()
                    self._refreshed_s = now_s
                except LogUnavailableError as fault:
                    log.warning("keys_not_refreshed", stale_s=round(now_s - self._refreshed_s, 1), fault=str(fault))
            if now_s - self._refreshed_s > MAX_STALE_S:
                raise LogUnavailableError("keys can't be checked: the log has been away for too long")

    def _read_onwards(self) -> None:
        for where in self._next:
            while len(batch := self._log.read(where, self._next[where], READ_RECORDS)):
                self._absorb(batch)
                self._next[where] = int(batch.offsets[-1]) + 1

    def _absorb(self, batch: RawBatch) -> None:
        for value in batch.values:
            key = _key_of(value)
            if key is None or batch.partition != self._partition_of(key.key_id):
                continue  # a key's history lies in its own partition, where it has an order
            known = self._keys.get(key.key_id)
            if known is None or (known.status == "active" and known.key_sha256 == key.key_sha256):
                self._keys[key.key_id] = key  # a revoked key never comes back, a hash is never exchanged

    def _partition_of(self, key_id: str) -> int:
        return partition_of(key_id.encode(), len(self._next))


def _key_of(value: bytes) -> ApiKey | None:
    """The key event in a record; None for ticks and anything else."""
    if b"control.api_key" not in value:
        return None
    try:
        envelope = orjson.loads(value)
        return ApiKey.model_validate(envelope["data"]) if envelope["type"] == _API_KEY_TYPE else None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError) as fault:
        log.warning("key_event_not_understood", fault=type(fault).__name__)
        return None


def _record(event_log: EventLog, event: ApiKey) -> NewRecord:
    envelope = {
        "specversion": "1.0",
        "id": f"{event.key_id}.{event.status}",
        "source": EVENT_SOURCE,
        "type": _API_KEY_TYPE,
        "scope": event.key_scope or SYSTEM_SCOPE,
        "datacontenttype": "application/json",
        "data": event.model_dump(exclude_none=True),
    }
    key = event.key_id.encode()
    partition = partition_of(key, event_log.partitions(CONTROL_TOPIC))
    return NewRecord(CONTROL_TOPIC, partition, key, orjson.dumps(envelope))


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
