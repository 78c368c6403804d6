"""``python -m benchmarks.peers``: everybody on the same job in one run; ``make bench-peers`` calls it.

Writes ``peers.json`` and ``peers.md``. A peer that cannot be installed or fails does not stop the others: its entry
says why.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.peers.environments import PeerInstallError, default_cache_dir, python_of
from benchmarks.peers.job import TOPIC, Job
from benchmarks.peers.ours import run_ours
from benchmarks.peers.peer import BY_KEY, Peer
from benchmarks.peers.results import Result, assemble, markdown
from benchmarks.peers.running import PeerFailedError, run_peer
from benchmarks.peers.world import World
from streams.dev_broker import DevBroker

OURS = "gridpulse"
CORES = 2


def main() -> None:
    options = _options()
    _keep_to_cores(CORES)
    chosen = [BY_KEY[key] for key in options.only if key != OURS]
    console = Console(stderr=True)
    with (
        Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
        ) as progress,
        _scratch(options.keep) as scratch,
    ):
        installed, peers = _install(chosen, options.cache, progress)
        with DevBroker.start(scratch / "kafka") as broker:
            world = World(broker.bootstrap, scratch, options.partitions)
            world.warm()
            job = Job.of_about(options.events, options.partitions)
            _fill(world, job, installed, progress)
            ours = None
            for peer in installed:
                peers[peer.key] = _run(peer, job, world, options.cache, progress)
            if OURS in options.only:
                task = progress.add_task("GridPulse", total=None)
                ours = run_ours(job, world)
                _done(progress, task, "GridPulse", ours)
    page = assemble(job, world.bytes_per_event, ours, {peer.key: peers[peer.key] for peer in chosen})
    _write(page, options.out)
    console.print(f"{options.out / 'peers.json'}, {options.out / 'peers.md'}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    everybody = [OURS, *BY_KEY]
    parser.add_argument("--events", type=int, default=1_000_000, help="about so many; slow peers get their share of it")
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=everybody, default=everybody, help="who takes part")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "results")
    parser.add_argument(
        "--cache", type=Path, default=default_cache_dir(os.environ, Path.home()), help="where the environments are kept"
    )
    parser.add_argument("--keep", type=Path, help="a new directory for logs and stores, to look into afterwards")
    return parser.parse_args()


@contextlib.contextmanager
def _scratch(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="gridpulse-peers-") as scratch:
        yield Path(scratch)


def _keep_to_cores(cores: int) -> None:
    """Everybody, the broker and the store included, shares the same two cores, whatever the machine has."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))


def _install(chosen: list[Peer], cache: Path, progress: Progress) -> tuple[list[Peer], dict[str, Result]]:
    installed, failed = [], {}
    for peer in chosen:
        task = progress.add_task(f"{peer.title}: packages", total=None)
        try:
            python_of(peer.folder, cache)
            installed.append(peer)
        except PeerInstallError as error:
            failed[peer.key] = _failure(peer, str(error))
        progress.remove_task(task)
    return installed, failed


def _fill(world: World, job: Job, peers: list[Peer], progress: Progress) -> None:
    """The whole job in our own topic first; a smaller one for each share."""
    smaller = {_job(peer, job) for peer in peers} - {job}
    task = progress.add_task("filling topics", total=job.events + sum(one.events for one in smaller))
    for one in sorted(smaller, key=lambda one: one.devices):
        world.fill(one, f"peers.readings.{one.devices}", lambda n: progress.advance(task, n))
    world.fill_ours(job, lambda n: progress.advance(task, n))
    assert world.filled[job.devices] == TOPIC


def _job(peer: Peer, job: Job) -> Job:
    return job if peer.share == 1.0 else Job.of_about(round(job.events * peer.share), job.partitions)


def _run(peer: Peer, job: Job, world: World, cache: Path, progress: Progress) -> Result:
    task = progress.add_task(peer.title, total=None)
    try:
        result = run_peer(peer, _job(peer, job), world, cache)
    except PeerFailedError as error:
        result = _failure(peer, str(error))
    _done(progress, task, peer.title, result)
    return result


def _done(progress: Progress, task: TaskID, title: str, result: Result) -> None:
    said = result.get("error") or f"{result['events_per_s']:,.0f} events/s, {result['result']}"
    progress.update(task, description=f"{title}: {said}", total=1, completed=1)


def _failure(peer: Peer, error: str) -> Result:
    return {"error": error, "settings": peer.settings, "cannot": list(peer.cannot)}


def _write(page: Result, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.json").write_text(json.dumps(page, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (out / "peers.md").write_text(markdown(page), "utf-8")


if __name__ == "__main__":
    main()
