"""The authority on what is an event: one record at a time, accepted or rejected with a reason. Never raises on input.

The batch decoder may accept on its own only what this accepts, with the same values. Reads structured CloudEvents
JSON, Kafka binary mode (``ce_`` headers) and HTTP binary mode (``ce-`` headers). An attribute that is null is absent.
Sources: CloudEvents 1.0.2 with its JSON, Kafka and HTTP bindings; RFC 3339; RFC 3986.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Never
from urllib.parse import unquote

import orjson
from pydantic import ValidationError

from schemas.base import TYPE_PREFIX, EventData, EventType, JsonObject
from schemas.catalogue import BY_NAME
from schemas.event import SPEC_VERSION, Event
from schemas.reasons import Reason
from schemas.records import Headers
from schemas.times import MAX_TIME_MS, MIN_TIME_MS, TimeError, parse_rfc3339_ms
from schemas.topics import partition_key as default_partition_key

MAX_ID_LENGTH = 128
MAX_SOURCE_LENGTH = 256
MAX_KEY_LENGTH = 256
MAX_DETAIL_LENGTH = 500
CONTROL_CHARACTERS = "".join(map(chr, (*range(0x20), 0x7F)))
SOURCE_FORBIDDEN = CONTROL_CHARACTERS + ' <>"{}|\\^`'  # RFC 3986: never in a URI reference
SCOPE_PATTERN = r"[a-z0-9_-]{1,32}(?:/[a-z0-9_-]{1,32}){0,4}"
_CONTROL = re.compile(f"[{re.escape(CONTROL_CHARACTERS)}]")
_SOURCE_FORBIDDEN = re.compile(f"[{re.escape(SOURCE_FORBIDDEN)}]")
_SCOPE = re.compile(SCOPE_PATTERN)
_WIRE_NAME = re.compile(r"(.+)\.v([1-9][0-9]{0,3})")
_MODEL_REASONS = (Reason.wrong_unit, Reason.impossible_value)  # may begin the message of a model's ValueError
_RANGE_ERRORS = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
_INT64_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed of one event."""

    max_event_bytes: int = 65_536
    max_ahead_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not an event, and why. ``detail`` is one line that says what is wrong and what is allowed."""

    reason: Reason
    detail: str
    event_id: str | None = None
    source: str | None = None


class _Refusal(Exception):
    """Carries the verdict out of the depth; never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_strict(value: bytes, headers: Headers | None, recorded_time_ms: int, limits: Limits) -> Event | Rejected:
    """One record's event, or why it is none. Binary mode when the headers hold ``ce_specversion``."""
    attributes: JsonObject = {}
    try:
        if len(value) > limits.max_event_bytes:
            raise _Refusal(Reason.too_large, f"the event has {len(value)} bytes; {limits.max_event_bytes} are allowed")
        attributes = _attributes(value, headers)
        return _event(attributes, recorded_time_ms, limits)
    except _Refusal as refusal:
        return Rejected(
            refusal.reason, _printable(refusal.detail), _known(attributes.get("id")), _known(attributes.get("source"))
        )


def read_object(value: bytes) -> JsonObject | Rejected:
    """The JSON object in a record, by the same rules, whatever it says; for those who want to mend it."""
    try:
        return _object(load_json(value), "the event")
    except _Refusal as refusal:
        return Rejected(refusal.reason, _printable(refusal.detail))


def parse_http(
    body: bytes, headers: Iterable[tuple[str, str]], recorded_time_ms: int, limits: Limits
) -> Event | Rejected:
    """One HTTP request's event: binary mode with ``ce-`` headers (percent-encoded values), else structured."""
    mapped: list[tuple[str, bytes]] = []
    for name, text in headers:
        lower = name.lower()
        if lower.startswith("ce-"):
            mapped.append(
                ("ce_" + lower[3:], unquote(text, errors="surrogateescape").encode("utf-8", "surrogateescape"))
            )
        elif lower == "content-type":
            mapped.append((lower, text.encode("utf-8", "replace")))
    return parse_strict(body, tuple(mapped), recorded_time_ms, limits)


def is_plain(headers: Headers) -> bool:
    """Whether the headers leave a record structured JSON, so that its value says it all."""
    return not any(name[:3].lower() == "ce_" or name.lower() == "content-type" for name, _ in headers)


# -- envelope ---------------------------------------------------------------------------------------------------------


