"""Inputs for the codec tests: golden examples, and events made wrong in every way we know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from schemas.golden import golden_examples

RECORDED_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z, after every golden example

GOLDEN: list[dict[str, Any]] = [json.loads(value) for values in golden_examples().values() for value in values]

TEXTS = ("a", "A.b:c-d_9", "x" * 64, "x" * 65, "", "-a", "建杨", "a b", "a\n", "\x00", "\x7f", "é", "\ud800", "x" * 300,
         "laeq", "dB(A)", "0", "老" * 200, "0" * 64)  # fmt: skip
NUMBERS = (0, 0.0, -0.0, 1, 1.5, 5, 5.0, -1, 101, 1e308, 5e-324, 86_400, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**25,
           10**400, float("nan"), float("inf"), float("-inf"), 0.1 + 0.2)  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [1], {"a": 1}, "1")
TIMES = (
    "2026-05-01T08:00:00Z", "2026-05-01T08:00:00.5+08:00", "2026-05-01T08:00:00.123456-03:30", "2026-05-01T08:00:00",
    "2026-05-01 08:00:00Z", "2026-05-01", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-05-01T24:00:00Z", "2016-12-31T23:59:60Z", "2016-12-31T23:58:60Z", "2017-01-01T07:59:60+08:00",
    "1899-12-31T23:59:59.999Z", "1900-01-01T00:00:00Z", "2299-12-31T23:59:59.999Z", "2300-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-05-01T08:00:00+24:00",
    "2026-05-01T08:00:00.Z", "2026-05-01T08:00:00.1234567891Z", "2026-05-01t08:00:00z", "2026-05-01T08:00:00.123Z\n",
    "2026-09-21T14:18:20.000Z", "2026-09-21T14:18:20.001Z", "2026-05-01T08:00:00−08:00", "２026-05-01T08:00:00Z",
    "1900-01-01T00:00:00+08:00", "2026-05-01T08:00:00-00:00", "1969-12-31T23:59:59.999Z", "2026-05-00T00:00:00Z",
    "2026-00-10T00:00:00Z", "2026-05-01 08:00:00.123Z", "2026-05-01T08:00:00,123Z", "2026-02-30T08:00:00.123Z",
    "2026-05-01T08:00.00:123Z", "2026-05-01T08:00:60.123Z", "2026-05-01T08:00:00.12 Z", "2026-05-01T08:00:00.123z",
)  # fmt: skip
SCOPES = (
    "-",
    "wuhu",
    "wuhu/jinghu/tingtang/jianyang/g03/x",
    "Wuhu",
    "",
    "/",
    "wuhu/",
    "a" * 32,
    "a" * 33,
    "芜湖",
    "a/b\n",
    "..",
)
ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "specversion": ("1.0", "0.3", "1", 1.0, "1.0\n"),
    "id": ("i" * 128, "i" * 129, "号" * 128, "号" * 129, " ", *TEXTS),
    "source": ("/a?b#c", "a b", '"', "芜湖", "s" * 256, "s" * 257, *TEXTS),
    "type": (*{event["type"] for event in GOLDEN}, "cn.gridpulse.readings.measured.v2", "cn.gridpulse.none.v1",
             "cn.gridpulse.readings.measured", "cn.gridpulse.readings.measured.v01", ""),
    "time": TIMES,
    "scope": SCOPES,
    "partitionkey": ("k", "k" * 256, "k" * 257, *TEXTS),
    "recordedtime": ("2020-01-01", 5),
    "subject": ("x", 1, "[" * 50),
    "myextension": ("x", 1, None, [[[]]]),
    "data": ({}, [], "x", 1),
}  # fmt: skip
VALUES = st.sampled_from((*TEXTS, *NUMBERS, *OTHERS))


def with_change(event: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of the event with the attribute, or data field, set."""
    changed: dict[str, Any] = {**event, "data": dict(event["data"])}
    target = changed if len(path) == 1 else changed["data"]
    target[path[-1]] = value
    return changed


def without(event: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """A copy of the event without the attribute or data field."""
    changed: dict[str, Any] = {**event, "data": dict(event["data"])}
    (changed if len(path) == 1 else changed["data"]).pop(path[-1], None)
    return changed


def encoded(event: Any, *, spaced: bool = False, ascii_only: bool = True) -> bytes:
    """JSON as foreign senders write it; lone surrogates become the bytes that are no UTF-8."""
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(event, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """A golden example, mostly as it is, sometimes with something changed."""
    event: dict[str, Any] = draw(st.sampled_from(GOLDEN))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2)))):
        if not isinstance(event.get("data"), dict):
            break
        if draw(st.booleans()):
            names = [*event["data"], "unknown_field", "device", "unit"]
            path: tuple[str, ...] = ("data", draw(st.sampled_from(names)))
            value = draw(VALUES)
        else:
            path = (draw(st.sampled_from(sorted(ATTRIBUTES))),)
            value = draw(st.sampled_from((*ATTRIBUTES[path[0]], *OTHERS)))
        event = without(event, path) if draw(st.integers(0, 3)) == 0 else with_change(event, path, value)
    return event


@st.composite
def record_values(draw: st.DrawFn) -> bytes:
    """The bytes of a record: an event, in one of several spellings, sometimes damaged."""
    value = encoded(draw(events()), spaced=draw(st.booleans()), ascii_only=draw(st.booleans()))
    damage = draw(st.sampled_from((None,) * 12 + tuple(DAMAGES)))
    return DAMAGES[damage](value) if damage else value


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda value: value[: len(value) // 2],
    "empty": lambda value: b"",
    "blank": lambda value: b" \n",
    "open brace": lambda value: b"{",
    "twice": lambda value: value + value,
    "twice on two lines": lambda value: value + b"\n" + value,
    "nul between": lambda value: value + b"\0" + value,
    "nul within": lambda value: value[:-1] + b"\0}",
    "nul escape": lambda value: value.replace(b'"device":', b'"device":"\\u0000', 1),
    "blank before": lambda value: b" " + value,
    "blank after": lambda value: value + b"\r\n",
    "pretty": lambda value: value.replace(b",", b",\n  "),
    "BOM": lambda value: b"\xef\xbb\xbf" + value,
    "UTF-16": lambda value: value.decode("utf-8", "replace").encode("utf-16"),
    "broken UTF-8": lambda value: value.replace(b"wuhu", b"wu\xffhu", 1),
    "broken UTF-8 in data": lambda value: value[:-3] + b"\xc3" + value[-3:],
    "duplicate attribute": lambda value: value[:-1] + b',"id":"other"}',
    "duplicate same": lambda value: value[:1] + b'"specversion":"1.0",' + value[1:],
    "duplicate by escape": lambda value: value[:-1] + b',"i\\u0064":"other"}',
    "duplicate in data": lambda value: value[:-2] + b',"device":"other"}}',
    "duplicate extension": lambda value: value[:-1] + b',"x":1,"x":1}',
    "NaN extension": lambda value: value[:-1] + b',"x":NaN}',
    "deep": lambda value: value[:-1] + b',"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep objects": lambda value: value[:-1] + b',"x":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "not an object": lambda value: b"[" + value + b"]",
    "large": lambda value: value[:-1] + b',"subject":"' + b"x" * 70_000 + b'"}',
    "trailing comma": lambda value: value[:-1] + b",}",
    "comment": lambda value: b"{/**/" + value[1:],
    "single quotes": lambda value: value.replace(b'"', b"'"),
    "opens the next": lambda value: b'{"x":{}',
    "closes the last": lambda value: b"{}}",
    "number text": lambda value: value.replace(b"1", b"01"),
}
