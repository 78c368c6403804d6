"""An environment for each peer: its own packages, pinned by version and hash in its ``requirements.txt``.

Built once in the cache directory, by uv where it is there and by venv and pip otherwise; a stamp says what was
installed, so a changed lock, another Python or a half-built environment is built again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
_INSTALL_TIMEOUT_S: Final = 1200.0


class PeerInstallError(Exception):
    """A peer cannot be installed; the message is one line for the results."""


def default_cache_dir(environment: Mapping[str, str], home: Path) -> Path:
    """``$XDG_CACHE_HOME/gridpulse/peers``, or ``~/.cache/gridpulse/peers`` where that is not set."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else home / ".cache") / "gridpulse" / "peers"


def python_of(peer: str, cache_dir: Path) -> Path:
    """The interpreter of a peer's environment, which is built first where it is not whole.

    A peer without a ``requirements.txt`` runs in ours.

    :raises PeerInstallError: it could not be installed.
    """
    lock = HERE / peer / "requirements.txt"
    if not lock.exists():
        return Path(sys.executable)
    home = cache_dir / peer
    python, stamp = home / "bin" / "python", home / ".installed"
    locks = [path.read_bytes() for path in (lock, lock.with_name("jars.lock")) if path.exists()]
    wanted = hashlib.sha256(f"{sys.version} {home}".encode() + b"".join(locks)).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == wanted and python.exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    uv = Path(sys.executable).with_name("uv")
    if not (uv.exists() and _install_by_uv(uv, home, python, lock)):
        _install_by_pip(home, python, lock)
    _fetch_jars(python, lock.with_name("jars.py"), home / "jars")
    stamp.write_text(wanted, "utf-8")
    return python


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """What is installed there, as its own metadata says."""
    script = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    done = subprocess.run([str(python), "-c", script, *packages], capture_output=True, text=True, check=True)
    return dict(zip(packages, done.stdout.split(), strict=True))


def _install_by_uv(uv: Path, home: Path, python: Path, lock: Path) -> bool:
    environment = {**_uv_environment(), "UV_NO_PROGRESS": "1"}
    commands = [
        [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
        [str(uv), "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(lock)],
    ]
    return all(_run(command, environment).returncode == 0 for command in commands)


def _uv_environment() -> dict[str, str]:
    """uv trusts what the system trusts, and takes the package index that pip is set up with."""
    defaults = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    for line in said.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.endswith(".index-url"):
            defaults["UV_DEFAULT_INDEX"] = value.strip("'\"")
    return {**defaults, **os.environ}


def _install_by_pip(home: Path, python: Path, lock: Path) -> None:
    venv.create(home, clear=True, with_pip=True, symlinks=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _require(_run([*pip, "--require-hashes", "-r", str(lock)], dict(os.environ)))


def _fetch_jars(python: Path, script: Path, directory: Path) -> None:
    """What a peer needs beside its packages, fetched by its own ``jars.py`` where it has one."""
    if script.exists():
        _require(_run([str(python), str(script), str(directory)], dict(os.environ)))


def _require(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        errors = [line for line in said if "error" in line.lower()] or said
        raise PeerInstallError(f"cannot be installed: {errors[-1].strip()}")


def _run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(command, 1, "", f"error: not done within {late.timeout:.0f} s")
