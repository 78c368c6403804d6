"""Passwords of the embedded store: made once, kept in the data directory, readable by their owner alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class StoreSecrets:
    """The passwords of the store's two users; never printed by ``repr``."""

    writer: str
    reader: str

    def __repr__(self) -> str:
        return "StoreSecrets(…)"


def store_secrets(data_dir: Path) -> StoreSecrets:
    """The data directory's secrets, made on first use. Several processes may call this at once."""
    path = data_dir / "store-secrets.json"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh = orjson.dumps({"writer": secrets.token_urlsafe(24), "reader": secrets.token_urlsafe(24)})
        draft = path.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # the first one wins; the others read its passwords
        draft.unlink()
    saved = orjson.loads(path.read_bytes())
    return StoreSecrets(saved["writer"], saved["reader"])
