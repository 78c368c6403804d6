"""Builds ``.venv`` from the hashed locks: ``python requirements/bootstrap.py run`` (or ``dev``, the superset).

Runs on a bare Python 3.11 or 3.12. Does nothing where a stamp in ``.venv`` says that exactly this was installed
before; a changed lock, another interpreter or a moved folder builds it again. Installs by uv, which pip fetches by
its own hash; where uv cannot be had, pip installs the same lock, only slower. Everything said goes to stderr: stdout
belongs to the program that is started next.
"""

import hashlib
import os
import subprocess
import sys
import time
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCKS = ROOT / "requirements"
LEVELS = ("run", "dev")  # each holds the ones before it


def main(level: str) -> None:
    if level not in LEVELS:
        fail(f"unknown level {level!r}: choose one of {', '.join(LEVELS)}")
    if any(is_installed(enough) for enough in LEVELS[LEVELS.index(level) :]):
        return
    started_s = time.monotonic()
    say(f"Installing the locked packages of {LOCKS.name}/{level}.lock into .venv ...")
    make_venv()
    for stale in LEVELS:
        stamp_path(stale).unlink(missing_ok=True)
    install(level)
    for done in LEVELS[: LEVELS.index(level) + 1]:
        stamp_path(done).write_text(stamp(done), encoding="utf-8")
    say(f"Installed in {time.monotonic() - started_s:.0f} s.")


def make_venv() -> None:
    """A virtual environment of the running interpreter's version; one that already fits is kept."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if venv_version() == ours and stamp_root() in (None, str(ROOT)):
        return
    if find_spec("ensurepip") is None:
        fail("Python's venv module is not complete on this machine: run 'apt install python3-venv' and try again.")
    if Path(sys.prefix) == VENV:  # its own interpreter cannot rebuild it
        fail("The folder was moved since .venv was built: run 'make clean' and try again.")
    venv.create(VENV, clear=True, with_pip=True, symlinks=True)
    (VENV / ".root").write_text(str(ROOT), encoding="utf-8")


def install(level: str) -> None:
    lock = LOCKS / f"{level}.lock"
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]  # setuptools is in the lock
    if has_uv():
        environment = uv_environment()
        uv = [str(UV), "pip", "install", "--quiet", "--python", str(PYTHON)]
        if succeeds([*uv, "--require-hashes", "--requirement", str(lock)], environment):
            require([*uv, *project], environment)
            return
    say("uv could not do it; trying pip with the same lock, which takes about a minute ...")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    require([*pip, "--require-hashes", "--requirement", str(lock)])
    require([*pip, *project])


def has_uv() -> bool:
    """Whether the locked uv is in ``.venv`` now; pip is asked to fetch it where it is not."""
    lock = LOCKS / "uv.lock"
    wanted = lock.read_text(encoding="utf-8").split(maxsplit=1)[0].removeprefix("uv==")
    if UV.exists() and output([str(UV), "--version"]).split()[1:2] == [wanted]:
        return True
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    return succeeds([*pip, "--require-hashes", "--requirement", str(lock)])


def uv_environment() -> dict[str, str]:
    """uv trusts what the system trusts, and takes the package index that pip is set up with."""
    defaults = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    for line in output([str(PYTHON), "-m", "pip", "config", "list"]).splitlines():
        key, _, value = line.partition("=")
        if key.endswith(".index-url"):
            defaults["UV_DEFAULT_INDEX"] = value.strip("'\"")
    return {**defaults, **os.environ}


def is_installed(level: str) -> bool:
    path = stamp_path(level)
    return path.exists() and path.read_text(encoding="utf-8") == stamp(level)


def stamp_path(level: str) -> Path:
    return VENV / f".installed-{level}"


def stamp(level: str) -> str:
    """What an installation depends on: the lock, the project's own metadata, the interpreter and the folder."""
    digest = hashlib.sha256(f"{venv_version()} {ROOT}".encode())
    for path in (LOCKS / f"{level}.lock", ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{wanted} {digest.hexdigest()}\n"


def stamp_root() -> str | None:
    path = VENV / ".root"
    return path.read_text(encoding="utf-8") if path.exists() else None


def venv_version() -> str | None:
    """``3.11`` or ``3.12``; None where there is no environment that runs."""
    if not PYTHON.exists():
        return None
    return output([str(PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip() or None


def output(command: list[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout


def succeeds(command: list[str], environment: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode == 0


def require(command: list[str], environment: dict[str, str] | None = None) -> None:
    if not succeeds(command, environment):
        fail("The packages could not be installed (see above); is the network reachable? Run the same again to go on.")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def fail(text: str) -> NoReturn:
    say(text)
    raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
