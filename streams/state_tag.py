"""The tag on a dataflow's saved state: what the state was made of, and what happens when that has changed.

State is only a shortcut: everything in it can be made again from the log. So a state that does not fit is never
mended. It is moved aside (``<name>.old-<n>``, the latest is kept), one line says what changed, and the flow begins
where the log begins. What it says again has the ids it had, so repeating is harmless.

A state directory is there as a whole or not at all: it is made beside its place and renamed, under a lock, so any
process may end at any moment and any number may start at once.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Self

import orjson
import structlog
from bytewax.recovery import init_db_dir

from detectors.contract import StateVersionError
from schemas.records import TopicPartition
from schemas.shape import catalogue_digest
from schemas.topics import DOMAIN_TOPICS
from streams.lane_position import POSITION_VERSION
from streams.log import EventLog

STATE_FORMAT: Final = 2  # raise it when steps of the dataflow are renamed or keep something else
TAG_FILE: Final = "tag.json"
_RECOVERY_FILE: Final = "part-0.sqlite3"
_RECOVERY_TABLES: Final = frozenset({"parts", "exs", "fronts", "commits", "snaps"})
_UNREADABLE: Final = (
    pickle.UnpicklingError, AttributeError, ImportError, EOFError, LookupError, TypeError, ValueError,
)  # fmt: skip
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StateTag:
    """``facts`` must be the same for state to be gone on from; ``gridpulse`` is for people."""

    facts: Mapping[str, str]
    gridpulse: str

    def to_bytes(self) -> bytes:
        document = {"gridpulse": self.gridpulse, "facts": dict(self.facts)}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_bytes(cls, saved: bytes) -> Self:
        """:raises ValueError: it is no tag."""
        try:
            document = orjson.loads(saved)
            return cls(dict(document["facts"]), str(document["gridpulse"]))
        except (LookupError, TypeError) as error:
            raise ValueError("not a tag") from error

    def changes(self, saved: StateTag) -> list[str]:
        """What is another now than in the saved tag."""
        names = [*self.facts, *(name for name in saved.facts if name not in self.facts)]
        return [
            f"{name} was {saved.facts.get(name, 'absent')}, is {self.facts.get(name, 'absent')}"
            for name in names
            if self.facts.get(name) != saved.facts.get(name)
        ]


def state_tag(log: EventLog, topics: tuple[str, ...], lanes: int, operators: Mapping[str, str]) -> StateTag:
    """The tag of a flow that reads ``topics`` of ``log``. ``operators``: version by name of what keeps state."""
    return StateTag(
        {
            "state format": f"{STATE_FORMAT}.{POSITION_VERSION}",
            "event catalogue": catalogue_digest(),
            "lanes": str(lanes),
            "topics of a lane": " ".join(DOMAIN_TOPICS),
            "log": log.describe(topics).identity,
            **{f"operator {name}": version for name, version in operators.items()},
        },
        metadata.version("gridpulse"),
    )


def ready_state(
    directory: Path,
    tag: StateTag,
    earliest: Callable[[], Mapping[TopicPartition, int]],
    unusable: str | None = None,
) -> None:
    """Make the directory fit the tag: leave it, make it, or move it aside and make it anew.

    :arg earliest: the first kept offsets of what the flow reads, to name what can't be read again.
    :arg unusable: what is already known to be wrong with the state.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _locked(directory.with_name(f"{directory.name}.lock")):
        why = unusable if unusable is not None and directory.exists() else misfit(directory, tag)
        if why is not None:
            kept = _move_aside(directory)
            _log.warning("state_rebuilt", message=_message(directory, why, kept, earliest()))
        if not directory.exists() or not any(directory.iterdir()):
            _make(directory, tag)


def misfit(directory: Path, tag: StateTag) -> str | None:
    """Why the state there can't be gone on from; None when it can, or when there is none."""
    if not directory.exists() or not any(directory.iterdir()):
        return None
    try:
        saved = StateTag.from_bytes((directory / TAG_FILE).read_bytes())
    except FileNotFoundError:
        return "it has no tag, so an earlier GridPulse wrote it"
    except ValueError:
        return f"its {TAG_FILE} can't be read"
    if changes := tag.changes(saved):
        versions = "" if saved.gridpulse == tag.gridpulse else f" (GridPulse {saved.gridpulse} wrote it)"
        return "; ".join(changes) + versions
    return _damage(directory / _RECOVERY_FILE)


@contextmanager
def unreadable_is_said(what: str) -> Iterator[None]:
    """Saved bytes that can't be understood are a :class:`StateVersionError`, whatever they broke."""
    try:
        yield
    except _UNREADABLE as error:
        raise StateVersionError(f"{what} can't be read ({type(error).__name__}: {error})") from error


def _damage(path: Path) -> str | None:
    if not path.exists():
        return f"its {path.name} is missing"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        return f"its {path.name} is damaged ({error})"
    if verdict != "ok" or not tables >= _RECOVERY_TABLES:
        return f"its {path.name} is damaged ({'tables are missing' if verdict == 'ok' else verdict})"
    return None


def _message(directory: Path, why: str, kept: Path, earliest: Mapping[TopicPartition, int]) -> str:
    gaps = [f"{where} from 0 to {first - 1}" for where, first in sorted(earliest.items()) if first > 0]
    gone = f"; retention has removed offsets that can't be read again: {', '.join(gaps)}" if gaps else ""
    return (
        f"the state of {directory.name} does not fit and is built anew from the beginning of the log: {why}; "
        f"the old one is kept as {kept.name}{gone}"
    )


def _move_aside(directory: Path) -> Path:
    """The directory under its new name; older ones are removed."""
    prefix = f"{directory.name}.old-"
    past = {
        int(path.name.removeprefix(prefix)): path
        for path in directory.parent.glob(f"{prefix}*")
        if path.name.removeprefix(prefix).isdigit()
    }
    kept = directory.with_name(f"{prefix}{max(past, default=0) + 1}")
    directory.rename(kept)
    for path in past.values():
        shutil.rmtree(path)
    return kept


def _make(directory: Path, tag: StateTag) -> None:
    """A new state directory, there only when it is whole."""
    beside = directory.with_name(f"{directory.name}.new")
    if beside.exists():
        shutil.rmtree(beside)  # somebody ended while making it
    beside.mkdir()
    init_db_dir(beside, 1)
    (beside / TAG_FILE).write_bytes(tag.to_bytes())
    if directory.exists():
        directory.rmdir()  # empty
    beside.rename(directory)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
