"""GridPulse as its users run it: ``python -m gridpulse …`` in real processes, on free loopback ports.

Nothing here imports GridPulse, but for a way to find free ports: what these tests see is what a user sees. Waiting is
polling with a generous limit, so a loaded machine makes the tests slow, never red. Every process started here is ended
by its own id.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from gridpulse.free_ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90.0
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Ask until the answer is true; that answer."""
    give_up_s = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > give_up_s:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.1)
    return answer


def measured(event_id: str, **changes: Any) -> dict[str, Any]:
    """A noise reading as a structured CloudEvent; ``changes`` to its attributes, None takes one out."""
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "//iot/test",
        "type": "cn.gridpulse.readings.measured.v1",
        "scope": SCOPE,
        "data": {"device": f"noise-{event_id}", "quantity": "laeq", "value": 61.5, "unit": "dB(A)", "interval_s": 60},
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


def clean_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anybody's settings of GridPulse."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("GRIDPULSE_")}
    return {**kept, **(changes or {})}


def gridpulse(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "gridpulse", *arguments],
        cwd=ROOT,
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )


@dataclass
class Started:
    """One process in the foreground of its own log file."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @staticmethod
    def start(*arguments: str, environment: Mapping[str, str], log_path: Path) -> Started:
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gridpulse", *arguments],
                cwd=ROOT,
                env=clean_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return Started(process, log_path)

    @property
    def said(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def require_running(self) -> None:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.said[-2000:]}"

    def children(self) -> dict[str, psutil.Process]:
        """Processes of ``gridpulse up`` by name."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return {child.cmdline()[-1]: child for child in psutil.Process(self.process.pid).children()}
        return {}

    def terminate(self) -> int:
        """SIGTERM, and its exit code once it has ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """However it is: ended, with all its children."""
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()


@dataclass
class World:
    """A data directory with its ports: what ``gridpulse up`` makes, or single processes side by side."""

    directory: Path
    settings: dict[str, str] = field(default_factory=dict)
    api_port: int = 0
    store_port: int = 0
    up: Started | None = None
    parts: dict[str, Started] = field(default_factory=dict)  # started by their own commands

    def __post_init__(self) -> None:
        self.api_port, self.store_port = free_ports(2)

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GRIDPULSE_DATA_DIR": str(self.data_dir),
            "GRIDPULSE_API_PORT": str(self.api_port),
            "GRIDPULSE_STORE_PORT": str(self.store_port),
            "GRIDPULSE_SCOPES": "wuhu",
            "GRIDPULSE_TICK_INTERVAL_MS": "200",
            "GRIDPULSE_LINGER_MS": "50",
            "GRIDPULSE_ROLLUP_INTERVAL_S": "0.3",
            "GRIDPULSE_SNAPSHOT_INTERVAL_S": "1",
            **self.settings,
        }

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def store_url(self) -> str:
        return f"http://127.0.0.1:{self.store_port}"

    @property
    def reader_password(self) -> str:
        return str(json.loads((self.data_dir / "store-secrets.json").read_bytes())["reader"])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that must succeed."""
        done = gridpulse(*arguments, environment=self.environment)
        assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stderr[-2000:]}"
        return done

    def start(self, *arguments: str, **settings: str) -> Started:
        """``gridpulse …`` in the background."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log_path = self.directory / f"{'-'.join(arguments)}.log"
        return Started.start(*arguments, environment={**self.environment, **settings}, log_path=log_path)

    def start_up(self) -> None:
        """``gridpulse up``, ready."""
        self.up = self.start("up")
        self.wait_ready(self.up)

    def wait_ready(self, *needed: Started) -> None:
        """Until ``/readyz`` says so."""

        def ready() -> bool:
            for process in needed:
                process.require_running()
            with contextlib.suppress(httpx.TransportError):
                return self.get("/readyz").status_code == 200
            return False

        until(ready, "ready")

    def issue_key(self, role: str = "admin", scope: str = "") -> str:
        answer = json.loads(self.run("keys", "issue", "--role", role, "--scope", scope, "--json").stdout)
        return str(answer["key"])

    def get(self, path: str, key: str | None = None, **params: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.get(self.api_url + path, params=params, headers=headers, timeout=60, trust_env=False)

    def send(self, key: str, body: bytes | Any, headers: Mapping[str, str] = STRUCTURED) -> httpx.Response:
        """``POST /v1/events``; anything but bytes as JSON."""
        return httpx.post(
            f"{self.api_url}/v1/events",
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", **headers},
            timeout=60,
            trust_env=False,
        )

    def store_answers(self) -> bool:
        """Whether the embedded store answers ClickHouse's ping."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.store_url}/ping", timeout=10, trust_env=False).text == "Ok.\n"
        return False

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What any HTTP client of ClickHouse gets as the reader; raises while the store is away."""
        answer = httpx.post(
            self.store_url,
            params={"database": "gridpulse", "default_format": "JSONEachRow"},
            content=sql,
            auth=("reader", self.reader_password),
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def found(self, event_ids: set[str], table: str = "readings") -> set[str]:
        """Which of these events ClickHouse has; none while it is away."""
        names = ", ".join(f"'{event_id}'" for event_id in sorted(event_ids))
        with contextlib.suppress(httpx.TransportError):
            return {
                row["event_id"] for row in self.rows(f"SELECT event_id FROM {table} FINAL WHERE event_id IN ({names})")
            }
        return set()

    def wait_found(self, event_ids: set[str], table: str = "readings") -> None:
        """Until ClickHouse has all of these events."""
        until(lambda: self.found(event_ids, table) == event_ids, f"{len(event_ids)} events in {table}")


@contextlib.contextmanager
def ended_after(*processes: Started) -> Iterator[None]:
    """Ends them, the last first, whatever happens inside."""
    try:
        yield
    finally:
        for process in reversed(processes):
            process.end()
