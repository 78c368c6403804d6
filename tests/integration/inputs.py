"""What senders may get wrong, with the reason that each is told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.running import measured


def as_json(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def _ahead() -> bytes:
    return as_json(measured("bad-3", time=(datetime.now(UTC) + timedelta(minutes=5.5)).isoformat()))


def _with_data(event_id: str, **changes: Any) -> bytes:
    event = measured(event_id)
    event["data"].update(changes)
    return as_json(event)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "unknown type": (lambda: as_json(measured("bad-1", type="cn.gridpulse.readings.dreamt.v1")), "unknown_type"),
    "missing id": (lambda: as_json(measured("", id=None)), "missing_attribute"),
    "naive time": (lambda: as_json(measured("bad-2", time="2026-01-01T00:00:00")), "naive_time"),
    "five minutes ahead": (_ahead, "time_ahead"),
    "NaN": (lambda: _with_data("bad-4", value=math.nan), "not_finite"),
    "2 MB": (lambda: _with_data("bad-5", device="d" * 2_000_000), "too_large"),
    "wrong unit": (lambda: _with_data("bad-6", unit="Pa"), "wrong_unit"),
    "unknown scope": (lambda: as_json(measured("bad-7", scope="hefei/shushan")), "unknown_scope"),
    "invalid UTF-8": (lambda: as_json(measured("bad-8")).replace(b"noise-bad-8", b"\xff\xfe"), "invalid_utf8"),
    "no JSON": (lambda: b'{"specversion": "1.0",', "invalid_json"),
}
