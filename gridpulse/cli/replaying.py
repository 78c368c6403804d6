"""Commands that replay history: ``replay``, ``runs``."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
