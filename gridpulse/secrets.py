"""Secrets of the installation: made once, kept in the data directory, readable by their owner alone."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

import orjson

from gridpulse.exit import StartError

SUBSCRIPTIONS_KEY_FILE = "subscriptions.key"
SUBSCRIPTIONS_KEY_BYTES = 32


class SecretsError(StartError):
    """A file of secrets is not as it must be; the message says what to do."""


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
        _write_once(path, orjson.dumps({"writer": secrets.token_urlsafe(24), "reader": secrets.token_urlsafe(24)}))
    saved = orjson.loads(path.read_bytes())
    return StoreSecrets(saved["writer"], saved["reader"])


def subscriptions_key(data_dir: Path, key_file: Path | None = None) -> bytes:
    """The key that seals what is secret about subscriptions: ``key_file``, or the data directory's own.

    That of the data directory is made on first use; several processes may call this at once. Whoever loses it can read
    no subscription's address any more and must give each a new URL: keep a copy as safe as the log.

    :raises SecretsError: the file is not there, is no such key, or others may read it.
    """
    path = key_file or data_dir / SUBSCRIPTIONS_KEY_FILE
    if key_file is None:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, base64.b64encode(secrets.token_bytes(SUBSCRIPTIONS_KEY_BYTES)) + b"\n")
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SecretsError(
                f"{path} 可被他人读取(权限 {mode:03o}):请执行 chmod 600 {path} · "
                f"others may read {path} (mode {mode:03o}): run chmod 600 {path}"
            )
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except OSError as fault:
        raise SecretsError(f"无法读取 {path} · can't read {path}: {fault.strerror}") from None
    except ValueError:
        key = b""
    if len(key) != SUBSCRIPTIONS_KEY_BYTES:
        raise SecretsError(
            f"{path} 不是订阅密钥:应为 {SUBSCRIPTIONS_KEY_BYTES} 字节的 base64,可用 openssl rand -base64 32 生成 · "
            f"{path} is no key of subscriptions: base64 of {SUBSCRIPTIONS_KEY_BYTES} bytes; "
            "make one with openssl rand -base64 32"
        )
    return key


def _write_once(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, unless somebody has written it by now: the first one wins."""
    draft = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
