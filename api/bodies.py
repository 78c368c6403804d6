"""Bodies of ``POST /v1/events``: bounded reading, bounded unpacking, and splitting into single events.

Splitting leaves each event's bytes exactly as they were sent, so that one bad event does not spoil its batch and the
strict parser sees what the sender wrote. Forms: CloudEvents HTTP binding 1.0.2 (structured, binary, batch), and NDJSON.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Sequence
from itertools import repeat
from urllib.parse import unquote_to_bytes

from api.problems import Refusal
from schemas.records import Headers
from streams.ports import STRUCTURED_HEADERS, RawEvent

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"
BINARY = "application/json"  # with ce- headers
_NESTING = 16  # an event's data is flat; deeper nesting is refused unread


def _object_pattern() -> bytes:
    """A JSON object as far as its braces and strings go; possessive, so matching takes linear time."""
    string = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    pattern = rb'\{(?:[^{}"]++|' + string + rb")*+\}"
    for _ in range(_NESTING):
        pattern = rb'\{(?:[^{}"]++|' + string + rb"|" + pattern + rb")*+\}"
    return pattern


_SPACE = rb"[ \t\r\n]*+"
_BATCH_START = re.compile(_SPACE + rb"\[" + _SPACE)
_BATCH_ITEM = re.compile(_SPACE + rb"(" + _object_pattern() + rb")" + _SPACE + rb"([,\]])", re.DOTALL)
_BATCH_EMPTY = re.compile(_SPACE + rb"\[" + _SPACE + rb"\]" + _SPACE)


async def read_body(chunks: AsyncIterator[bytes], declared: str | None, limit_bytes: int) -> bytes:
    """The whole body as sent; refuses it as soon as it is known to be too large."""
    if declared is not None and declared.isdigit() and int(declared) > limit_bytes:
        raise too_large(f"正文超过 {limit_bytes} 字节", f"the body has more than {limit_bytes} bytes")
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit_bytes:
            raise too_large(f"正文超过 {limit_bytes} 字节", f"the body has more than {limit_bytes} bytes")
    return bytes(body)


def unpack(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The body without its content encoding. Never holds more than ``limit_bytes`` of it (gzip bombs)."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Refusal(
            "unsupported-media-type",
            "Content-Encoding 只支持 gzip",
            "Content-Encoding must be gzip or absent",
            headers={"Accept-Encoding": "gzip"},
        )
    plain = bytearray()
    rest = body
    while rest:  # a gzip file may have several members (RFC 1952, 2.2)
        member = zlib.decompressobj(wbits=31)
        try:
            plain += member.decompress(rest, limit_bytes + 1 - len(plain))
        except zlib.error:
            raise malformed("gzip 数据损坏", "the gzip data is broken") from None
        if len(plain) > limit_bytes:
            raise too_large(f"解压后超过 {limit_bytes} 字节", f"it unpacks to more than {limit_bytes} bytes")
        if not member.eof:
            raise malformed("gzip 数据不完整", "the gzip data ends too early")
        rest = member.unused_data
    return bytes(plain)


def split(body: bytes, headers: Sequence[tuple[str, str]], max_events: int) -> list[RawEvent]:
    """The single events of a body, by its content type. Header names are lower case, repetitions are kept."""
    content_type = dict(headers).get("content-type", "")
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    charset = re.search(r'charset="?([^";\s]+)', parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Refusal("unsupported-media-type", "字符集只支持 utf-8", "the charset must be utf-8")
    if media_type == STRUCTURED:
        return [RawEvent(body, STRUCTURED_HEADERS)]
    if media_type == BATCH:
        return _structured(_split_batch(body, max_events))
    if media_type == NDJSON:
        return _structured(_split_lines(body, max_events))
    if any(name.startswith("ce-") for name, _ in headers) and not media_type.startswith("application/cloudevents"):
        return [RawEvent(body, _binary_headers(headers, content_type))]
    raise Refusal(
        "unsupported-media-type",
        f"支持:{STRUCTURED}、{BATCH}、{NDJSON},或带 ce- 头的 {BINARY}",
        f"allowed: {STRUCTURED}, {BATCH}, {NDJSON}, or {BINARY} with ce- headers",
    )


def _structured(values: Sequence[bytes]) -> list[RawEvent]:
    return list(map(RawEvent, values, repeat(STRUCTURED_HEADERS)))


def _split_batch(body: bytes, max_events: int) -> list[bytes]:
    if _BATCH_EMPTY.fullmatch(body):
        return []
    start = _BATCH_START.match(body)
    if start is None:
        raise malformed("应为 JSON 数组", "must be a JSON array of events")
    values: list[bytes] = []
    at, separator = start.end(), b","
    while separator == b",":
        item = _BATCH_ITEM.match(body, at)
        if item is None:
            raise malformed(
                f"数组第 {len(values)} 项(自 0 起)不是完整的 JSON 对象",
                f"item {len(values)} of the array (from 0) is no complete JSON object",
            )
        values.append(item[1])
        if len(values) > max_events:
            raise _too_many(max_events)
        at, separator = item.end(), item[2]
    if body[at:].strip(b" \t\r\n"):
        raise malformed("数组之后还有内容", "there is more after the array")
    return values


def _split_lines(body: bytes, max_events: int) -> list[bytes]:
    values = [line for line in (line.strip(b" \t\r") for line in body.split(b"\n")) if line]
    if len(values) > max_events:
        raise _too_many(max_events)
    return values


def _binary_headers(headers: Sequence[tuple[str, str]], content_type: str) -> Headers:
    """Attributes as ``ce_<name>``, percent-decoded (HTTP binding 3.1.3.2)."""
    attributes = tuple(
        ("ce_" + name.removeprefix("ce-"), unquote_to_bytes(value.encode("latin-1")))
        for name, value in headers
        if name.startswith("ce-")
    )
    return (("content-type", content_type.encode("latin-1")), *attributes)


def too_large(detail_zh: str, detail_en: str) -> Refusal:
    return Refusal("too-large", detail_zh, detail_en, extensions={"reason": "too_large"})


def malformed(detail_zh: str, detail_en: str) -> Refusal:
    return Refusal("malformed-body", detail_zh, detail_en)


def _too_many(max_events: int) -> Refusal:
    return too_large(f"一次最多 {max_events} 个事件", f"at most {max_events} events per request")
