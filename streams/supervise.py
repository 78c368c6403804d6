"""Runs the processes of one machine as children: starts them in order, restarts what fails, stops all at the end.

Processes are crash-only: each goes on from its own durable state, so a restart is always safe. How a child ended says
what follows, and the pauses before it is started again grow up to ``MAX_PAUSE_S``:

* ``EXIT_CONFIG``: trying again is no use (port taken, directory locked, wrong setting). All stop.
* ``EXIT_UNAVAILABLE`` (something it needs is away) or a signal (somebody ended it): tried again as long as it takes.
* anything else is its own failure: after ``MAX_FAST_FAILURES`` in a row, each soon after a start, all stop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: a dependency is not there; worth trying again
FAST_FAILURE_S = 20.0
MAX_FAST_FAILURES = 6
MAX_PAUSE_S = 10.0


class ChildFailedError(Exception):
    """A child can't run; the message is its own last words."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process: its name, its command and when it counts as ready (None: at once)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool] | None = None
    ready_timeout_s: float = 60.0


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    log_path: Path
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    restarts: int = 0
    fast_ends: int = 0  # in a row, whatever the cause: the pause grows with them
    fast_failures: int = 0  # of these, its own failures
    not_before_s: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Children in start order. ``monotonic`` is injected for tests."""

    log_dir: Path
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _children: list[_Child] = field(default_factory=list)

    def start(self, spec: ChildSpec) -> None:
        """Start a child and wait until it is ready.

        :raises ChildFailedError: it ended, or was not ready in time.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        child = _Child(spec, self.log_dir / f"{spec.name}.log")
        self._children.append(child)
        self._spawn(child)
        give_up_s = self.monotonic() + spec.ready_timeout_s
        while spec.ready is not None and not spec.ready():
            self.check()
            if self.monotonic() > give_up_s:
                raise ChildFailedError(f"{spec.name} was not ready within {spec.ready_timeout_s:.0f} s; see its log")
            self.sleep(0.1)

    def check(self) -> None:
        """Restart children that ended. :raises ChildFailedError: one can't run."""
        for child in self._children:
            if child.process is None:
                if self.monotonic() >= child.not_before_s:
                    self._spawn(child)
                    child.restarts += 1
            elif (code := child.process.poll()) is not None:
                self._ended(child, code)

    def _ended(self, child: _Child, code: int) -> None:
        child.process = None
        now_s = self.monotonic()
        if now_s - child.started_s >= FAST_FAILURE_S:
            child.fast_ends = child.fast_failures = 0
        child.fast_ends += 1
        child.fast_failures += code >= 0 and code != EXIT_UNAVAILABLE
        if code == EXIT_CONFIG or child.fast_failures > MAX_FAST_FAILURES:
            raise ChildFailedError(last_words(child.log_path) or f"{child.spec.name} ended with exit code {code}")
        pause_s = min(0.2 * 2**child.fast_ends, MAX_PAUSE_S)
        child.not_before_s = max(child.not_before_s, now_s + pause_s)

    def keep_down(self, name: str, for_s: float) -> None:
        """Once the child has ended it is not started again for so long from now: an outage. 0: let it come back."""
        for child in self._children:
            if child.spec.name == name:
                child.not_before_s = self.monotonic() + for_s

    def _spawn(self, child: _Child) -> None:
        with child.log_path.open("ab") as log:
            child.process = subprocess.Popen(
                list(child.spec.command),
                env={**os.environ, **child.spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops them in order
            )
        child.started_s = self.monotonic()

    def pids(self) -> dict[str, int]:
        """Running children by name."""
        return {child.spec.name: child.process.pid for child in self._children if child.process is not None}

    @property
    def restarts(self) -> int:
        return sum(child.restarts for child in self._children)

    def stop(self, grace_s: float = 10.0) -> None:
        """End all children, the last started first; kill what does not end within the grace."""
        for child in reversed(self._children):
            if child.process is None or child.process.poll() is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children.clear()


def last_words(path: Path) -> str:
    """The last non-empty line of a child's log."""
    with contextlib.suppress(OSError):
        lines = path.read_bytes()[-4096:].decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""