def _attributes(value: bytes, headers: Headers | None) -> JsonObject:
    """All attributes and ``data`` as one object, whatever the mode."""
    if not headers or is_plain(headers):
        return _object(load_json(value), "the event")
    given: dict[str, bytes] = {}
    for name, content in headers:
        lower = name.lower()
        if lower[:3] != "ce_" and lower != "content-type":
            continue
        if lower in given:
            raise _Refusal(Reason.duplicate_key, f"the header {_shown(lower)} is given twice")
        given[lower] = content
    media_type = _media_type(given.get("content-type"))
    if media_type == "application/cloudevents+json" or "ce_specversion" not in given:
        if media_type not in (None, "application/cloudevents+json", "application/json"):
            raise _Refusal(
                Reason.unsupported_content_type,
                f"{_shown(media_type)} is not supported; send application/cloudevents+json, "
                "or application/json with the attributes as headers",
            )
        return _object(load_json(value), "the event")
    if media_type not in (None, "application/json") and not str(media_type).endswith("+json"):
        raise _Refusal(Reason.unsupported_content_type, f"data must be application/json, not {_shown(media_type)}")
    attributes: JsonObject = {
        name[3:]: _utf8(content) for name, content in given.items() if name != "content-type" and name != "ce_data"
    }
    attributes["data"] = load_json(value)
    return attributes


def _media_type(content: bytes | None) -> str | None:
    if content is None:
        return None
    media_type, _, parameters = _utf8(content).lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    if charset and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise _Refusal(Reason.unsupported_content_type, f"charset {_shown(charset[1])} is not supported; use utf-8")
    return media_type.strip() or None


def _event(attributes: JsonObject, recorded_time_ms: int, limits: Limits) -> Event:
    specversion = _text(attributes, "specversion")
    if specversion != SPEC_VERSION:
        raise _Refusal(Reason.unsupported_specversion, f"specversion is {_shown(specversion)}, not 1.0")
    event_id = _text(attributes, "id", MAX_ID_LENGTH)
    source = _text(attributes, "source", MAX_SOURCE_LENGTH)
    if _SOURCE_FORBIDDEN.search(source):
        raise _Refusal(Reason.invalid_attribute, "source is not a URI reference: blanks, quotes or the like in it")
    event_type, version = _type(_text(attributes, "type"))
    scope = _text(attributes, "scope")
    if _SCOPE.fullmatch(scope) is None:
        raise _Refusal(
            Reason.invalid_scope,
            f"scope {_shown(scope)} is not city/district/street/community/grid: 1 to 5 parts of 1 to 32 [a-z0-9_-]",
        )
    event_time_ms = _event_time_ms(attributes, recorded_time_ms, limits)
    has_key = attributes.get("partitionkey") is not None
    key = _text(attributes, "partitionkey", MAX_KEY_LENGTH) if has_key else default_partition_key(scope)
    if attributes.get("data") is None:
        raise _Refusal(Reason.missing_attribute, "data is missing")
    data = _data(event_type, version, _object(attributes["data"], "data"))
    return Event(event_id, source, event_type, version, scope, key, event_time_ms, data)


def _text(attributes: JsonObject, name: str, max_length: int = 1024) -> str:
    value = attributes.get(name)
    if value is None:
        raise _Refusal(Reason.missing_attribute, f"{name} is missing")
    if not isinstance(value, str):
        raise _Refusal(Reason.invalid_attribute, f"{name} must be a text")
    if not 1 <= len(value) <= max_length:
        raise _Refusal(Reason.invalid_attribute, f"{name} has {len(value)} characters; 1 to {max_length} are allowed")
    if value.isascii() and value.isprintable():  # almost always; neither test below can then fail
        return value
    if _CONTROL.search(value) or not _is_encodable(value):
        raise _Refusal(Reason.invalid_attribute, f"{name} has control characters or broken Unicode in it")
    return value


@lru_cache(maxsize=1024)
def _type(wire_name: str) -> tuple[EventType, int]:
    match = _WIRE_NAME.fullmatch(wire_name)
    event_type = BY_NAME.get(match[1]) if match else None
    if match is None or event_type is None:
        raise _Refusal(
            Reason.unknown_type, f"type {_shown(wire_name)} is not known; types read {TYPE_PREFIX}<family>.<fact>.v1"
        )
    version = int(match[2])
    if version > event_type.version:
        raise _Refusal(
            Reason.unsupported_version, f"{event_type.name} has versions 1 to {event_type.version}, not {version}"
        )
    return event_type, version


