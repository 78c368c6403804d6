"""Addresses as they may be shown and logged: a group robot's address is its password, an email address a person's."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

MAX_SHOWN_CHARS: Final = 300
MAILTO: Final = "mailto:"
_SHORT_SEGMENT: Final = 15  # longer ones may be tokens
_KEPT: Final = 4
_QUERY_VALUE: Final = re.compile(r"([^&=]+)=[^&]*")


def shown_url(url: str) -> str:
    """A URL that was checked, without the values of its query, long path segments and the name before an @."""
    if url.startswith(MAILTO):
        name, _, domain = url.removeprefix(MAILTO).rpartition("@")
        return f"{MAILTO}{name[:1]}…@{domain}"[:MAX_SHOWN_CHARS]
    parts = urlsplit(url)
    segments = (each if len(each) <= _SHORT_SEGMENT else each[:_KEPT] + "…" for each in parts.path.split("/"))
    query = _QUERY_VALUE.sub(r"\1=…", parts.query) if "=" in parts.query else "…" * bool(parts.query)
    return f"{parts.scheme}://{parts.netloc}{'/'.join(segments)}{'?' * bool(query)}{query}"[:MAX_SHOWN_CHARS]
