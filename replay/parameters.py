"""Detector parameters by name: ``noise_limit.over_margin_db``, ``incidents.quiet_min.unusual_hour``.

Names and types are those of the frozen dataclasses that the detectors are built with, so there is no second list to
keep. A pair ``(name, value)`` within a tuple is a parameter of that name; a tuple of texts is given with commas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from detectors.lane import DetectorParams
from replay.run_errors import RunUsageError
from schemas.nearest import nearest

_TIMEZONE = "timezone"  # the lane's replaces the detectors' own
_SHARE = re.compile(r"(?:ratio|share|quantile|decay)$")
_MAY_BE_ZERO = re.compile(r"_(?:s|h|after)$")
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its full name, the kind of its value, and the value it has."""

    name: str
    kind: str
    value: Any

    @property
    def text(self) -> str:
        """The value as it would be given."""
        return _text(self.value)


def parameters(params: DetectorParams) -> list[Parameter]:
    """Everything that can be set, with its present value."""
    return [Parameter(name, _kind(value), value) for name, value in _leaves("", params)]


def with_parameters(params: DetectorParams, given: Sequence[str]) -> DetectorParams:
    """``params`` with each ``name=value`` of ``given`` set, in order.

    :raises RunUsageError: an unknown name (with all there are) or a value that does not fit.
    """
    for one in given:
        name, equals, text = one.partition("=")
        name = name.strip()
        known = {parameter.name: parameter.value for parameter in parameters(params)}
        if not equals:
            raise RunUsageError(f"--set {one}: write it as detector.param=value")
        if name not in known:
            raise RunUsageError(_unknown(name, params))
        value = _converted(name, text.strip(), known[name])
        params = _replaced(params, name.split("."), value)
    return params


def changes(here: DetectorParams, there: DetectorParams) -> dict[str, list[tuple[str, str, str]]]:
    """What differs, by the first part of the name (the detector): (name, value there, value here)."""
    before = {parameter.name: parameter for parameter in parameters(there)}
    found: dict[str, list[tuple[str, str, str]]] = {}
    for parameter in parameters(here):
        other = before.get(parameter.name)
        if other is not None and other.value != parameter.value:
            owner = parameter.name.split(".")[0]
            found.setdefault(owner, []).append((parameter.name, other.text, parameter.text))
    return found


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    for one in fields(value):
        name, inner = f"{prefix}{one.name}", getattr(value, one.name)
        if is_dataclass(inner):
            yield from _leaves(f"{name}.", inner)
        elif _are_pairs(inner):
            yield from ((f"{name}.{key}", number) for key, number in inner)
        elif _is_plain(inner) and not (prefix and one.name == _TIMEZONE):
            yield name, inner


def _replaced(owner: Any, path: Sequence[str], value: Any) -> Any:
    inner = getattr(owner, path[0])
    if _are_pairs(inner):
        value = tuple((key, value if key == path[1] else number) for key, number in inner)
    elif is_dataclass(inner):
        value = _replaced(inner, path[1:], value)
    return replace(owner, **{path[0]: value})


def _are_pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(one, tuple) and len(one) == 2 and isinstance(one[1], int | float) for one in value
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) or all(isinstance(one, str) for one in value)


def _kind(value: Any) -> str:
    return "a,b,…" if isinstance(value, tuple) else {bool: "true|false", str: "text"}.get(type(value), "number")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _converted(name: str, text: str, default: Any) -> Any:
    """The text as a value of the default's type. :raises RunUsageError: it is none, or out of range."""
    wrong = f"--set {name}={text}: it is {_text(default)} by default"
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise RunUsageError(f"{wrong}; give true or false")
        return text == "true"
    if isinstance(default, str):
        return _zone(text, wrong) if name == _TIMEZONE else text
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        number: int | float = int(text) if isinstance(default, int) else float(text)
    except ValueError:
        raise RunUsageError(f"{wrong}; give a {'whole number' if isinstance(default, int) else 'number'}") from None
    _require_in_range(name, number, isinstance(default, int), wrong)
    return number


def _require_in_range(name: str, number: int | float, whole: bool, wrong: str) -> None:
    least = 1 if whole and not _MAY_BE_ZERO.search(name) else 0
    most = 1.0 if _SHARE.search(name) else math.inf
    if not (least <= number <= most and math.isfinite(number)):
        top = "" if most == math.inf else f" to {most:g}"
        raise RunUsageError(f"{wrong}; give a number from {least}{top}")
    if name == "noise_limit.window_s" and (number < 1 or _HOUR_S % number):
        raise RunUsageError(f"{wrong}; give a divisor of an hour, e.g. 60, 300 or 900")


def _zone(text: str, wrong: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise RunUsageError(f"{wrong}; give an IANA name such as Asia/Shanghai") from None
    return text


def _unknown(name: str, params: DetectorParams) -> str:
    known = parameters(params)
    near = nearest(name, [parameter.name for parameter in known])
    hint = f"did you mean {near}? " if near else ""
    there_are = ", ".join(f"{parameter.name}={parameter.text}" for parameter in known)
    return f"there is no parameter {name}: {hint}There are, with what they are now: {there_are}"