def _event_time_ms(attributes: JsonObject, recorded_time_ms: int, limits: Limits) -> int:
    if attributes.get("time") is None:
        event_time_ms = recorded_time_ms
        if not MIN_TIME_MS <= event_time_ms <= MAX_TIME_MS:
            raise _Refusal(Reason.invalid_time, "time is missing and the recorded time is out of range")
        return event_time_ms
    try:
        event_time_ms = parse_rfc3339_ms(_text(attributes, "time"))
    except TimeError as error:
        raise _Refusal(error.reason, str(error)) from None
    ahead_ms = event_time_ms - recorded_time_ms
    if ahead_ms > limits.max_ahead_ms:
        raise _Refusal(
            Reason.time_ahead,
            f"time is {ahead_ms / 1000:.3f} s ahead of the recorded time; {limits.max_ahead_ms / 1000:g} s are allowed",
        )
    return event_time_ms


# -- data -------------------------------------------------------------------------------------------------------------


def _data(event_type: EventType, version: int, given: JsonObject) -> EventData:
    """Validated against its own version's model, then upcast step by step, then validated against the latest."""
    data = _validated(event_type.models[version - 1], given)
    if version == event_type.version:
        return data
    raised = data.model_dump()
    for upcaster in event_type.upcasters[version - 1 :]:
        raised = upcaster(raised)
    return _validated(event_type.latest, raised)


def _validated(model: type[EventData], given: JsonObject) -> EventData:
    try:
        data = model.model_validate(given)
    except ValidationError as error:
        raise _refusal_of(error) from None
    for name, value in data.__dict__.items():  # columns are int64; no type declares more
        if type(value) is int and not -_INT64_LIMIT <= value < _INT64_LIMIT:
            raise _Refusal(Reason.impossible_value, f"data.{name}: the number does not fit 64 bits")
    return data


def _refusal_of(error: ValidationError) -> _Refusal:
    """The first fault gives the reason; the detail names up to three."""
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    message = str(first["msg"]).removeprefix("Value error, ")
    reason = Reason.invalid_data
    if first["type"] == "finite_number":
        reason = Reason.not_finite
    elif first["type"] in _RANGE_ERRORS:
        reason = Reason.impossible_value
    elif first["type"] == "value_error":
        code, _, rest = message.partition(": ")
        for known in _MODEL_REASONS:
            if code == known:
                return _Refusal(known, rest)
    parts = [".".join(("data", *map(str, fault["loc"]))) + ": " + str(fault["msg"]) for fault in faults[:3]]
    return _Refusal(reason, "; ".join(parts))


# -- JSON -------------------------------------------------------------------------------------------------------------


def load_json(value: bytes) -> Any:
    """Parse as RFC 8259 says, without its liberties: no duplicate keys, no NaN. Raises only :class:`_Refusal`."""
    try:
        parsed = orjson.loads(value)
        if orjson.dumps(parsed) == value:  # written back the same: so no key was there twice
            return parsed
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass  # the slow parser says what is wrong
    text = _utf8(value)
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except RecursionError:
        raise _Refusal(Reason.invalid_json, "nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        raise _Refusal(Reason.invalid_json, f"not JSON: {error}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refusal(Reason.duplicate_key, f"the key {_shown(name)} is there twice")
            seen.add(name)
    return result


def _no_constant(name: str) -> Never:
    raise _Refusal(Reason.not_finite, f"{name} is not a number JSON knows")


def _object(value: Any, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise _Refusal(Reason.not_an_object, f"{what} must be a JSON object")
    return value


def _utf8(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refusal(Reason.invalid_utf8, f"not UTF-8 at byte {error.start}") from None


# -- words ------------------------------------------------------------------------------------------------------------


def _is_encodable(text: str) -> bool:
    """Whether a text has no unpaired surrogate in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str | None) -> str:
    """A value as it may stand in a sentence: quoted and short."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "…'"


def _printable(detail: str) -> str:
    """Fit for logs and dead letters: valid Unicode, one line, not too long."""
    line = " ".join(detail.encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= MAX_DETAIL_LENGTH else line[: MAX_DETAIL_LENGTH - 1] + "…"


def _known(value: Any) -> str | None:
    """An id or source as far as it is one, for whoever looks for the rejected event."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_SOURCE_LENGTH and _is_encodable(value) else None
