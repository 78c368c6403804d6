"""``gridpulse`` and ``python -m gridpulse``."""

from __future__ import annotations

from gridpulse.cli.app import app


def main() -> None:
    """The entry point of the command line."""
    app()


if __name__ == "__main__":
    main()
