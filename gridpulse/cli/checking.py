"""Commands that hold projections against the log: ``verify``, ``rebuild``."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
