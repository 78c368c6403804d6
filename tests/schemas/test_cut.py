"""Cutting records that are written alike: nothing but what a JSON parser would read, whichever byte is another."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.codec import Decoder
from schemas.layout import Content, data_layout, envelope_layout
from schemas.literals import booleans, floats, integers
from schemas.reasons import Reason
from schemas.strict import Limits
from tests.schemas.inputs import GOLDEN, encoded
from tests.schemas.test_codec import accepted_by_fast_path, batch_of, contents, expected

LIMITS = Limits()
STRANGE = [bytes([byte]) for byte in b'"\\,:{}[] 0.-e\n\x00\x7f\xff'] + [b"", b'""', b"\xc3"]


@pytest.mark.parametrize("event", GOLDEN, ids=lambda event: str(event["id"]))
def test_whichever_byte_is_another_the_strict_path_agrees(event: dict[str, Any]) -> None:
    """Every byte of a record becomes something strange in turn, beside many that are right."""
    good = encoded(event, ascii_only=False)
    values = [good] * (len(good) // 2)
    for place in range(len(good)):
        strange = STRANGE[place * 5 % len(STRANGE)]
        values.append(good[:place] + strange + good[place + 1 :])
    random.Random(1).shuffle(values)
    batch = batch_of(values)
    assert contents(Decoder(LIMITS).decode(batch)) == expected(batch)


def test_records_are_cut_however_their_members_are_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    event = next(event for event in GOLDEN if event["type"].endswith("measured.v1"))
    envelope = [name for name in event if name != "data"]
    chance = random.Random(2)
    values = []
    for spaced in (False, True):
        for _ in range(6):
            chance.shuffle(envelope)
            names = list(event["data"])
            chance.shuffle(names)
            mixed = {**{name: event[name] for name in envelope}, "data": {name: event["data"][name] for name in names}}
            values += [encoded(mixed, spaced=spaced)] * 20
    chance.shuffle(values)
    batch = batch_of(values)
    assert contents(Decoder(LIMITS).decode(batch)) == expected(batch)
    monkeypatch.setattr("schemas.fast.parse", lambda *_: ([], {}))
    assert accepted_by_fast_path(values, monkeypatch) == len(values)


def test_absent_fields_are_null_whatever_order_layouts_come_in() -> None:
    event = next(event for event in GOLDEN if event["type"].endswith("registry.device.v1"))
    needed = ("change", "device", "kind")
    chance = random.Random(3)
    values: list[bytes] = []
    for _ in range(400):
        data = {name: value for name, value in event["data"].items() if name in needed or chance.random() < 0.7}
        values.append(encoded({**event, "id": f"e{len(values)}", "data": data}))
    batch = batch_of(values)
    decoded = Decoder(LIMITS).decode(batch)
    assert contents(decoded) == expected(batch)
    assert decoded.dead == []


def test_only_flat_json_objects_have_a_layout() -> None:
    assert envelope_layout(b'{"a":"1","data":{}}') is not None
    for text in (b'{"a":"1" "data":{}}', b'{"a":"1",,"data":{}}', b'{,"data":{}}', b'{"a":"1","a":"2","data":{}}',
                 b'{"a":[],"data":{}}', b'{"a":null}', b'"a":"1","data":{}}', b""):  # fmt: skip
        assert envelope_layout(text) is None
    assert data_layout(b'"a":1,"b":"x"}}') is not None
    for text in (b'"a":1,}}', b'"a":1', b'"a":1}', b'"a":1}} ', b'"a":1}}}', b'"a":}}', b'"a" 1}}', b',"a":1}}',
                 b'"a":1 "b":2}}', b'"a":1,"a":2}}', b'"a":{}}}', b'"a":[1]}}'):  # fmt: skip
        assert data_layout(text) is None


def test_a_record_is_of_a_layout_only_as_a_whole() -> None:
    values = [b'{"a":"x","data":{}}', b'{"a":"y","data":{"b":1}}', b'{"a":"z","data":{}', b'}{"a":"', b'","data":{}}']
    content = Content(values)
    layout = envelope_layout(values[0])
    assert layout is not None
    heads = layout.find(content, content.start, content.first_quote)
    assert heads.ok.tolist()[:3] == [True, True, True]
    rest = data_layout(b"}}")
    assert rest is not None
    ends = rest.find(content, heads.after, heads.quote, content.stop)
    assert (heads.ok & ends.ok).tolist() == [True, False, False, False, False]


NUMBERS = ("0", "-0", "-0.0", "1", "-1", "01", "-01", "1.", ".5", "-.5", "0.5", "00.5", "1.50", "--1", "-", "", "1-2",
           "1.2.3", "1e3", "+1", "nan", "inf", "9" * 18, "9" * 19, "9" * 40, "0.1234567890123456789", "0x1",
           "true", "56.4", "100000000000000000000")  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_those_of_json(text: str) -> None:
    column = pa.array(["7", text, None])
    for reader, kind in ((floats, float), (integers, int)):
        values, certain = reader(column)
        if certain[1]:
            parsed = json.loads(text)
            assert isinstance(parsed, (int, kind))
            assert values[1].as_py() == kind(parsed)
            assert values.to_pylist()[0::2] == [kind(7), None]
            assert certain.all()
    assert text not in ("56.4", "0", "-1") or floats(column)[1].all()


def test_booleans_are_those_of_json() -> None:
    values, certain = booleans(pa.array(["true", "false", None, "True", "1", ""]))
    assert values.to_pylist()[:3] == [True, False, None]
    assert certain.tolist() == [True, True, True, False, False, False]


def test_what_json_forbids_in_texts_is_not_readable() -> None:
    values = [b"{}", b'{"a\\"}', b'{"\n"}', b'{"\xff"}', '{"老"}'.encode(), b"", b'{"\x7f"}', b'{"\x00"}']
    assert Content(values).readable.tolist() == [True, False, False, False, True, True, True, False]
    assert np.asarray(Content(values[:1]).first_quote).tolist() == [0]


def test_an_exponent_is_left_to_the_parsers_and_read_right() -> None:
    event = next(event for event in GOLDEN if event["type"].endswith("measured.v1"))
    good = encoded(event)
    value = encoded({**event, "data": {**event["data"], "value": 1e-05}})
    batch = batch_of([good, value] * 40 + [good.replace(b'"value":', b'"value":1e')] * 3)
    decoded = Decoder(LIMITS).decode(batch)
    assert contents(decoded) == expected(batch)
    assert {dead.reason for dead in decoded.dead} <= set(Reason)


def test_a_missing_value_between_blanks_is_no_value() -> None:
    values = [b'"a": 1 , "b": 2}}', b'"a": , "b": 2}}']
    content = Content(values)
    layout = data_layout(values[0])
    assert layout is not None
    assert layout.find(content, content.start, content.first_quote, content.stop).ok.tolist() == [True, False]


@pytest.mark.parametrize("min_fast_rows", [1, None])
def test_equal_bounds_of_whole_and_other_numbers_are_checked_apart(min_fast_rows: int | None) -> None:
    """A site's capacity and a sale's amount lie within the same bounds but are columns of different types."""
    site = next(event for event in GOLDEN if event["type"].endswith("registry.site.v1"))
    sale = next(event for event in GOLDEN if event["type"].endswith("venue.sale.v1"))
    site = {**site, "data": {**site["data"], "capacity": 10_000_000}}
    sale = {**sale, "data": {**sale["data"], "amount_cny": 1e7}}
    batch = batch_of([encoded(site, ascii_only=False), encoded(sale)] * 40)
    decoded = Decoder(LIMITS, min_fast_rows).decode(batch)
    assert contents(decoded) == expected(batch)
    assert decoded.dead == []
