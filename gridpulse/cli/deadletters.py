"""``gridpulse deadletters``: list, show and retry what could not be accepted."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True)
