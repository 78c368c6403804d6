"""Output for people and for machines."""

from __future__ import annotations

import sys
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def emit(value: Any, text: str, as_json: bool) -> None:
    """One line of JSON, or text."""
    sys.stdout.write((orjson.dumps(value).decode() if as_json else text) + "\n")
    sys.stdout.flush()


def stderr_console() -> Console:
    """Where progress and notes go, so that stdout stays clean for results."""
    return Console(stderr=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "–/s")


def progress_bar(quiet: bool) -> Progress:
    """A bar with rate and time left, on stderr; silent for ``--json``."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn(),
        TimeRemainingColumn(), console=stderr_console(), disable=quiet,
    )  # fmt: skip
