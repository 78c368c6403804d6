"""Dead letters at the terminal: which there are, what is in them, and sending them in again.

Works whether or not ``gridpulse up`` is running. One retry at a time: a lock file in the data directory sees to it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gridpulse import adapters
from gridpulse.embedded import store_at_hand
from gridpulse.exit import StartError
from gridpulse.settings import Settings
from projections.client import Client
from projections.queries.letters import (
    Choice,
    ConditionError,
    Letter,
    known_identities,
    letters,
    matching,
    newest,
    projected_offsets,
)
from schemas.base import JsonObject
from schemas.times import TimeError, parse_rfc3339_ms
from streams.dead_letters import (
    LETTERS_TOPIC,
    Retried,
    Retry,
    RetryPorts,
    Transform,
    TransformError,
    linked_letters,
    merge_patch,
)

CHUNK_LETTERS = 500
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
Told = Callable[[Letter, Retried], None]


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """``ids`` and ``choice`` both: letters that are in both."""

    choice: Choice
    ids: tuple[str, ...] = ()
    transform: str | None = None
    actor: str | None = None
    dry_run: bool = False


def list_letters(settings: Settings, choice: Choice, limit: int) -> list[Letter]:
    """The newest letters chosen, newest first. :raises StartError: the condition is none."""
    with store_at_hand(settings), _condition_said(), _clients(settings) as (reader, client):
        return letters(client, [name for _, name in newest(reader, choice, limit)])


def show_letter(settings: Settings, name: str) -> Letter:
    """:raises StartError: there is no such letter."""
    with store_at_hand(settings), _clients(settings) as (_, client):
        return _these(client, [name])[0]


def retry_letters(settings: Settings, options: RetryOptions, told: Told) -> dict[str, int]:
    """Send letters in again, the oldest first; ``told`` hears of each. How many had which outcome.

    :raises StartError: nothing is chosen, the condition or the transform is none, or another retry is running.
    """
    if not options.ids and options.choice == Choice():
        raise StartError("say which letters: ids, --where, --reason, --stage or --since; `--where 1` takes all")
    transform = None if options.transform is None else load_transform(options.transform)
    counts = dict.fromkeys(("accepted", "duplicate", "rejected", "left", "cut"), 0)
    with (
        store_at_hand(settings), _one_at_a_time(settings), _condition_said(),
        _clients(settings) as (reader, client), adapters.the_log(settings) as log,
    ):  # fmt: skip
        clock = adapters.the_clock(settings, log)
        ports = RetryPorts(
            adapters.the_ingest(settings, log, clock), log, clock,
            lambda type_name, wanted: known_identities(client, type_name, wanted),
            linked_letters(log, projected_offsets(client, LETTERS_TOPIC)),
        )  # fmt: skip
        retry = Retry(ports, transform, options.actor, options.dry_run)
        for chunk in _chosen(reader, client, options):
            for letter, one in zip(chunk, retry.send(chunk), strict=True):
                counts[one.outcome] += 1
                told(letter, one)
    return counts


def _chosen(reader: Client, client: Client, options: RetryOptions) -> Iterator[list[Letter]]:
    """The letters by the hundred, in bounded memory."""
    wanted = list(dict.fromkeys(options.ids))
    for start in range(0, len(wanted), CHUNK_LETTERS):
        chunk = _these(client, wanted[start : start + CHUNK_LETTERS])
        if options.choice == Choice():
            yield chunk
    if options.choice == Choice():
        return
    after = None
    while page := matching(reader, options.choice, CHUNK_LETTERS, after=after):
        after = page[-1]
        if chunk := letters(client, [name for _, name in page if not wanted or name in wanted]):
            yield chunk


def _these(client: Client, ids: Sequence[str]) -> list[Letter]:
    found = letters(client, list(dict.fromkeys(ids)))
    if missing := sorted(set(ids) - {letter.id for letter in found}):
        raise StartError(f"there is no dead letter {', '.join(missing)}; `gridpulse deadletters list` shows them")
    return found


def load_transform(text: str) -> Transform:
    """From a JSON merge patch, or a Python file with ``transform(event)``. :raises StartError: it is neither."""
    if text.lstrip().startswith("{"):
        try:
            patch = json.loads(text)
        except ValueError as error:
            raise StartError(f"--transform is not a JSON merge patch: {error}") from None
        return Transform(text, lambda event: merge_patch(event, patch))
    path = Path(text)
    if path.suffix != ".py" or not path.is_file():
        raise StartError(f"--transform takes a JSON object, or a Python file that is there; {text!r} is neither")
    spec = importlib.util.spec_from_file_location("gridpulse_transform", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _as_sentence(f"{path.name} can't be loaded"):
        spec.loader.exec_module(module)
    function = getattr(module, "transform", None)
    if not callable(function):
        raise StartError(f"{path.name} has no function transform(event)")

    def apply(event: JsonObject) -> JsonObject | None:
        with _as_sentence(f"{path.name} failed on the event {json.dumps(event)[:200]}"):
            return function(event)  # type: ignore[no-any-return]  # what it is is checked by who calls

    return Transform(path.name, apply)


@contextmanager
def _as_sentence(what: str) -> Iterator[None]:
    """Another's code: whatever it raises is its author's to know, not our defect."""
    try:
        yield
    except Exception as error:
        raise StartError(f"{what}: {type(error).__name__}: {error}") from error


@contextmanager
def _condition_said() -> Iterator[None]:
    try:
        yield
    except (ConditionError, TransformError) as error:
        raise StartError(str(error)) from error


@contextmanager
def _clients(settings: Settings) -> Iterator[tuple[Client, Client]]:
    """As the reader, for conditions; and as ourselves."""
    with adapters.clickhouse(settings, reader=True) as reader, adapters.clickhouse(settings) as client:
        yield reader, client


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """:raises StartError: another retry on this data directory is running."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    held = os.open(settings.data_dir / "deadletters.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError("another `gridpulse deadletters retry` is running here; wait for its end") from None
        yield
    finally:
        os.close(held)


def since_ms(text: str, now_ms: int) -> int:
    """``30m``, ``2h``, ``7d`` ago, or an RFC 3339 time. :raises StartError: neither."""
    if match := _AGO.fullmatch(text):
        return now_ms - int(match[1]) * _UNIT_MS[match[2]]
    try:
        return parse_rfc3339_ms(text)
    except TimeError as error:
        raise StartError(f"--since takes a span such as 30m, 2h or 7d, or a time: {error}") from None


def as_document(letter: Letter) -> dict[str, Any]:
    """Everything about a letter, for machines. ``raw``: as JSON where it is some, else as text."""
    return {
        "id": letter.id,
        "state": letter.state,
        "recorded_time": letter.recorded_time.isoformat(),
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "origin": letter.origin,
        "raw": raw_of(letter),
        "raw_bytes": letter.raw_bytes,
        "is_cut": letter.is_cut,
        "retries": [{**asdict(retry), "time": retry.time.isoformat()} for retry in letter.retries],
    }


def raw_of(letter: Letter) -> Any:
    """The raw bytes, readable: the JSON value they are, or text with what is no UTF-8 escaped."""
    try:
        return json.loads(letter.raw)
    except (ValueError, RecursionError):
        return letter.raw.decode("utf-8", "backslashreplace")
