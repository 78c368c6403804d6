"""What a replay run is asked to do, as a value that is kept with it; and its parts as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from detectors.lane import DetectorParams
from replay.parameters import with_parameters
from replay.run_errors import RunUsageError
from schemas.base import TYPE_PREFIX
from schemas.catalogue import EVENT_TYPES
from schemas.nearest import nearest
from schemas.times import TimeError, parse_rfc3339_ms
from schemas.topics import DOMAIN_FAMILIES

LIVE = "live"
_SCOPE = re.compile(r"[a-z0-9_-]{1,32}(?:/[a-z0-9_-]{1,32}){0,4}")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Bounds on recorded time (half open, epoch ms), filters (empty: everything), parameters that differ from live's.

    ``warm_up_ms``: how much before ``from_ms`` is read to learn from; None: everything.
    """

    timezone: str = "Asia/Shanghai"
    from_ms: int | None = None
    to_ms: int | None = None
    warm_up_ms: int | None = None
    scopes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    has_tables: bool = False

    def __post_init__(self) -> None:
        """:raises RunUsageError: the parts do not fit together."""
        if self.from_ms is not None and self.to_ms is not None and self.from_ms >= self.to_ms:
            raise RunUsageError("--from must lie before --to")
        if self.warm_up_ms is not None and self.from_ms is None:
            raise RunUsageError("--warm-up says how much before --from is read: give --from too")
        for scope in self.scopes:
            if not _SCOPE.fullmatch(scope):
                raise RunUsageError(f"--scope {scope}: give a scope path such as wuhu/jinghu")
        self.params()

    def params(self) -> DetectorParams:
        """The detectors' parameters. :raises RunUsageError: one of them is unknown or wrong."""
        return with_parameters(DetectorParams(timezone=self.timezone), self.parameters)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**values)


def time_ms(option: str, text: str, timezone: str) -> int:
    """RFC 3339, or a date: its midnight in ``timezone``. :raises RunUsageError: neither."""
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise RunUsageError(f"{option} {text}: {error}") from None
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
        return int(midnight.astimezone(UTC).timestamp()) * 1000
    try:
        return parse_rfc3339_ms(text)
    except TimeError as error:
        raise RunUsageError(f"{option} {text}: {error}; or give a date, e.g. 2026-05-01") from None


def span_ms(option: str, text: str) -> int:
    """``14d``, ``6h``, ``30m``, ``90s`` or ``0``. :raises RunUsageError:"""
    match = _SPAN.fullmatch(text.strip())
    if match is not None:
        return round(float(match[1]) * _UNIT_MS[match[2]])
    if text.strip() == "0":
        return 0
    raise RunUsageError(f"{option} {text}: give a span such as 14d, 6h, 30m or 90s, or 0")


def type_names(given: Iterable[str]) -> tuple[str, ...]:
    """Full names of event types; ``readings.measured`` will do, and so will one with its version.

    :raises RunUsageError: there is no such type of domain events
    """
    known = {kind.name.removeprefix(TYPE_PREFIX): kind.name for kind in EVENT_TYPES if kind.family in DOMAIN_FAMILIES}
    names = []
    for text in given:
        short = re.sub(r"\.v\d+$", "", text.removeprefix(TYPE_PREFIX))
        if short not in known:
            near = nearest(short, sorted(known))
            hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            raise RunUsageError(f"--types {text}: no such type of event; {hint}")
        names.append(known[short])
    return tuple(sorted(set(names)))
