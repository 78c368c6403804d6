"""API keys: issued and revoked as events in the control topic, verified from memory.

A key reads ``gp_<key_id>_<secret>``; the secret has 256 random bits in base62. The log holds only the secret's
SHA-256 (a fast hash is enough for a random secret), so the text is shown once, at issue, and is nowhere afterwards.

Guarantees: a key or a revocation counts in every ring within ``REFRESH_INTERVAL_S``, and in one that is told to read on
at once; a revocation is final; hashes are compared in constant time; while the log is away known keys stay good for
``MAX_STALE_S``, then nobody is let in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

from schemas.families.system import ApiKey
from schemas.records import NewRecord
from schemas.strict import SCOPE_PATTERN
from streams.control_state import CONTROL_TOPIC, MAX_STALE_S, REFRESH_INTERVAL_S, ControlState, control_record
from streams.log import EventLog
from streams.ports import Principal, Role

__all__ = [
    "CONTROL_TOPIC",
    "MAX_STALE_S",
    "REFRESH_INTERVAL_S",
    "KeyScopeError",
    "LogKeyRing",
    "issue_key",
    "revoke_key",
]

EVENT_SOURCE = "/gridpulse/keys"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_CHARS = 12
_SECRET_CHARS = 43  # 43 * log2(62) = 256 bits
_KEY_TEXT = re.compile(r"gp_([0-9A-Za-z]{4,32})_([0-9A-Za-z]{43,128})")
_SCOPE = re.compile(f"(?:{SCOPE_PATTERN})?")
_NO_SUCH_KEY_SHA256 = "0" * 64  # compared with when the key is unknown, so that an answer takes as long


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
    """The keys as the control topic tells them: read whole at start, then onwards, twice a second at most."""

    def __init__(self, event_log: EventLog, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """:raises LogUnavailableError: the control topic can't be read."""
        self._state = ControlState(event_log, ApiKey, lambda key: key.key_id, _follows, monotonic_s)

    def verify(self, presented: str) -> Principal | None:
        """See :class:`streams.ports.KeyRing`."""
        self._state.refresh()
        match = _KEY_TEXT.fullmatch(presented)
        if match is None:
            return None
        key_id, secret = match.groups()
        key = self._state.get(key_id)
        expected = key.key_sha256 if key else _NO_SUCH_KEY_SHA256
        if not hmac.compare_digest(expected, _sha256(secret)) or key is None or key.status != "active":
            return None
        return Principal(key.key_id, key.role, key.key_scope)

    def read_on(self) -> None:
        """See :class:`streams.ports.KeyRing`."""
        self._state.refresh(at_most_every_s=0.0)

    def keys(self) -> list[ApiKey]:
        """Every key ever issued, in its present state, by key id."""
        self._state.refresh()
        return self._state.all()


def _follows(known: ApiKey, new: ApiKey) -> bool:
    """A revoked key never comes back, a hash is never exchanged."""
    return known.status == "active" and known.key_sha256 == new.key_sha256


def _record(event_log: EventLog, event: ApiKey) -> NewRecord:
    event_id = f"{event.key_id}.{event.status}"
    return control_record(event_log, event, event.key_id, event_id, EVENT_SOURCE, event.key_scope)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
