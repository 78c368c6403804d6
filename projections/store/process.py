"""Starting and stopping a store process from another one: for the supervisor, and for tests that need a real store."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType

from projections.store.config import StoreConfig, StoreStartError
from projections.store.ready import wait_until_ready

_STOP_S = 20.0


@dataclass(frozen=True)
class StoreProcess:
    """A store that answers. Use it as a context manager, or call :meth:`stop`."""

    config: StoreConfig
    process: subprocess.Popen[bytes]

    @staticmethod
    def start(config: StoreConfig, timeout_s: float = 30.0) -> StoreProcess:
        """Spawn the process (never fork: the engine hangs) and wait until it answers.

        :raises StoreStartError: it ended, with the sentence it gave, or it did not answer in time.
        """
        process = spawn(config)
        store = StoreProcess(config, process)
        try:
            wait_until_ready(store.url, timeout_s, still_alive=lambda: process.poll() is None)
        except TimeoutError as error:
            process.kill()
            _, said = process.communicate()
            raise StoreStartError(said.decode(errors="replace").strip() or str(error)) from error
        return store

    @property
    def url(self) -> str:
        return f"http://{self.config.host}:{self.config.port}"

    def stop(self) -> int:
        """End it in order, waiting for running statements; the exit code."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode

    def __enter__(self) -> StoreProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def spawn(config: StoreConfig) -> subprocess.Popen[bytes]:
    """The bare process, its configuration already handed over."""
    command = [sys.executable, "-m", "projections.store"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(config.to_json().encode())
    process.stdin.close()
    process.stdin = None  # communicate() must not touch it again
    return process
