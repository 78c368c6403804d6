"""Waiting for a store, or a ClickHouse server, to answer ``/ping``; reads a monotonic clock."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

_PAUSE_S = 0.05


def answers(url: str, timeout_s: float = 1.0) -> bool:
    """Whether ``url`` answers ClickHouse's ping now."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 8123, timeout=timeout_s)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_ready(url: str, timeout_s: float, *, still_alive: Callable[[], bool] = lambda: True) -> None:
    """Return once ``url`` answers; ``still_alive`` says whether waiting further makes sense (the process lives).

    :raises TimeoutError: no answer within ``timeout_s``, or ``still_alive`` said no.
    """
    deadline = time.monotonic() + timeout_s
    while not answers(url):
        if not still_alive():
            raise TimeoutError(f"The store at {url} ended before it answered.")
        if time.monotonic() >= deadline:
            raise TimeoutError(f"The store at {url} did not answer within {timeout_s:g} s.")
        time.sleep(_PAUSE_S)
