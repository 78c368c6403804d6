"""Who is asking: Basic, the ``X-ClickHouse-User``/``-Key`` headers, or the ``user``/``password`` parameters.

Comparison takes the same time whatever is wrong, and the answer does not say which part was.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from projections.store.config import StoreUser
from projections.store.errors import StoreError

_NOBODY = "0" * 64


@dataclass(frozen=True)
class Account:
    name: str
    user: StoreUser

    @property
    def readonly(self) -> bool:
        return self.user.readonly


def authenticate(users: Mapping[str, StoreUser], headers: Mapping[str, str], params: Mapping[str, str]) -> Account:
    """:raises StoreError: 516 with status 403; 194 with status 401 when nothing at all was given."""
    name, password = _credentials(headers, params)
    user = users.get(name)
    given = hashlib.sha256(password.encode()).hexdigest()
    matches = hmac.compare_digest(given, user.password_sha256_hex if user else _NOBODY)
    if user is None or not matches:
        if not name and not password:
            raise StoreError(
                194, "REQUIRED_PASSWORD", "default: Authentication failed: a user and a password are required."
            )
        raise StoreError(
            516,
            "AUTHENTICATION_FAILED",
            f"{name or 'default'}: Authentication failed: password is incorrect, or there is no user with such name.",
        )
    return Account(name, user)


def _credentials(headers: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, str]:
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _basic(value)
    if scheme:
        raise StoreError(516, "AUTHENTICATION_FAILED", f"Authentication failed: the {scheme} scheme is not known here.")
    if "user" in params or "password" in params:
        return params.get("user", "default"), params.get("password", "")
    return "", ""


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise StoreError(
            516, "AUTHENTICATION_FAILED", "Authentication failed: the Basic header cannot be read."
        ) from None
    return name or "default", password
