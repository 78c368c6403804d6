"""A full disk under the event log: senders are told in one sentence, what was acknowledged stays, and it goes on."""

from __future__ import annotations

import contextlib
import json
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.running import BATCH, Started, World, ended_after, measured, until


@pytest.fixture
def beside(world: World, tmp_path: Path) -> World:
    """A second API with a log of its own; it borrows the shared world's store."""
    beside = World(tmp_path)
    beside.settings = {
        "GRIDPULSE_DATA_DIR": str(world.data_dir),
        "GRIDPULSE_STORE_PORT": str(world.store_port),
        "GRIDPULSE_LOG_URL": f"sqlite:///{tmp_path / 'log.sqlite'}",
    }
    return beside


@contextlib.contextmanager
def api(beside: World, **settings: str) -> Iterator[Started]:
    running = beside.start("run", "api", **settings)
    with ended_after(running):
        beside.wait_ready(running)
        yield running


def in_the_log(log_path: Path, event_ids: set[str]) -> set[str]:
    """Which of these events the file has, read by nothing of ours."""
    with contextlib.closing(sqlite3.connect(f"file:{log_path}?mode=ro", uri=True)) as log:
        values = b"\n".join(value for (value,) in log.execute("SELECT value FROM records"))
    return {event_id for event_id in event_ids if f'"{event_id}"'.encode() in values}


def fill(beside: World, key: str, prefix: str, most: int = 2000) -> tuple[set[str], httpx.Response]:
    """Send batches until one is refused: the acknowledged events, and the refusal."""
    acknowledged: set[str] = set()
    for batch in range(most):
        ids = {f"{prefix}-{batch}-{n}" for n in range(50)}
        answer = beside.send(key, [measured(event_id) for event_id in sorted(ids)], BATCH)
        if answer.status_code != 202:
            return acknowledged, answer
        assert answer.json()["accepted"] == len(ids)
        acknowledged |= ids
    raise AssertionError("the disk was never full")


def require_refusal(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:gridpulse:problem:log-unavailable"
    assert "sending the same again is safe" in answer.json()["detail_en"]
    assert int(answer.headers["retry-after"]) >= 1


def test_a_log_at_its_limit_and_a_start_with_a_larger_one(beside: World, tmp_path: Path) -> None:
    key = beside.issue_key()
    url = beside.settings["GRIDPULSE_LOG_URL"]
    with api(beside, GRIDPULSE_LOG_URL=f"{url}?max_bytes=1000000") as running:
        acknowledged, refusal = fill(beside, key, "limit")
        require_refusal(refusal)
        assert acknowledged
        until(lambda: "disk full" in running.said, "the sentence in the process's own log")
        assert all(json.loads(line)["level"] == "warning" for line in running.said.splitlines())
        assert beside.get("/healthz").status_code == 200
        assert beside.get("/v1/metrics", key).status_code == 200  # queries go on
    with api(beside):
        assert beside.send(key, measured("limit-after")).status_code == 202
    acknowledged |= {"limit-after"}
    assert in_the_log(tmp_path / "log.sqlite", acknowledged) == acknowledged


def test_a_disk_that_has_space_again_needs_no_restart(beside: World, tmp_path: Path) -> None:
    key = beside.issue_key()
    with api(beside) as running:
        assert beside.send(key, measured("space-before")).status_code == 202
        sizes = [path.stat().st_size for path in tmp_path.glob("log.sqlite*")]
        limit(running, max(sizes) + 1_000_000)  # no file may grow beyond it: writes fail as on a full disk
        acknowledged, refusal = fill(beside, key, "space")
        require_refusal(refusal)
        assert acknowledged
        limit(running, resource.RLIM_INFINITY)
        until(lambda: beside.send(key, measured("space-after")).status_code == 202, "space again")
        acknowledged |= {"space-before", "space-after"}
        assert in_the_log(tmp_path / "log.sqlite", acknowledged) == acknowledged


def limit(running: Started, file_bytes: int) -> None:
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
