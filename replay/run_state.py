"""What a run keeps on disk to go on from: its manifest, and per lane a position, the detectors' state and its counts.

Everything is replaced by an atomic rename, so a file is either the old one or the new one. A lane's file is written
after its rows are in the database: going on from it repeats some rows under the same keys, and leaves none out.

A manifest names the code and parameters that it was begun with; with others a run is not gone on with.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

import detectors
import schemas
from replay.run_errors import RunError
from replay.run_spec import LIVE, RunSpec
from schemas.records import TopicPartition

_MANIFEST, _LOCK = "manifest.json", "lock"
_RUN_ID = re.compile(r"[a-z0-9_]{1,40}")


@cache
def code_version() -> str:
    """Names everything that decides what a run says: the sources of the detectors and of the schemas."""
    digest = hashlib.blake2b(digest_size=6)
    for package in (detectors, schemas):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A run as it was begun: what is asked, how far the log goes for it, with which code."""

    run: str
    spec: RunSpec
    lanes: int
    ends: Mapping[TopicPartition, int]
    started_ms: int
    base: str = LIVE
    code: str = field(default_factory=code_version)

    def document(self) -> dict[str, Any]:
        """As it is saved."""
        ends = [[where.topic, where.partition, end] for where, end in sorted(self.ends.items())]
        return {
            "run": self.run, "spec": self.spec.to_json(), "lanes": self.lanes, "ends": ends,
            "started_ms": self.started_ms, "base": self.base, "code": self.code, "params": repr(self.spec.params()),
        }  # fmt: skip

    def to_bytes(self) -> bytes:
        return orjson.dumps(self.document(), option=orjson.OPT_INDENT_2)

    @staticmethod
    def from_bytes(saved: bytes) -> Manifest:
        """:raises RunError: the code or its parameters have changed since."""
        document: dict[str, Any] = orjson.loads(saved)
        run, spec = document["run"], RunSpec.from_json(document["spec"])
        if document["code"] != code_version() or document["params"] != repr(spec.params()):
            raise RunError(
                f"run {run} was begun with code {document['code']} and this is {code_version()}, or with other default "
                f"parameters: start it anew, and remove it with `gridpulse runs drop {run}`"
            )
        ends = {TopicPartition(topic, partition): end for topic, partition, end in document["ends"]}
        return Manifest(run, spec, document["lanes"], ends, document["started_ms"], document["base"], document["code"])


@dataclass(slots=True)
class LaneState:
    """How far one lane of a run has come. ``position`` and ``detectors`` None: not begun."""

    position: bytes | None = None
    detectors: bytes | None = None
    said: dict[str, int] = field(default_factory=dict)  # topic -> how many outputs were written
    records: int = 0
    events: int = 0
    busy_s: float = 0.0
    clock_ms: int | None = None
    is_finished: bool = False


class RunDirectory:
    """``<data directory>/runs/<id>``."""

    def __init__(self, runs_dir: Path, run: str) -> None:
        """:raises RunError: no id of a run."""
        if not _RUN_ID.fullmatch(run):
            raise RunError(f"{run!r} is no id of a run: `gridpulse runs list` shows them")
        self.run, self.path = run, runs_dir / run

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else goes on with the run, or drops it, meanwhile. :raises RunError: somebody does."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / _LOCK).open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"run {self.run} is at work in another process: wait for it, or end that one") from None
            yield

    def is_held(self) -> bool:
        """Whether some process is at it."""
        if not (self.path / _LOCK).exists():
            return False
        try:
            with self.held():
                return False
        except RunError:
            return True

    def has_lanes(self) -> bool:
        """Whether something was saved to go on from."""
        return any(self.path.glob("lane-*.state"))

    def manifest(self) -> Manifest:
        """:raises RunError: there is none, or it is of other code."""
        try:
            return Manifest.from_bytes((self.path / _MANIFEST).read_bytes())
        except FileNotFoundError:
            raise RunError(
                f"there is nothing to go on from for run {self.run} in {self.path.parent}: `gridpulse runs list` shows "
                "the runs there are"
            ) from None

    def document(self) -> dict[str, Any] | None:
        """The manifest as it was saved, by whatever code; None: there is none."""
        try:
            document: dict[str, Any] = orjson.loads((self.path / _MANIFEST).read_bytes())
        except FileNotFoundError:
            return None
        return document

    def save_manifest(self, manifest: Manifest) -> None:
        _replace(self.path / _MANIFEST, manifest.to_bytes())

    def lane(self, lane: int) -> LaneState:
        """Where the lane's last save left it."""
        try:
            header, _, snapshot = self._lane_path(lane).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return LaneState()
        document = orjson.loads(header)
        return LaneState(document.pop("position").encode(), snapshot, **document)

    def save_lane(self, lane: int, state: LaneState) -> None:
        assert state.position is not None
        assert state.detectors is not None
        header = {
            "position": state.position.decode(), "said": state.said, "records": state.records, "events": state.events,
            "busy_s": state.busy_s, "clock_ms": state.clock_ms, "is_finished": state.is_finished,
        }  # fmt: skip
        _replace(self._lane_path(lane), orjson.dumps(header) + b"\n" + state.detectors)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def _lane_path(self, lane: int) -> Path:
        return self.path / f"lane-{lane:04d}.state"


def begun_runs(runs_dir: Path) -> dict[str, dict[str, Any]]:
    """The manifests there are as they were saved, by run."""
    names = [path.parent.name for path in runs_dir.glob(f"*/{_MANIFEST}")]
    documents = {run: RunDirectory(runs_dir, run).document() for run in sorted(names) if _RUN_ID.fullmatch(run)}
    return {run: document for run, document in documents.items() if document is not None}


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
