"""Runs one peer: starts its processes, has them watched from outside, ends them, and judges what they left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.peers import tables
from benchmarks.peers.environments import HERE, python_of, versions
from benchmarks.peers.job import GRACE_S, LIMITS_DB, Job
from benchmarks.peers.measure import Measured, watch, what_is_wrong
from benchmarks.peers.peer import Peer
from benchmarks.peers.tables import Found, Seen
from benchmarks.peers.world import Store, World, fresh_store
from gridpulse.free_ports import free_ports

_STOP_S: Final = 10.0


class PeerFailedError(Exception):
    """A peer's process ended; the message is the last that it said."""


def run_peer(peer: Peer, job: Job, world: World, cache_dir: Path) -> dict[str, Any]:
    """One run over the topic that holds ``job``; a flat JSON-able object.

    :raises PeerInstallError: its environment cannot be built.
    :raises PeerFailedError: it ended before the job was done.
    """
    python = python_of(peer.folder, cache_dir)
    place = world.scratch / peer.key
    place.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(fresh_store(place / "store")) if peer.writes_rows else None
        log_path = place / "said.log"
        environment = {**_environment(peer, job, world, store, place), "ENVIRONMENT": str(python.parent.parent)}
        processes = stack.enter_context(_started(peer, python, environment, log_path))
        pids = [process.pid for process in processes] + ([] if store is None else [store.process.process.pid])
        expected = job.expected if store is not None else replace(job.expected, rows_raw=job.events)

        def look() -> Seen:
            return _last_line(log_path) if store is None else tables.look(store.client, expected.rows_raw)

        measured = watch(look, lambda: pids, lambda: _check(processes, log_path), expected)
        found = None if store is None else tables.find(store.client)
        seen = look()
    return {
        **measured.figures(job.events),
        **_counts(found, seen, job, measured),
        "versions": versions(python, peer.packages),
        "settings": peer.settings,
        "cannot": list(peer.cannot),
    }


def _counts(found: Found | None, seen: Seen, job: Job, measured: Measured) -> dict[str, Any]:
    if found is None:
        wrong = None if measured.whole else f"wrong: {seen} of {job.expected}"
        return {
            "events_read": seen.raw,
            "events_in_minutes": seen.counted,
            "alarms": seen.alarms,
            "result": wrong or "right",
        }
    return {
        "rows_raw": found.rows_raw,
        "rows_minute": found.rows_minute,
        "alarms": found.alarms,
        "repeated_rows": found.repeated_raw + found.repeated_minute,
        "result": what_is_wrong(found, job.expected) or "right",
    }


def _environment(peer: Peer, job: Job, world: World, store: Store | None, place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "KAFKA": world.bootstrap,
        "TOPIC": world.filled[job.devices],
        "GROUP": f"{peer.key}-{os.getpid()}",
        "CLICKHOUSE": json.dumps({} if store is None else store.connection),
        "LIMITS_DB": json.dumps(LIMITS_DB),
        "GRACE_S": str(GRACE_S),
        "STATE_DIR": str(place / "state"),
        "PARTITIONS": str(world.partitions),
        "PYTHONUNBUFFERED": "1",
        **peer.environment,
    }


@contextlib.contextmanager
def _started(
    peer: Peer, python: Path, environment: Mapping[str, str], log_path: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The peer's processes; every one of them and what they started is ended at the end."""
    addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(peer.processes))
    running: list[subprocess.Popen[bytes]] = []
    try:
        with log_path.open("ab") as log:
            for index in range(peer.processes):
                arguments = [one.format(index=index, addresses=addresses) for one in peer.arguments]
                own = {**environment, "STATE_DIR": f"{environment['STATE_DIR']}-{index}", "WORKER": str(index)}
                running.append(
                    subprocess.Popen(
                        [str(python), *arguments],
                        cwd=HERE / peer.folder,
                        env=own,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,  # the group is ended as a whole: some start a JVM
                    )
                )
        yield running
    finally:
        for process in running:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
            if how == signal.SIGKILL:
                return


def _check(processes: Sequence[subprocess.Popen[bytes]], log_path: Path) -> None:
    for process in processes:
        if (code := process.poll()) is not None:
            raise PeerFailedError(f"ended with exit code {code}: {last_words(log_path)}")


def last_words(path: Path) -> str:
    """The last line that tells something: an error's own, where there is one."""
    lines = [line.strip() for line in path.read_text("utf-8", "replace").splitlines()[-200:] if line.strip()]
    errors = [line for line in lines if ("Error" in line or "Exception" in line) and not line.startswith("at ")]
    return (errors or lines or ["it said nothing"])[-1][:300]


def _last_line(path: Path) -> Seen:
    """How far a peer without rows says it is: ``seen counted alarms``."""
    lines = path.read_bytes()[-200:].decode().splitlines()
    numbers = lines[-1].split() if lines else []
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        return Seen(0)
    return Seen(*map(int, numbers))
