"""Saved state of detectors as bytes, and the name of a model: code version and parameters."""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

from detectors.contract import StateVersionError


def pack(name: str, version: int, payload: object) -> bytes:
    """State as immutable bytes: what is learned later cannot reach into it."""
    return pickle.dumps((name, version, payload), protocol=5)


def unpack(name: str, version: int, saved: bytes) -> Any:
    """The payload. ``saved`` must come from :func:`pack` of our own store: it is a pickle.

    :raises StateVersionError: it is of another detector or version; rebuild it by replay
    """
    found_name, found_version, payload = pickle.loads(saved)
    if (found_name, found_version) != (name, version):
        raise StateVersionError(f"state is {found_name} v{found_version}, this code needs {name} v{version}")
    return payload


def model_version(name: str, code_version: int, params: object) -> str:
    """E.g. ``device_offline-1-3fa9c1d2``: changes with the code and with any parameter."""
    digest = hashlib.blake2b(repr(params).encode(), digest_size=4).hexdigest()
    return f"{name}-{code_version}-{digest}"
