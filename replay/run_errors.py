"""What can be wrong with a replay run; each message is one sentence that says what to do."""

from __future__ import annotations


class RunUsageError(Exception):
    """An option of a replay is wrong; says which and what is allowed."""


class RunError(Exception):
    """The run cannot go on, or be found, as things are."""
