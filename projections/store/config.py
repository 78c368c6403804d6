"""What the store is told at start: frozen, and readable from the JSON on stdin of the process.

Passwords exist here only as SHA-256 in hex, the form of ClickHouse's ``password_sha256_hex``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class StoreStartError(Exception):
    """The store cannot start; the text is one sentence for the operator."""


def password_hash(password: str) -> str:
    """The hash that :class:`StoreUser` holds."""
    return hashlib.sha256(password.encode()).hexdigest()


@dataclass(frozen=True)
class StoreUser:
    """One account. ``settings`` are the user's profile: set before each query, fixed for a read-only user."""

    password_sha256_hex: str = field(repr=False)
    readonly: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreConfig:
    data_dir: Path
    port: int
    users: Mapping[str, StoreUser]
    host: str = "127.0.0.1"
    default_database: str = "default"
    max_threads: int | None = None
    """Threads of one query (the engine's ``max_threads``); None leaves it to the engine."""
    max_concurrent_queries: int = 8
    """Running at a time of each kind: readers' queries, other statements, inserts. None can starve the others."""
    max_waiting_queries: int = 64
    max_body_bytes: int = 512 * MIB
    """Limit of a request body after decompression."""
    max_buffered_result_bytes: int = 512 * MIB
    """Limit of a result in a format that cannot be streamed (JSON, Arrow file, Parquet, ...)."""
    session_timeout_s: int = 60
    max_sessions: int = 256

    def __post_init__(self) -> None:
        if not self.users:
            raise StoreStartError("store.users is empty: at least one user with a password hash is needed.")
        for name, user in self.users.items():
            if not _SHA256_HEX.fullmatch(user.password_sha256_hex):
                raise StoreStartError(
                    f"store.users.{name}.password_sha256_hex must be 64 lower-case hexadecimal digits (SHA-256)."
                )
        if not 0 < self.port < 65536:
            raise StoreStartError(f"store.port must be from 1 to 65535, not {self.port}.")

    def to_json(self) -> str:
        users = {
            name: {
                "password_sha256_hex": user.password_sha256_hex,
                "readonly": user.readonly,
                "settings": dict(user.settings),
            }
            for name, user in self.users.items()
        }
        plain = {name: getattr(self, name) for name in _SCALARS if name in self.__dataclass_fields__}
        return json.dumps({**plain, "data_dir": str(self.data_dir), "users": users})

    @staticmethod
    def from_json(text: str) -> StoreConfig:
        """:raises StoreStartError: not JSON, an unknown key, a missing key, or a value that is not allowed."""
        try:
            raw: dict[str, Any] = json.loads(text)
            users = {name: StoreUser(**user) for name, user in raw.pop("users").items()}
            return StoreConfig(data_dir=Path(raw.pop("data_dir")), users=users, **raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreStartError(f"The store's configuration cannot be used: {error}.") from error


_SCALARS = tuple(name for name in StoreConfig.__dataclass_fields__ if name not in ("data_dir", "users"))
