"""Record headers as bytes, for logs that have no headers of their own: JSON pairs, values as Latin-1 text."""

from __future__ import annotations

import json

from schemas.records import Headers


def encode_headers(headers: Headers) -> bytes | None:
    """None when there are none, so that the usual record carries nothing."""
    if not headers:
        return None
    return json.dumps([[name, value.decode("latin-1")] for name, value in headers]).encode()


def decode_headers(stored: bytes | None) -> Headers:
    """The inverse of :func:`encode_headers`."""
    if stored is None:
        return ()
    return tuple((name, text.encode("latin-1")) for name, text in json.loads(stored))
