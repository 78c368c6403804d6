"""Golden examples: at least one event of every type and version, kept for ever.

A file is ``<type>.v<version>.json`` or ``<type>.v<version>.<what>.json`` and holds one structured CloudEvent as a
sender would write it. They are never edited once released: whatever decoded once decodes for ever.
"""

from __future__ import annotations

import re
from importlib.resources import files

_FILE_NAME = re.compile(r"(cn\.gridpulse\.[a-z_]+\.[a-z_]+\.v[0-9]+)(?:\.[a-z_]+)?\.json")


def golden_examples() -> dict[str, list[bytes]]:
    """The examples' bytes by wire type, in order of file names."""
    examples: dict[str, list[bytes]] = {}
    for path in sorted(files(__name__).iterdir(), key=lambda path: path.name):
        match = _FILE_NAME.fullmatch(path.name)
        if match:
            examples.setdefault(match[1], []).append(path.read_bytes())
    return examples
