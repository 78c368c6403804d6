"""Errors as ClickHouse gives them: a number, a name, a sentence, and the HTTP status that belongs to the number.

Source: ClickHouse ``ErrorCodes.cpp`` (numbers) and ``exceptionCodeToHTTPStatus.cpp`` (status).
"""

from __future__ import annotations

import re

_STATUS_BY_CODE: dict[int, int] = {
    194: 401,  # REQUIRED_PASSWORD
    **dict.fromkeys((192, 193, 516, 497, 512), 403),  # unknown user, wrong password, authentication, access, role
    # arguments, parsing, syntax, unsuitable columns and types
    **dict.fromkeys(
        (36, 427, 6, 25, 26, 38, 41, 72, 441, 675, 676, 27, 376, 15, 44, 11, 12, 8, 167, 168, 66, 62, 117), 400
    ),
    **dict.fromkeys((53, 321), 400),  # TYPE_MISMATCH, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    **dict.fromkeys((60, 46, 47, 50, 56, 81, 115, 52, 63, 73, 336, 78, 511), 404),  # unknown things
    223: 400,  # UNEXPECTED_AST_STRUCTURE
    284: 400,
    48: 501,  # NOT_IMPLEMENTED
    **dict.fromkeys((209, 76, 439), 503),  # SOCKET_TIMEOUT, CANNOT_OPEN_FILE, CANNOT_SCHEDULE_TASK
    381: 411,  # HTTP_LENGTH_REQUIRED
    159: 408,  # TIMEOUT_EXCEEDED
    307: 500,  # TOO_MANY_BYTES
}
_CODE = re.compile(r"Code: (\d+)\. DB::(?:\w*)Exception: ")
_MARKER = re.compile(r"\s*/\* gp-run-[0-9a-f]{32} \*/")  # the comment by which running statements are known
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\s*$")
_TRAILER = re.compile(r"\s*\([A-Z][A-Z0-9_]+\)(?: \(version [^)]*\))?\s*$")
_INNER_TRAILER = re.compile(r"\s*\([A-Z][A-Z0-9_]+\) \(version [^)]*\)\.?\s*$")


class StoreError(Exception):
    """A refusal or failure with ClickHouse's number and name; ``status`` overrides the number's HTTP status."""

    def __init__(self, code: int, name: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message
        self.status = status or http_status(code)

    def body(self, version: str) -> str:
        return f"Code: {self.code}. DB::Exception: {self.message} ({self.name}) (version {version})\n"


def http_status(code: int) -> int:
    return _STATUS_BY_CODE.get(code, 500)


def from_engine(text: str) -> StoreError:
    """The engine's message as an error; the wrappings that chDB and nested exceptions put around it are removed."""
    text = _MARKER.sub("", text)
    found = _CODE.search(text)
    if not found:
        return StoreError(1001, "STD_EXCEPTION", text.strip() or "The engine failed without a message.")
    code, rest = int(found[1]), text[found.end() :]
    name = _NAME.search(rest)
    while (inner := _CODE.match(rest)) and int(inner[1]) == code:  # the engine wraps an error in itself
        rest = rest[inner.end() :]
    rest = _TRAILER.sub("", rest)
    while _INNER_TRAILER.search(rest):
        rest = _INNER_TRAILER.sub("", rest)
    return StoreError(code, name[1] if name else "UNKNOWN_EXCEPTION", rest.strip())


def syntax_error(message: str) -> StoreError:
    return StoreError(62, "SYNTAX_ERROR", message)


def bad_argument(message: str) -> StoreError:
    return StoreError(36, "BAD_ARGUMENTS", message)


def access_denied(message: str) -> StoreError:
    return StoreError(497, "ACCESS_DENIED", message)


def readonly_refusal(message: str) -> StoreError:
    return StoreError(164, "READONLY", message)
